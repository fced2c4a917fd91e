//! The state of one action, and the change that a record makes. Stores and the replay of a journal share this step.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::LedgerError;
use super::hash::{Hash, ShortHash};
use super::subject::Subject;

/// Two hashes of one argument, by which a conflict names the arguments that differ.
///
/// In a record it is `["host_id", "<32 hex digits>"]`, with a second hash only where there is free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentDigest {
    /// The argument's wire name.
    pub name: String,
    /// Hash of the value without its free text: a difference is a conflict.
    pub exact: ShortHash,
    /// Hash of the whole value: a difference in this one alone is reworded free text.
    pub full: ShortHash,
}

impl Serialize for ArgumentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && self.exact == self.full {
            (&self.name, self.exact).serialize(serializer)
        } else {
            (&self.name, self.exact, self.full).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ArgumentDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ArgumentDigest, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Exact(String, ShortHash),
            Reworded(String, ShortHash, ShortHash),
        }

        let (name, exact, full) = if deserializer.is_human_readable() {
            match Written::deserialize(deserializer)? {
                Written::Exact(name, exact) => (name, exact, exact),
                Written::Reworded(name, exact, full) => (name, exact, full),
            }
        } else {
            Deserialize::deserialize(deserializer)?
        };
        Ok(ArgumentDigest { name, exact, full })
    }
}

/// The state of an action. Expired actions are absent.
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
    /// It ended without an effect: it may run again as long as its subject has not moved.
    Failed,
    /// Its intent is recorded and its outcome is not known.
    InDoubt,
}

/// The states that are not final; unsettled actions can be listed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsettled {
    AwaitingApproval,
    Started,
    InDoubt,
}

/// An approval that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// A ULID, by which an operator names it.
    pub id: String,
    /// Time until which it can be given and used, in ms since 1970.
    pub expires_ms: u64,
    /// The operator's decision; `None` until then.
    pub decision: Option<Decision>,
}

/// An operator's decision on an action that awaits approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// True: the action may start, once.
    pub approved: bool,
    /// The operator's name.
    pub operator: String,
}

/// The place of a payload in the journal.
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

/// The version of an action, for compare-and-set: the record that changed it last. Never used twice in one ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub(super) u64);

/// A place in the order in which a ledger's records were written, whichever server wrote them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub(super) u64);

/// Everything the ledger knows about one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The idempotency key: names the intent.
    pub key: Hash,
    /// Names the action exactly.
    pub digest: Hash,
    /// Hashes of the arguments it was started with.
    pub arguments: Vec<ArgumentDigest>,
    /// The tenant of the caller.
    pub tenant: String,
    /// The tool.
    pub tool: String,
    /// The user it was asked for; `None` for the agents of the tenant together.
    pub owner: Option<String>,
    /// Its state.
    pub state: State,
    /// Its completion is an error without effect, kept as its answer.
    pub stored_error: bool,
    /// Its subjects, those of its undo call included.
    pub subjects: Vec<Subject>,
    /// Number of its bucket of time, for a key with `every`.
    pub bucket: Option<u64>,
    /// The call that it was asked to repeat on purpose.
    pub again_after: Option<String>,
    /// The completed action of the same key that it repeats. It is restored if the repeat has no effect.
    pub replaced: Option<Box<Action>>,
    /// Epoch of the server that may be running it; 0 when none is.
    pub epoch: u64,
    /// End of its lease, in ms since 1970: no server polls its body after that. 0 while nothing ran.
    pub until_ms: u64,
    /// The moment at which it began.
    pub began: Moment,
    /// The time at which it began, in ms since 1970.
    pub began_ms: u64,
    /// The moment at which its body ended; `None` while it runs, and while nothing ran.
    pub ended: Option<Moment>,
    /// The place of the last record that changed it.
    pub moment: Moment,
    /// The last record that changed it; [`Settle`](super::Settle) compares it.
    pub version: Version,
    /// The record that began it, with the caller and the arguments.
    pub intent: Version,
    /// The call that began it.
    pub call: String,
    /// The stored result; `None` unless completed, or when the result is no longer kept.
    pub payload: Option<PayloadAt>,
    /// Time of the last record that changed it, in ms since 1970.
    pub at_ms: u64,
    /// Time at which a completed or failed action stops answering for its key, in ms since 1970.
    pub expires_ms: Option<u64>,
}

/// One change of one action, as read from its record.
pub(super) struct Step {
    /// The record.
    pub(super) version: Version,
    /// Its place in the order of the ledger.
    pub(super) moment: Moment,
    /// Time of the record, in ms since 1970.
    pub(super) at_ms: u64,
    /// The action.
    pub(super) key: Hash,
    /// The change of the action.
    pub(super) change: Transition,
}

impl Action {
    /// True if it answers for its key at `now_ms`: a completed or failed action until it expires, any other always.
    #[must_use]
    pub fn answers(&self, now_ms: u64) -> bool {
        !self.is_settled() || self.expires_ms.is_none_or(|expires| now_ms < expires)
    }

    /// True for an action whose outcome is known.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.state, State::Completed | State::Failed)
    }

    /// The idempotency key of this effect for the backend: the same for every retry, another one for each bucket of time and for
    /// each repeat on purpose.
    #[must_use]
    pub fn effect_key(&self) -> Hash {
        effect_key(&self.key, self.bucket, self.again_after.as_deref())
    }

    /// The list that it belongs to; `None` when it is settled.
    pub(super) fn unsettled(&self) -> Option<Unsettled> {
        match self.state {
            State::AwaitingApproval(_) => Some(Unsettled::AwaitingApproval),
            State::Started { .. } => Some(Unsettled::Started),
            State::InDoubt => Some(Unsettled::InDoubt),
            State::Completed | State::Failed => None,
        }
    }
}

/// The change that a record makes to an action.
pub(super) enum Transition {
    /// A call begins it: the key was free, or its action no longer answers.
    Begin(Box<Beginning>),
    /// An operator decided on its approval.
    Decide(Decision),
    /// Its outcome is final. `subjects` are those of its ready undo call.
    Complete { payload: Option<PayloadAt>, subjects: Vec<Subject>, expires_ms: Option<u64>, stored_error: bool },
    /// It ended without effect, and is remembered.
    Fail { expires_ms: Option<u64> },
    /// A repeat ended without effect: the action that it replaced is restored.
    Restore,
    /// Its outcome is not known; its body may still run.
    Doubt { running: bool },
    /// It has expired, or its approval ended: its key is free.
    Leave,
}

/// The action that a call begins.
pub(super) struct Beginning {
    pub(super) state: State,
    pub(super) digest: Hash,
    pub(super) arguments: Vec<ArgumentDigest>,
    pub(super) tenant: String,
    pub(super) tool: String,
    pub(super) call: String,
    pub(super) owner: Option<String>,
    pub(super) subjects: Vec<Subject>,
    pub(super) bucket: Option<u64>,
    pub(super) again_after: Option<String>,
    pub(super) until_ms: u64,
}

#[cfg(test)]
impl Beginning {
    /// A started action with empty fields.
    pub(super) fn started(epoch: u64) -> Beginning {
        Beginning {
            state: State::Started { epoch },
            digest: Hash::ZERO,
            arguments: Vec::new(),
            tenant: String::new(),
            tool: String::new(),
            call: String::new(),
            owner: None,
            subjects: Vec::new(),
            bucket: None,
            again_after: None,
            until_ms: 0,
        }
    }
}

impl Step {
    /// The action after this step; `None` when its key is free.
    ///
    /// # Errors
    /// [`LedgerError::Inconsistent`] when the step continues an action that is not there, or not in the state that it
    /// continues.
    pub(super) fn apply(self, current: Option<Arc<Action>>) -> Result<Option<Action>, LedgerError> {
        let Step { version, moment, at_ms, key, change } = self;
        if let Transition::Begin(beginning) = change {
            return Ok(Some(begun(version, moment, at_ms, key, *beginning, current)));
        }
        let inconsistent = LedgerError::Inconsistent { sequence: version.0 };
        let Some(current) = current else { return Err(inconsistent) };
        let changed = Action { version, moment, at_ms, ..Arc::unwrap_or_clone(current) };
        // A doubt keeps the moment at which its body ended, even if it is resolved much later.
        let ended = match (&changed.state, changed.epoch) {
            (State::InDoubt, 0) => changed.ended,
            _ => Some(moment),
        };
        Ok(match change {
            Transition::Decide(decision) => {
                let State::AwaitingApproval(approval) = changed.state else { return Err(inconsistent) };
                let approval = Approval { decision: Some(decision), ..approval };
                Some(Action { state: State::AwaitingApproval(approval), ..changed })
            }
            Transition::Complete { payload, subjects: more, expires_ms, stored_error } => {
                let mut subjects = changed.subjects;
                subjects.extend(more);
                subjects.sort_unstable();
                subjects.dedup();
                let state = State::Completed;
                let replaced = None;
                Some(Action {
                    state,
                    epoch: 0,
                    ended,
                    payload,
                    subjects,
                    expires_ms,
                    stored_error,
                    replaced,
                    ..changed
                })
            }
            Transition::Doubt { running } => {
                let epoch = if running { changed.epoch } else { 0 };
                Some(Action { state: State::InDoubt, epoch, ended, ..changed })
            }
            Transition::Restore => {
                let before = changed.replaced.ok_or(inconsistent)?;
                Some(Action { version, ..*before })
            }
            Transition::Fail { expires_ms } => {
                Some(Action { state: State::Failed, epoch: 0, ended, expires_ms, replaced: None, ..changed })
            }
            Transition::Leave | Transition::Begin(_) => None,
        })
    }
}

/// The action that a call begins, in place of `current`.
fn begun(
    version: Version,
    moment: Moment,
    at_ms: u64,
    key: Hash,
    beginning: Beginning,
    current: Option<Arc<Action>>,
) -> Action {
    let Beginning { state, digest, arguments, tenant, tool, call, owner, subjects, bucket, again_after, until_ms } =
        beginning;
    let epoch = if let State::Started { epoch } = state { epoch } else { 0 };
    // A repeat that was approved keeps what it replaced while it awaited approval.
    let replaced = match (&again_after, current.map(Arc::unwrap_or_clone)) {
        (Some(_), Some(before)) if before.state == State::Completed => Some(Box::new(before)),
        (Some(_), Some(before)) => before.replaced,
        _ => None,
    };
    Action {
        key,
        digest,
        arguments,
        tenant,
        tool,
        owner,
        state,
        stored_error: false,
        subjects,
        bucket,
        again_after,
        replaced,
        epoch,
        until_ms,
        began: moment,
        began_ms: at_ms,
        ended: None,
        moment,
        version,
        intent: version,
        call,
        payload: None,
        at_ms,
        expires_ms: None,
    }
}

/// See [`Action::effect_key`].
fn effect_key(key: &Hash, bucket: Option<u64>, again_after: Option<&str>) -> Hash {
    if bucket.is_none() && again_after.is_none() {
        return *key;
    }
    let mut bytes = b"safe_tool/effect/v1".to_vec();
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(&bucket.map_or([0; 9], |bucket| {
        let mut marked = [1; 9];
        marked[1..].copy_from_slice(&bucket.to_be_bytes());
        marked
    }));
    bytes.extend_from_slice(again_after.unwrap_or_default().as_bytes());
    Hash::of(&bytes)
}
