//! The interface that every store implements.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::action::Action;
use super::error::LedgerError;
use super::hash::Hash;
use super::redact::Redactor;
use super::request::{Ask, Asked, Claim, Claimed, Decide, Entry, Intent, Listed, NoteEvent, Settle, Settled, Standing};

/// A store of actions and records, implemented by every kind of ledger. [`Ledger`](super::Ledger) says which errors each method
/// of the same name returns.
pub(super) trait Store: Send + Sync {
    /// The meaning of the known action for a call that would make this claim. Nothing is written.
    fn standing(&self, claim: Claim) -> BoxFuture<'_, Result<Standing, LedgerError>>;

    /// The action of `key`, as far as it is durable; `None` when nothing answers for it.
    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>>;

    /// The stored result of a completed action, byte for byte; its hash was checked.
    ///
    /// [`LedgerError::Payload`] when it is no longer kept or not what was stored.
    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>>;

    /// Starts an action unless it is known; durable when it resolves.
    ///
    /// Await it in a task that is not cancelled with the caller: a claim that is won after its future was dropped stays
    /// started, and is in doubt from the next open on.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>>;

    /// Asks for an approval unless the action is known; durable when it resolves. Returns the action that awaits it.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Asked, LedgerError>>;

    /// Records a decision on an action that awaits one and still has that version; durable when it resolves.
    ///
    /// [`LedgerError::Superseded`] when it was decided on, started, or asked for anew.
    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Settled, LedgerError>>;

    /// Records an outcome if the action still has that version; durable when it resolves.
    ///
    /// [`LedgerError::Superseded`] when it has not: nothing was recorded. Any other error: the outcome is not recorded,
    /// and the caller that ran the effect has to [`latch`](Store::latch).
    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Settled, LedgerError>>;

    /// At most `limit` actions by ascending key, after `after`.
    fn list(&self, which: Listed, after: Option<Hash>, limit: usize)
    -> BoxFuture<'_, Result<Vec<Action>, LedgerError>>;

    /// True when no server, this one included, can still be running an action in doubt. A body runs on for a while after its
    /// deadline, and after its server has lost the database, and may have its effect then.
    fn ended(&self, action: &Action) -> BoxFuture<'_, Result<bool, LedgerError>>;

    /// The call that asked for the action. Reads the journal: for operators and for reconciliation, not for every call.
    fn intent(&self, action: &Action) -> BoxFuture<'_, Result<Intent, LedgerError>>;

    /// Records what happened to a call, with the next batch.
    ///
    /// [`LedgerError::Busy`] when the queue is full.
    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError>;

    /// Records what happened to a call, with the next batch, and waits while the queue is full.
    fn record(&self, entry: Entry, event: NoteEvent) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Does what is due: a checkpoint, a slice of retention. The server calls it once a second.
    fn tick(&self);

    /// `Ok` while claims are accepted; otherwise the reason.
    fn health(&self) -> Result<(), LedgerError>;

    /// Refuses claims from now on, for good: an outcome could not be recorded. Outcomes of what runs are still taken.
    fn latch(&self);

    /// The keyed hash for sensitive arguments.
    fn redactor(&self) -> &Redactor;

    /// The retention: a completed action answers for its key at least this long.
    fn retention(&self) -> Duration;

    /// The directory that only this ledger's server and its operators use; `None` when operators reach the store itself.
    fn directory(&self) -> Option<&Path>;

    /// Records everything queued and a `close`, synced. Everything later fails with [`LedgerError::Closed`].
    ///
    /// The files are free for another server once all clones of the [`Ledger`] are dropped too.
    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}
