//! The one writer: decides, writes, syncs, answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::LedgerOptions;
use super::super::action::{Action, Moment, State, Unsettled, Version};
use super::super::changes::Changes;
use super::super::checkpoint::{Signer, due};
use super::super::decide::{self, Draft, Landed, Reply, Terms, View};
use super::super::error::LedgerError;
use super::super::front::{Answer, BATCH_BYTES, BATCH_OPERATIONS, Operation as Asked, reply};
use super::super::hash::Hash;
use super::super::record::{Event, FORMAT, Line, Tail, TailFound, time_text, write_payload, write_record};
use super::super::shared::{Clock, Shared, Status};
use super::super::subject::{Meeting, Slot};
use super::super::sync::{tasks, thread};
use super::super::{Claimed, Receipt, Settled};
use super::index::entry::Ended;
use super::index::{Head, Index, Standing};
use super::journal::{Journal, Position, WriteError};
use crate::clock::ledger::Reading;

/// Where callers come in crowds, a batch waits at most this long for more of them, and only while somebody comes in the time
/// that other threads get [`TURNS`] turns.
const LINGER: Duration = Duration::from_micros(500);
/// See [`LINGER`].
const TURNS: u32 = 32;

/// A request to the committer of a local store.
pub(in crate::ledger) type Operation = Asked<Sweep>;

/// A part of retention.
pub(in crate::ledger) enum Sweep {
    /// Removes those of the settled actions that have expired, and records the segment up to which retention has come. The
    /// answer is how many still answer.
    Expire { candidates: Vec<Candidate>, swept: Option<u64>, answer: Answer<usize> },
    /// Forgets the subjects in a slice of the index that nothing needs any more.
    Forget { slice: usize, answer: Answer<()> },
}

/// An action that retention may remove.
#[derive(Clone)]
pub(in crate::ledger) struct Candidate {
    pub(in crate::ledger) key: Hash,
    /// The record that settled it: if it is another one by now, the action stays.
    pub(in crate::ledger) version: Version,
    /// The time until which that record lets it answer, in ms since 1970.
    pub(in crate::ledger) expires_ms: u64,
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
    index: Arc<Index>,
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
    changes: Changes<Ended>,
    /// The actions that it completes, by their records.
    completed: HashMap<u64, Arc<Action>>,
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
        index: Arc<Index>,
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
        // There is one server at a time, so the one that started them has ended.
        for action in committer.index.unsettled(Unsettled::Started, None, usize::MAX) {
            decide::presume_dead(&mut Writing { committer: &mut committer, batch: &mut batch }, action, false)?;
        }
        committer.checkpoint(&mut batch)?;
        committer.write(&batch).map_err(unwritten)?;
        committer.index.apply(&batch.changes, &committer.head);
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
                        let claimed = self.decided(&mut batch, |writing| decide::claim(writing, &claim))?;
                        batch.claimed.push((answer, claimed));
                    }
                    Operation::Ask(ask, answer) => {
                        let asked = self.decided(&mut batch, |writing| decide::ask(writing, &ask))?;
                        batch.answer(answer, asked);
                    }
                    Operation::Decide(decision, answer) => {
                        let decided = self.decided(&mut batch, |writing| decide::decide(writing, &decision))?;
                        batch.answer(answer, decided);
                    }
                    Operation::Settle(settle, answer) => {
                        let settled = self.decided(&mut batch, |writing| decide::settle(writing, &settle))?;
                        batch.settled.extend(answer.map(|answer| (answer, settled)));
                    }
                    Operation::Own(Sweep::Expire { candidates, swept, answer }) => {
                        let answering = self.expire(&mut batch, &candidates, swept)?;
                        batch.answer(answer, Ok(answering));
                    }
                    Operation::Own(Sweep::Forget { slice, answer }) => {
                        if batch.trusted {
                            self.index.forget(slice, batch.at_ms);
                        }
                        batch.answer(answer, Ok(()));
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
            self.commit(batch)?;
        }
        if closing.is_some() {
            let mut batch = self.batch()?;
            self.checkpoint(&mut batch)?;
            let close = self.record(&mut batch, Line::new(Event::Close))?;
            self.commit(batch)?;
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
            completed: HashMap::new(),
            claimed: Vec::new(),
            settled: Vec::new(),
            others: Vec::new(),
        })
    }

    /// The state of an action after all that was decided so far.
    fn current(&self, batch: &Pending, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        match batch.changes.get(key) {
            Some(change) => Ok(change.action.clone()),
            None => self.index.action(key),
        }
    }

    /// What an operation comes to. Where the journal could not be read for it, it alone is refused.
    fn decided<T>(
        &mut self,
        batch: &mut Pending,
        decide: impl FnOnce(&mut Writing<'_>) -> Result<Reply<T>, LedgerError>,
    ) -> Result<Reply<T>, LedgerError> {
        let before = self.head.sequence;
        match decide(&mut Writing { committer: self, batch }) {
            Err(error) if self.head.sequence == before => {
                tracing::error!(
                    error = error.to_string(),
                    "a call is refused, as what is known of its action cannot be read"
                );
                Ok(Err(error))
            }
            other => other,
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
        candidates: &[Candidate],
        swept: Option<u64>,
    ) -> Result<usize, LedgerError> {
        let terms = self.terms(batch);
        let mut answering = 0;
        let mut keys = Vec::new();
        for Candidate { key, version, expires_ms } in candidates {
            let settled = match batch.changes.get(key) {
                Some(change) => {
                    change.action.as_ref().filter(|action| action.is_settled()).map(|action| action.version)
                }
                None => self.index.settled(key),
            };
            match settled.filter(|settled| settled == version) {
                Some(_) if terms.past(*expires_ms) => keys.push(*key),
                Some(_) => answering += 1,
                None => {}
            }
        }
        if keys.is_empty() && swept.is_none() {
            return Ok(answering);
        }
        self.record(batch, Line { keys: &keys, swept, ..Line::new(Event::Expired) })?;
        self.head.swept = self.head.swept.max(swept.unwrap_or(0));
        keys.into_iter().for_each(|key| batch.changes.leave(key));
        Ok(answering)
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

    /// Makes the batch durable.
    fn write(&mut self, batch: &Pending) -> Result<(), WriteError> {
        self.journal.append(&batch.bytes)?;
        self.durable = self.head.sequence;
        Ok(())
    }

    /// Makes the batch durable, then visible, then answers. A batch that the journal refuses is as if it had not been.
    fn commit(&mut self, batch: Pending) -> Result<(), LedgerError> {
        if !batch.bytes.is_empty() {
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
            self.index.apply(&batch.changes, &self.head);
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
        Ok(())
    }

    /// Goes back to where the journal was, and refuses all that was asked for: what was decided rests on what is not there.
    fn refuse(&mut self, batch: Pending, source: &io::Error) -> Result<(), LedgerError> {
        tracing::error!(
            source = source.to_string(),
            "the ledger has no room for a record: what asked for it is refused, and nothing was written"
        );
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
            Some(spot) => {
                let decided = |record| self.batch.completed.get(&record).cloned();
                self.committer.index.whole(spot, decided).map(Some)
            }
            None => self.committer.index.meeting(slot),
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
        let payload = draft.payload().map(|body| {
            let at = write_payload(&mut batch.bytes, segment, offset, body);
            committer.index.keep_result(&at, body);
            at
        });
        let version = Version(committer.record(batch, draft.line(payload.as_ref().map(|payload| payload.hash)))?);
        let key = draft.key;
        committer.head.longest_ms = committer.head.longest_ms.max(draft.expires_ms().unwrap_or(0));
        let (step, before) = draft.step(version, Moment(version.0), batch.at_ms, payload);
        let standing = Standing { index: &committer.index, longest_ms: committer.head.longest_ms };
        batch.changes.step(step, before, &standing)?;
        let action = committer.current(batch, &key)?;
        if let Some(action) = action.as_ref().filter(|action| action.state == State::Completed) {
            batch.completed.insert(action.moment.0, Arc::clone(action));
        }
        let Head { log, sequence, hash, .. } = &committer.head;
        let receipt = Receipt { log: log.clone(), sequence: *sequence, hash: *hash };
        Ok(Landed { version, receipt, action })
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
