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

    use super::super::super::action::{Approval, Beginning, State, Step, Transition, Unsettled, Version};
    use super::super::super::changes::Changes;
    use super::super::super::hash::Hash;
    use super::memory::MemoryIndex;
    use super::sled::SledIndex;
    use super::{Head, Index};

    const A: Hash = Hash([1; 32]);
    const B: Hash = Hash([2; 32]);
    const UNDO: Hash = Hash([3; 32]);

    fn take(index: &dyn Index, sequence: u64, key: Hash, change: Transition) {
        let mut changes = Changes::default();
        let step = Step { version: Version(sequence), at_ms: sequence, key, change };
        changes.step(step, index.get(&key).unwrap().map(Arc::new)).unwrap();
        index.apply(&changes, &head(sequence)).unwrap();
    }

    fn head(sequence: u64) -> Head {
        Head { log: "log".to_owned(), sequence, hash: Hash([9; 32]), epoch: 1, swept: 1 }
    }

    fn start() -> Transition {
        Transition::Begin(Box::new(Beginning::started(1)))
    }

    fn await_approval() -> Transition {
        let approval = Approval { id: "01J".to_owned(), expires_ms: 9, decision: None };
        Transition::Begin(Box::new(Beginning { state: State::AwaitingApproval(approval), ..Beginning::started(1) }))
    }

    fn complete(undo: Option<Hash>, frees: Vec<Hash>) -> Transition {
        Transition::Complete { payload: None, undo, frees, expires_ms: Some(7) }
    }

    #[test]
    fn every_index_finds_by_key_by_undo_and_by_state() {
        let directory = tempfile::tempdir().unwrap();
        let sled = SledIndex::open(directory.path()).unwrap();
        let memory = MemoryIndex::default();
        for index in [&sled as &dyn Index, &memory] {
            assert_eq!(index.head().unwrap(), None);
            take(index, 1, A, start());
            take(index, 2, B, start());
            assert_eq!(index.unsettled(Unsettled::Started).unwrap(), [A, B]);
            take(index, 3, A, complete(Some(UNDO), Vec::new()));
            assert_eq!(index.unsettled(Unsettled::Started).unwrap(), [B]);
            assert_eq!(index.undone_by(&UNDO).unwrap(), [A]);
            // Another prefix of the same bytes is another undo.
            assert_eq!(index.undone_by(&A).unwrap(), []);
            take(index, 4, A, start());
            assert_eq!(index.undone_by(&UNDO).unwrap(), []);
            take(index, 5, A, complete(Some(UNDO), Vec::new()));
            take(index, 6, B, complete(None, vec![A]));
            assert_eq!(index.get(&A).unwrap(), None);
            assert_eq!(index.undone_by(&UNDO).unwrap(), []);
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
