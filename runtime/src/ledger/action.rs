//! The state of one action, and how a record changes it. The committer and the replay of a journal share this step.

use serde::{Deserialize, Serialize};

use super::error::LedgerError;
use super::hash::Hash;

/// How long a completed action answers for its key: 7 days.
pub(super) const RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Two hashes of one argument, by which a conflict names the arguments that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentDigest {
    /// The argument's wire name.
    pub name: String,
    /// Hash of the value without its free text: a difference is a conflict.
    pub exact: Hash,
    /// Hash of the whole value: a difference in this one alone is reworded free text.
    pub full: Hash,
}

/// Where an action stands. Failed and undone actions are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its intent is recorded by the server that opened the ledger with this epoch.
    Started {
        /// The epoch of that server.
        epoch: u64,
    },
    /// Its outcome is final and stored.
    Completed,
    /// Its intent is recorded and its outcome is not known.
    InDoubt,
}

/// Where the bytes of a payload lie in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadAt {
    /// First sequence of the segment.
    pub segment: u64,
    /// First byte of the body in the segment.
    pub offset: u64,
    /// Bytes of the body.
    pub length: u64,
    /// SHA-256 of the body.
    pub hash: Hash,
}

/// What the index knows of one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Names the intent.
    pub key: Hash,
    /// Names the action exactly.
    pub digest: Hash,
    /// Hashes of the arguments it was started with.
    pub arguments: Vec<ArgumentDigest>,
    /// The tool.
    pub tool: String,
    /// Where it stands.
    pub state: State,
    /// Sequence of the last record that changed it; what [`Settle`](super::Settle) compares.
    pub version: u64,
    /// The call that started it.
    pub call: String,
    /// The stored result; `None` unless completed, or when the result is no longer kept.
    pub payload: Option<PayloadAt>,
    /// Key of the action that undoes it.
    pub undo: Option<Hash>,
    /// When the last record changed it, in ms since 1970.
    pub at_ms: u64,
    /// When a completed action stops answering for its key, in ms since 1970.
    pub expires_ms: Option<u64>,
}

/// One change of one action, as its record tells it.
pub(super) struct Step {
    /// Sequence of the record.
    pub(super) sequence: u64,
    /// Time of the record, in ms since 1970.
    pub(super) at_ms: u64,
    /// The action.
    pub(super) key: Hash,
    /// What happens to it.
    pub(super) change: Transition,
}

/// What a record does to an action.
pub(super) enum Transition {
    /// A call starts it, from absent or (natural keys) over an earlier run.
    Start { epoch: u64, digest: Hash, arguments: Vec<ArgumentDigest>, tool: String, call: String },
    /// Its outcome is final. The freed actions are other steps' business: see [`Step::frees`].
    Complete { payload: Option<PayloadAt>, undo: Option<Hash>, frees: Vec<Hash> },
    /// It had no effect: its key is free.
    Fail,
    /// What became of it is not known.
    Doubt,
}

impl Step {
    /// The action after this step; `None` when it leaves the index.
    ///
    /// Fails with [`LedgerError::Inconsistent`] when the step continues an action that is not there.
    pub(super) fn apply(self, current: Option<Action>) -> Result<Option<Action>, LedgerError> {
        let Step { sequence, at_ms, key, change } = self;
        if let Transition::Start { epoch, digest, arguments, tool, call } = change {
            return Ok(Some(Action {
                key,
                digest,
                arguments,
                tool,
                state: State::Started { epoch },
                version: sequence,
                call,
                payload: None,
                undo: None,
                at_ms,
                expires_ms: None,
            }));
        }
        let current = current.ok_or(LedgerError::Inconsistent { sequence })?;
        let changed = Action { version: sequence, at_ms, ..current };
        Ok(match change {
            Transition::Complete { payload, undo, .. } => Some(Action {
                state: State::Completed,
                payload,
                undo,
                expires_ms: Some(at_ms.saturating_add(RETENTION_MS)),
                ..changed
            }),
            Transition::Doubt => Some(Action { state: State::InDoubt, ..changed }),
            Transition::Fail | Transition::Start { .. } => None,
        })
    }

    /// Keys of other actions that leave the index with this step.
    pub(super) fn frees(&self) -> &[Hash] {
        match &self.change {
            Transition::Complete { frees, .. } => frees,
            _ => &[],
        }
    }
}
