//! MCP over the process's own standard input and output.
//!
//! The streams are served by two threads with blocking reads and writes: a read of a terminal or pipe cannot be
//! cancelled, and on a runtime's blocking pool it would hold up the runtime's shutdown.

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::Arc,
    thread,
};

use rustix::{io::fcntl_dupfd_cloexec, stdio};
use tokio::{
    sync::{
        mpsc,
        oneshot::{self, error::TryRecvError},
    },
    time,
};
use tokio_util::sync::CancellationToken;

use super::{
    face::Face,
    transport::{BATCH, FLUSH, INCOMING, OUTGOING, PIECE, serve_lines},
    wire::{Incoming, Inlet, Limits},
};

/// The lowest descriptor that is not a standard stream.
const FIRST_FREE: i32 = 3;

/// Serves the client this process was started by, until it closes our input or `shutdown` is cancelled; then answers
/// what is under way and returns.
///
/// From here on standard input is empty and standard output is standard error, for this process and its children: a
/// tool's `println!` cannot break the protocol, and nothing a tool starts can read the client's messages.
///
/// # Errors
/// When the streams cannot be taken over, or fail. What was under way is finished all the same.
pub(crate) async fn serve_stdio(face: Arc<dyn Face>, shutdown: CancellationToken) -> io::Result<()> {
    let input = File::from(fcntl_dupfd_cloexec(stdio::stdin(), FIRST_FREE)?);
    let output = File::from(fcntl_dupfd_cloexec(stdio::stdout(), FIRST_FREE)?);
    stdio::dup2_stdin(File::open("/dev/null")?)?;
    stdio::dup2_stdout(stdio::stderr())?;
    serve_blocking(face, input, output, shutdown).await
}

/// Serves one client over a pair of blocking streams.
async fn serve_blocking(
    face: Arc<dyn Face>,
    reader: impl Read + Send + 'static,
    writer: impl Write + Send + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (to_service, incoming) = mpsc::channel(INCOMING);
    let (outgoing, lines) = mpsc::channel(OUTGOING);
    let mut reading = start("mcp-input", move || read_all(reader, &to_service))?;
    let writing = start("mcp-output", move || write_all(writer, lines))?;
    let served = serve_lines(face, incoming, outgoing, shutdown).await;
    let written = match time::timeout(FLUSH, writing).await {
        Ok(written) => written.unwrap_or_else(|_| Err(panicked())),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let read = match reading.try_recv() {
        Ok(read) => read,
        // After `shutdown` it may sit in its last read for ever, and is not waited for.
        Err(TryRecvError::Empty) => Ok(()),
        Err(TryRecvError::Closed) => Err(panicked()),
    };
    served.and(read).and(written)
}

/// Runs `work` on a thread; the receiver gets what it ends with.
fn start(
    name: &str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (done, result) = oneshot::channel();
    let run = move || {
        // Fails only when nobody wants to know.
        drop(done.send(work()));
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(result)
}

fn panicked() -> io::Error {
    io::Error::other("a stream thread failed")
}

fn read_all(mut reader: impl Read, to_service: &mpsc::Sender<Incoming>) -> io::Result<()> {
    let mut inlet = Inlet::new(Limits::default());
    let mut piece = vec![0; PIECE];
    let mut read = Vec::new();
    loop {
        let count = match reader.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        match piece.get(..count) {
            Some(piece) if count > 0 => inlet.push(piece, &mut read),
            _ => inlet.finish(&mut read),
        }
        for incoming in read.drain(..) {
            if to_service.blocking_send(incoming).is_err() {
                return Ok(());
            }
        }
        if count == 0 {
            return Ok(());
        }
    }
}

fn write_all(mut writer: impl Write, mut lines: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while lines.blocking_recv_many(&mut batch, BATCH) > 0 {
        writer.write_all(&batch.concat())?;
        writer.flush()?;
        batch.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]

    use std::{
        env,
        io::{BufRead, BufReader, PipeReader, PipeWriter, pipe},
        process::{Command, Stdio},
    };

    use futures_util::FutureExt;
    use serde_json::{Value, json};
    use tokio::{runtime::Runtime, task::JoinHandle};

    use super::{super::mcp::fake::FakeFace, *};

    const OPEN: &str = concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
        r#""capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
        "\n",
    );

    fn call(id: usize, tool: &str) -> String {
        let params = json!({ "name": tool });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string() + "\n"
    }

    struct Client {
        face: Arc<FakeFace>,
        shutdown: CancellationToken,
        writer: PipeWriter,
        reader: BufReader<PipeReader>,
        server: JoinHandle<io::Result<()>>,
    }

    fn connect(runtime: &Runtime) -> Client {
        let face = FakeFace::new();
        let shutdown = CancellationToken::new();
        let (input, writer) = pipe().unwrap();
        let (reader, output) = pipe().unwrap();
        let server = serve_blocking(face.clone(), input, output, shutdown.clone());
        Client { face, shutdown, writer, reader: BufReader::new(reader), server: runtime.spawn(server) }
    }

    impl Client {
        fn answer(&mut self) -> Value {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap_or_default()
        }
    }

    #[test]
    fn answers_are_flushed_before_the_end() {
        const CALLS: usize = 3_000;
        let runtime = Runtime::new().unwrap();
        let mut client = connect(&runtime);
        let mut input = OPEN.to_owned();
        input.extend((1..=CALLS).map(|id| call(id, "echo")));
        input.push_str("{\"id\":9,");
        // Far more than the pipes hold: written before anything is read.
        client.writer.write_all(input.as_bytes()).unwrap();
        drop(client.writer);
        let answers: Vec<Value> =
            client.reader.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let mut served: Vec<_> = answers
            .iter()
            .filter(|answer| answer["result"]["isError"] == false)
            .map(|answer| answer["id"].as_u64().unwrap())
            .collect();
        served.sort_unstable();
        assert!(served.into_iter().eq(1..=CALLS as u64));
        assert_eq!(answers.len(), CALLS + 2);
        runtime.block_on(client.server).unwrap().unwrap();
    }

    #[test]
    fn a_read_under_way_holds_up_no_shutdown() {
        let runtime = Runtime::new().unwrap();
        let mut client = connect(&runtime);
        client.writer.write_all(OPEN.as_bytes()).unwrap();
        assert_eq!(client.answer()["id"], 0);
        client.writer.write_all(call(1, "slow").as_bytes()).unwrap();
        runtime.block_on(client.face.started.notified());
        client.shutdown.cancel();
        client.face.release.notify_one();
        assert_eq!(client.answer()["id"], 1);
        runtime.block_on(client.server).unwrap().unwrap();
        assert_eq!(client.reader.read_line(&mut String::new()).unwrap(), 0);
        // Joins all threads of the runtime, while the input is still open.
        drop(runtime);
        drop(client.writer);
    }

    #[test]
    fn a_client_that_is_gone_is_an_error() {
        let runtime = Runtime::new().unwrap();
        let mut client = connect(&runtime);
        client.writer.write_all(OPEN.as_bytes()).unwrap();
        assert_eq!(client.answer()["id"], 0);
        drop(client.reader);
        client.writer.write_all(call(1, "echo").as_bytes()).unwrap();
        drop(client.writer);
        assert!(runtime.block_on(client.server).unwrap().is_err());
    }

    /// The server of the next test: takes over the streams of its process, and prints.
    #[test]
    fn child() {
        if env::var_os("SAFE_TOOL_TEST_CHILD").is_none() {
            return;
        }
        // Ends the line that the test harness has begun.
        println!();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let mut server = Box::pin(serve_stdio(FakeFace::new(), CancellationToken::new()));
            // The first thing it does is to take over the streams.
            assert!((&mut server).now_or_never().is_none());
            assert_eq!(io::stdin().read_line(&mut String::new()).unwrap(), 0);
            println!("\nprinted by a tool");
            assert!(Command::new("echo").arg("printed by a child").status().unwrap().success());
            server.await.unwrap();
        });
    }

    #[test]
    fn what_a_tool_prints_does_not_reach_the_client() {
        let name = concat!(module_path!(), "::child");
        let name = name.split_once("::").unwrap().1;
        let mut server = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env("SAFE_TOOL_TEST_CHILD", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = server.stdin.take().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        // What the test harness says before the streams are taken over is not ours.
        let mut answer = move || -> Option<Value> {
            lines.find_map(|line| {
                let line = line.unwrap();
                assert!(!line.contains("printed"), "{line}");
                serde_json::from_str(&line).ok()
            })
        };
        input.write_all(OPEN.as_bytes()).unwrap();
        assert_eq!(answer().unwrap()["id"], 0);
        input.write_all(call(1, "echo").as_bytes()).unwrap();
        assert_eq!(answer().unwrap()["result"]["isError"], false);
        drop(input);
        assert_eq!(answer(), None);
        let output = server.wait_with_output().unwrap();
        assert!(output.status.success());
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(printed.contains("printed by a tool"), "{printed}");
        assert!(printed.contains("printed by a child"), "{printed}");
    }
}
