//! The queue between a store and its committer, the same for every store.

use std::sync::Arc;

use super::error::LedgerError;
use super::hash::Hash;
use super::shared::{Shared, Status};
use super::sync::thread::JoinHandle;
use super::sync::{oneshot, tasks};
use super::{Ask, Asked, Claim, Claimed, Decide, Entry, NoteEvent, Outcome, Settle, Settled};

/// Operations that may wait for the committer.
const QUEUE: usize = 4096;
/// Most operations of a batch.
pub(super) const BATCH_OPERATIONS: usize = 1024;
/// Bytes at which a batch ends.
pub(super) const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The answer channel of a caller. Dropped without an answer, it tells the caller that the ledger failed.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// A request to the committer; `Own` are the requests of one kind of store.
pub(super) enum Operation<Own> {
    Claim(Box<Claim>, Answer<Claimed>),
    Ask(Box<Ask>, Answer<Asked>),
    Decide(Box<Decide>, Answer<Settled>),
    /// The answer is `None` once the caller was answered with a timeout; the outcome is recorded all the same.
    Settle(Box<Settle>, Option<Answer<Settled>>),
    Note(Box<Entry>, NoteEvent),
    Tick,
    Close(Answer<()>),
    Own(Own),
}

impl<Own> Operation<Own> {
    /// The key of the action that it is about; `None` for a request of one kind of store.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only a shared ledger needs it"))]
    pub(super) fn key(&self) -> Option<&Hash> {
        match self {
            Operation::Claim(claim, _) => Some(&claim.key),
            Operation::Ask(ask, _) => Some(&ask.claim.key),
            Operation::Decide(decide, _) => Some(&decide.key),
            Operation::Settle(settle, _) => Some(&settle.key),
            Operation::Note(..) | Operation::Tick | Operation::Close(_) | Operation::Own(_) => None,
        }
    }

    /// Bytes that it adds to a batch beside its record, about.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only a shared ledger needs it"))]
    pub(super) fn size(&self) -> usize {
        match self {
            Operation::Settle(settle, _) => match &settle.outcome {
                Outcome::Completed { payload, .. } => payload.len(),
                Outcome::Failed { .. } | Outcome::InDoubt { .. } => 0,
            },
            _ => 0,
        }
    }
}

/// The asking side of a store.
pub(super) struct Front<Own> {
    /// `None` only while it is dropped: the committer ends when its queue has no sender left.
    queue: Option<tasks::Sender<Operation<Own>>>,
    committer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// A queue for a [`Front`], and the committer's end of it.
pub(super) fn queue<Own>() -> (tasks::Sender<Operation<Own>>, tasks::Receiver<Operation<Own>>) {
    tasks::channel(QUEUE)
}

impl<Own> Front<Own> {
    /// A front for the committer that runs on the thread `committer`.
    pub(super) fn new(
        queue: tasks::Sender<Operation<Own>>,
        committer: JoinHandle<()>,
        shared: Arc<Shared>,
    ) -> Front<Own> {
        Front { queue: Some(queue), committer: Some(committer), shared }
    }

    /// The state that the threads of the ledger share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Hands an operation to the committer and waits for its answer.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] or [`LedgerError::Unavailable`] when the committer has ended; else the error of the operation.
    pub(super) async fn ask<T>(&self, operation: impl FnOnce(Answer<T>) -> Operation<Own>) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        if queue.send(operation(answer)).await.is_err() {
            return Err(self.ended());
        }
        answered.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Hands the committer a record to write with its next batch.
    ///
    /// # Errors
    /// [`LedgerError::Busy`] when the queue is full; [`LedgerError::Closed`] or [`LedgerError::Unavailable`] when nothing is
    /// accepted any more.
    pub(super) fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.shared.works()?;
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        queue.try_send(Operation::Note(Box::new(entry), event)).map_err(|refused| match refused {
            tasks::error::TrySendError::Full(_) => LedgerError::Busy,
            tasks::error::TrySendError::Closed(_) => self.ended(),
        })
    }

    /// Hands the committer a record to write with its next batch, and waits for room in the queue.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] or [`LedgerError::Unavailable`] when nothing is accepted any more.
    pub(super) async fn record(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.shared.works()?;
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        let sent = queue.send(Operation::Note(Box::new(entry), event)).await;
        sent.map_err(|_| self.ended())
    }

    /// Lets the committer do the work that is due.
    pub(super) fn tick(&self) {
        if self.queue.as_ref().is_some_and(|queue| queue.try_send(Operation::Tick).is_err()) {
            tracing::debug!("the ledger is too busy for this tick");
        }
    }

    /// Refuses claims from now on, for good.
    pub(super) fn latch(&self) {
        if self.shared.worsen(Status::Latched) {
            tracing::error!(
                "an outcome could not be recorded: the ledger accepts no more claims until it is opened again"
            );
        }
    }

    /// The error when the committer has ended without an answer: closed, or failed.
    pub(super) fn ended(&self) -> LedgerError {
        match self.shared.works() {
            Err(error) => error,
            Ok(()) => {
                self.shared.poison(&"the committer ended");
                LedgerError::Unavailable
            }
        }
    }
}

impl<Own> Drop for Front<Own> {
    fn drop(&mut self) {
        self.queue = None;
        if self.committer.take().is_some_and(|committer| committer.join().is_err()) {
            self.shared.poison(&"the committer panicked");
        }
    }
}

/// Answers the caller, if it still waits.
pub(super) fn reply<T>(answer: Answer<T>, result: Result<T, LedgerError>) {
    drop(answer.send(result));
}
