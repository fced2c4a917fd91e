//! Subjects: the things that an action changes, and the other actions that touch them.
//!
//! A [`Subject`] is a set of pairs of thing and value, as `{host: web-01}` or `{environment: prod, service: api}`. An action
//! *touches* another when one of its subjects is a subset of one of the other's: deleting an environment touches every
//! deployment in it, deploying a service does not touch the deletion of its environment. The actions with one subject are stored
//! together at its [`Slot`]; the actions that touch an action are at the slots of all subsets of its subjects.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::action::{Action, Moment, State};
use super::hash::Hash;

/// Most pairs of one subject.
pub const MOST_PAIRS: usize = 4;
/// Ended actions that a slot remembers. They have different keys, so one of two has another key than the action that is judged.
pub(super) const REMEMBERED: usize = 2;

/// One thing that an action hits, hashed under the ledger's key; see [`Redactor::pair`](super::Redactor::pair).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pair(#[serde(with = "hex::serde")] pub(super) [u8; 16]);

/// A set of one to four pairs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(Vec<Pair>);

/// The name of the place where the actions with one subject are stored: the hash of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Slot(#[serde(with = "hex::serde")] pub(super) [u8; 16]);

impl Subject {
    /// The set of `pairs`; `None` for none, and for more than [`MOST_PAIRS`].
    #[must_use]
    pub fn new(mut pairs: Vec<Pair>) -> Option<Subject> {
        pairs.sort_unstable();
        pairs.dedup();
        (1..=MOST_PAIRS).contains(&pairs.len()).then_some(Subject(pairs))
    }

    /// The slot of this subject.
    pub(super) fn slot(&self) -> Slot {
        slot(self.0.iter())
    }

    /// The slots of this subject and of all its subsets: the actions there touch an action with this subject.
    pub(super) fn parts(&self) -> impl Iterator<Item = Slot> + '_ {
        (1..1_usize << self.0.len()).map(|chosen| {
            slot(self.0.iter().enumerate().filter(move |(place, _)| chosen & (1 << place) != 0).map(|(_, pair)| pair))
        })
    }
}

fn slot<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Slot {
    let mut hash = Sha256::new();
    hash.update(b"safe_tool/subject/v1");
    pairs.for_each(|pair| hash.update(pair.0));
    let mut slot = [0; 16];
    slot.copy_from_slice(hash.finalize().get(..16).unwrap_or(&[0; 16]));
    Slot(slot)
}

/// The slots of the actions that touch an action with `subjects`, each once, in ascending order.
pub(super) fn touching(subjects: &[Subject]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = subjects.iter().flat_map(Subject::parts).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// The slots of `subjects`, each once, in ascending order.
pub(super) fn own(subjects: &[Subject]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = subjects.iter().map(Subject::slot).collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// An action that had, or may have had, an effect on a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touch {
    pub(super) key: Hash,
    pub(super) call: String,
    pub(super) tool: String,
    pub(super) began: Moment,
    /// The end of its body; `None` while it runs.
    pub(super) ended: Option<Moment>,
    /// Its outcome is not known.
    pub(super) doubt: bool,
    /// Time of the last record about it, in ms since 1970.
    pub(super) at_ms: u64,
    /// Epoch of the server that may be running it, and the end of its lease; the epoch is 0 when none is.
    pub(super) epoch: u64,
    pub(super) until_ms: u64,
}

impl Touch {
    /// `None` for an action that certainly had no effect.
    pub(super) fn of(action: &Action) -> Option<Touch> {
        match action.state {
            State::Started { .. } | State::InDoubt => {}
            State::Completed if !action.stored_error => {}
            State::Completed | State::Failed | State::AwaitingApproval(_) => return None,
        }
        Some(Touch {
            key: action.key,
            call: action.call.clone(),
            tool: action.tool.clone(),
            began: action.began,
            ended: action.ended,
            doubt: action.state == State::InDoubt,
            at_ms: action.at_ms,
            epoch: action.epoch,
            until_ms: action.until_ms,
        })
    }
}

/// An action with an effect that has ended, as a slot remembers it.
pub(super) trait Done: Clone {
    /// The entry for the completed `action` with this touch.
    fn of(action: &Action, touch: Touch) -> Self;

    /// True for the action of `key`.
    fn is_of(&self, key: &Hash) -> bool;

    /// The end of its body.
    fn ended(&self) -> Option<Moment>;
}

impl Done for Touch {
    fn of(_action: &Action, touch: Touch) -> Touch {
        touch
    }

    fn is_of(&self, key: &Hash) -> bool {
        self.key == *key
    }

    fn ended(&self) -> Option<Moment> {
        self.ended
    }
}

/// The actions at a slot. A store that can look up ended actions elsewhere keeps less than a [`Touch`] of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meeting<D = Touch> {
    /// Started and in doubt. Shared, because many may be: every change copies the list.
    pub(super) open: Vec<Arc<Touch>>,
    /// The latest completed ones, of different keys, the latest first.
    pub(super) done: Vec<D>,
    /// The time until which it must be kept, in ms since 1970.
    pub(super) until_ms: u64,
}

impl<D> Default for Meeting<D> {
    fn default() -> Meeting<D> {
        Meeting { open: Vec::new(), done: Vec::new(), until_ms: 0 }
    }
}

impl<D: Done> Meeting<D> {
    /// Applies the change of an action from `before` to `after`. `longest_ms` is the latest time until which any action answers.
    pub(super) fn take(&mut self, before: Option<&Action>, after: Option<&Action>, longest_ms: u64) {
        if let Some(before) = before {
            self.open.retain(|touch| (touch.key, touch.began) != (before.key, before.began));
        }
        let Some(after) = after else { return };
        self.until_ms = self.until_ms.max(longest_ms).max(after.expires_ms.unwrap_or(0));
        let Some(touch) = Touch::of(after) else { return };
        if after.state != State::Completed {
            self.open.push(Arc::new(touch));
            return;
        }
        self.done.retain(|known| !known.is_of(&touch.key));
        self.done.push(D::of(after, touch));
        self.done.sort_by_key(|touch| std::cmp::Reverse(touch.ended()));
        self.done.truncate(REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::slice::from_ref;

    use super::{Pair, Subject, own, touching};

    fn subject(pairs: &[u8]) -> Subject {
        Subject::new(pairs.iter().map(|pair| Pair([*pair; 16])).collect()).unwrap()
    }

    /// True if an action about `a` touches one about `b`.
    fn touches(a: &[Subject], b: &[Subject]) -> bool {
        own(a).iter().any(|slot| touching(b).contains(slot))
    }

    #[test]
    fn the_wider_touches_the_narrower() {
        let (environment, service) = (subject(&[1]), subject(&[1, 2]));
        assert!(touches(from_ref(&environment), from_ref(&service)));
        assert!(!touches(from_ref(&service), &[environment]));
        assert!(touches(&[service], &[subject(&[2, 1])]), "in whatever order");
    }

    #[test]
    fn one_subject_of_many_is_enough() {
        assert!(touches(&[subject(&[7]), subject(&[1])], &[subject(&[1, 2]), subject(&[9])]));
        assert!(!touches(&[subject(&[7]), subject(&[8])], &[subject(&[1, 2]), subject(&[9])]));
        assert!(!touches(&[], &[subject(&[9])]));
    }

    #[test]
    fn a_subject_has_one_to_four_pairs() {
        assert_eq!(Subject::new(Vec::new()), None);
        assert_eq!(Subject::new((0..5).map(|pair| Pair([pair; 16])).collect()), None);
        assert_eq!(subject(&[1, 2, 3, 4]).parts().count(), 15);
    }
}
