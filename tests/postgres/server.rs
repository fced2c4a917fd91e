//! `safe-tool-postgres-server`: a server with dangerous tools, for tests to start, freeze and kill.
//!
//! The effect is done by the witness at `WITNESS`; everything else comes from the environment as for every server.

use std::time::Duration;

use safe_tool::Ledger;
use safe_tool::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const STRIKE: Scope = Scope::new("targets:strike");

/// Who does the effect, and counts it.
struct Witness(String);

impl Witness {
    async fn effect(&self, target: &str) -> Result<Struck, StrikeError> {
        self.count(target).await.map(|times| Struck { times }).map_err(|cause| StrikeError::Lost { cause })
    }

    async fn count(&self, target: &str) -> std::io::Result<u64> {
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
    call.state().effect(&target).await
}

/// Pays a target once in a minute, which is counted.
#[safe_tool(
    effect = write,
    scope = STRIKE,
    key(target, every = "1m"),
    undo = by_hand("nothing is undone: a payment is only a number"),
    timeout = "30s",
)]
async fn pay(
    call: Call<Witness>,
    /// Who is paid.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "p-1")]
    target: String,
) -> Result<Struck, StrikeError> {
    call.state().effect(&target).await
}

/// Paints a target, which is counted.
#[safe_tool(
    effect = write,
    scope = STRIKE,
    key = natural("what is painted again looks the same"),
    undo = by_hand("nothing is undone: paint is only a number"),
    timeout = "30s",
)]
async fn paint(
    call: Call<Witness>,
    /// What is painted.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "w-1")]
    target: String,
) -> Result<Struck, StrikeError> {
    call.state().effect(&target).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let witness = Witness(std::env::var("WITNESS")?);
    let mut server = Server::write("strikes", witness).tool::<strike>().tool::<pay>().tool::<paint>();
    // A ledger that may forget at once what has expired, however short it has been open.
    if std::env::var_os("FORGETS").is_some() {
        let ledger = std::env::var("SAFE_TOOL_LEDGER")?;
        server = server.ledger(Ledger::options().distrust(Duration::ZERO).open(&ledger)?);
    }
    Ok(server.serve_stdio().await?)
}
