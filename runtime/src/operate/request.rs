//! What an operator asks of a ledger that is open, and what the answer says: one JSON line each.

use crate::ledger::{Approval, Hash, Receipt};
use serde::{Deserialize, Serialize};

/// Cases in one answer.
pub(super) const PAGE: usize = 16;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Actions in doubt.
    Doubts {
        /// By ascending key, behind this one.
        after: Option<Hash>,
    },
    /// One action in doubt.
    Doubt {
        /// The first digits of its key.
        key: String,
    },
    /// An operator knows what became of an action in doubt.
    Resolve {
        /// The first digits of its key.
        key: String,
        /// It happened.
        applied: bool,
        /// Who says so.
        by: String,
    },
    /// Actions that await approval.
    Approvals {
        /// By ascending key, behind this one.
        after: Option<Hash>,
    },
    /// An operator decides on an approval.
    Decide {
        /// Id of the approval.
        id: String,
        /// The action may start.
        approved: bool,
        /// Who decides.
        by: String,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Response {
    /// At most [`PAGE`] cases.
    Listed {
        /// By ascending key.
        cases: Vec<Case>,
        /// There may be more behind this key.
        more: Option<Hash>,
    },
    /// The one case that was asked for.
    Shown {
        /// It.
        case: Case,
    },
    /// It is done and durable.
    Done {
        /// The action as it was before.
        case: Case,
        /// The record that tells of it.
        receipt: Receipt,
    },
    /// It is not done.
    Refused {
        /// Why, for the operator.
        reason: String,
    },
}

/// An action that waits for an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Names the intent.
    pub(super) key: Hash,
    pub(super) tool: String,
    pub(super) tenant: String,
    pub(super) agent: String,
    pub(super) user: Option<String>,
    pub(super) investigation: Option<String>,
    /// The call that began it.
    pub(super) call: String,
    /// When it was asked for, as RFC 3339.
    pub(super) asked_at: String,
    /// When it last changed, in ms since 1970.
    pub(super) changed_ms: u64,
    /// As JSON; hidden ones are hashes.
    pub(super) arguments: Option<String>,
    /// Where it awaits approval.
    pub(super) approval: Option<Approval>,
}
