//! How operators reach a server that has the ledger open: a socket in the ledger's directory.
//!
//! The socket is its owner's alone (0600), and who can use it can decide under any name: an agent must not run as the
//! user of its server. One JSON line in, one out, then the
//! connection ends. Requests are bounded in bytes, time and number, so that a client that hangs costs nothing.

use super::desk;
use super::request::{Request, Response};
use crate::ledger::{Ledger, WeakLedger};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The socket's name in the directory of the ledger.
const NAME: &str = "operator.sock";
/// Bytes of a request.
const MOST_BYTES: u64 = 16 * 1024;
/// Requests at once; others wait in the system's queue.
const AT_ONCE: usize = 8;
/// How long a request may take, its answer included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted: too many files are open, or the like.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a socket's path, without the zero byte that ends it.
const MOST_PATH: usize = 107;

/// Listens for operators until it is dropped.
pub(crate) struct Desk {
    path: PathBuf,
    /// Device and inode: another server of this process may have put its own socket in the place of this one.
    file: (u64, u64),
    listening: JoinHandle<()>,
}

impl Desk {
    /// Listens in the directory of the ledger; `None` when the ledger has none, or the socket cannot be made there.
    ///
    /// Calls do not depend on it, so a server that cannot listen serves nevertheless; operators then have to stop it first.
    pub(crate) fn open(ledger: &Ledger) -> Option<Desk> {
        let directory = ledger.directory()?;
        let opened = listen(directory);
        let (listener, path, file) = opened
            .inspect_err(|error| {
                tracing::warn!(error = error.to_string(), "operators cannot reach this server: there is no socket")
            })
            .ok()?;
        // The ledger's files are free when the server has dropped it, whatever this task does then.
        let ledger = ledger.downgrade();
        Some(Desk { path, file, listening: tokio::spawn(accept(listener, ledger)) })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.listening.abort();
        if identity(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(error = error.to_string(), "the operators' socket stays behind");
        }
    }
}

/// The socket under its name, made whole before anybody can find it. What a dead server left there is replaced: who has
/// the ledger open is the only one who may listen.
fn listen(directory: &Path) -> io::Result<(UnixListener, PathBuf, (u64, u64))> {
    let (path, unfinished) = (directory.join(NAME), directory.join("operator.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    let short = Short::of(directory, "operator.new")?;
    socket.bind(&short.path)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    let listener = socket.listen(16)?;
    fs::rename(&unfinished, &path)?;
    let file = identity(&path)?;
    Ok((listener, path, file))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// A path to a socket that is short enough for the system, whatever the directory's.
pub(super) struct Short {
    pub(super) path: PathBuf,
    /// The path leads through this file.
    _directory: Option<File>,
}

impl Short {
    /// The path of the operators' socket of the ledger in `directory`.
    #[cfg(feature = "cli")]
    pub(super) fn socket(directory: &Path) -> io::Result<Short> {
        Short::of(directory, NAME)
    }

    fn of(directory: &Path, name: &str) -> io::Result<Short> {
        let path = directory.join(name);
        if path.as_os_str().len() <= MOST_PATH {
            return Ok(Short { path, _directory: None });
        }
        let directory = File::open(directory)?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        Ok(Short { path, _directory: Some(directory) })
    }
}

async fn accept(listener: UnixListener, ledger: WeakLedger) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(ledger) = ledger.upgrade() else { return };
        tokio::spawn(async move {
            let answered = tokio::time::timeout(PATIENCE, answer(stream, &ledger)).await;
            if !matches!(answered, Ok(Ok(()))) {
                tracing::debug!("an operator's request got no answer");
            }
            drop(seat);
        });
    }
}

async fn answer(mut stream: UnixStream, ledger: &Ledger) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = Vec::new();
    BufReader::new(read.take(MOST_BYTES)).read_until(b'\n', &mut line).await?;
    let response = match serde_json::from_slice::<Request>(&line) {
        Ok(request) if line.ends_with(b"\n") => desk::serve(ledger, request).await,
        _ => {
            Response::Refused { reason: "the request cannot be read; is this command as new as the server?".to_owned() }
        }
    };
    let mut text = serde_json::to_vec(&response)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    write.shutdown().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::{AT_ONCE, Desk, MOST_BYTES, NAME, Short};
    use crate::ledger::Ledger;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    async fn connect(directory: &Path) -> std::io::Result<UnixStream> {
        let short = Short::of(directory, NAME).unwrap();
        UnixStream::connect(&short.path).await
    }

    async fn ask(directory: &Path, request: &[u8]) -> String {
        let mut stream = connect(directory).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const DOUBTS: &[u8] = b"{\"ask\":\"doubts\",\"after\":null}\n";
    const NONE: &str = "{\"answer\":\"listed\",\"cases\":[],\"more\":null}\n";

    #[tokio::test]
    async fn one_line_in_one_line_out_for_the_owner_alone() {
        let scratch = tempfile::tempdir().unwrap();
        // A directory whose path alone is longer than a socket's may be.
        let directory = scratch.path().join("d".repeat(120));
        let ledger = Ledger::open(directory.to_str().unwrap()).unwrap();
        let desk = Desk::open(&ledger).unwrap();
        assert_eq!(fs::metadata(directory.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ask(&directory, DOUBTS).await, NONE);
        for wrong in [&b"{}\n"[..], b"\n", b"{\"ask\":\"doubts\",\"after\":null,\"x\":1}\n", b"\xff\n"] {
            assert!(ask(&directory, wrong).await.contains("cannot be read"), "{wrong:?}");
        }
        let long = vec![b' '; usize::try_from(MOST_BYTES).unwrap()];
        assert!(ask(&directory, &long).await.contains("cannot be read"));
        drop(desk);
        assert!(!directory.join(NAME).exists());
        drop(ledger);
        // Nothing of the desk keeps the ledger's files.
        drop(Ledger::open(directory.to_str().unwrap()).unwrap());
    }

    #[tokio::test]
    async fn what_a_dead_server_left_is_replaced_and_what_another_made_stays() {
        let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        let ledger = Ledger::open(scratch.path().to_str().unwrap()).unwrap();
        drop(std::os::unix::net::UnixListener::bind(scratch.path().join(NAME)).unwrap());
        fs::write(scratch.path().join("operator.new"), b"").unwrap();
        assert!(connect(scratch.path()).await.is_err());
        let first = Desk::open(&ledger).unwrap();
        let second = Desk::open(&ledger).unwrap();
        drop(first);
        assert_eq!(ask(scratch.path(), DOUBTS).await, NONE);
        drop(second);
        assert!(Desk::open(&Ledger::open("memory:").unwrap()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_hang_do_not_keep_others_out() {
        let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        let ledger = Ledger::open(scratch.path().to_str().unwrap()).unwrap();
        let _desk = Desk::open(&ledger).unwrap();
        let mut hanging = Vec::new();
        for _ in 0..AT_ONCE {
            hanging.push(connect(scratch.path()).await.unwrap());
        }
        // The clock moves on by itself while everybody waits.
        assert_eq!(ask(scratch.path(), DOUBTS).await, NONE);
    }
}
