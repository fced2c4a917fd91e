//! The [`Store`] whose committer is a thread of this process.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::action::{Action, State};
use super::applier::{self, Applied};
use super::committer::{Answer, Committer, Opened, Operation, reply};
use super::error::LedgerError;
use super::hash::Hash;
use super::index::Index;
use super::journal::{Journal, Payloads};
use super::redact::Redactor;
use super::shared::{Shared, Status};
use super::{Claim, Claimed, Entry, NoteEvent, Receipt, Settle, Store};

/// Operations that may wait for the committer.
const QUEUE: usize = 4096;
/// Batches that may wait for the index.
const APPLIER_QUEUE: usize = 256;

/// A journal, its index, and the threads that keep them.
pub(super) struct LocalStore {
    /// Taken when dropped: the committer ends when nobody can ask any more.
    queue: Option<mpsc::Sender<Operation>>,
    committer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    payloads: Arc<dyn Payloads>,
    index: Arc<dyn Index>,
    redactor: Redactor,
    /// Last, so that it is held until the index is closed.
    _lock: Option<File>,
}

impl LocalStore {
    /// Begins an epoch on `journal` and starts the threads. `lock` is held as long as the store.
    pub(super) fn start(
        journal: Box<dyn Journal>,
        index: Arc<dyn Index>,
        opened: Opened,
        redactor: Redactor,
        lock: Option<File>,
    ) -> Result<LocalStore, LedgerError> {
        let shared = Arc::new(Shared::default());
        let payloads = journal.payloads();
        let committer = Committer::open(journal, Arc::clone(&index), Arc::clone(&shared), opened)?;
        let (queue, operations) = mpsc::channel(QUEUE);
        let thread = {
            let (index, shared) = (Arc::clone(&index), Arc::clone(&shared));
            thread::Builder::new()
                .name("ledger".to_owned())
                .spawn(move || work(committer, operations, index, &shared))
                .map_err(LedgerError::io("start", "the committer thread"))?
        };
        Ok(LocalStore { queue: Some(queue), committer: Some(thread), shared, payloads, index, redactor, _lock: lock })
    }

    /// Hands an operation to the committer and waits for its answer.
    async fn ask<T>(&self, operation: impl FnOnce(Answer<T>) -> Operation) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        if queue.send(operation(answer)).await.is_err() {
            return Err(self.gone());
        }
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// The committer is gone without an answer: closed, or failed.
    fn gone(&self) -> LedgerError {
        match self.shared.works() {
            Err(error) => error,
            Ok(()) => {
                self.shared.poison(&"the committer ended");
                LedgerError::Unavailable
            }
        }
    }
}

/// The committer's thread. However it ends, the ledger then accepts nothing more.
fn work(
    mut committer: Committer,
    mut operations: mpsc::Receiver<Operation>,
    index: Arc<dyn Index>,
    shared: &Arc<Shared>,
) {
    let (batches, waiting) = sync_channel::<Applied>(APPLIER_QUEUE);
    let applier = {
        let shared = Arc::clone(shared);
        thread::Builder::new().name("ledger-index".to_owned()).spawn(move || applier::run(&waiting, &index, &shared))
    };
    let applier = match applier {
        Ok(applier) => applier,
        Err(error) => return shared.poison(&error),
    };
    // After a panic the committer's state is only dropped.
    let ended = catch_unwind(AssertUnwindSafe(|| committer.run(&mut operations, &batches)));
    let closing = match ended {
        Ok(Ok(closing)) => closing,
        Ok(Err(error)) => {
            shared.poison(&error);
            None
        }
        Err(_) => {
            shared.poison(&"the committer panicked");
            None
        }
    };
    // Until nobody is left between asking and being queued: an answer that lies in the queue is waited for.
    operations.close();
    while operations.blocking_recv().is_some() {}
    drop(batches);
    if applier.join().is_err() {
        shared.poison(&"the index's thread panicked");
    }
    if let Some(answer) = closing {
        reply(answer, shared.not_poisoned());
    }
}

impl Store for LocalStore {
    fn lookup(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        self.shared.works()?;
        self.shared.lookup(&*self.index, key).inspect_err(|error| self.shared.poison(error))
    }

    fn payload(&self, action: &Action) -> Result<Vec<u8>, LedgerError> {
        self.shared.works()?;
        let at = match (&action.state, &action.payload) {
            (State::Completed, Some(at)) => at,
            _ => return Err(LedgerError::Payload { reason: "is not kept" }),
        };
        let body = self.payloads.read(at).map_err(LedgerError::io("read a result from", "the journal"))?;
        if Hash::of(&body) != at.hash {
            return Err(LedgerError::Payload { reason: "is not what was stored" });
        }
        Ok(body)
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.ask(|answer| Operation::Claim(Box::new(claim), answer)))
    }

    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Receipt, LedgerError>> {
        Box::pin(self.ask(|answer| Operation::Settle(Box::new(settle), answer)))
    }

    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.shared.works()?;
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        queue.try_send(Operation::Note(Box::new(entry), event)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => LedgerError::Busy,
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        })
    }

    fn health(&self) -> Result<(), LedgerError> {
        self.shared.accepts_claims()
    }

    fn latch(&self) {
        if self.shared.worsen(Status::Latched) {
            tracing::error!(
                "an outcome could not be recorded: the ledger accepts no more claims until it is opened again"
            );
        }
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.ask(Operation::Close))
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.queue = None;
        if self.committer.take().is_some_and(|committer| committer.join().is_err()) {
            self.shared.poison(&"the committer panicked");
        }
    }
}
