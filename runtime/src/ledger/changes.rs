//! Changes of actions that the index does not hold yet: those of a batch, and those waiting to be applied.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::action::{Action, Step, Unsettled, Version};
use super::error::LedgerError;
use super::hash::Hash;

/// The latest state of one action.
#[derive(Clone)]
pub(super) struct Change {
    /// The record that caused it.
    pub(super) version: Version,
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

    /// Keys of the actions here in this state.
    pub(super) fn unsettled(&self, state: Unsettled) -> BTreeSet<Hash> {
        let stands = |change: &Change| change.action.as_ref().is_some_and(|action| action.unsettled() == Some(state));
        self.by_key.iter().filter(|(_, change)| stands(change)).map(|(key, _)| *key).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Hash, &Change)> {
        self.by_key.iter()
    }

    /// Number of actions that changed.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Takes one step: `current` is the action's state before it.
    pub(super) fn step(&mut self, step: Step, current: Option<Arc<Action>>) -> Result<(), LedgerError> {
        let (version, key) = (step.version, step.key);
        for freed in step.frees() {
            self.put(*freed, Change { version, action: None });
        }
        let action = step.apply(current)?.map(Arc::new);
        self.put(key, Change { version, action });
        Ok(())
    }

    /// Adds all of `newer`.
    pub(super) fn absorb(&mut self, newer: &Changes) {
        for (key, change) in newer.iter() {
            self.put(*key, change.clone());
        }
    }

    /// Forgets what was brought into the index up to these versions and no later record changed.
    pub(super) fn forget(&mut self, applied: &[(Hash, Version)]) {
        for (key, version) in applied {
            if self.by_key.get(key).is_some_and(|here| here.version <= *version) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::action::{Beginning, Step, Transition, Version};
    use super::super::hash::Hash;
    use super::Changes;

    const A: Hash = Hash([1; 32]);
    const UNDO: Hash = Hash([2; 32]);

    fn take(changes: &mut Changes, sequence: u64, change: Transition) {
        let current = changes.get(&A).and_then(|change| change.action.clone());
        changes.step(Step { version: Version(sequence), at_ms: 0, key: A, change }, current).unwrap();
    }

    fn start() -> Transition {
        Transition::Begin(Box::new(Beginning::started(1)))
    }

    fn complete() -> Transition {
        Transition::Complete { payload: None, undo: Some(UNDO), frees: Vec::new(), expires_ms: None }
    }

    fn completed() -> Changes {
        let mut changes = Changes::default();
        take(&mut changes, 1, start());
        take(&mut changes, 2, complete());
        changes
    }

    #[test]
    fn only_the_latest_state_is_found_by_its_undo() {
        let mut changes = completed();
        assert_eq!(changes.undone_by(&UNDO).collect::<Vec<_>>(), [A]);
        take(&mut changes, 3, start());
        assert_eq!(changes.undone_by(&UNDO).next(), None);
    }

    #[test]
    fn what_was_applied_is_forgotten_unless_it_changed_since() {
        let mut overlay = Changes::default();
        overlay.absorb(&completed());
        let mut newer = completed();
        take(&mut newer, 3, start());
        overlay.absorb(&newer);
        overlay.forget(&[(A, Version(2))]);
        assert_eq!(overlay.get(&A).unwrap().version, Version(3));
        overlay.forget(&[(A, Version(3))]);
        assert!(overlay.get(&A).is_none());
        assert_eq!(overlay.len(), 0);
    }
}
