//! Requests to a ledger and its answers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::action::{Action, ArgumentDigest, Decision, Version};
use super::hash::Hash;
use super::subject::Subject;

/// The caller and the request, as every record of a call holds them.
#[derive(Clone)]
pub struct Entry {
    /// Id of the call.
    pub call: String,
    /// The principal's tenant.
    pub tenant: String,
    /// The agent that calls.
    pub agent: String,
    /// The user it acts for.
    pub user: Option<String>,
    /// The investigation it belongs to.
    pub investigation: Option<String>,
    /// The tool.
    pub tool: Cow<'static, str>,
    /// Key of the action, once known. Claims and settlements write their own.
    pub key: Option<Hash>,
    /// Digest of the action, once known. Claims and settlements write the action's.
    pub digest: Option<Hash>,
    /// The arguments as JSON, redacted already.
    pub arguments: Option<Box<RawValue>>,
}

/// Shows the call and the tool only: callers chose the rest.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("call", &self.call).field("tool", &self.tool).finish_non_exhaustive()
    }
}

impl Entry {
    /// The owner of an action that this call begins: the user it is asked for; `None` for the agents of the tenant together.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

/// A call that wants to start an action.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The caller and the request.
    pub entry: Entry,
    /// Key of the action.
    pub key: Hash,
    /// Digest of the action.
    pub digest: Hash,
    /// Hashes of its arguments.
    pub arguments: Vec<ArgumentDigest>,
    /// The action's subjects, as far as its arguments name them.
    pub subjects: Vec<Subject>,
    /// The tool has a natural key, so a repeat is harmless: it may start over an action that is completed, or in doubt and no
    /// longer running.
    pub natural: bool,
    /// Somebody must agree before it starts.
    pub needs_approval: bool,
    /// The latest call on the subject, named by a caller who wants to do the same again on purpose.
    pub again_after: Option<String>,
    /// Length of the bucket of time within which the key names one action.
    pub every: Option<Duration>,
    /// Version of the approved action whose approval this claim uses up.
    pub approved: Option<Version>,
    /// The lease: time after which no server polls its body any more, counted from the claim.
    pub lives: Duration,
}

/// A call whose action needs an approval before it may start.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The claim of the action that it wants to start.
    pub claim: Claim,
    /// Id of the approval, a ULID.
    pub id: String,
    /// Time until which the approval can be given and used, in ms since 1970.
    pub expires_ms: u64,
}

/// An operator's decision, and the action it is about.
#[derive(Clone, Debug)]
pub struct Decide {
    /// Key of the action.
    pub key: Hash,
    /// The version that awaits approval.
    pub version: Version,
    /// The decision, with the operator's name.
    pub decision: Decision,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This call runs the action; its intent is durable.
    Won {
        /// The version that [`Settle`] has to name.
        version: Version,
        /// The idempotency key of this effect for the backend; see [`Action::effect_key`].
        effect_key: Hash,
    },
    /// The action is known already.
    Known(Standing),
}

/// The answer to a request for an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It awaits approval now: this call asked.
    Awaits(Box<Action>),
    /// The action is known already.
    Known(Standing),
}

/// The standing of a call: what the known action means for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may start: no known action prevents it.
    Free,
    /// It awaits approval, decided on or not.
    Awaiting {
        /// The action.
        action: Box<Action>,
        /// The approval is void: it has expired, or a later action has changed its subject.
        void: bool,
    },
    /// It is running, or another action is running whose end must be awaited.
    Running {
        /// The running call.
        call: String,
    },
    /// It is in doubt.
    InDoubt {
        /// The action.
        action: Box<Action>,
        /// A server may still be running it.
        may_run: bool,
    },
    /// Another action on the subject is in doubt, so nothing is repeated.
    SubjectInDoubt {
        /// The call whose outcome is not known.
        call: String,
    },
    /// It is completed, and its answer still holds.
    Replay(Box<Action>),
    /// The key names an action with other arguments.
    Differs {
        /// The call that began it.
        call: String,
        /// The arguments that differ.
        arguments: Vec<String>,
    },
    /// A later action has changed the subject, or the call names another action than the latest.
    Superseded(Box<Superseded>),
    /// It was done for another owner.
    DoneForAnother {
        /// The call that did it.
        call: String,
    },
}

/// The reason why an answer no longer holds, or why a repeat does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The latest action on the subject; `None` when none is known.
    pub by: Option<Latest>,
    /// The call that began the known action.
    pub first_call: Option<String>,
    /// The completed action, for its owner.
    pub earlier: Option<Action>,
    /// The effect of this call, as far as it is known.
    pub effect: Happened,
}

/// The latest action on a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Its call.
    pub call: String,
    /// Its tool.
    pub tool: String,
    /// Time of the last record about it, in ms since 1970.
    pub at_ms: u64,
}

/// The knowledge about an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It did not happen.
    Never,
    /// It happened.
    Before,
    /// It is not known.
    Unknown,
}

/// The outcome of an action.
#[derive(Clone)]
pub enum Outcome {
    /// Final: replayed from now on.
    Completed {
        /// JSON without line breaks; given back byte for byte by [`Ledger::payload`](super::Ledger::payload).
        payload: Vec<u8>,
        /// `ok`, `empty` or the code of a final error.
        code: Cow<'static, str>,
        /// The subjects of its ready undo call.
        subjects: Vec<Subject>,
        /// It is an error without effect, kept as the action's answer.
        stored_error: bool,
    },
    /// No effect: the action may run again.
    Failed {
        /// The code of the reason.
        code: Cow<'static, str>,
    },
    /// It is not known whether the effect happened.
    InDoubt {
        /// The code of the reason.
        code: Cow<'static, str>,
        /// The body still runs after its deadline.
        running: bool,
    },
}

/// Shows the code only: the payload is a tool's result.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, code) = match self {
            Outcome::Completed { code, .. } => ("Completed", code),
            Outcome::Failed { code } => ("Failed", code),
            Outcome::InDoubt { code, .. } => ("InDoubt", code),
        };
        f.debug_struct(name).field("code", code).finish_non_exhaustive()
    }
}

/// The source of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The call that ran it.
    Call,
    /// The call that ran it, after it had been answered.
    Late,
    /// The tool's `reconcile`.
    Reconcile,
    /// An operator of this name.
    Operator(String),
}

/// An outcome to record, and the action it is of: started, in doubt, or awaiting an approval that has ended.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The call that settles it.
    pub entry: Entry,
    /// Key of the action.
    pub key: Hash,
    /// The version that was won, or that put it in doubt.
    pub version: Version,
    /// The outcome.
    pub outcome: Outcome,
    /// The source of the outcome, for the record.
    pub how: How,
}

/// A decision or an outcome that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The receipt of its record.
    pub receipt: Receipt,
    /// The version that the action has now.
    pub version: Version,
}

/// The actions that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Actions in doubt.
    InDoubt,
    /// Actions that await approval, decided on or not, expired or not.
    AwaitingApproval,
}

/// The intent of an action: the caller and the request, from the record that began it.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Sequence of that record.
    pub sequence: u64,
    /// Time of that record, as RFC 3339.
    pub at: String,
    /// The caller and the request; sensitive arguments are hashes.
    pub entry: Entry,
}

/// The place and hash of a record. A receipt that is kept elsewhere shows that a ledger was cut or rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Id of the journal, random, made at its creation.
    pub log: String,
    /// Sequence of the record.
    pub sequence: u64,
    /// Hash of the record.
    pub hash: Hash,
}

/// An event of a call that changed no action.
#[derive(Clone, Debug)]
pub enum NoteEvent {
    /// A gate stopped it.
    Refused {
        /// The refusal's code.
        code: Cow<'static, str>,
        /// The gate.
        gate: &'static str,
        /// Number of similar events that this record stands for.
        times: u64,
    },
    /// A read tool was answered.
    Read {
        /// `ok`, `empty` or the code of the error.
        code: Cow<'static, str>,
    },
    /// It was answered with a stored result.
    Replayed {
        /// The call whose result it was; empty when this record stands for several.
        first_call: String,
        /// The code of that result.
        code: Cow<'static, str>,
        /// Number of similar events that this record stands for.
        times: u64,
    },
}
