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
pub(crate) async fn serve_stdio(
    face: Arc<dyn Face>,
    shutdown: CancellationToken,
) -> io::Result<()> {
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
