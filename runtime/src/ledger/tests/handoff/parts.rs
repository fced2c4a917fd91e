//! A journal and an index that let other threads go on wherever real ones would.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread::yield_now;

use super::super::super::action::{Action, Unsettled};
use super::super::super::changes::Changes;
use super::super::super::error::LedgerError;
use super::super::super::hash::Hash;
use super::super::super::local::index::{Head, Index};
use super::super::super::local::journal::memory::MemoryJournal;
use super::super::super::local::journal::{Journal, Position, Reader, WriteError};
use super::super::super::subject::{Meeting, Slot};

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

/// An index that takes changes over one by one, in sled's order: what is found by state is there before its action and
/// leaves behind it; the slots of subjects come last.
pub(super) struct Gradual {
    held: Mutex<Held>,
    /// Changes until one fails.
    left: Mutex<usize>,
}

#[derive(Default)]
struct Held {
    head: Option<Head>,
    actions: BTreeMap<Hash, Action>,
    meetings: BTreeMap<Slot, Meeting>,
    unsettled: Vec<(Unsettled, Hash)>,
}

impl Gradual {
    pub(super) fn new(left: usize) -> Gradual {
        Gradual { held: Mutex::default(), left: Mutex::new(left) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for Gradual {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        Ok(self.held().head.clone())
    }

    fn begun(&self) -> Result<u64, LedgerError> {
        Ok(0)
    }

    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        Ok(self.held().actions.get(key).cloned())
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Meeting>, LedgerError> {
        Ok(self.held().meetings.get(slot).cloned())
    }

    fn unsettled(&self, state: Unsettled) -> Result<Vec<Hash>, LedgerError> {
        let held = self.held();
        Ok(held.unsettled.iter().filter(|(here, _)| *here == state).map(|(_, key)| *key).collect())
    }

    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError> {
        for (key, change) in changes.iter() {
            {
                let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                *left = left.checked_sub(1).ok_or_else(|| LedgerError::Index { reason: "injected".to_owned() })?;
            }
            let action = change.action.as_deref().cloned();
            let state = action.as_ref().and_then(Action::unsettled).map(|state| (state, *key));
            self.held().unsettled.extend(state);
            match action {
                Some(action) => self.held().actions.insert(*key, action),
                None => self.held().actions.remove(key),
            };
            self.held().unsettled.retain(|entry| entry.1 != *key || Some(*entry) == state);
        }
        for (slot, meeting) in changes.slots() {
            self.held().meetings.insert(*slot, Meeting::clone(meeting));
        }
        self.held().head = Some(head.clone());
        Ok(())
    }
}
