//! The ways a server is reached.

use super::builder::Server;
use super::door::Door;
use super::error::ServeError;
use super::http::{self, HttpConfig};
use super::mcp::Reached;
use super::{stdio, transport};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How often what was summed up is written, and the ledger does what is due.
const TICK: Duration = Duration::from_secs(1);

impl<K, S: Send + Sync + 'static> Server<K, S> {
    /// Serves MCP over stdin and stdout until the client hangs up or the process is told to end (SIGTERM, SIGINT).
    ///
    /// The caller is who started the process, as `SAFE_TOOL_AGENT`, `SAFE_TOOL_SCOPES` and, where given, `SAFE_TOOL_USER`
    /// and `SAFE_TOOL_TENANT` say. Nothing but MCP reaches stdout: from here on the process's own stdout is stderr.
    ///
    /// # Errors
    /// When the server does not start, its streams fail, or its ledger does not close.
    pub async fn serve_stdio(self) -> Result<(), ServeError> {
        log_to_stderr();
        let door = self.build(Reached::Stdio).await?;
        let shutdown = told_to_end()?;
        until_the_end(&door, stdio::serve_stdio(door.clone(), shutdown)).await
    }

    /// Serves MCP over streamable HTTP at `http://ADDRESS/mcp` until the process is told to end.
    ///
    /// Every request needs the bearer token `SAFE_TOOL_TOKEN`, which stands for the identity that `SAFE_TOOL_AGENT` and its
    /// siblings name, or what [`identity`](Server::identity) asks for. `Host` and `Origin` must be of this machine: put a
    /// proxy with TLS in front for others.
    ///
    /// # Errors
    /// When the server does not start, the address cannot be bound, or the ledger does not close.
    pub async fn serve_http(self, address: SocketAddr) -> Result<(), ServeError> {
        log_to_stderr();
        let listener = TcpListener::bind(address).await?;
        let shutdown = told_to_end()?;
        self.serve_listener(listener, shutdown).await
    }

    /// The same on a listener that is bound already, until `shutdown` is cancelled.
    ///
    /// # Errors
    /// As [`serve_http`](Server::serve_http).
    pub async fn serve_listener(self, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
        let door = self.build(Reached::Http).await?;
        let config = HttpConfig::default();
        tracing::info!(address = ?listener.local_addr().ok(), path = config.path, "serving MCP");
        until_the_end(&door, http::serve_http(listener, door.clone(), &config, shutdown)).await
    }

    /// Serves one client over any pair of streams, with the identity of a stdio server.
    ///
    /// # Errors
    /// As [`serve_stdio`](Server::serve_stdio).
    pub async fn serve_io<R, W>(self, reader: R, writer: W) -> Result<(), ServeError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let door = self.build(Reached::Stdio).await?;
        let serving = transport::serve_io(door.clone(), reader, writer, CancellationToken::new());
        until_the_end(&door, serving).await
    }
}

/// Serves, ticks every second, and closes the ledger whatever happened.
async fn until_the_end(door: &Arc<Door>, serving: impl Future<Output = std::io::Result<()>>) -> Result<(), ServeError> {
    let ticks = || async {
        let mut second = tokio::time::interval(TICK);
        loop {
            second.tick().await;
            door.tick();
        }
    };
    let served = tokio::select! {
        served = serving => served,
        () = ticks() => Ok(()),
    };
    // Effects may take a while to land, and what is due in the ledger does not wait for them.
    let closed = tokio::select! {
        closed = door.close() => closed,
        () = ticks() => Ok(()),
    };
    served?;
    closed
}

/// Cancelled when the process gets SIGTERM or SIGINT.
fn told_to_end() -> Result<CancellationToken, ServeError> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(shutdown)
}

/// What operators read goes to stderr, as `SAFE_TOOL_LOG` says; a program with a subscriber of its own keeps it.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("SAFE_TOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let told = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    // rmcp logs whole requests and results, whose place is the ledger, redacted: no setting lets them out here.
    let quiet = filter_fn(|metadata| !metadata.target().starts_with("rmcp") || *metadata.level() == Level::ERROR);
    let set = tracing_subscriber::registry().with(told.with_filter(quiet)).try_init();
    if set.is_err() {
        tracing::debug!("the program has a subscriber of its own");
    }
}
