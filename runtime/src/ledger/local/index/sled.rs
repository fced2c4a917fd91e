//! The index in sled 0.34: one tree, key prefixes, small values.
//!
//! sled may lose what it was told to flush and may panic on its own files (guides/stores.md). Neither can lose an
//! action, because the journal has it: every panic becomes an error here, and an index that fails is rebuilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::super::action::{Action, Unsettled};
use super::super::super::changes::Changes;
use super::super::super::error::LedgerError;
use super::super::super::hash::Hash;
use super::super::super::subject::{Meeting, Slot};
use super::{Head, Index};

/// First byte of every value; another one means another version wrote it.
const FORMAT: u8 = 1;
/// Values and leaves above a quarter of this go to files that sled never syncs. Stored by sled, so it must not change.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Its own flushes compete with the journal's syncs for the disk, and what they would save is in the journal.
const FLUSH_EVERY_MS: u64 = 5_000;
const HEAD: &[u8] = b"m/head";
const BEGUN: &[u8] = b"m/begun";

/// How long sled may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// The index in one directory.
pub(in crate::ledger) struct SledIndex {
    /// Taken when dropped.
    db: Option<::sled::Db>,
}

/// sled syncs when it is dropped; that may panic, and after a failed write it may never end. What is lost then is in the
/// journal.
impl Drop for SledIndex {
    fn drop(&mut self) {
        let db = self.db.take();
        let (closed, closing) = channel();
        let close = move || {
            let well = catch_unwind(AssertUnwindSafe(|| drop(db))).is_ok();
            // Whoever waited may have given up.
            closed.send(well).ok();
        };
        let started = thread::Builder::new().name("ledger-index-close".to_owned()).spawn(close);
        if started.is_err() || closing.recv_timeout(CLOSE) != Ok(true) {
            tracing::warn!("the index of the ledger did not close; the next start catches up from the journal");
        }
    }
}

impl SledIndex {
    /// Opens or makes the index in `directory`. An index that opens can tell its head.
    pub(in crate::ledger) fn open(directory: &Path) -> Result<SledIndex, LedgerError> {
        let path = directory.to_owned();
        // sled panics on damaged files, and its recovery is not for the stack of whoever calls us.
        let opened = thread::Builder::new()
            .name("ledger-open".to_owned())
            .spawn(move || {
                let held = path.clone();
                let config = ::sled::Config::default()
                    .path(path)
                    .segment_size(SEGMENT_BYTES)
                    .cache_capacity(CACHE_BYTES)
                    .flush_every_ms(Some(FLUSH_EVERY_MS));
                let begun = Instant::now();
                loop {
                    match config.open() {
                        Ok(db) => return Ok(SledIndex { db: Some(db) }),
                        // Who has the directory of the ledger is alone here, and what it closed a moment ago may need
                        // that moment. Anyone else uses these files: they are not broken, and not to be removed.
                        Err(error) if error.to_string().contains("could not acquire lock") => {
                            if begun.elapsed() >= CLOSE {
                                return Err(LedgerError::Locked { path: held });
                            }
                            thread::sleep(Duration::from_millis(10));
                        }
                        Err(error) => return Err(failed(error)),
                    }
                }
            })
            .map_err(failed)?
            .join();
        let index = opened.map_err(|_| panicked())??;
        if index.head()?.is_none() && index.run(|db| Ok(!db.is_empty()))? {
            return Err(LedgerError::Index { reason: "it has actions but no head".to_owned() });
        }
        Ok(index)
    }

    /// Runs one operation of sled; its panics become errors.
    fn run<T>(&self, operation: impl FnOnce(&::sled::Db) -> ::sled::Result<T>) -> Result<T, LedgerError> {
        let db = self.db.as_ref().ok_or_else(|| failed("it is closed"))?;
        // Nothing of ours is left half-changed: the operation is sled's alone, and an index that failed is not used again.
        catch_unwind(AssertUnwindSafe(|| operation(db))).map_err(|_| panicked())?.map_err(failed)
    }

    /// Puts `action` in the place of what `key` has, if anything.
    fn replace(&self, key: &Hash, action: Option<&Action>) -> Result<(), LedgerError> {
        let now = name(key, action);
        if let Some(name) = &now {
            self.run(|db| db.insert(name, &[]))?;
        }
        let place = action_name(key);
        let before = match action {
            Some(action) => {
                let value = encode(action)?;
                self.run(|db| db.insert(place, value))?
            }
            None => self.run(|db| db.remove(place))?,
        };
        let Some(before) = before else { return Ok(()) };
        let before: Action = decode(&before)?;
        match name(key, Some(&before)).filter(|name| now.as_ref() != Some(name)) {
            Some(name) => self.run(|db| db.remove(name)).map(drop),
            None => Ok(()),
        }
    }

    /// The keys that follow `prefix`.
    fn keys(&self, prefix: Vec<u8>) -> Result<Vec<Hash>, LedgerError> {
        self.run(|db| {
            let mut keys = Vec::new();
            for name in db.scan_prefix(&prefix).keys() {
                let name = name?;
                let key = name.get(prefix.len()..).and_then(|rest| rest.try_into().ok());
                keys.push(Hash(key.ok_or(::sled::Error::Unsupported("a key of another length".to_owned()))?));
            }
            Ok(keys)
        })
    }
}

/// The other place where an action is found: by its state.
fn name(key: &Hash, action: Option<&Action>) -> Option<Vec<u8>> {
    action.and_then(Action::unsettled).map(|state| unsettled_name(state, key))
}

impl Index for SledIndex {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        self.run(|db| db.get(HEAD))?.map(|value| decode(&value)).transpose()
    }

    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        self.run(|db| db.get(action_name(key)))?.map(|value| decode(&value)).transpose()
    }

    fn begun(&self) -> Result<u64, LedgerError> {
        self.run(|db| db.get(BEGUN))?.map_or(Ok(0), |value| decode(&value))
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Meeting>, LedgerError> {
        self.run(|db| db.get(slot_name(slot)))?.map(|value| decode(&value)).transpose()
    }

    fn unsettled(&self, state: Unsettled) -> Result<Vec<Hash>, LedgerError> {
        self.keys(unsettled_prefix(state).to_vec())
    }

    /// One by one and not as sled's batch, which holds up every reader until it is through. What is found by state or by
    /// undo is entered before its action and removed behind it, so that a crash in between leaves too much and never too
    /// little: who looks there looks at the action too.
    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError> {
        let begun = encode(&head.sequence)?;
        self.run(|db| db.insert(BEGUN, begun))?;
        for (key, change) in changes.iter() {
            self.replace(key, change.action.as_deref())?;
        }
        for (slot, meeting) in changes.slots() {
            let (name, value) = (slot_name(slot), encode(&**meeting)?);
            self.run(|db| db.insert(name, value))?;
        }
        let head = encode(head)?;
        self.run(|db| db.insert(HEAD, head)).map(drop)
    }
}

fn action_name(key: &Hash) -> Vec<u8> {
    [b"a/", key.0.as_slice()].concat()
}

fn unsettled_prefix(state: Unsettled) -> &'static [u8] {
    match state {
        Unsettled::AwaitingApproval => b"w/",
        Unsettled::Started => b"s/",
        Unsettled::InDoubt => b"d/",
    }
}

fn unsettled_name(state: Unsettled, key: &Hash) -> Vec<u8> {
    [unsettled_prefix(state), key.0.as_slice()].concat()
}

fn slot_name(slot: &Slot) -> Vec<u8> {
    [b"t/", slot.0.as_slice()].concat()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    postcard::to_extend(value, vec![FORMAT]).map_err(failed)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LedgerError> {
    match bytes.split_first() {
        Some((&FORMAT, value)) => postcard::from_bytes(value).map_err(failed),
        _ => Err(LedgerError::Index { reason: "it has a value of an unknown format".to_owned() }),
    }
}

fn failed(error: impl std::fmt::Display) -> LedgerError {
    LedgerError::Index { reason: error.to_string() }
}

fn panicked() -> LedgerError {
    LedgerError::Index { reason: "sled panicked".to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::super::changes::Changes;
    use super::super::super::super::hash::Hash;
    use super::{FORMAT, HEAD, Head, Index, SledIndex};

    #[test]
    fn an_index_of_another_format_or_without_head_does_not_open() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("format");
        let index = SledIndex::open(&directory).unwrap();
        let head =
            Head { log: "log".to_owned(), sequence: 1, hash: Hash::ZERO, epoch: 1, swept: 1, longest_ms: 0, at_ms: 0 };
        index.apply(&Changes::default(), &head).unwrap();
        let mut value = index.run(|db| db.get(HEAD)).unwrap().unwrap().to_vec();
        value[0] = FORMAT + 1;
        index.run(|db| db.insert(HEAD, value)).unwrap();
        drop(index);
        assert!(SledIndex::open(&directory).is_err());

        let directory = scratch.path().join("head");
        let index = SledIndex::open(&directory).unwrap();
        index.run(|db| db.insert(b"a/", b"")).unwrap();
        drop(index);
        assert!(SledIndex::open(&directory).is_err());
    }
}
