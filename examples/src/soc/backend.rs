//! A SIEM, an EDR and an identity provider, played by one small HTTP service.
//!
//! It stands in for the systems that the security pair talks to, and it is the witness of what really happened: every
//! accepted `POST` is one effect, counted durably and never merged with an earlier one. What keeps a retry from being a
//! second effect has to stand in front of it.
//!
//! | route | scope | answer |
//! |---|---|---|
//! | `GET /siem/logins?user=&since_hours=&limit=` | `siem:read` | `{"logins":[..],"truncated":bool}` |
//! | `GET /edr/hosts/{host_id}` | `edr:read` | the host, with `isolated` |
//! | `POST /edr/hosts/{host_id}/isolate`, `/release` | `edr:contain` | `{"host_id","isolated","effect"}` |
//! | `POST /idp/accounts/{user}/disable`, `/enable` | `idp:accounts` | `{"user","disabled","effect"}` |
//! | `GET /effects` | none | `{"total","kinds","targets","held"}` |
//! | `PUT /faults`, `DELETE /faults` | none | 204 |
//!
//! `effect` is the effect's number, so two executions never answer alike. Errors are `{"error":"<code>"}`. The witness
//! and the fault switches ask for no token, which is why the service listens on loopback only.

mod effects;
mod faults;
mod fleet;
mod routes;
mod tokens;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use effects::EffectLog;
use faults::FaultSwitches;
pub use tokens::{Scope, Tokens};

/// What a [`Backend`] is started with.
pub struct BackendConfig {
    /// Loopback address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// File that holds the effects, one JSON line each; created when absent.
    pub state: PathBuf,
    /// Who may call what.
    pub tokens: Tokens,
}

/// A running backend. Dropping it stops accepting; [`Backend::stop`] also waits for what is under way.
pub struct Backend {
    url: String,
    log: Arc<EffectLog>,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

impl Backend {
    /// Opens the state file and serves in a task of the current runtime.
    ///
    /// # Errors
    /// The address is not loopback or cannot be bound, or the state file cannot be opened or read as effects.
    pub async fn start(config: BackendConfig) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the backend listens on loopback only: its fault switches ask for no token",
            ));
        }
        let log = Arc::new(EffectLog::open(&config.state)?);
        let listener = TcpListener::bind(config.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stopping, stopped) = watch::channel(false);
        let service = routes::service(Arc::new(routes::Shared {
            tokens: config.tokens,
            log: Arc::clone(&log),
            faults: FaultSwitches::new(stopped.clone()),
        }));
        let serving =
            tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(is_set(stopped)).into_future());
        Ok(Self { url, log, stopping, serving })
    }

    /// Base address, `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops accepting, answers held requests with 503, waits until every request is answered and lets go of the state
    /// file, so that another backend can take it over.
    ///
    /// # Errors
    /// Serving had failed.
    pub async fn stop(self) -> io::Result<()> {
        self.stopping.send_replace(true);
        let served = self.serving.await.map_err(io::Error::other)?;
        // A connection's task may outlive its last answer by a moment, and with it a handle to the log.
        self.log.close();
        served
    }
}

/// Returns when the flag is set, or when nobody is left who could set it.
async fn is_set(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone: there is nothing left to serve for.
    drop(flag.wait_for(|set| *set).await);
}
