//! An index that lives as long as its process, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use super::super::super::action::{Action, Unsettled};
use super::super::super::changes::Changes;
use super::super::super::error::LedgerError;
use super::super::super::hash::Hash;
use super::{Head, Index};

/// All actions, in memory.
#[derive(Default)]
pub(in crate::ledger) struct MemoryIndex(RwLock<Held>);

#[derive(Default)]
struct Held {
    head: Option<Head>,
    actions: BTreeMap<Hash, Action>,
    /// Key of an undo, then of an action that it undoes: asked for at every completion.
    undone: BTreeSet<(Hash, Hash)>,
}

impl Held {
    fn replace(&mut self, key: Hash, action: Option<Action>) {
        let undo = action.as_ref().and_then(|action| action.undo);
        if let Some(undo) = undo {
            self.undone.insert((undo, key));
        }
        let before = match action {
            Some(action) => self.actions.insert(key, action),
            None => self.actions.remove(&key),
        };
        if let Some(stale) = before.and_then(|before| before.undo).filter(|stale| Some(*stale) != undo) {
            self.undone.remove(&(stale, key));
        }
    }
}

impl Index for MemoryIndex {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).head.clone())
    }

    fn begun(&self) -> Result<u64, LedgerError> {
        Ok(self.head()?.map_or(0, |head| head.sequence))
    }

    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).actions.get(key).cloned())
    }

    fn undone_by(&self, undo: &Hash) -> Result<Vec<Hash>, LedgerError> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = (*undo, Hash::ZERO);
        Ok(held.undone.range(from..).take_while(|(key, _)| key == undo).map(|(_, action)| *action).collect())
    }

    fn unsettled(&self, state: Unsettled) -> Result<Vec<Hash>, LedgerError> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = held.actions.values().filter(|action| action.unsettled() == Some(state));
        Ok(found.map(|action| action.key).collect())
    }

    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, change) in changes.iter() {
            held.replace(*key, change.action.as_ref().map(|action| Action::clone(action)));
        }
        held.head = Some(head.clone());
        Ok(())
    }
}
