//! Anchor files: the receipt of a server's newest durable record, kept outside of the database.
//!
//! A database that has lost its last records (by a failover to a standby that lagged, or an older copy) looks complete. A running
//! server knows where its chain ended; a server that starts knows it from these files only. Each process writes one file, and a
//! server that starts looks up the records of all files in the database first. A file holds one receipt, so
//! `safe-tool audit verify --anchor FILE` reads it too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_postgres::Client;

use super::super::Receipt;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::local::journal::file::{create_directory, sync_directory_of};
use super::super::record::{Parsed, Tail, parse};
use super::commit::{to_i64, unsigned};
use super::session::LOCKS;
use super::set_backs::SetBack;
use super::{failed, said};

/// Every file is named `postgres-SYSTEM-DATABASE-LEDGER-LOG.anchor`.
const PREFIX: &str = "postgres";
const SUFFIX: &str = "anchor";
/// The suffix of a file that is being written.
const UNFINISHED: &str = "new";
/// The shortest time between two writes of a file.
const CADENCE: Duration = Duration::from_secs(1);

/// The id of the database cluster; physical standbys and copies have the same.
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// The id of the database, and a hash that identifies the ledger in it: of the redaction key, which it does not reveal.
const LEDGER: &str = "
    SELECT (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
        encode(sha256(convert_to('safe-tool ledger', 'UTF8') || redact_key), 'hex')
    FROM safe_tool.settings";

/// The records of anchors, and the epochs of the servers whose chains they are on.
const RECORDS: &str = "
    SELECT anchor.log, anchor.sequence, line, epoch
    FROM unnest($1::text[], $2::bigint[]) AS anchor (log, sequence)
    LEFT JOIN safe_tool.records USING (log, sequence) LEFT JOIN safe_tool.heads USING (log)";

/// `MATERIALIZED`: each lock is tried once.
const ENDED: &str = "
    WITH epochs AS MATERIALIZED (SELECT unnest($1::bigint[]) AS e)
    SELECT e FROM epochs WHERE pg_try_advisory_xact_lock($2 | e)";

/// The identity of the ledger that an anchor belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    /// Empty if the database does not tell it.
    system: String,
    database: u64,
    ledger: String,
}

impl Identity {
    async fn of(client: &Client) -> Result<Identity, LedgerError> {
        let ask = |error| failed("identify", said(&error));
        // Some hosted databases do not allow this query.
        let system = client.query_one(SYSTEM, &[]).await.map_or_else(|_| String::new(), |row| row.get(0));
        let row = client.query_one(LEDGER, &[]).await.map_err(ask)?;
        let ledger: String = row.get(1);
        let ledger = ledger.get(..32).unwrap_or_default().to_owned();
        Ok(Identity { system, database: unsigned(row.get(0)), ledger })
    }

    /// True if the record of an anchor of `other` must be in this ledger: `other` is this ledger, even if it was moved, or an earlier
    /// one in the same database.
    fn meets(&self, other: &Identity) -> bool {
        let same_place = !self.system.is_empty() && self.system == other.system && self.database == other.database;
        self.ledger == other.ledger || same_place
    }

    fn file(&self, directory: &Path, log: &str) -> PathBuf {
        let Identity { system, database, ledger } = self;
        directory.join(format!("{PREFIX}-{system}-{database}-{ledger}-{log}.{SUFFIX}"))
    }

    /// The identity in a file's name; `None` for other files.
    fn read(path: &Path) -> Option<Identity> {
        if path.extension()? != SUFFIX {
            return None;
        }
        let parts: Vec<&str> = path.file_stem()?.to_str()?.split('-').collect();
        let [PREFIX, system, database, ledger, _] = parts.as_slice() else { return None };
        Some(Identity { system: (*system).to_owned(), database: database.parse().ok()?, ledger: (*ledger).to_owned() })
    }
}

/// The anchors of one ledger in one directory, whose records were all found in the database.
pub(super) struct Anchors {
    /// The file of the chain that begins now.
    path: PathBuf,
    log: String,
    /// Files of ended chains, which are not needed once there is a newer anchor.
    ended: Vec<PathBuf>,
}

impl Anchors {
    /// Looks up every anchor that earlier servers left in `directory`, before the chain `log` begins.
    ///
    /// # Errors
    /// [`LedgerError::SetBack`] when the record of an anchor is missing; [`LedgerError::Io`] or [`LedgerError::Database`] when
    /// the files or the database cannot be used.
    pub(super) async fn check(directory: &Path, log: &str, client: &Client) -> Result<Anchors, LedgerError> {
        create_directory(directory).map_err(LedgerError::io("create", directory))?;
        let identity = Identity::of(client).await?;
        let path = identity.file(directory, log);
        let mut kept = Vec::new();
        for path in files(directory).map_err(LedgerError::io("list", directory))? {
            if Identity::read(&path).is_some_and(|other| identity.meets(&other))
                && let Some(receipt) = read(&path)?
            {
                kept.push((path, receipt));
            }
        }
        let ended = look_up(client, kept).await?;
        // Fails here, before the chain begins, if the directory cannot be written to.
        unfinished(&path).map_err(LedgerError::io("create", &path))?;
        Ok(Anchors { path, log: log.to_owned(), ended })
    }

    /// Begins to keep the anchor of the chain, whose newest record is `tail`, and removes the anchors of ended chains: a database
    /// that loses one of their records loses this later one too.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when the file cannot be written or the thread cannot be started.
    pub(super) fn keep(self, tail: Tail) -> Result<Keeper, LedgerError> {
        let Anchors { path, log, ended } = self;
        write(&path, &log, tail).map_err(LedgerError::io("write", &path))?;
        for ended in &ended {
            if let Err(error) = fs::remove_file(ended)
                && error.kind() != io::ErrorKind::NotFound
            {
                let error = error.to_string();
                tracing::warn!(path = %ended.display(), error, "an anchor that is no longer needed was not removed");
            }
        }
        let slot = Arc::new(Slot::default());
        slot.state().newest = tail;
        let (taken, named) = (Arc::clone(&slot), path.clone());
        let follow = move || taken.follow(&named, &log, tail);
        let writer = thread::Builder::new().name("ledger-anchor".to_owned()).spawn(follow);
        let writer = writer.map_err(LedgerError::io("start", "a thread of the ledger"))?;
        Ok(Keeper { path, slot, writer: Some(writer) })
    }
}

/// Keeps the anchor of one chain, on a thread of its own: no commit waits for a file.
pub(super) struct Keeper {
    path: PathBuf,
    slot: Arc<Slot>,
    writer: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Takes the newest durable record; it is in the file within a second.
    pub(super) fn durable(&self, tail: Tail) {
        self.slot.state().newest = tail;
        self.slot.changed.notify_one();
    }

    /// Writes the file at once instead of within a second: it may be needed soon.
    pub(super) fn hurry(&self) {
        self.slot.state().hurry = true;
        self.slot.changed.notify_one();
    }
}

impl Drop for Keeper {
    /// Waits until the newest record is in the file.
    fn drop(&mut self) {
        self.slot.state().ended = true;
        self.slot.changed.notify_one();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!(path = %self.path.display(), "the thread that keeps the ledger's anchor panicked");
        }
    }
}

/// The newest record, handed from the committer to the thread that writes.
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    newest: Tail,
    hurry: bool,
    ended: bool,
}

impl Default for Slot {
    fn default() -> Slot {
        let state = State { newest: Tail::GENESIS, hurry: false, ended: false };
        Slot { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the newest record, at most once in a [`CADENCE`] unless `hurry` is set, until the end.
    fn follow(&self, path: &Path, log: &str, mut written: Tail) {
        let mut failing = false;
        loop {
            let idle = |state: &mut State| state.newest == written && !state.ended;
            let waited = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
            let (newest, ended) = (waited.newest, waited.ended);
            drop(waited);
            if newest != written {
                match write(path, log, newest) {
                    Ok(()) => {
                        (written, failing) = (newest, false);
                    }
                    Err(error) if !failing => {
                        failing = true;
                        let error = error.to_string();
                        tracing::error!(
                            path = %path.display(), error,
                            "the anchor of the ledger cannot be written: a server that starts after a failover will not notice \
                             the loss of later records. Make room on the disk or mend it; it is tried again every second"
                        );
                    }
                    Err(_) => {}
                }
            }
            if ended {
                return;
            }
            let calm = |state: &mut State| !state.hurry && !state.ended;
            let waited = self.changed.wait_timeout_while(self.state(), CADENCE, calm);
            waited.unwrap_or_else(PoisonError::into_inner).0.hurry = false;
        }
    }
}

/// Looks the anchors up, and returns the files that are no longer needed: of dead servers, and of losses that an operator has
/// accepted.
async fn look_up(client: &Client, kept: Vec<(PathBuf, Receipt)>) -> Result<Vec<PathBuf>, LedgerError> {
    let logs: Vec<&str> = kept.iter().map(|(_, receipt)| receipt.log.as_str()).collect();
    let sequences: Vec<i64> = kept.iter().map(|(_, receipt)| to_i64(receipt.sequence)).collect();
    let ask = |error| failed("read", said(&error));
    let rows = client.query(RECORDS, &[&logs, &sequences]).await.map_err(ask)?;
    let found = |receipt: &Receipt| {
        let row =
            rows.iter().find(|row| row.get::<_, &str>(0) == receipt.log && unsigned(row.get(1)) == receipt.sequence)?;
        let line: Option<&[u8]> = row.get(2);
        let epoch: i64 = row.get::<_, Option<i64>>(3)?;
        is_record(line?, receipt.hash).then_some(epoch)
    };
    let (mut there, mut ended, mut lost) = (Vec::new(), Vec::new(), None);
    for (path, receipt) in kept {
        match found(&receipt) {
            Some(epoch) => there.push((epoch, path)),
            None => {
                let missing = SetBack { log: receipt.log, sequence: receipt.sequence };
                if missing.leave_word(client).await? {
                    tracing::warn!(
                        log = missing.log,
                        sequence = missing.sequence,
                        "goes on without the records that a failover has lost: an operator has accepted the loss"
                    );
                    ended.push(path);
                } else {
                    lost = Some(missing);
                }
            }
        }
    }
    if let Some(lost) = lost {
        return Err(lost.into());
    }
    let epochs: Vec<i64> = there.iter().map(|(epoch, _)| *epoch).collect();
    let free = client.query(ENDED, &[&epochs, &LOCKS]).await.map_err(ask)?;
    let free: Vec<i64> = free.iter().map(|row| row.get(0)).collect();
    ended.extend(there.into_iter().filter(|(epoch, _)| free.contains(epoch)).map(|(_, path)| path));
    Ok(ended)
}

fn is_record(line: &[u8], hash: Hash) -> bool {
    matches!(parse(line), Ok(Parsed::Record(_, found)) if found == hash)
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Reads an anchor; `None` when another server has removed it meanwhile, after it had found the record in the database.
fn read(path: &Path) -> Result<Option<Receipt>, LedgerError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LedgerError::io("read", path)(error)),
    };
    let receipt = serde_json::from_slice(&text).map_err(|error| LedgerError::io("read", path)(error.into()))?;
    Ok(Some(receipt))
}

/// Writes the receipt into the file atomically.
fn write(path: &Path, log: &str, tail: Tail) -> io::Result<()> {
    let receipt = Receipt { log: log.to_owned(), sequence: tail.sequence, hash: tail.hash };
    let mut text = serde_json::to_vec(&receipt)?;
    text.push(b'\n');
    let mut file = unfinished(path)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(path.with_extension(UNFINISHED), path)?;
    sync_directory_of(path)
}

/// The temporary file that is renamed to `path` once it is complete.
fn unfinished(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path.with_extension(UNFINISHED))
}
