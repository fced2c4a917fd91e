//! What the tests share: an HTTP server of the pair on a free port, and a server with a witness.
#![forbid(unsafe_code)]

pub mod witness;

use safe_tool_examples::soc::connected::Failure;
use safe_tool_examples::soc::stage::Stage;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio::process::Child;

/// A server of the pair that is reached over HTTP.
pub struct OverHttp {
    /// The process.
    pub child: Child,
    /// The endpoint.
    pub url: String,
}

impl OverHttp {
    /// Starts a server on a free port and waits until it listens.
    ///
    /// # Errors
    /// When it ends, or does not listen within ten seconds.
    pub fn start(stage: &Stage, role: &str) -> Result<Self, Failure> {
        let address = free_address()?;
        let mut command = stage.server(role)?;
        command.arg("--http").arg(address.to_string()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let patience = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
            if Instant::now() > patience {
                return Err("the server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(OverHttp { child, url: format!("http://{address}/mcp") })
    }
}

/// A loopback address that nobody listened on a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// On CI a missing means is a failure; elsewhere the test says that it did not run.
///
/// # Panics
/// On CI.
#[allow(clippy::print_stderr)]
pub fn cannot(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    eprintln!("NOT RUN: {why}");
}
