//! Counts effects, independently of everything that is tested.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Takes one line per effect, counts it, and answers when it is let to.
pub(crate) struct Witness {
    address: String,
    counts: Arc<Mutex<HashMap<String, u64>>>,
    holding: watch::Sender<bool>,
    /// Where servers keep what has to outlive them.
    state: TempDir,
}

impl Witness {
    pub(crate) async fn start() -> Witness {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let holding = watch::Sender::new(false);
        let (counting, held) = (counts.clone(), holding.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counting.clone(), held.clone()));
            }
        });
        Witness { address, counts, holding, state: tempfile::tempdir().unwrap() }
    }

    /// Where effects are done.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The `XDG_STATE_HOME` of servers whose effects are done here.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// From now on effects happen, and are not answered.
    pub(crate) fn hold(&self) {
        self.holding.send_replace(true);
    }

    /// Answers all that is held.
    pub(crate) fn release(&self) {
        self.holding.send_replace(false);
    }

    /// How often `target` was struck.
    pub(crate) fn count(&self, target: &str) -> u64 {
        self.all().get(target).copied().unwrap_or(0)
    }

    /// How often each target was struck.
    pub(crate) fn all(&self) -> HashMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, counts: Arc<Mutex<HashMap<String, u64>>>, mut held: watch::Receiver<bool>) {
    let mut stream = BufReader::new(stream);
    let mut target = String::new();
    if stream.read_line(&mut target).await.is_err() || !target.ends_with('\n') {
        return;
    }
    let number = {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(target.trim().to_owned()).or_default();
        *count += 1;
        *count
    };
    if held.wait_for(|held| !held).await.is_ok() {
        // Who asked may be dead by now.
        drop(stream.write_all(format!("{number}\n").as_bytes()).await);
    }
}
