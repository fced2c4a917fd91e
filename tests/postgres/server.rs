//! `safe-tool-postgres-server`: a server with one dangerous tool, for tests to start, freeze and kill.
//!
//! The effect is done by the witness at `WITNESS`; everything else comes from the environment as for every server.

use safe_tool::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const STRIKE: Scope = Scope::new("targets:strike");

/// Who does the effect, and counts it.
struct Witness(String);

impl Witness {
    async fn strike(&self, target: &str) -> std::io::Result<u64> {
        let mut stream = BufReader::new(TcpStream::connect(&self.0).await?);
        stream.write_all(format!("{target}\n").as_bytes()).await?;
        let mut number = String::new();
        stream.read_line(&mut number).await?;
        number.trim().parse().map_err(std::io::Error::other)
    }
}

/// What was struck.
#[derive(ToolOutput)]
struct Struck {
    /// How often it has been struck now.
    times: u64,
}

#[derive(ToolError)]
enum StrikeError {
    #[tool_error(transient, "no answer from what strikes", effect = unknown)]
    Lost {
        #[detail]
        cause: std::io::Error,
    },
}

/// Strikes a target, which is counted.
#[safe_tool(
    effect = write,
    scope = STRIKE,
    key(target),
    undo = by_hand("nothing is undone: a strike is only a number"),
    timeout = "30s",
)]
async fn strike(
    call: Call<Witness>,
    /// What is struck.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "t-1")]
    target: String,
) -> Result<Struck, StrikeError> {
    call.state().strike(&target).await.map(|times| Struck { times }).map_err(|cause| StrikeError::Lost { cause })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let witness = Witness(std::env::var("WITNESS")?);
    Ok(Server::write("strikes", witness).tool::<strike>().serve_stdio().await?)
}
