//! `safe-tool-crash-writer DIRECTORY SCRIPT`: a server that plays a script and tells its witness, on the socket that is
//! its standard input, what happens; for tests to kill.

use safe_tool::Ledger;
use safe_tool_tests::witness::World;
use safe_tool_tests::witness::journal::segments;
use safe_tool_tests::witness::line::{Line, Told};
use safe_tool_tests::witness::script::{Calls, Script};
use safe_tool_tests::witness::server::{open, open_forgetful, open_long, serve};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(directory), Some(script)) = (args.next(), args.next()) else { return Err("two arguments".into()) };
    let script: Script = script.parse().map_err(|()| "no such script")?;
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let line = Arc::new(Line::new(socket));
    let directory = Path::new(&directory);
    let opened = match script {
        Script::Sweep => open_forgetful(directory),
        Script::Long | Script::Load(_) => open_long(directory),
        _ => open(directory),
    };
    let ledger = match opened {
        Ok(ledger) => ledger,
        Err(error) => {
            line.tell(&Told::Refused(error.to_string()))?;
            return Ok(());
        }
    };
    let server = serve(World::new(Arc::clone(&line)), ledger.clone()).await?;
    line.tell(&Told::Ready)?;
    let mut known = Calls::default();
    for step in script.steps() {
        let arguments: Vec<String> = step.iter().map(|asked| known.arguments(asked)).collect();
        let calls = step.iter().zip(&arguments).map(|(asked, arguments)| server.call(asked.tool, arguments));
        for (asked, answer) in step.iter().zip(futures_util::future::join_all(calls).await) {
            let answer = answer.ok_or("no such tool")?;
            known.take(asked, &answer);
            line.tell(&Told::Answer(answer))?;
        }
    }
    if script == Script::Sweep {
        sweep(&ledger, directory).await;
    }
    let closed = server.close().await.is_ok();
    line.tell(&Told::Closed(closed))?;
    Ok(())
}

/// Has everything swept that has expired, unless the ledger cannot.
async fn sweep(ledger: &Ledger, directory: &Path) {
    // The last result has to be older than it may be.
    tokio::time::sleep(Duration::from_millis(5)).await;
    ledger.tick();
    let patience = Instant::now() + Duration::from_millis(200);
    while !swept(directory) && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether no segment but the last holds a result.
fn swept(directory: &Path) -> bool {
    let segments = segments(directory);
    let holds = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(r#"{"payload":"#));
    !segments.iter().rev().skip(1).any(holds)
}
