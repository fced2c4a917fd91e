//! The security pair: a server that looks, a server that acts, and the backend both talk to.
//!
//! The two servers share no credential: what can read logins cannot isolate a host.

pub mod backend;
mod client;
pub mod connected;
pub mod contain;
pub mod enrich;
pub mod stage;
mod words;

use safe_tool::ServeError;

/// How a server of the pair is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// Over stdin and stdout.
    Stdio,
    /// Over streamable HTTP at this address.
    Http(std::net::SocketAddr),
}

impl Reached {
    /// Reads `[--http ADDRESS]` from the rest of a command line.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        match (args.next().as_deref(), args.next(), args.next()) {
            (None, _, _) => Ok(Reached::Stdio),
            (Some("--http"), Some(address), None) => {
                address.parse().map(Reached::Http).map_err(|error| format!("{address}: {error}"))
            }
            _ => Err("expected nothing, or `--http ADDRESS`".to_owned()),
        }
    }
}

/// Serves a server of the pair the way it is reached.
async fn serve<K, S: Send + Sync + 'static>(
    server: safe_tool::Server<K, S>,
    reached: Reached,
) -> Result<(), ServeError> {
    let server = server.version(env!("CARGO_PKG_VERSION"));
    match reached {
        Reached::Stdio => server.serve_stdio().await,
        Reached::Http(address) => server.serve_http(address).await,
    }
}
