//! Blocks in sled 0.34: one tree, few values.
//!
//! sled may lose what it was told to flush and may panic on its own files (guides/stores.md). Neither can lose an
//! action, because the journal has it: every panic becomes an error here, and an index that fails is rebuilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::super::super::error::LedgerError;
use super::blocks::Values;

/// Values and leaves above a quarter of this go to files that sled never syncs. Stored by sled, so it must not change.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Values are read once, at the start.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Its own flushes compete with the journal's syncs for the disk, and what they would save is in the journal.
const FLUSH_EVERY_MS: u64 = 5_000;

/// How long sled may take to close.
pub(in crate::ledger) const CLOSE: Duration = Duration::from_secs(5);

/// The values in one directory.
pub(in crate::ledger) struct Sled {
    /// Taken when dropped.
    db: Option<::sled::Db>,
}

/// sled syncs when it is dropped; that may panic, and after a failed write it may never end. What is lost then is in the
/// journal.
impl Drop for Sled {
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

impl Sled {
    /// Opens or makes the values in `directory`.
    pub(in crate::ledger) fn open(directory: &Path) -> Result<Sled, LedgerError> {
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
                        Ok(db) => return Ok(Sled { db: Some(db) }),
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
        opened.map_err(|_| panicked())?
    }

    /// Runs one operation of sled; its panics become errors.
    fn run<T>(&self, operation: impl FnOnce(&::sled::Db) -> ::sled::Result<T>) -> Result<T, LedgerError> {
        let db = self.db.as_ref().ok_or_else(|| failed("it is closed"))?;
        // Nothing of ours is left half-changed: the operation is sled's alone, and an index that failed is not used again.
        catch_unwind(AssertUnwindSafe(|| operation(db))).map_err(|_| panicked())?.map_err(failed)
    }
}

impl Values for Sled {
    fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.run(|db| Ok(db.get(name)?.map(|value| value.to_vec())))
    }

    fn put(&self, name: &[u8], value: &[u8]) -> Result<(), LedgerError> {
        self.run(|db| db.insert(name, value)).map(drop)
    }

    fn remove(&self, name: &[u8]) -> Result<(), LedgerError> {
        self.run(|db| db.remove(name)).map(drop)
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.run(|db| db.iter().keys().map(|name| Ok(name?.to_vec())).collect())
    }

    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
        self.run(|db| {
            for item in db.iter() {
                let (name, value) = item?;
                show(&name, &value);
            }
            Ok(())
        })
    }
}

fn failed(error: impl std::fmt::Display) -> LedgerError {
    LedgerError::Index { reason: error.to_string() }
}

fn panicked() -> LedgerError {
    LedgerError::Index { reason: "sled panicked".to_owned() }
}
