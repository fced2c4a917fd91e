//! `safe-tool-crash-writer DIRECTORY SCRIPT`: a server that plays a script and tells its witness, on the socket that is
//! its standard input, what happens; for tests to kill.

use safe_tool_tests::witness::World;
use safe_tool_tests::witness::line::{Line, Told};
use safe_tool_tests::witness::script::Script;
use safe_tool_tests::witness::server::{open, serve};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(directory), Some(script)) = (args.next(), args.next()) else { return Err("two arguments".into()) };
    let script: Script = script.parse().map_err(|()| "no such script")?;
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let line = Arc::new(Line::new(socket));
    let ledger = match open(Path::new(&directory)) {
        Ok(ledger) => ledger,
        Err(error) => {
            line.tell(&Told::Refused(error.to_string()))?;
            return Ok(());
        }
    };
    let server = serve(World::new(Arc::clone(&line)), ledger).await?;
    line.tell(&Told::Ready)?;
    for step in script.steps() {
        let calls = step.iter().map(|asked| server.call(asked.tool, &asked.arguments));
        for answer in futures_util::future::join_all(calls).await {
            line.tell(&Told::Answer(answer.ok_or("no such tool")?))?;
        }
    }
    let closed = server.close().await.is_ok();
    line.tell(&Told::Closed(closed))?;
    Ok(())
}
