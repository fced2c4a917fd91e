//! The one writer: decides, writes, syncs, answers.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::action::{Action, State, Step, Transition};
use super::applier::Applied;
use super::changes::Changes;
use super::error::LedgerError;
use super::hash::Hash;
use super::index::{Head, Index};
use super::journal::{Journal, Position};
use super::record::{Event, FORMAT, Line, Tail, TailFound, now, write_payload, write_record};
use super::shared::{Shared, Status};
use super::{Claim, Claimed, Entry, NoteEvent, Outcome, Receipt, Settle};

/// A batch ends at this many operations,
const BATCH_OPERATIONS: usize = 1024;
/// or at this many bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The answer to a caller. Dropped without one, it tells the caller that the ledger failed.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What callers ask of the committer.
pub(super) enum Operation {
    Claim(Box<Claim>, Answer<Claimed>),
    Settle(Box<Settle>, Answer<Receipt>),
    Note(Box<Entry>, NoteEvent),
    Close(Answer<()>),
}

/// What a journal ended with, and whose it is.
pub(super) struct Opened {
    /// Id, last record, highest epoch.
    pub(super) head: Head,
    /// For the `open` record; `None` when there was nothing before it.
    pub(super) tail: Option<TailFound>,
}

/// Owns the journal. Every error that it returns poisons the ledger.
pub(super) struct Committer {
    journal: Box<dyn Journal>,
    index: Arc<dyn Index>,
    shared: Arc<Shared>,
    /// The last record written.
    head: Head,
    /// Highest sequence that is synced.
    durable: u64,
}

/// What is decided and not yet written.
struct Batch {
    position: Position,
    at_ms: u64,
    at: String,
    bytes: Vec<u8>,
    changes: Changes,
    claimed: Vec<(Answer<Claimed>, Result<Claimed, LedgerError>)>,
    settled: Vec<(Answer<Receipt>, Result<Receipt, LedgerError>)>,
}

impl Committer {
    /// Begins an epoch: records the tail that was found and puts every started action in doubt, synced and indexed.
    ///
    /// `index` must have followed the journal to its end.
    pub(super) fn open(
        journal: Box<dyn Journal>,
        index: Arc<dyn Index>,
        shared: Arc<Shared>,
        opened: Opened,
    ) -> Result<Committer, LedgerError> {
        let durable = opened.head.sequence;
        let mut committer = Committer { journal, index, shared, head: opened.head, durable };
        committer.head.epoch = committer.head.epoch.saturating_add(1);
        let mut batch = committer.batch()?;
        let log = committer.head.log.clone();
        let line = Line {
            log: Some(&log),
            format: Some(FORMAT),
            epoch: Some(committer.head.epoch),
            tail: opened.tail,
            ..Line::new(Event::Open)
        };
        committer.record(&mut batch, line)?;
        for key in committer.index.started()? {
            committer.crashed(&mut batch, &key)?;
        }
        committer.write(&batch)?;
        committer.index.apply(&batch.changes, &committer.head)?;
        Ok(committer)
    }

    /// Takes operations until nobody can ask any more, or the ledger is closed: then gives who asked for that.
    ///
    /// What is queued when it is closed is still recorded, before the `close`; only claims are refused.
    pub(super) fn run(
        &mut self,
        queue: &mut mpsc::Receiver<Operation>,
        applier: &SyncSender<Applied>,
    ) -> Result<Option<Answer<()>>, LedgerError> {
        let mut closing = None;
        while let Some(first) = queue.blocking_recv() {
            self.shared.not_poisoned()?;
            let mut batch = self.batch()?;
            let mut next = Some(first);
            let mut operations = 0;
            while let Some(operation) = next {
                match operation {
                    Operation::Claim(claim, answer) => {
                        let claimed = self.claim(&mut batch, *claim)?;
                        batch.claimed.push((answer, claimed));
                    }
                    Operation::Settle(settle, answer) => {
                        let settled = self.settle(&mut batch, *settle)?;
                        batch.settled.push((answer, settled));
                    }
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
                next = queue.try_recv().ok();
            }
            self.commit(batch, applier)?;
        }
        if closing.is_some() {
            let mut batch = self.batch()?;
            self.record(&mut batch, Line::new(Event::Close))?;
            self.commit(batch, applier)?;
        }
        Ok(closing)
    }

    fn batch(&mut self) -> Result<Batch, LedgerError> {
        let next = self.head.sequence.saturating_add(1);
        let position = self.journal.begin(next).map_err(LedgerError::io("extend", "the journal"))?;
        let (at_ms, at) = now();
        Ok(Batch {
            position,
            at_ms,
            at,
            bytes: Vec::new(),
            changes: Changes::default(),
            claimed: Vec::new(),
            settled: Vec::new(),
        })
    }

    /// The state of an action after all that was decided so far.
    fn current(&self, batch: &Batch, key: &Hash) -> Result<Option<Action>, LedgerError> {
        match batch.changes.get(key) {
            Some(change) => Ok(change.action.as_deref().cloned()),
            None => self.shared.lookup(&*self.index, key),
        }
    }

    /// Adds a record to the batch and gives its sequence.
    fn record(&mut self, batch: &mut Batch, line: Line<'_>) -> Result<u64, LedgerError> {
        let Tail { sequence, hash } =
            write_record(&mut batch.bytes, self.head.tail(), self.durable, &batch.at, line)
                .map_err(|error| LedgerError::io("encode a record of", "the journal")(error.into()))?;
        self.head.sequence = sequence;
        self.head.hash = hash;
        Ok(sequence)
    }

    fn claim(&mut self, batch: &mut Batch, claim: Claim) -> Result<Result<Claimed, LedgerError>, LedgerError> {
        if let Err(refused) = self.shared.accepts_claims() {
            return Ok(Err(refused));
        }
        let current = self.current(batch, &claim.key)?;
        let supersedes = current.as_ref().map(|action| action.version);
        if let Some(action) = &current
            && (!claim.natural || matches!(action.state, State::Started { .. }))
        {
            return Ok(Ok(Claimed::Exists(Box::new(action.clone()))));
        }
        let Claim { entry, key, digest, arguments, .. } = claim;
        let epoch = self.head.epoch;
        let line = Line {
            key: Some(key),
            digest: Some(digest),
            digests: Some(&arguments),
            epoch: Some(epoch),
            supersedes,
            ..Line::of(Event::Started, &entry)
        };
        let sequence = self.record(batch, line)?;
        let (tool, call) = (entry.tool.into_owned(), entry.call);
        let change = Transition::Start { epoch, digest, arguments, tool, call };
        batch.changes.step(Step { sequence, at_ms: batch.at_ms, key, change }, current)?;
        Ok(Ok(Claimed::Won { version: sequence }))
    }

    fn settle(&mut self, batch: &mut Batch, settle: Settle) -> Result<Result<Receipt, LedgerError>, LedgerError> {
        let Settle { entry, key, version, outcome, late } = settle;
        let current = self.current(batch, &key)?;
        let Some(action) = current.filter(|action| action.version == version && action.state != State::Completed)
        else {
            return Ok(Err(LedgerError::Superseded));
        };
        let line = |event| Line {
            key: Some(key),
            digest: Some(action.digest),
            supersedes: Some(version),
            late,
            ..Line::of(event, &entry)
        };
        let (sequence, change) = match outcome {
            Outcome::Completed { payload, code, undo } => {
                if payload.contains(&b'\n') {
                    return Ok(Err(LedgerError::Payload { reason: "has a line break" }));
                }
                let frees = self.frees(batch, &key, undo.as_ref())?;
                let Position { segment, offset } = batch.position;
                let payload = write_payload(&mut batch.bytes, segment, offset, &payload);
                let line = Line {
                    code: Some(&code),
                    payload: Some(payload.hash),
                    undo,
                    frees: &frees,
                    ..line(Event::Completed)
                };
                let sequence = self.record(batch, line)?;
                (sequence, Transition::Complete { payload: Some(payload), undo, frees })
            }
            Outcome::Failed { code } => {
                (self.record(batch, Line { code: Some(&code), ..line(Event::Failed) })?, Transition::Fail)
            }
            Outcome::InDoubt { code } => {
                (self.record(batch, Line { code: Some(&code), ..line(Event::InDoubt) })?, Transition::Doubt)
            }
        };
        batch.changes.step(Step { sequence, at_ms: batch.at_ms, key, change }, Some(action))?;
        Ok(Ok(Receipt { log: self.head.log.clone(), sequence, hash: self.head.hash }))
    }

    /// Keys that answer no longer once `key`, which `undo` undoes, is completed: the completed actions that it undid,
    /// and the earlier completion of its own undo. The next call with such a key is a new generation.
    fn frees(&self, batch: &Batch, key: &Hash, undo: Option<&Hash>) -> Result<Vec<Hash>, LedgerError> {
        let mut undone: BTreeSet<Hash> = self.index.undone_by(key)?.into_iter().collect();
        undone.extend(self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner).undone_by(key));
        undone.extend(batch.changes.undone_by(key));
        let mut frees = Vec::new();
        for other in undone.into_iter().chain(undo.copied()) {
            if frees.contains(&other) {
                continue;
            }
            // The three sources may be behind one another: only the current state counts. `key` itself is not completed yet.
            let Some(action) = self.current(batch, &other)? else { continue };
            if action.state == State::Completed && (action.undo == Some(*key) || Some(&other) == undo) {
                frees.push(other);
            }
        }
        Ok(frees)
    }

    /// Puts an action in doubt that an earlier epoch started.
    fn crashed(&mut self, batch: &mut Batch, key: &Hash) -> Result<(), LedgerError> {
        let Some(action) = self.index.get(key)? else {
            return Err(LedgerError::Index { reason: "a started action is missing".to_owned() });
        };
        let line = Line {
            call: Some(&action.call),
            tool: Some(&action.tool),
            key: Some(*key),
            digest: Some(action.digest),
            code: Some("crashed"),
            supersedes: Some(action.version),
            ..Line::new(Event::InDoubt)
        };
        let sequence = self.record(batch, line)?;
        let step = Step { sequence, at_ms: batch.at_ms, key: *key, change: Transition::Doubt };
        batch.changes.step(step, Some(action))
    }

    /// Makes the batch durable.
    fn write(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        self.journal.append(&batch.bytes).map_err(LedgerError::io("write", "the journal"))?;
        self.durable = self.head.sequence;
        Ok(())
    }

    /// Makes the batch durable, then visible, then answers.
    fn commit(&mut self, batch: Batch, applier: &SyncSender<Applied>) -> Result<(), LedgerError> {
        let written = !batch.bytes.is_empty();
        if written {
            // Before the callers hear of it, so that the log names the cause.
            self.write(&batch).inspect_err(|error| self.shared.poison(error))?;
            self.shared.overlay.write().unwrap_or_else(PoisonError::into_inner).absorb(&batch.changes);
        }
        for (answer, claimed) in batch.claimed {
            reply(answer, claimed);
        }
        for (answer, settled) in batch.settled {
            reply(answer, settled);
        }
        if written {
            let applied = Applied { changes: batch.changes, head: self.head.clone() };
            applier.send(applied).map_err(|_| LedgerError::Index { reason: "its thread ended".to_owned() })?;
        }
        Ok(())
    }
}

/// Answers, whether or not somebody still listens: what is recorded stays recorded.
pub(super) fn reply<T>(answer: Answer<T>, result: Result<T, LedgerError>) {
    drop(answer.send(result));
}
