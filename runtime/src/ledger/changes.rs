//! Changes of actions that are decided and not durable yet.

use std::collections::HashMap;
use std::sync::Arc;

use super::action::{Action, State, Step};
use super::error::LedgerError;
use super::hash::Hash;
use super::subject::{Done, Meeting, Slot, Touch, own, touching};

/// The latest state of one action.
#[derive(Clone)]
pub(super) struct Change {
    /// `None`: the action left the index.
    pub(super) action: Option<Arc<Action>>,
}

/// The latest state of every action that changed, and of the slots where its subjects meet.
pub(super) struct Changes<D = Touch> {
    by_key: HashMap<Hash, Change>,
    by_slot: HashMap<Slot, Arc<Meeting<D>>>,
}

impl<D> Default for Changes<D> {
    fn default() -> Changes<D> {
        Changes { by_key: HashMap::new(), by_slot: HashMap::new() }
    }
}

/// The slots before any of the changes.
pub(super) trait Before<D = Touch> {
    /// The meeting at `slot`.
    ///
    /// # Errors
    /// [`LedgerError`] when the store cannot be read.
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting<D>>>, LedgerError>;

    /// The latest time until which any action answers, in ms since 1970.
    fn longest_ms(&self) -> u64;
}

impl<D: Done> Changes<D> {
    pub(super) fn get(&self, key: &Hash) -> Option<&Change> {
        self.by_key.get(key)
    }

    /// The meeting at `slot`, if it changed.
    pub(super) fn meeting(&self, slot: &Slot) -> Option<&Arc<Meeting<D>>> {
        self.by_slot.get(slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Hash, &Change)> {
        self.by_key.iter()
    }

    /// The slots that changed.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&Slot, &Arc<Meeting<D>>)> {
        self.by_slot.iter()
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
        before: &dyn Before<D>,
    ) -> Result<(), LedgerError> {
        let key = step.key;
        let action = step.apply(current.clone())?.map(Arc::new);
        self.meet(current.as_deref(), action.as_deref(), before)?;
        self.by_key.insert(key, Change { action });
        Ok(())
    }

    /// Removes a settled action; no slot changes by that.
    pub(super) fn leave(&mut self, key: Hash) {
        self.by_key.insert(key, Change { action: None });
    }

    /// Updates the slots of the action's subjects.
    fn meet(&mut self, from: Option<&Action>, to: Option<&Action>, before: &dyn Before<D>) -> Result<(), LedgerError> {
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
            self.by_slot.insert(*slot, Arc::new(meeting));
        }
        // The actions that touch this one are remembered for as long as it answers.
        let Some((to, expires_ms)) = to.and_then(|to| Some((to, to.expires_ms?))) else { return Ok(()) };
        for slot in touching(&to.subjects) {
            let Some(meeting) = self.at(&slot, before)?.filter(|meeting| meeting.until_ms < expires_ms) else {
                continue;
            };
            let meeting = Meeting { until_ms: expires_ms, ..Arc::unwrap_or_clone(meeting) };
            self.by_slot.insert(slot, Arc::new(meeting));
        }
        Ok(())
    }

    fn at(&self, slot: &Slot, before: &dyn Before<D>) -> Result<Option<Arc<Meeting<D>>>, LedgerError> {
        match self.meeting(slot) {
            Some(meeting) => Ok(Some(Arc::clone(meeting))),
            None => before.meeting(slot),
        }
    }
}
