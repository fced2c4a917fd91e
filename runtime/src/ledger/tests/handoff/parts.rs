//! A journal, and what is kept of an index, that let other threads go on wherever real ones would.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread::yield_now;

use super::super::super::error::LedgerError;
use super::super::super::local::index::blocks::Values;
use super::super::super::local::journal::memory::MemoryJournal;
use super::super::super::local::journal::{Journal, Position, Reader, WriteError};

/// A journal that may fail, and then may have written or not.
pub(super) struct Disk {
    pub(super) inner: MemoryJournal,
    /// Appends until one fails.
    pub(super) left: usize,
}

impl Journal for Disk {
    fn begin(&mut self, next: u64) -> io::Result<Position> {
        self.inner.begin(next)
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError> {
        yield_now();
        let works = self.left > 0;
        if works || thread_rng().r#gen() {
            self.inner.append(batch)?;
        }
        self.left = self.left.saturating_sub(1);
        yield_now();
        if works { Ok(()) } else { Err(WriteError::Broken(io::Error::other("injected"))) }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}

/// Values in memory, which may fail.
#[derive(Clone)]
pub(super) struct Kept(Arc<Mutex<Held>>);

struct Held {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Writes until one fails.
    left: usize,
}

impl Kept {
    pub(super) fn new(left: usize) -> Kept {
        Kept(Arc::new(Mutex::new(Held { values: BTreeMap::new(), left })))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Values for Kept {
    fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.held().values.get(name).cloned())
    }

    fn put(&self, name: &[u8], value: &[u8]) -> Result<(), LedgerError> {
        let mut held = self.held();
        held.left = held.left.checked_sub(1).ok_or_else(|| LedgerError::Index { reason: "injected".to_owned() })?;
        held.values.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&self, name: &[u8]) -> Result<(), LedgerError> {
        self.held().values.remove(name);
        Ok(())
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError> {
        Ok(self.held().values.keys().cloned().collect())
    }

    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
        self.held().values.iter().for_each(|(name, value)| show(name, value));
        Ok(())
    }
}
