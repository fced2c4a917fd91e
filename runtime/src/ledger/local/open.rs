//! Opening a ledger: lock, journal, key, index, in the order that lets a crash in between be told from a loss.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::checkpoint::{self, Signer};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::TailFound;
use super::super::redact::{self, Redactor};
use super::super::{Ledger, LedgerOptions};
use super::catch_up::follow;
use super::committer::Opened;
use super::guard;
use super::index::blocks::{Blocks, Loaded, load};
use super::index::sled::Sled;
use super::index::{Head, Index, keeper};
use super::journal::Journal;
use super::journal::file::{FileJournal, create_directory, segments, sync_directory_of};
use super::journal::files::OpenFiles;
use super::journal::memory::MemoryJournal;
use super::journal::recover::Recovered;
use super::store::{Home, Keys, LocalStore};

/// See [`Ledger::open`].
pub(in crate::ledger) fn open(location: &str, options: &LedgerOptions) -> Result<Ledger, LedgerError> {
    let path = match location.split_once(':') {
        Some(("memory", "")) => return memory(options),
        Some(("sled", path)) => path,
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => return super::super::postgres::open(location, options),
        // A scheme that is not ours must not become a directory of that name, which errors would tell with the rest.
        Some((scheme, rest)) if rest.starts_with("//") || scheme.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            return Err(LedgerError::Location);
        }
        _ => location,
    };
    match path {
        "" => Err(LedgerError::Location),
        path => directory(Path::new(path), options),
    }
}

fn memory(options: &LedgerOptions) -> Result<Ledger, LedgerError> {
    let keys = Keys {
        redactor: redactor(&random::<{ redact::KEY_BYTES }>()?, PathBuf::new)?,
        signer: signer(&random::<{ checkpoint::KEY_BYTES }>()?, PathBuf::new)?,
    };
    let opened = Opened { head: new_head()?, tail: None };
    let journal = MemoryJournal::default();
    let index = Index::new(journal.reader());
    let store = LocalStore::start(Box::new(journal), index, None, opened, keys, options, None)?;
    Ok(Ledger::with(Arc::new(store)))
}

fn directory(path: &Path, options: &LedgerOptions) -> Result<Ledger, LedgerError> {
    create_directory(path).map_err(LedgerError::io("create", path))?;
    let held = guard::hold(path)?;
    let journal_path = path.join("journal");
    let index_path = path.join("index");
    let (redact_path, signing_path) = (path.join("redact.key"), path.join("signing.key"));
    let mut found = segments(&journal_path).map_err(LedgerError::io("list", &journal_path))?;
    if found.is_empty() {
        // The first segment is made before the others, so without it they are what a lost journal left behind.
        if index_path.exists() || redact_path.exists() || signing_path.exists() {
            return Err(LedgerError::JournalMissing { path: journal_path });
        }
        create_directory(&journal_path).map_err(LedgerError::io("create", &journal_path))?;
        FileJournal::create(&journal_path).map_err(LedgerError::io("create a segment in", &journal_path))?;
        found.push(1);
    }
    let Followed { index, blocks, recovered, head } = index(&index_path, &journal_path, &found)?;
    let fresh = head.is_none();
    let keys = Keys {
        redactor: redactor(&key::<{ redact::KEY_BYTES }>(&redact_path, fresh)?, || redact_path)?,
        signer: signer(&key::<{ checkpoint::KEY_BYTES }>(&signing_path, fresh)?, || signing_path)?,
    };
    let Recovered { tail, end, clean, cut } = recovered;
    if cut > 0 {
        tracing::warn!(cut, sequence = tail.sequence, "the journal ended in an unfinished batch, which is cut");
    }
    let fresh = fresh && cut == 0;
    let opened = Opened {
        head: head.map_or_else(new_head, Ok)?,
        tail: (!fresh).then_some(TailFound { sequence: tail.sequence, hash: tail.hash, clean, cut }),
    };
    let journal = FileJournal::resume(&journal_path, end, options.segment_bytes)
        .map_err(LedgerError::io("resume", &journal_path))?;
    let home = Home { directory: path.to_owned(), _lock: held };
    let index = index.reads(journal.reader());
    let store = LocalStore::start(Box::new(journal), index, Some(blocks), opened, keys, options, Some(home))?;
    Ok(Ledger::with(Arc::new(store)))
}

/// An index at the end of its journal.
struct Followed {
    index: Index,
    blocks: Blocks,
    recovered: Recovered,
    /// `None` when the journal has no record.
    head: Option<Head>,
}

/// The index, up to the end of the journal; rebuilt when it does not open, is not what was written, or does not fit.
fn index(path: &Path, journal: &Path, segments: &[u64]) -> Result<Followed, LedgerError> {
    create_directory(path).map_err(LedgerError::io("create", path))?;
    let reader = || Arc::new(OpenFiles::new(journal.to_owned(), segments.to_vec()));
    let follow = |index: Index, blocks, seen| {
        keeper::begin(&blocks, &index);
        let (recovered, head) = follow(journal, segments, &index, seen)?;
        Ok(Followed { index, blocks, recovered, head })
    };
    let (error, seen) = match Sled::open(path).and_then(|values| load(Box::new(values))) {
        // Somebody uses it, so it is not broken.
        Err(locked @ LedgerError::Locked { .. }) => return Err(locked),
        Err(error) => (error, 0),
        Ok((Loaded { damage: Some(reason), seen, .. }, _)) => (LedgerError::Index { reason: reason.to_owned() }, seen),
        Ok((Loaded { map, head, damage: None, seen }, blocks)) => {
            match follow(Index::kept(map, head, reader()), blocks, seen) {
                Err(error @ (LedgerError::Inconsistent { .. } | LedgerError::Index { .. })) => (error, seen),
                other => return other,
            }
        }
    };
    tracing::warn!(
        error = error.to_string(),
        "the index of the ledger does not open or does not fit: it is rebuilt from the journal"
    );
    fs::remove_dir_all(path).map_err(LedgerError::io("remove", path))?;
    create_directory(path).map_err(LedgerError::io("create", path))?;
    let (_, blocks) = load(Box::new(Sled::open(path)?))?;
    follow(Index::new(reader()), blocks, seen)
}

fn redactor(key: &[u8], path: impl FnOnce() -> PathBuf) -> Result<Redactor, LedgerError> {
    Redactor::new(key).ok_or_else(|| LedgerError::RedactKey { path: path() })
}

fn signer(key: &[u8], path: impl FnOnce() -> PathBuf) -> Result<Signer, LedgerError> {
    Signer::new(key).ok_or_else(|| LedgerError::SigningKey { path: path() })
}

/// Reads a key; makes it when the journal has no record yet. Empty when it is missing otherwise.
fn key<const N: usize>(path: &Path, fresh: bool) -> Result<Vec<u8>, LedgerError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => return create_key::<N>(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(LedgerError::io("read", path))?,
    };
    guard::private(&file, path)?;
    let mut key = Vec::new();
    file.read_to_end(&mut key).map_err(LedgerError::io("read", path))?;
    Ok(key)
}

/// Makes a key, whole or not at all.
fn create_key<const N: usize>(path: &Path) -> Result<Vec<u8>, LedgerError> {
    let key = random::<N>()?;
    let unfinished = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_directory_of(path)
    };
    write().map_err(LedgerError::io("create", path))?;
    Ok(key.to_vec())
}

/// Before the first record of a new journal.
fn new_head() -> Result<Head, LedgerError> {
    Ok(Head {
        log: hex::encode(random::<16>()?),
        sequence: 0,
        hash: Hash::ZERO,
        epoch: 0,
        swept: 1,
        longest_ms: 0,
        at_ms: 0,
    })
}

fn random<const N: usize>() -> Result<[u8; N], LedgerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| LedgerError::io("read", "random bytes")(io::Error::other(error)))?;
    Ok(bytes)
}
