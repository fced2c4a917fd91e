//! The durable, ordered, tamper-evident record of intents, outcomes and refusals, plus the index of actions.
//!
//! **Write-ahead log first, index second.** One committer thread owns the journal. It decides claims and settlements against the
//! index and the batch so far; gives each record its sequence and hash; writes the batch, syncs it once (group commit), applies it
//! to the index, and only then answers. The index is a map in memory, with the place in the journal of each settled action. Another
//! thread writes the map to sled, and no call waits for that. A start reads sled, and then the records of the journal that are not
//! in it; it reads the whole journal if sled's data is missing or not as it was written.
//!
//! **No clock decides whether a server is alive.** A started action belongs to the epoch of the server that started it. The next
//! server that opens the ledger has a higher epoch and marks the action in doubt before it accepts a call. An action changes only
//! by compare-and-set on its version, and always with a record.
//!
//! The first I/O error poisons the ledger, because the state on disk after a failed sync is unknown: all waiting and all later
//! operations are refused.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

mod action;
mod anchor;
mod backend;
mod chain;
mod changes;
mod checkpoint;
mod decide;
mod error;
mod front;
mod hash;
pub(crate) mod local;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod redact;
mod request;
mod shared;
mod subject;
mod sync;
#[cfg(test)]
mod tests;
mod verify;

pub use action::{Action, Approval, ArgumentDigest, Decision, Moment, PayloadAt, State, Version};
pub use anchor::{Anchor, AnchorError};
use backend::Store;
pub use checkpoint::Checkpoint;
pub use error::LedgerError;
pub use hash::{Hash, ShortHash};
pub use options::LedgerOptions;
#[cfg(all(feature = "cli", feature = "postgres"))]
pub(crate) use postgres::Database;
#[cfg(feature = "postgres")]
pub use postgres::{ChainReport, DatabaseReport, Loss, VerifyDatabaseError, verify_database};
pub(crate) use record::now_ms;
pub use redact::Redactor;
pub use request::{
    Ask, Asked, Claim, Claimed, Decide, Entry, Happened, How, Intent, Latest, Listed, NoteEvent, Outcome, Receipt,
    Settle, Settled, Standing, Superseded,
};
pub use subject::{MOST_PAIRS, Pair, Subject};
pub use verify::{IndexCheck, Report, Rung, Verification, VerifyError, verify};

/// The ledger of a server; clones share it.
///
/// Dropping the last clone without [`close`](Ledger::close) records everything queued, but no `close`: the next open
/// finds an unclean tail. The drop waits for the records to be synced, so drop it where blocking is allowed.
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
    /// The journal is in `journal/`, segments of JSON lines. While the ledger is open, the last segment ends in zero bytes, space
    /// that is allocated ahead; they are cut off when the ledger is dropped.
    ///
    /// Blocks: reads the last segment of the journal, or all of it when the index has to be rebuilt. Fails rather than
    /// begin an empty ledger where there was one.
    ///
    /// # Errors
    /// [`LedgerError::Location`] for a location of no known kind; [`LedgerError::Locked`] when it is open elsewhere;
    /// [`LedgerError::Owner`] and [`LedgerError::Exposed`] when others than its user can change it; [`LedgerError::SetBack`] and
    /// [`LedgerError::Undurable`] for a database that has lost, or may lose, acknowledged records; any other when its files or its
    /// database cannot be used or are damaged. The text says what to do.
    pub fn open(location: &str) -> Result<Ledger, LedgerError> {
        Ledger::options().open(location)
    }

    /// Settings of a ledger that differ from the defaults.
    #[must_use]
    pub fn options() -> LedgerOptions {
        LedgerOptions::default()
    }

    /// A handle that does not keep the ledger open.
    pub(crate) fn downgrade(&self) -> WeakLedger {
        WeakLedger(Arc::downgrade(&self.0))
    }

    /// A ledger kept by this store.
    fn with(store: Arc<dyn Store>) -> Ledger {
        Ledger(store)
    }

    /// The meaning of the known action for a call that would make this claim. Nothing is written.
    ///
    /// # Errors
    /// The ledger is closed, or failed, or cannot be read.
    pub async fn standing(&self, claim: Claim) -> Result<Standing, LedgerError> {
        self.0.standing(claim).await
    }

    /// The durable state of the action of `key`; `None` when no action answers for it.
    ///
    /// # Errors
    /// The ledger is closed, or failed, or cannot be read.
    pub async fn lookup(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        self.0.lookup(key).await
    }

    /// The stored result of a completed action, byte for byte; its hash was checked.
    ///
    /// # Errors
    /// [`LedgerError::Payload`] when it is no longer kept or is not as it was stored; else the ledger is closed, or failed, or
    /// cannot be read.
    pub async fn payload(&self, action: &Action) -> Result<Vec<u8>, LedgerError> {
        self.0.payload(action).await
    }

    /// Starts an action unless it is known; durable when it resolves.
    ///
    /// Await it in a task that is not cancelled with the caller: a claim that is won after its future was dropped stays started,
    /// and is in doubt from the next open on.
    ///
    /// # Errors
    /// [`LedgerError::Superseded`] when the approval that it names was used up, has expired or is void;
    /// [`LedgerError::Latched`] when an outcome could not be recorded; else the ledger is closed or failed. Nothing was
    /// started then.
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, LedgerError> {
        self.0.claim(claim).await
    }

    /// Asks for an approval unless the action is known; durable when it resolves.
    ///
    /// # Errors
    /// [`LedgerError::Latched`] when an outcome could not be recorded; else the ledger is closed or failed.
    pub async fn ask(&self, ask: Ask) -> Result<Asked, LedgerError> {
        self.0.ask(ask).await
    }

    /// Records a decision on an action that awaits one and still has that version; durable when it resolves.
    ///
    /// # Errors
    /// [`LedgerError::Superseded`] when it was decided on, started, or asked for anew; else the ledger is closed or failed.
    pub async fn decide(&self, decide: Decide) -> Result<Settled, LedgerError> {
        self.0.decide(decide).await
    }

    /// Records an outcome if the action still has that version; durable when it resolves.
    ///
    /// # Errors
    /// [`LedgerError::Superseded`] when it has another version: nothing was recorded. [`LedgerError::Payload`] for a result with
    /// a line break. Any other error: the outcome is not recorded, and the caller that ran the effect has to
    /// [`latch`](Ledger::latch).
    pub async fn settle(&self, settle: Settle) -> Result<Settled, LedgerError> {
        self.0.settle(settle).await
    }

    /// At most `limit` actions by ascending key, after `after`.
    ///
    /// # Errors
    /// The ledger is closed, or failed, or cannot be read.
    pub async fn list(&self, which: Listed, after: Option<Hash>, limit: usize) -> Result<Vec<Action>, LedgerError> {
        self.0.list(which, after, limit).await
    }

    /// True when no server, this one included, can still be running an action in doubt: its server is dead and its lease has
    /// passed.
    ///
    /// # Errors
    /// The ledger is closed, or failed, or cannot be read.
    pub async fn ended(&self, action: &Action) -> Result<bool, LedgerError> {
        self.0.ended(action).await
    }

    /// The call that asked for the action. Reads the journal: for operators and for reconciliation, not for every call.
    ///
    /// # Errors
    /// [`LedgerError::Payload`] when there is no such record; else the ledger is closed, or failed, or cannot be read.
    pub async fn intent(&self, action: &Action) -> Result<Intent, LedgerError> {
        self.0.intent(action).await
    }

    /// Records what happened to a call, with the next batch.
    ///
    /// # Errors
    /// [`LedgerError::Busy`] when the queue is full; else the ledger is closed or failed.
    pub fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.0.note(entry, event)
    }

    /// Records what happened to a call, with the next batch, and waits while the queue is full.
    ///
    /// # Errors
    /// The ledger is closed or failed.
    pub async fn record(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.0.record(entry, event).await
    }

    /// Does the work that is due: a checkpoint, a slice of retention. The server calls it once a second.
    pub fn tick(&self) {
        self.0.tick();
    }

    /// Checks that the ledger accepts claims.
    ///
    /// # Errors
    /// [`LedgerError::Latched`], [`LedgerError::Closed`], [`LedgerError::SetBack`], or [`LedgerError::Unavailable`] when it failed
    /// or has no connection.
    pub fn health(&self) -> Result<(), LedgerError> {
        self.0.health()
    }

    /// Refuses claims until the ledger is opened again: an outcome could not be recorded. Outcomes of running actions are still
    /// recorded.
    pub fn latch(&self) {
        self.0.latch();
    }

    /// The keyed hash for sensitive arguments.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        self.0.redactor()
    }

    /// The retention: a completed action answers for its key at least this long.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.0.retention()
    }

    /// The ledger's directory, through which operators reach its server; `None` when they use the store itself (a database).
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.0.directory()
    }

    /// Records everything queued and a `close` record, synced. Later operations fail with [`LedgerError::Closed`].
    ///
    /// The files are free for another server once all clones of the [`Ledger`] are dropped too.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] when it was closed before; [`LedgerError::Unavailable`] when it failed.
    pub async fn close(&self) -> Result<(), LedgerError> {
        self.0.close().await
    }
}

/// A handle to a [`Ledger`] that does not keep it open.
pub(crate) struct WeakLedger(Weak<dyn Store>);

impl WeakLedger {
    /// The ledger, if it is still open.
    pub(crate) fn upgrade(&self) -> Option<Ledger> {
        self.0.upgrade().map(Ledger)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}
