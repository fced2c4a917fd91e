//! Changes of actions that the index does not hold yet: those of a batch, and those waiting to be applied.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::action::{Action, Step};
use super::error::LedgerError;
use super::hash::Hash;

/// The latest state of one action.
#[derive(Clone)]
pub(super) struct Change {
    /// Sequence of the record that caused it.
    pub(super) sequence: u64,
    /// `None`: the action left the index.
    pub(super) action: Option<Arc<Action>>,
}

/// The latest state of every action that changed, with the same lookup by undo key as the index.
#[derive(Default)]
pub(super) struct Changes {
    by_key: HashMap<Hash, Change>,
    by_undo: HashMap<Hash, BTreeSet<Hash>>,
}

impl Changes {
    pub(super) fn get(&self, key: &Hash) -> Option<&Change> {
        self.by_key.get(key)
    }

    /// Keys of the actions here that `undo` undoes.
    pub(super) fn undone_by(&self, undo: &Hash) -> impl Iterator<Item = Hash> {
        self.by_undo.get(undo).into_iter().flatten().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Hash, &Change)> {
        self.by_key.iter()
    }

    /// Number of actions that changed.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Takes one step: `current` is the action's state before it.
    pub(super) fn step(&mut self, step: Step, current: Option<Action>) -> Result<(), LedgerError> {
        let (sequence, key) = (step.sequence, step.key);
        for freed in step.frees() {
            self.put(*freed, Change { sequence, action: None });
        }
        let action = step.apply(current)?.map(Arc::new);
        self.put(key, Change { sequence, action });
        Ok(())
    }

    /// Adds all of `newer`.
    pub(super) fn absorb(&mut self, newer: &Changes) {
        for (key, change) in newer.iter() {
            self.put(*key, change.clone());
        }
    }

    /// Forgets what `applied` has brought into the index and no later record changed.
    pub(super) fn forget(&mut self, applied: &Changes) {
        for (key, change) in applied.iter() {
            if self.by_key.get(key).is_some_and(|here| here.sequence <= change.sequence) {
                self.take(key);
            }
        }
    }

    fn put(&mut self, key: Hash, change: Change) {
        self.take(&key);
        if let Some(undo) = change.action.as_ref().and_then(|action| action.undo) {
            self.by_undo.entry(undo).or_default().insert(key);
        }
        self.by_key.insert(key, change);
    }

    fn take(&mut self, key: &Hash) {
        let before = self.by_key.remove(key);
        let Some(undo) = before.and_then(|change| change.action).and_then(|action| action.undo) else {
            return;
        };
        if let Some(keys) = self.by_undo.get_mut(&undo) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_undo.remove(&undo);
            }
        }
    }
}
