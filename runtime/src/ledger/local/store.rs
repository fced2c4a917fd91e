//! The [`Store`] whose committer is a thread of this process.

use std::fs::File;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::super::action::{Action, State, Unsettled};
use super::super::checkpoint::Signer;
use super::super::decide::{self, Terms, View};
use super::super::error::LedgerError;
use super::super::front::{self, Front, Operation as Request, reply};
use super::super::hash::Hash;
use super::super::record::{now_ms, read_intent};
use super::super::redact::Redactor;
use super::super::shared::{Clock, Shared};
use super::super::subject::{Meeting, Slot};
use super::super::sync::tasks;
use super::super::sync::thread::{self, JoinHandle};
use super::super::sync::threads::{RecvTimeoutError, SyncSender, sync_channel};
use super::super::{
    Ask, Asked, Claim, Claimed, Decide, Entry, Intent, LedgerOptions, Listed, NoteEvent, Settle, Settled, Standing,
    Store,
};
use super::committer::{Committer, Opened, Operation, Sweep};
use super::index::blocks::Blocks;
use super::index::{Index, keeper};
use super::journal::{Journal, Reader};
use super::retention::{self, Sweeper};
use crate::clock::ledger::Reading;

/// How long it may take to write the index down when the ledger closes. sled may stand still for ever; the journal has it.
const INDEX_CLOSES: Duration = Duration::from_secs(10);

/// The keys that belong to a ledger.
pub(in crate::ledger) struct Keys {
    pub(in crate::ledger) redactor: Redactor,
    pub(in crate::ledger) signer: Signer,
}

/// The directory of a ledger, and the right to write there.
pub(in crate::ledger) struct Home {
    pub(in crate::ledger) directory: PathBuf,
    /// Held as long as the store.
    pub(in crate::ledger) _lock: File,
}

/// A journal, its index, and the threads that keep them.
pub(in crate::ledger) struct LocalStore {
    front: Front<Sweep>,
    /// Taken when dropped: the sweeper ends without it.
    ticks: Option<SyncSender<()>>,
    sweeper: Option<JoinHandle<()>>,
    reader: Arc<dyn Reader>,
    index: Arc<Index>,
    redactor: Redactor,
    epoch: u64,
    retention: Duration,
    clock: Arc<Clock>,
    /// Last, so that the lock is held until the index is closed.
    home: Option<Home>,
}

impl LocalStore {
    /// Begins an epoch on `journal`, which `index` has followed to its end, and starts the threads. The index is written down
    /// to `blocks`, if there are any.
    pub(in crate::ledger) fn start(
        journal: Box<dyn Journal>,
        index: Index,
        blocks: Option<Blocks>,
        opened: Opened,
        keys: Keys,
        options: &LedgerOptions,
        home: Option<Home>,
    ) -> Result<LocalStore, LedgerError> {
        let shared = Arc::new(Shared::default());
        let clock = Arc::new(Clock::new(now_ms(), opened.head.at_ms, options.distrust));
        let reader = journal.reader();
        let index = Arc::new(index);
        let swept = opened.head.swept;
        let Keys { redactor, signer } = keys;
        let committer = Committer::open(
            journal,
            Arc::clone(&index),
            Arc::clone(&shared),
            Arc::clone(&clock),
            opened,
            signer,
            options.clone(),
        )?;
        let epoch = committer.epoch();
        let (queue, operations) = front::queue();
        let thread = {
            let (index, shared) = (Arc::clone(&index), Arc::clone(&shared));
            thread::Builder::new()
                .name("ledger".to_owned())
                .spawn(move || work(committer, operations, index, blocks, &shared))
                .map_err(LedgerError::io("start", "a thread of the ledger"))?
        };
        let mut store = LocalStore {
            front: Front::new(queue.clone(), thread, shared),
            ticks: None,
            sweeper: None,
            reader,
            index,
            redactor,
            epoch,
            retention: options.retention,
            clock,
            home,
        };
        if let Some(home) = &store.home {
            let index = Arc::clone(&store.index);
            let sweeper = Sweeper::new(home.directory.join("journal"), swept, queue, index);
            let (ticks, ticked) = sync_channel(1);
            let thread = thread::Builder::new().name("ledger-sweep".to_owned());
            let thread = thread.spawn(move || retention::run(sweeper, &ticked));
            store.sweeper = Some(thread.map_err(LedgerError::io("start", "a thread of the ledger"))?);
            store.ticks = Some(ticks);
        }
        Ok(store)
    }

    fn shared(&self) -> &Shared {
        self.front.shared()
    }

    /// The action of `key`, if it answers now.
    fn known(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        self.shared().works()?;
        let found = self.index.action(key)?;
        let Reading { at_ms, trusted } = self.clock.now();
        Ok(found.filter(|action| !trusted || action.answers(at_ms)).map(Arc::unwrap_or_clone))
    }

    fn stands(&self, claim: &Claim) -> Result<Standing, LedgerError> {
        self.shared().works()?;
        let Reading { at_ms, trusted } = self.clock.now();
        let terms = Terms {
            at_ms,
            epoch: self.epoch,
            retention_ms: u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX),
            trusted,
            status: self.shared().status(),
        };
        decide::standing(self, &terms, claim)
    }

    fn stored(&self, action: &Action) -> Result<Vec<u8>, LedgerError> {
        self.shared().works()?;
        let at = match (&action.state, &action.payload) {
            (State::Completed, Some(at)) => at,
            _ => return Err(LedgerError::Payload { reason: "is not kept" }),
        };
        if let Some(body) = self.index.result(at) {
            return Ok(body.to_vec());
        }
        let body = self.reader.payload(at).map_err(LedgerError::io("read a result from", "the journal"))?;
        if Hash::of(&body) != at.hash {
            return Err(LedgerError::Payload { reason: "is not what was stored" });
        }
        self.index.keep_result(at, &body);
        Ok(body)
    }

    fn listed(&self, which: Listed, after: Option<Hash>, limit: usize) -> Result<Vec<Action>, LedgerError> {
        self.shared().works()?;
        let state = match which {
            Listed::InDoubt => Unsettled::InDoubt,
            Listed::AwaitingApproval => Unsettled::AwaitingApproval,
        };
        Ok(self.index.unsettled(state, after, limit).into_iter().map(Arc::unwrap_or_clone).collect())
    }

    fn told(&self, action: &Action) -> Result<Intent, LedgerError> {
        self.shared().works()?;
        let line = self.reader.record(action.intent.0).map_err(LedgerError::io("read a record of", "the journal"))?;
        read_intent(&line).map_err(|reason| LedgerError::Payload { reason })
    }
}

/// The committer's thread. However it ends, the ledger then accepts nothing more.
fn work(
    mut committer: Committer,
    mut operations: tasks::Receiver<Operation>,
    index: Arc<Index>,
    blocks: Option<Blocks>,
    shared: &Arc<Shared>,
) {
    let (stop, stops) = sync_channel::<()>(1);
    let (ended, keeper_ends) = sync_channel::<()>(1);
    let keeper = blocks.map(|blocks| {
        thread::Builder::new().name("ledger-index".to_owned()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| keeper::run(blocks, &index, &stops))).is_err() {
                tracing::error!(
                    "the thread that writes the index of the ledger panicked; the next start reads the journal"
                );
            }
            // What is kept is closed by now.
            drop(ended);
        })
    });
    if let Some(Err(error)) = keeper {
        return shared.poison(&error);
    }
    // After a panic the committer's state is only dropped.
    let ended = catch_unwind(AssertUnwindSafe(|| committer.run(&mut operations)));
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
    drop(stop);
    if matches!(keeper_ends.recv_timeout(INDEX_CLOSES), Err(RecvTimeoutError::Timeout)) {
        tracing::warn!("the index of the ledger stands still; the next start catches up from the journal");
    }
    // Before it is said: the journal cuts the zero bytes behind its last line when it is dropped, and whoever closed the
    // ledger may read it with any program.
    drop(committer);
    if let Some(answer) = closing {
        reply(answer, shared.not_poisoned());
    }
}

/// What is durable now.
impl View for LocalStore {
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        self.index.action(key)
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        self.index.meeting(slot)
    }

    fn may_run(&self, epoch: u64, _until_ms: u64) -> bool {
        epoch == self.epoch
    }

    fn presumed_dead(&self, _key: &Hash) -> bool {
        false
    }
}

impl Store for LocalStore {
    fn standing(&self, claim: Claim) -> BoxFuture<'_, Result<Standing, LedgerError>> {
        Box::pin(ready(self.stands(&claim)))
    }

    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>> {
        Box::pin(ready(self.known(key)))
    }

    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>> {
        Box::pin(ready(self.stored(action)))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.front.ask(|answer| Request::Claim(Box::new(claim), answer)))
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Asked, LedgerError>> {
        Box::pin(self.front.ask(|answer| Request::Ask(Box::new(ask), answer)))
    }

    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        Box::pin(self.front.ask(|answer| Request::Decide(Box::new(decide), answer)))
    }

    fn list(
        &self,
        which: Listed,
        after: Option<Hash>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Action>, LedgerError>> {
        Box::pin(ready(self.listed(which, after, limit)))
    }

    /// There is one server at a time, so those of other epochs are gone.
    fn ended(&self, action: &Action) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(ready(Ok(action.epoch != self.epoch)))
    }

    fn intent(&self, action: &Action) -> BoxFuture<'_, Result<Intent, LedgerError>> {
        Box::pin(ready(self.told(action)))
    }

    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        Box::pin(self.front.ask(|answer| Request::Settle(Box::new(settle), Some(answer))))
    }

    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.front.note(entry, event)
    }

    fn record(&self, entry: Entry, event: NoteEvent) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.front.record(entry, event))
    }

    fn tick(&self) {
        self.front.tick();
        if self.ticks.as_ref().is_some_and(|ticks| ticks.try_send(()).is_err()) {
            tracing::debug!("retention is still at work since an earlier tick");
        }
    }

    fn health(&self) -> Result<(), LedgerError> {
        self.shared().accepts_claims()
    }

    fn latch(&self) {
        self.front.latch();
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn retention(&self) -> Duration {
        self.retention
    }

    fn directory(&self) -> Option<&Path> {
        self.home.as_ref().map(|home| home.directory.as_path())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.front.ask(Request::Close))
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        // The sweeper asks the committer, so it ends first.
        self.ticks = None;
        if self.sweeper.take().is_some_and(|sweeper| sweeper.join().is_err()) {
            tracing::error!("the sweeper of the ledger panicked");
        }
    }
}
