//! The durable, ordered, tamper-evident record of intents, outcomes and refusals, plus the index of actions.
//!
//! **Journal first, index second.** One committer thread owns the journal. It decides claims and settlements against the
//! index, what the index still lacks, and the batch so far; gives each record its sequence and hash; writes the batch,
//! syncs it once, and only then answers. The index is brought up to date afterwards by another thread and nobody waits
//! for it: until then the changes are found in memory. After a crash the index is caught up, or rebuilt, from the journal.
//!
//! Nothing is guessed from clocks. A started action belongs to the epoch of the server that started it; whoever opens the
//! ledger next has a higher epoch and marks it in doubt before the first call is accepted. An action changes only by
//! compare-and-set on its version, and always with a record.
//!
//! The first I/O error poisons the ledger, because what a failed sync left on disk is unknown: everything waiting and
//! everything later is refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod action;
mod anchor;
mod chain;
mod changes;
mod checkpoint;
mod error;
mod hash;
pub(crate) mod local;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod redact;
mod shared;
mod sync;
#[cfg(test)]
mod tests;
mod verify;

pub use action::{Action, Approval, ArgumentDigest, Decision, PayloadAt, State};
pub use anchor::{Anchor, AnchorError};
pub use checkpoint::Checkpoint;
pub use error::LedgerError;
pub use hash::Hash;
pub use options::LedgerOptions;
#[cfg(all(feature = "cli", feature = "postgres"))]
pub(crate) use postgres::Database;
#[cfg(feature = "postgres")]
pub use postgres::{ChainReport, DatabaseReport, VerifyDatabaseError, verify_database};
pub(crate) use record::now_ms;
pub use redact::Redactor;
pub use verify::{Report, Rung, Verification, VerifyError, verify};

/// Who asked for what: goes into every record of a call.
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

/// Shows the call and the tool only: the rest was chosen by a caller.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("call", &self.call).field("tool", &self.tool).finish_non_exhaustive()
    }
}

/// A call that wants to start an action.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who asks.
    pub entry: Entry,
    /// Key of the action.
    pub key: Hash,
    /// Digest of the action.
    pub digest: Hash,
    /// Hashes of its arguments.
    pub arguments: Vec<ArgumentDigest>,
    /// A repeat is harmless: may start over an action that is completed or in doubt.
    pub natural: bool,
    /// Key of the action that undoes this one, where its arguments alone make it.
    pub undo: Option<Hash>,
    /// Version of the approved action whose approval this claim uses up.
    pub approved: Option<u64>,
    /// How long its body can run at most, from the claim on.
    pub lives: Duration,
}

/// A call whose action needs an approval before it may start.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What it wants to start.
    pub claim: Claim,
    /// Id of the approval, a ULID.
    pub id: String,
    /// Until when the approval can be given and used, in ms since 1970.
    pub expires_ms: u64,
}

/// What an operator says to an action that awaits approval.
#[derive(Clone, Debug)]
pub struct Decide {
    /// Key of the action.
    pub key: Hash,
    /// The version that awaits approval.
    pub version: u64,
    /// What is decided, and by whom.
    pub decision: Decision,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The action is this call's to run; its intent is durable.
    Won {
        /// What [`Settle`] has to name.
        version: u64,
    },
    /// The action was known already.
    Exists(Box<Action>),
}

/// How an action ended.
#[derive(Clone)]
pub enum Outcome {
    /// Final: replayed from now on.
    Completed {
        /// JSON without line breaks; given back byte for byte by [`Store::payload`].
        payload: Vec<u8>,
        /// `ok`, `empty` or the code of a final error.
        code: Cow<'static, str>,
        /// Key of the action that undoes this one; `None` leaves what the claim said.
        undo: Option<Hash>,
    },
    /// No effect: the key is free again.
    Failed {
        /// Why.
        code: Cow<'static, str>,
    },
    /// What became of it is not known.
    InDoubt {
        /// Why.
        code: Cow<'static, str>,
        /// The body goes on behind its deadline.
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

/// Who found out how an action ended.
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

/// The outcome of an action that is started, in doubt, or no longer awaited.
#[derive(Clone, Debug)]
pub struct Settle {
    /// Who settles it.
    pub entry: Entry,
    /// Key of the action.
    pub key: Hash,
    /// The version that was won, or that put it in doubt.
    pub version: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Who found out; the record says so.
    pub how: How,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Actions in doubt.
    InDoubt,
    /// Actions that await approval, decided on or not, expired or not.
    AwaitingApproval,
}

/// Who asked for an action, as the record that began it tells it.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Sequence of that record.
    pub sequence: u64,
    /// When, as RFC 3339.
    pub at: String,
    /// Who and what; hidden arguments are hashes.
    pub entry: Entry,
}

/// Where a record stands: with this, whoever holds it can show that a ledger was cut or rewritten.
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

/// What happened to a call without changing an action.
#[derive(Clone, Debug)]
pub enum NoteEvent {
    /// A gate stopped it.
    Refused {
        /// The refusal's code.
        code: Cow<'static, str>,
        /// The gate.
        gate: &'static str,
        /// How many alike this record stands for.
        times: u64,
    },
    /// A read tool was answered.
    Read {
        /// `ok`, `empty` or the code of the error.
        code: Cow<'static, str>,
    },
    /// It was answered with a stored result.
    Replayed {
        /// The call whose result it was.
        first_call: String,
        /// The code of that result.
        code: Cow<'static, str>,
        /// How many alike this record stands for.
        times: u64,
    },
}

/// What the pipeline and operators need of a ledger.
pub trait Store: Send + Sync {
    /// The action of `key`, as far as it is durable; `None` when nothing answers for it.
    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>>;

    /// The stored result of a completed action, byte for byte; its hash was checked.
    ///
    /// [`LedgerError::Payload`] when it is no longer kept or not what was stored.
    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>>;

    /// Starts an action unless it is known; durable when it resolves.
    ///
    /// Run it to its end, detached from the caller: a claim that is won with nobody left to hear of it stays started,
    /// and is in doubt from the next open on.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>>;

    /// Asks for an approval unless the action is known; durable when it resolves. Gives the action as it stands then.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Action, LedgerError>>;

    /// Records a decision on an action that awaits one and still has that version; durable when it resolves.
    ///
    /// [`LedgerError::Superseded`] when it was decided on, started, or asked for anew.
    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Receipt, LedgerError>>;

    /// Records an outcome if the action still has that version; durable when it resolves.
    ///
    /// [`LedgerError::Superseded`] when it has not: nothing was recorded. Any other error: the outcome is not recorded,
    /// and who ran the effect has to [`latch`](Store::latch).
    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Receipt, LedgerError>>;

    /// At most `limit` actions by ascending key, behind `after`.
    fn list(&self, which: Listed, after: Option<Hash>, limit: usize)
    -> BoxFuture<'_, Result<Vec<Action>, LedgerError>>;

    /// Whether no server, this one included, can still be running an action in doubt: one whose deadline passed runs on for
    /// a while, and what it has not done yet it may still do. So does one whose server has lost its database.
    fn ended(&self, action: &Action) -> BoxFuture<'_, Result<bool, LedgerError>>;

    /// Who asked for the action. Reads the journal: for operators and for reconciliation, not for every call.
    fn intent(&self, action: &Action) -> BoxFuture<'_, Result<Intent, LedgerError>>;

    /// Records what happened to a call, with the next batch.
    ///
    /// [`LedgerError::Busy`] when the queue is full.
    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError>;

    /// Does what is due: a checkpoint, a slice of retention. The server calls it once a second.
    fn tick(&self);

    /// Whether claims are accepted; if not, why.
    fn health(&self) -> Result<(), LedgerError>;

    /// Refuses claims from now on, for good: an outcome could not be recorded. Outcomes of what runs are still taken.
    fn latch(&self);

    /// The keyed hash for sensitive arguments.
    fn redactor(&self) -> &Redactor;

    /// How long a completed action answers for its key, at least.
    fn retention(&self) -> Duration;

    /// The directory that only this ledger's server and its operators use; `None` when operators reach the store itself.
    fn directory(&self) -> Option<&Path>;

    /// Records everything queued and a `close`, synced. Everything later fails with [`LedgerError::Closed`].
    ///
    /// The files are free for another server once all clones of the [`Ledger`] are dropped too.
    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// The ledger of a server; clones share it.
///
/// Dropping the last clone without [`close`](Store::close) records everything queued, but no `close`: the next open
/// finds an unclean tail. It waits for that, so drop it where a sync may block.
#[derive(Clone)]
pub struct Ledger(Arc<dyn Store>);

impl Ledger {
    /// Opens, or makes, the ledger at `memory:`, `sled:PATH` or a plain path; with the feature `postgres` also at
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, where several servers share it.
    ///
    /// The directory must belong to the user of this process and be closed to others (0700, as it is made here), and so must
    /// the keys in it (0600). It is locked as long as the ledger is open; there is no lock file to remove. A file system
    /// that cannot lock directories, as NFS, cannot hold a ledger.
    ///
    /// The journal is in `journal/`, segments of JSON lines. The last one ends in zero bytes while the ledger is open: room
    /// that is filled ahead. A segment that is followed by another one has none, nor has any after the ledger was dropped.
    ///
    /// Blocks: reads the last segment of the journal, or all of it when the index has to be rebuilt. Fails rather than
    /// begin an empty ledger where there was one.
    pub fn open(location: &str) -> Result<Ledger, LedgerError> {
        Ledger::options().open(location)
    }

    /// How a ledger is kept, where the defaults do not fit.
    #[must_use]
    pub fn options() -> LedgerOptions {
        LedgerOptions::default()
    }

    /// A handle that does not keep the ledger open.
    pub(crate) fn downgrade(&self) -> WeakLedger {
        WeakLedger(Arc::downgrade(&self.0))
    }

    /// A ledger kept by another store.
    #[must_use]
    pub fn with(store: Arc<dyn Store>) -> Ledger {
        Ledger(store)
    }
}

/// A [`Ledger`] that somebody else keeps open, or not any more.
pub(crate) struct WeakLedger(Weak<dyn Store>);

impl WeakLedger {
    /// The ledger, if it is still kept.
    pub(crate) fn upgrade(&self) -> Option<Ledger> {
        self.0.upgrade().map(Ledger)
    }
}

impl Deref for Ledger {
    type Target = dyn Store;

    fn deref(&self) -> &(dyn Store + 'static) {
        &*self.0
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}
