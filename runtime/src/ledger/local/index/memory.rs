//! The index that lives as long as its process, for tests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::super::action::{Action, Unsettled};
use super::super::super::changes::Changes;
use super::super::super::error::LedgerError;
use super::super::super::hash::Hash;
use super::super::super::subject::{Meeting, Slot};
use super::{Head, Index};

/// Actions in memory.
#[derive(Default)]
pub(in crate::ledger) struct MemoryIndex(Mutex<Held>);

#[derive(Default)]
struct Held {
    head: Option<Head>,
    actions: BTreeMap<Hash, Action>,
    meetings: HashMap<Slot, Meeting>,
}

impl MemoryIndex {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for MemoryIndex {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        Ok(self.held().head.clone())
    }

    fn begun(&self) -> Result<u64, LedgerError> {
        Ok(self.held().head.as_ref().map_or(0, |head| head.sequence))
    }

    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        Ok(self.held().actions.get(key).cloned())
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Meeting>, LedgerError> {
        Ok(self.held().meetings.get(slot).cloned())
    }

    fn unsettled(&self, state: Unsettled) -> Result<Vec<Hash>, LedgerError> {
        let held = self.held();
        let found = held.actions.values().filter(|action| action.unsettled() == Some(state));
        Ok(found.map(|action| action.key).collect())
    }

    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError> {
        let mut held = self.held();
        for (key, change) in changes.iter() {
            match &change.action {
                Some(action) => held.actions.insert(*key, Action::clone(action)),
                None => held.actions.remove(key),
            };
        }
        for (slot, meeting) in changes.slots() {
            held.meetings.insert(*slot, Meeting::clone(meeting));
        }
        held.head = Some(head.clone());
        Ok(())
    }
}
