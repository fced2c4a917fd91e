//! The index: actions by key. Derived from the journal, so it may lag behind and may be thrown away.

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::changes::Changes;
use super::error::LedgerError;
use super::hash::Hash;
use super::record::Tail;

pub(super) mod memory;
pub(super) mod sled;

/// How far the index has followed which journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Id of the journal.
    pub(super) log: String,
    /// Sequence of the last record applied.
    pub(super) sequence: u64,
    /// Its hash.
    pub(super) hash: Hash,
    /// Highest epoch seen.
    pub(super) epoch: u64,
}

impl Head {
    pub(super) fn tail(&self) -> Tail {
        Tail { sequence: self.sequence, hash: self.hash }
    }
}

/// A store of actions with one writer and readers on any thread. Errors are [`LedgerError::Index`].
pub(super) trait Index: Send + Sync {
    /// How far it has come; `None` when it is empty.
    fn head(&self) -> Result<Option<Head>, LedgerError>;

    /// The action of `key`.
    fn get(&self, key: &Hash) -> Result<Option<Action>, LedgerError>;

    /// Keys of the actions that `undo` undoes.
    fn undone_by(&self, undo: &Hash) -> Result<Vec<Hash>, LedgerError>;

    /// Keys of the started actions.
    fn started(&self) -> Result<Vec<Hash>, LedgerError>;

    /// Takes over `changes` and the head they lead to, all or nothing.
    fn apply(&self, changes: &Changes, head: &Head) -> Result<(), LedgerError>;

    /// Writes out what is buffered.
    fn flush(&self) -> Result<(), LedgerError>;
}
