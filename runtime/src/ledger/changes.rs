//! Changes of actions that are not in the index yet: those of a batch, and those waiting to be applied.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::action::{Action, State, Step, Unsettled, Version};
use super::error::LedgerError;
use super::hash::Hash;
use super::subject::{Meeting, Slot, own, touching};

/// The latest state of one action.
#[derive(Clone)]
pub(super) struct Change {
    /// The record that caused it.
    pub(super) version: Version,
    /// `None`: the action left the index.
    pub(super) action: Option<Arc<Action>>,
}

/// The latest state of every action that changed, and of the slots where its subjects meet.
#[derive(Default)]
pub(super) struct Changes {
    by_key: HashMap<Hash, Change>,
    by_slot: HashMap<Slot, (Version, Arc<Meeting>)>,
}

/// The slots before any of the changes.
pub(super) trait Before {
    /// The meeting at `slot`.
    ///
    /// # Errors
    /// [`LedgerError`] when the store cannot be read.
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError>;

    /// The latest time until which any action answers, in ms since 1970.
    fn longest_ms(&self) -> u64;
}

impl Changes {
    pub(super) fn get(&self, key: &Hash) -> Option<&Change> {
        self.by_key.get(key)
    }

    /// The meeting at `slot`, if it changed.
    pub(super) fn meeting(&self, slot: &Slot) -> Option<&Arc<Meeting>> {
        self.by_slot.get(slot).map(|(_, meeting)| meeting)
    }

    /// Keys of the changed actions in this state.
    pub(super) fn unsettled(&self, state: Unsettled) -> BTreeSet<Hash> {
        let stands = |change: &Change| change.action.as_ref().is_some_and(|action| action.unsettled() == Some(state));
        self.by_key.iter().filter(|(_, change)| stands(change)).map(|(key, _)| *key).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Hash, &Change)> {
        self.by_key.iter()
    }

    /// The slots that changed.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&Slot, &Arc<Meeting>)> {
        self.by_slot.iter().map(|(slot, (_, meeting))| (slot, meeting))
    }

    /// Number of actions that changed.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Applies one step: `current` is the action before it, `before` the state before all changes.
    ///
    /// # Errors
    /// [`LedgerError::Inconsistent`] when the step does not fit `current`; any other error when the store cannot be read.
    pub(super) fn step(
        &mut self,
        step: Step,
        current: Option<Arc<Action>>,
        before: &dyn Before,
    ) -> Result<(), LedgerError> {
        let (version, key) = (step.version, step.key);
        let action = step.apply(current.clone())?.map(Arc::new);
        self.meet(version, current.as_deref(), action.as_deref(), before)?;
        self.by_key.insert(key, Change { version, action });
        Ok(())
    }

    /// Updates the slots of the action's subjects.
    fn meet(
        &mut self,
        version: Version,
        from: Option<&Action>,
        to: Option<&Action>,
        before: &dyn Before,
    ) -> Result<(), LedgerError> {
        let open = from.is_some_and(|from| matches!(from.state, State::Started { .. } | State::InDoubt));
        let mut slots = if open { own(&from.map_or(Vec::new(), |from| from.subjects.clone())) } else { Vec::new() };
        let touches = to.is_some_and(|to| !matches!(to.state, State::AwaitingApproval(_) | State::Failed));
        if let Some(to) = to.filter(|_| touches) {
            slots.extend(own(&to.subjects));
            slots.sort_unstable();
            slots.dedup();
        }
        for slot in &slots {
            let mut meeting = self.at(slot, before)?.map(Arc::unwrap_or_clone).unwrap_or_default();
            meeting.take(from, to.filter(|_| touches), before.longest_ms());
            self.by_slot.insert(*slot, (version, Arc::new(meeting)));
        }
        // The actions that touch this one are remembered for as long as it answers.
        let Some((to, expires_ms)) = to.and_then(|to| Some((to, to.expires_ms?))) else { return Ok(()) };
        for slot in touching(&to.subjects) {
            let Some(meeting) = self.at(&slot, before)?.filter(|meeting| meeting.until_ms < expires_ms) else {
                continue;
            };
            let meeting = Meeting { until_ms: expires_ms, ..Arc::unwrap_or_clone(meeting) };
            self.by_slot.insert(slot, (version, Arc::new(meeting)));
        }
        Ok(())
    }

    fn at(&self, slot: &Slot, before: &dyn Before) -> Result<Option<Arc<Meeting>>, LedgerError> {
        match self.meeting(slot) {
            Some(meeting) => Ok(Some(Arc::clone(meeting))),
            None => before.meeting(slot),
        }
    }

    /// Adds all of `newer`.
    pub(super) fn absorb(&mut self, newer: &Changes) {
        self.by_key.extend(newer.by_key.iter().map(|(key, change)| (*key, change.clone())));
        self.by_slot.extend(newer.by_slot.iter().map(|(slot, meeting)| (*slot, meeting.clone())));
    }

    /// Removes the changes that are in the index up to these versions, unless a later record changed them again.
    pub(super) fn forget(&mut self, applied: &[(Hash, Version)], slots: &[(Slot, Version)]) {
        for (key, version) in applied {
            if self.by_key.get(key).is_some_and(|here| here.version <= *version) {
                self.by_key.remove(key);
            }
        }
        for (slot, version) in slots {
            if self.by_slot.get(slot).is_some_and(|(here, _)| here <= version) {
                self.by_slot.remove(slot);
            }
        }
    }

    /// The slots that changed, each with the last record that changed it.
    pub(super) fn slot_versions(&self) -> Vec<(Slot, Version)> {
        self.by_slot.iter().map(|(slot, (version, _))| (*slot, *version)).collect()
    }
}
