//! The state of one action, and how a record changes it. The committer and the replay of a journal share this step.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::LedgerError;
use super::hash::Hash;

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

/// Where an action stands. Failed, undone and expired actions are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody must agree before it may start; nothing ran.
    AwaitingApproval(Approval),
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

/// States that an action is to leave: it can be listed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsettled {
    AwaitingApproval,
    Started,
    InDoubt,
}

/// An approval that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// A ULID: what an operator names.
    pub id: String,
    /// Until when it can be given and used, in ms since 1970.
    pub expires_ms: u64,
    /// What an operator said; `None` until then.
    pub decision: Option<Decision>,
}

/// What an operator said to an action that awaits approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether the action may start, once.
    pub approved: bool,
    /// Who decided.
    pub operator: String,
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

/// The record that changed an action last; what a compare-and-set names. It never recurs in one ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub(super) u64);

/// What the index knows of one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Names the intent.
    pub key: Hash,
    /// Names the action exactly.
    pub digest: Hash,
    /// Hashes of the arguments it was started with.
    pub arguments: Vec<ArgumentDigest>,
    /// The tenant of who asked.
    pub tenant: String,
    /// The tool.
    pub tool: String,
    /// Where it stands.
    pub state: State,
    /// Epoch of the server that may be running it; 0 when none is.
    pub epoch: u64,
    /// When its body has ended for certain, in ms since 1970; 0 while nothing ran.
    pub until_ms: u64,
    /// The last record that changed it; what [`Settle`](super::Settle) compares.
    pub version: Version,
    /// The record that began it, which says who asked for what.
    pub intent: Version,
    /// The call that began it.
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
    /// The record.
    pub(super) version: Version,
    /// Time of the record, in ms since 1970.
    pub(super) at_ms: u64,
    /// The action.
    pub(super) key: Hash,
    /// What happens to it.
    pub(super) change: Transition,
}

impl Action {
    /// Whether it still answers for its key at `now_ms`: a completed action does until it expires, any other always.
    #[must_use]
    pub fn answers(&self, now_ms: u64) -> bool {
        self.state != State::Completed || self.expires_ms.is_none_or(|expires| now_ms < expires)
    }

    /// What it is listed as; `None` when it is completed.
    pub(super) fn unsettled(&self) -> Option<Unsettled> {
        match self.state {
            State::AwaitingApproval(_) => Some(Unsettled::AwaitingApproval),
            State::Started { .. } => Some(Unsettled::Started),
            State::InDoubt => Some(Unsettled::InDoubt),
            State::Completed => None,
        }
    }
}

/// What a record does to an action.
pub(super) enum Transition {
    /// A call begins it, from absent or over what answers no longer.
    Begin(Box<Beginning>),
    /// An operator decided on its approval.
    Decide(Decision),
    /// Its outcome is final. The freed actions are other steps' business: see [`Step::frees`].
    Complete { payload: Option<PayloadAt>, undo: Option<Hash>, frees: Vec<Hash>, expires_ms: Option<u64> },
    /// What became of it is not known; it may be running still.
    Doubt { running: bool },
    /// It had no effect, or answers no longer: its key is free.
    Leave,
}

/// An action as a call begins it.
pub(super) struct Beginning {
    pub(super) state: State,
    pub(super) digest: Hash,
    pub(super) arguments: Vec<ArgumentDigest>,
    pub(super) tenant: String,
    pub(super) tool: String,
    pub(super) call: String,
    pub(super) undo: Option<Hash>,
    pub(super) until_ms: u64,
}

#[cfg(test)]
impl Beginning {
    /// An action that nothing else is known of.
    pub(super) fn started(epoch: u64) -> Beginning {
        Beginning {
            state: State::Started { epoch },
            digest: Hash::ZERO,
            arguments: Vec::new(),
            tenant: String::new(),
            tool: String::new(),
            call: String::new(),
            undo: None,
            until_ms: 0,
        }
    }
}

impl Step {
    /// The action after this step; `None` when it leaves the index.
    ///
    /// Fails with [`LedgerError::Inconsistent`] when the step continues an action that is not there, or not in the state
    /// that it continues.
    pub(super) fn apply(self, current: Option<Arc<Action>>) -> Result<Option<Action>, LedgerError> {
        let Step { version, at_ms, key, change } = self;
        if let Transition::Begin(beginning) = change {
            let Beginning { state, digest, arguments, tenant, tool, call, undo, until_ms } = *beginning;
            let epoch = if let State::Started { epoch } = state { epoch } else { 0 };
            return Ok(Some(Action {
                key,
                digest,
                arguments,
                tenant,
                tool,
                state,
                epoch,
                until_ms,
                version,
                intent: version,
                call,
                payload: None,
                undo,
                at_ms,
                expires_ms: None,
            }));
        }
        let inconsistent = LedgerError::Inconsistent { sequence: version.0 };
        let Some(current) = current else { return Err(inconsistent) };
        let changed = Action { version, at_ms, ..Arc::unwrap_or_clone(current) };
        Ok(match change {
            Transition::Decide(decision) => {
                let State::AwaitingApproval(approval) = changed.state else {
                    return Err(inconsistent);
                };
                let approval = Approval { decision: Some(decision), ..approval };
                Some(Action { state: State::AwaitingApproval(approval), ..changed })
            }
            Transition::Complete { payload, undo, expires_ms, .. } => {
                let undo = undo.or(changed.undo);
                Some(Action { state: State::Completed, epoch: 0, payload, undo, expires_ms, ..changed })
            }
            Transition::Doubt { running } => {
                let epoch = if running { changed.epoch } else { 0 };
                Some(Action { state: State::InDoubt, epoch, ..changed })
            }
            Transition::Leave | Transition::Begin(_) => None,
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
