//! The index: actions by key. Derived from the journal, so it may lag behind and may be thrown away.

use serde::{Deserialize, Serialize};

use super::super::action::{Action, Unsettled};
use super::super::changes::Changes;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::Tail;
use super::super::subject::{Meeting, Slot};

pub(in crate::ledger) mod memory;
pub(in crate::ledger) mod sled;

/// How far the index has followed which journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ledger) struct Head {
    /// Id of the journal.
    pub(in crate::ledger) log: String,
    /// Sequence of the last record applied.
    pub(in crate::ledger) sequence: u64,
    /// Its hash.
    pub(in crate::ledger) hash: Hash,
    /// Highest epoch seen.
    pub(in crate::ledger) epoch: u64,
    /// First sequence of the segment up to which retention has come.
    pub(in crate::ledger) swept: u64,
    /// The latest time until which any action answers, in ms since 1970.
    pub(in crate::ledger) longest_ms: u64,
    /// Time of the last record, in ms since 1970.
    pub(in crate::ledger) at_ms: u64,
}

impl Head {
    pub(in crate::ledger) fn tail(&self) -> Tail {
        Tail { sequence: self.sequence, hash: self.hash }
    }
}

/// A store of actions with one writer and readers on any thread. Errors are [`LedgerError::Index`].
pub(in crate::ledger) trait Index: Send + Sync {
    /// How far it has come; `None` when it is empty.
    fn head(&self) -> Result<Option<Head>, LedgerError>;

    /// Sequence up to which changes were begun to be taken over: behind the head after a crash in the middle.
    fn begun(&self) -> Result<u64, LedgerError>;

    /// The action of `key`.
    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError>;

    /// The actions that meet at `slot`.
    fn meeting(&self, slot: &Slot) -> Result<Option<Meeting>, LedgerError>;

    /// Keys of the actions in this state; perhaps others too, after a crash.
    fn unsettled(&self, state: Unsettled) -> Result<Vec<Hash>, LedgerError>;

    /// Takes over `changes`, and at last the head they lead to.
    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::super::super::action::{Approval, Beginning, Moment, State, Step, Transition, Unsettled, Version};
    use super::super::super::changes::{Before, Changes};
    use super::super::super::error::LedgerError;
    use super::super::super::hash::Hash;
    use super::super::super::subject::{Meeting, Pair, Slot, Subject, Touch};
    use super::memory::MemoryIndex;
    use super::sled::SledIndex;
    use super::{Head, Index};

    const A: Hash = Hash([1; 32]);
    const B: Hash = Hash([2; 32]);

    /// What stands in an index before a change.
    struct Standing<'a>(&'a dyn Index);

    impl Before for Standing<'_> {
        fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
            Ok(self.0.meeting(slot)?.map(Arc::new))
        }

        fn longest_ms(&self) -> u64 {
            0
        }
    }

    fn take(index: &dyn Index, sequence: u64, key: Hash, change: Transition) {
        let mut changes = Changes::default();
        let step = Step { version: Version(sequence), moment: Moment(sequence), at_ms: sequence, key, change };
        changes.step(step, index.get(&key).unwrap().map(Arc::new), &Standing(index)).unwrap();
        index.apply(&changes, &head(sequence)).unwrap();
    }

    fn head(sequence: u64) -> Head {
        Head { log: "log".to_owned(), sequence, hash: Hash([9; 32]), epoch: 1, swept: 1, longest_ms: 0, at_ms: 0 }
    }

    fn start() -> Transition {
        Transition::Begin(Box::new(Beginning { subjects: vec![about(1)], ..Beginning::started(1) }))
    }

    fn await_approval() -> Transition {
        let approval = Approval { id: "01J".to_owned(), expires_ms: 9, decision: None };
        Transition::Begin(Box::new(Beginning { state: State::AwaitingApproval(approval), ..Beginning::started(1) }))
    }

    fn complete(subjects: Vec<Subject>) -> Transition {
        Transition::Complete { payload: None, subjects, expires_ms: Some(7), stored_error: false }
    }

    fn about(thing: u8) -> Subject {
        Subject::new(vec![Pair([thing; 16])]).unwrap()
    }

    /// The keys that meet at a thing: those still open, and those that are done.
    fn met(index: &dyn Index, thing: u8) -> (Vec<Hash>, Vec<Hash>) {
        let meeting = index.meeting(&about(thing).slot()).unwrap().unwrap_or_default();
        let keys = |touches: &[Touch]| touches.iter().map(|touch| touch.key).collect();
        (keys(&meeting.open), keys(&meeting.done))
    }

    #[test]
    fn every_index_finds_by_key_by_subject_and_by_state() {
        let directory = tempfile::tempdir().unwrap();
        let sled = SledIndex::open(directory.path()).unwrap();
        let memory = MemoryIndex::default();
        for index in [&sled as &dyn Index, &memory] {
            assert_eq!(index.head().unwrap(), None);
            take(index, 1, A, start());
            take(index, 2, B, start());
            assert_eq!(index.unsettled(Unsettled::Started).unwrap(), [A, B]);
            assert_eq!(met(index, 1), (vec![A, B], vec![]));
            take(index, 3, A, complete(vec![about(2)]));
            assert_eq!(index.unsettled(Unsettled::Started).unwrap(), [B]);
            assert_eq!(met(index, 1), (vec![B], vec![A]));
            assert_eq!(met(index, 2), (vec![], vec![A]), "the subject of its undo call");
            assert_eq!(met(index, 3), (vec![], vec![]));
            take(index, 4, A, start());
            assert_eq!(met(index, 1), (vec![B, A], vec![A]), "what it did before is still remembered");
            take(index, 5, A, Transition::Fail { expires_ms: Some(7) });
            take(index, 6, B, complete(Vec::new()));
            assert_eq!(met(index, 1), (vec![], vec![B, A]));
            assert_eq!(index.get(&A).unwrap().unwrap().state, State::Failed);
            assert_eq!(index.get(&B).unwrap().unwrap().version, Version(6));
            take(index, 7, A, await_approval());
            assert_eq!(index.unsettled(Unsettled::AwaitingApproval).unwrap(), [A]);
            take(index, 8, A, start());
            take(index, 9, A, Transition::Doubt { running: true });
            assert_eq!(index.unsettled(Unsettled::AwaitingApproval).unwrap(), []);
            assert_eq!(index.unsettled(Unsettled::Started).unwrap(), []);
            assert_eq!(index.unsettled(Unsettled::InDoubt).unwrap(), [A]);
            assert_eq!(index.get(&A).unwrap().unwrap().intent, Version(8));
            assert_eq!(index.head().unwrap(), Some(head(9)));
        }
        drop(sled);
        assert_eq!(SledIndex::open(directory.path()).unwrap().head().unwrap(), Some(head(9)));
    }
}
