//! The one writer: decides, writes, syncs, answers.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::LedgerOptions;
use super::super::action::{Action, Moment, Step, Transition, Unsettled, Version};
use super::super::changes::{Before, Changes};
use super::super::checkpoint::{Signer, due};
use super::super::decide::{self, Draft, Landed, Reply, Terms, View};
use super::super::error::LedgerError;
use super::super::front::{Answer, BATCH_BYTES, BATCH_OPERATIONS, Operation as Asked, reply};
use super::super::hash::Hash;
use super::super::record::{Event, FORMAT, Line, Tail, TailFound, time_text, write_payload, write_record};
use super::super::shared::{Clock, Shared, Status};
use super::super::subject::{Meeting, Slot};
use super::super::sync::threads::{SyncSender, TrySendError};
use super::super::sync::{tasks, thread};
use super::super::{Claimed, Receipt, Settled};
use super::applier::Applied;
use super::index::{Head, Index};
use super::journal::{Journal, Position, WriteError};
use crate::clock::ledger::Reading;

/// Where callers come in crowds, a batch waits at most this long for more of them, and only while somebody comes in the time
/// that other threads get [`TURNS`] turns.
const LINGER: Duration = Duration::from_micros(500);
/// See [`LINGER`].
const TURNS: u32 = 32;
/// An index that takes nothing for this long has failed.
const INDEX_STANDS: Duration = Duration::from_secs(30);

/// A request to the committer of a local store.
pub(in crate::ledger) type Operation = Asked<Expire>;

/// Removes those of the completed actions that have expired, and records the segment up to which retention has come. The
/// answer is how many still answer.
pub(in crate::ledger) struct Expire {
    pub(in crate::ledger) candidates: Vec<(Hash, Version)>,
    pub(in crate::ledger) swept: Option<u64>,
    pub(in crate::ledger) answer: Answer<usize>,
}

/// What a journal ended with, and whose it is.
pub(in crate::ledger) struct Opened {
    /// Id, last record, highest epoch.
    pub(in crate::ledger) head: Head,
    /// For the `open` record; `None` when there was nothing before it.
    pub(in crate::ledger) tail: Option<TailFound>,
}

/// Owns the journal. Every error that it returns poisons the ledger.
pub(in crate::ledger) struct Committer {
    journal: Box<dyn Journal>,
    index: Arc<dyn Index>,
    shared: Arc<Shared>,
    /// The last record written.
    head: Head,
    /// Highest sequence that is synced.
    durable: u64,
    signer: Signer,
    options: LedgerOptions,
    clock: Arc<Clock>,
    /// Where the last checkpoint stands, and when it was signed.
    signed: (u64, Instant),
}

/// An answer that waits for the batch to be durable, or for the reason why it is refused.
type Ready = Box<dyn FnOnce(Option<LedgerError>) + Send>;

/// What is decided and not yet written.
struct Pending {
    /// Where the journal and its checkpoints end without it.
    before: (Head, (u64, Instant)),
    position: Position,
    at_ms: u64,
    /// What has expired by then has expired.
    trusted: bool,
    at: String,
    bytes: Vec<u8>,
    changes: Changes,
    claimed: Vec<(Answer<Claimed>, Reply<Claimed>)>,
    settled: Vec<(Answer<Settled>, Reply<Settled>)>,
    /// What is asked for seldom.
    others: Vec<Ready>,
}

impl Pending {
    fn answer<T: Send + 'static>(&mut self, answer: Answer<T>, result: Result<T, LedgerError>) {
        self.others.push(Box::new(move |refused| reply(answer, refused.map_or(result, Err))));
    }
}

impl Committer {
    /// Begins an epoch: records the tail that was found and puts every started action in doubt, synced and indexed.
    ///
    /// `index` must have followed the journal to its end.
    pub(in crate::ledger) fn open(
        journal: Box<dyn Journal>,
        index: Arc<dyn Index>,
        shared: Arc<Shared>,
        clock: Arc<Clock>,
        opened: Opened,
        signer: Signer,
        options: LedgerOptions,
    ) -> Result<Committer, LedgerError> {
        let durable = opened.head.sequence;
        let signed = (durable, Instant::now());
        let mut committer =
            Committer { journal, index, shared, clock, head: opened.head, durable, signer, options, signed };
        committer.head.epoch = committer.head.epoch.saturating_add(1);
        let mut batch = committer.batch()?;
        let (log, signer) = (committer.head.log.clone(), committer.signer.public());
        let line = Line {
            log: Some(&log),
            signer: Some(&signer),
            format: Some(FORMAT),
            epoch: Some(committer.head.epoch),
            tail: opened.tail,
            ..Line::new(Event::Open)
        };
        committer.record(&mut batch, line)?;
        for key in committer.index.unsettled(Unsettled::Started)? {
            committer.crashed(&mut batch, &key)?;
        }
        committer.checkpoint(&mut batch)?;
        committer.write(&batch).map_err(unwritten)?;
        committer.index.apply(&batch.changes, &committer.head)?;
        Ok(committer)
    }

    /// The epoch that it began.
    pub(in crate::ledger) fn epoch(&self) -> u64 {
        self.head.epoch
    }

    /// Takes operations until nobody can ask any more, or the ledger is closed: then gives who asked for that.
    ///
    /// What is queued when it is closed is still recorded, before the `close`; only claims are refused.
    pub(in crate::ledger) fn run(
        &mut self,
        queue: &mut tasks::Receiver<Operation>,
        applier: &SyncSender<Applied>,
    ) -> Result<Option<Answer<()>>, LedgerError> {
        let mut closing = None;
        let mut crowded = false;
        while let Some(first) = queue.blocking_recv() {
            self.shared.not_poisoned()?;
            let mut batch = self.batch()?;
            let begun = Instant::now();
            let mut next = Some(first);
            let mut operations = 0;
            let mut ticked = false;
            while let Some(operation) = next {
                match operation {
                    Operation::Claim(claim, answer) => {
                        let claimed = decide::claim(&mut Writing { committer: self, batch: &mut batch }, &claim)?;
                        batch.claimed.push((answer, claimed));
                    }
                    Operation::Ask(ask, answer) => {
                        let asked = decide::ask(&mut Writing { committer: self, batch: &mut batch }, &ask)?;
                        batch.answer(answer, asked);
                    }
                    Operation::Decide(decision, answer) => {
                        let decided = decide::decide(&mut Writing { committer: self, batch: &mut batch }, &decision)?;
                        batch.answer(answer, decided);
                    }
                    Operation::Settle(settle, answer) => {
                        let settled = decide::settle(&mut Writing { committer: self, batch: &mut batch }, &settle)?;
                        batch.settled.extend(answer.map(|answer| (answer, settled)));
                    }
                    Operation::Own(Expire { candidates, swept, answer }) => {
                        let answering = self.expire(&mut batch, &candidates, swept)?;
                        batch.answer(answer, Ok(answering));
                    }
                    Operation::Tick => ticked = true,
                    Operation::Note(entry, event) => {
                        self.record(&mut batch, Line::note(&entry, &event))?;
                    }
                    Operation::Close(answer) if closing.is_some() => reply(answer, Err(LedgerError::Closed)),
                    Operation::Close(answer) => {
                        self.shared.worsen(Status::Closed);
                        queue.close();
                        closing = Some(answer);
                    }
                }
                operations += 1;
                if operations >= BATCH_OPERATIONS || batch.bytes.len() >= BATCH_BYTES {
                    break;
                }
                next = if crowded { linger(queue, begun) } else { queue.try_recv().ok() };
            }
            crowded = operations > 1;
            if self.checkpoint_due(ticked) {
                self.checkpoint(&mut batch)?;
            }
            self.commit(batch, applier)?;
        }
        if closing.is_some() {
            let mut batch = self.batch()?;
            self.checkpoint(&mut batch)?;
            let close = self.record(&mut batch, Line::new(Event::Close))?;
            self.commit(batch, applier)?;
            if self.durable < close {
                return Err(LedgerError::NoRoom { reason: "for the `close` record".to_owned() });
            }
        }
        Ok(closing)
    }

    fn batch(&mut self) -> Result<Pending, LedgerError> {
        let next = self.head.sequence.saturating_add(1);
        let position = self.journal.begin(next).map_err(LedgerError::io("extend", "the journal"))?;
        let Reading { at_ms, trusted } = self.clock.now();
        let at = time_text(at_ms);
        Ok(Pending {
            before: (self.head.clone(), self.signed),
            position,
            at_ms,
            trusted,
            at,
            bytes: Vec::new(),
            changes: Changes::default(),
            claimed: Vec::new(),
            settled: Vec::new(),
            others: Vec::new(),
        })
    }

    /// The state of an action after all that was decided so far.
    fn current(&self, batch: &Pending, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        match batch.changes.get(key) {
            Some(change) => Ok(change.action.clone()),
            None => self.shared.lookup(&*self.index, key),
        }
    }

    /// Adds a record to the batch and gives its sequence.
    fn record(&mut self, batch: &mut Pending, line: Line<'_>) -> Result<u64, LedgerError> {
        let Tail { sequence, hash } =
            write_record(&mut batch.bytes, self.head.tail(), self.durable, &batch.at, line)
                .map_err(|error| LedgerError::io("encode a record of", "the journal")(error.into()))?;
        self.head.sequence = sequence;
        self.head.at_ms = batch.at_ms;
        self.head.hash = hash;
        Ok(sequence)
    }

    fn terms(&self, batch: &Pending) -> Terms {
        Terms {
            at_ms: batch.at_ms,
            epoch: self.head.epoch,
            retention_ms: self.options.retention_ms(),
            trusted: batch.trusted,
            status: self.shared.status(),
        }
    }

    /// Removes those of `candidates` that answer no longer; says how many still do.
    fn expire(
        &mut self,
        batch: &mut Pending,
        candidates: &[(Hash, Version)],
        swept: Option<u64>,
    ) -> Result<usize, LedgerError> {
        let terms = self.terms(batch);
        let expired = decide::expired(&Writing { committer: self, batch }, &terms, candidates)?;
        if expired.actions.is_empty() && swept.is_none() {
            return Ok(expired.answering);
        }
        let keys: Vec<Hash> = expired.actions.iter().map(|action| action.key).collect();
        let version = Version(self.record(batch, Line { keys: &keys, swept, ..Line::new(Event::Expired) })?);
        self.head.swept = self.head.swept.max(swept.unwrap_or(0));
        for action in expired.actions {
            let (moment, at_ms, key) = (Moment(version.0), batch.at_ms, action.key);
            let step = Step { version, moment, at_ms, key, change: Transition::Leave };
            batch.changes.step(step, Some(action), self)?;
        }
        Ok(expired.answering)
    }

    fn checkpoint_due(&self, ticked: bool) -> bool {
        let (sequence, at) = self.signed;
        let new = self.head.sequence.saturating_sub(sequence);
        new >= self.options.checkpoint_every || (ticked && due(new, at.elapsed()))
    }

    /// Signs how far the journal has come.
    fn checkpoint(&mut self, batch: &mut Pending) -> Result<(), LedgerError> {
        let checkpoint = self.signer.sign(&self.head.log, self.head.tail(), &batch.at);
        let line = Line {
            signer: Some(&checkpoint.signer),
            signature: Some(&checkpoint.signature),
            ..Line::new(Event::Checkpoint)
        };
        let sequence = self.record(batch, line)?;
        self.signed = (sequence, Instant::now());
        Ok(())
    }

    /// Puts an action in doubt that an earlier epoch started. There is one server at a time, so that one has ended.
    fn crashed(&mut self, batch: &mut Pending, key: &Hash) -> Result<(), LedgerError> {
        // The index may list more than there is.
        match self.index.get(key)?.filter(|action| action.unsettled() == Some(Unsettled::Started)) {
            Some(action) => decide::presume_dead(&mut Writing { committer: self, batch }, Arc::new(action), false),
            None => Ok(()),
        }
    }

    /// Makes the batch durable.
    fn write(&mut self, batch: &Pending) -> Result<(), WriteError> {
        self.journal.append(&batch.bytes)?;
        self.durable = self.head.sequence;
        Ok(())
    }

    /// Makes the batch durable, then visible, then answers. A batch that the journal refuses is as if it had not been.
    fn commit(&mut self, batch: Pending, applier: &SyncSender<Applied>) -> Result<(), LedgerError> {
        let written = !batch.bytes.is_empty();
        if written {
            match self.write(&batch) {
                Ok(()) => {}
                Err(WriteError::Refused(source)) => return self.refuse(batch, &source),
                // Before the callers hear of it, so that the log names the cause.
                Err(broken) => {
                    let error = unwritten(broken);
                    self.shared.poison(&error);
                    return Err(error);
                }
            }
            self.shared.overlay.write().unwrap_or_else(PoisonError::into_inner).absorb(&batch.changes);
        }
        for (answer, claimed) in batch.claimed {
            reply(answer, claimed);
        }
        for (answer, settled) in batch.settled {
            reply(answer, settled);
        }
        for ready in batch.others {
            ready(None);
        }
        if written {
            hand_over(applier, Applied { changes: batch.changes, head: self.head.clone() })?;
        }
        Ok(())
    }

    /// Goes back to where the journal was, and refuses all that was asked for: what was decided rests on what is not there.
    fn refuse(&mut self, batch: Pending, source: &io::Error) -> Result<(), LedgerError> {
        tracing::error!(%source, "the ledger has no room for a record: what asked for it is refused, and nothing was written");
        (self.head, self.signed) = batch.before;
        let refused = || LedgerError::NoRoom { reason: source.to_string() };
        for (answer, _) in batch.claimed {
            reply(answer, Err(refused()));
        }
        for (answer, _) in batch.settled {
            reply(answer, Err(refused()));
        }
        for ready in batch.others {
            ready(Some(refused()));
        }
        Ok(())
    }
}

/// Why nothing of a batch may be relied upon.
fn unwritten(error: WriteError) -> LedgerError {
    let (WriteError::Refused(source) | WriteError::Broken(source)) = error;
    LedgerError::io("write", "the journal")(source)
}

/// What is durable, before the changes of the batch.
impl Before for Committer {
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        self.shared.meeting(&*self.index, slot)
    }

    fn longest_ms(&self) -> u64 {
        self.head.longest_ms
    }
}

/// A batch that is being decided, with all that is known before it.
struct Writing<'b> {
    committer: &'b mut Committer,
    batch: &'b mut Pending,
}

impl View for Writing<'_> {
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        self.committer.current(self.batch, key)
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        match self.batch.changes.meeting(slot) {
            Some(meeting) => Ok(Some(Arc::clone(meeting))),
            None => Before::meeting(&*self.committer, slot),
        }
    }

    /// There is one server at a time, and it started what has its epoch.
    fn may_run(&self, epoch: u64, _until_ms: u64) -> bool {
        epoch == self.committer.head.epoch
    }

    /// There is one server at a time: who opened the ledger knows.
    fn presumed_dead(&self, _key: &Hash) -> bool {
        false
    }
}

impl<'a> decide::Batch<'a> for Writing<'_> {
    fn terms(&self) -> Terms {
        self.committer.terms(self.batch)
    }

    fn write(&mut self, draft: Draft<'a>) -> Result<Landed, LedgerError> {
        let Writing { committer, batch } = self;
        let Position { segment, offset } = batch.position;
        let payload = draft.payload().map(|body| write_payload(&mut batch.bytes, segment, offset, body));
        let version = Version(committer.record(batch, draft.line(payload.as_ref().map(|payload| payload.hash)))?);
        let key = draft.key;
        committer.head.longest_ms = committer.head.longest_ms.max(draft.expires_ms().unwrap_or(0));
        let (step, before) = draft.step(version, Moment(version.0), batch.at_ms, payload);
        batch.changes.step(step, before, &**committer)?;
        let Head { log, sequence, hash, .. } = &committer.head;
        let receipt = Receipt { log: log.clone(), sequence: *sequence, hash: *hash };
        Ok(Landed { version, receipt, action: committer.current(batch, &key)? })
    }
}

/// The next operation of a batch that `begun` then, or `None` when nobody comes any more.
///
/// Who was answered together comes back together, if it gets its turn first: a sync for each few of them takes from all the
/// time in which they would come.
fn linger(queue: &mut tasks::Receiver<Operation>, begun: Instant) -> Option<Operation> {
    for _ in 0..TURNS {
        if let Ok(operation) = queue.try_recv() {
            return Some(operation);
        }
        if begun.elapsed() >= LINGER {
            return None;
        }
        thread::yield_now();
    }
    None
}

/// Gives the index its work; waits for a slow one, but not for one that stands still.
fn hand_over(applier: &SyncSender<Applied>, mut applied: Applied) -> Result<(), LedgerError> {
    let begun = Instant::now();
    loop {
        applied = match applier.try_send(applied) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(applied)) if begun.elapsed() < INDEX_STANDS => applied,
            Err(TrySendError::Full(_)) => return Err(LedgerError::Index { reason: "it stands still".to_owned() }),
            Err(TrySendError::Disconnected(_)) => {
                return Err(LedgerError::Index { reason: "its thread ended".to_owned() });
            }
        };
        thread::sleep(Duration::from_millis(1));
    }
}
