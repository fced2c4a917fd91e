//! An index that lives as long as its process, for tests.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::super::action::{Action, State};
use super::super::changes::Changes;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::{Head, Index};

/// All actions, in memory.
#[derive(Default)]
pub(in super::super) struct MemoryIndex(RwLock<(Option<Head>, BTreeMap<Hash, Action>)>);

impl MemoryIndex {
    fn keys(&self, wanted: impl Fn(&Action) -> bool) -> Vec<Hash> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.1.values().filter(|action| wanted(action)).map(|action| action.key).collect()
    }
}

impl Index for MemoryIndex {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }

    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).1.get(key).cloned())
    }

    fn undone_by(&self, undo: &Hash) -> Result<Vec<Hash>, LedgerError> {
        Ok(self.keys(|action| action.undo == Some(*undo)))
    }

    fn started(&self) -> Result<Vec<Hash>, LedgerError> {
        Ok(self.keys(|action| matches!(action.state, State::Started { .. })))
    }

    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, change) in changes.iter() {
            match &change.action {
                Some(action) => held.1.insert(*key, Action::clone(action)),
                None => held.1.remove(key),
            };
        }
        held.0 = Some(head.clone());
        Ok(())
    }

    fn flush(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
