//! A way to the database that loses a commit, or its answer, when it is told to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What becomes of the next commit, and of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loses {
    Nothing,
    /// It does not arrive.
    Commit,
    /// It takes place, and nobody hears of it.
    Answer,
}

/// Stands between a server and the database.
pub(crate) struct Proxy {
    directory: TempDir,
    loses: Arc<Mutex<Loses>>,
}

impl Proxy {
    /// In front of the socket of a database.
    pub(crate) fn before(socket: PathBuf) -> Proxy {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let loses = Arc::new(Mutex::new(Loses::Nothing));
        let told = loses.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let database = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(carry(client, database, told.clone()));
            }
        });
        Proxy { directory, loses }
    }

    /// Where the ledger is, through here.
    pub(crate) fn url(&self) -> String {
        format!("postgres://ledger@/postgres?host={}", self.directory.path().display())
    }

    /// What the next commit loses; the one after it loses nothing.
    pub(crate) fn lose(&self, loses: Loses) {
        *self.loses.lock().unwrap_or_else(PoisonError::into_inner) = loses;
    }

    /// Whether what it was told to lose is lost.
    pub(crate) fn has_lost(&self) -> bool {
        *self.loses.lock().unwrap_or_else(PoisonError::into_inner) == Loses::Nothing
    }
}

/// Carries bytes both ways until one side ends, or a commit is lost.
async fn carry(mut client: UnixStream, mut database: UnixStream, loses: Arc<Mutex<Loses>>) {
    let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let commits = asked[..read].windows(7).any(|bytes| bytes == b"COMMIT\0");
                let lost = if commits {
                    std::mem::replace(&mut *loses.lock().unwrap_or_else(PoisonError::into_inner), Loses::Nothing)
                } else {
                    Loses::Nothing
                };
                if lost == Loses::Commit {
                    return;
                }
                if database.write_all(&asked[..read]).await.is_err() {
                    return;
                }
                if lost == Loses::Answer {
                    // Once it answers, it has taken place.
                    drop(database.read(&mut answered).await);
                    return;
                }
            }
            read = database.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
