//! The one writer: decides, writes, syncs, answers.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::action::{Action, Approval, Beginning, State, Step, Transition, Unsettled};
use super::super::changes::Changes;
use super::super::checkpoint::{Signer, due};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{Event, FORMAT, Line, Tail, TailFound, now, write_payload, write_record};
use super::super::shared::{Shared, Status};
use super::super::sync::threads::{SyncSender, TrySendError};
use super::super::sync::{oneshot, tasks, thread};
use super::super::{Ask, Claim, Claimed, Decide, Entry, How, LedgerOptions, NoteEvent, Outcome, Receipt, Settle};
use super::applier::Applied;
use super::index::{Head, Index};
use super::journal::{Journal, Position, WriteError};

/// A batch ends at this many operations,
const BATCH_OPERATIONS: usize = 1024;
/// or at this many bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Where callers come in crowds, a batch waits for more of them at most this long,
const LINGER: Duration = Duration::from_micros(500);
/// and only as long as somebody comes while other threads get this many turns.
const TURNS: u32 = 32;
/// What an operator says answers for 90 days at least.
const OPERATOR_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// An index that takes nothing for this long has failed.
const INDEX_STANDS: Duration = Duration::from_secs(30);

/// The answer to a caller. Dropped without one, it tells the caller that the ledger failed.
pub(in crate::ledger) type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What callers ask of the committer.
pub(in crate::ledger) enum Operation {
    Claim(Box<Claim>, Answer<Claimed>),
    Ask(Box<Ask>, Answer<Action>),
    Decide(Box<Decide>, Answer<Receipt>),
    Settle(Box<Settle>, Answer<Receipt>),
    Note(Box<Entry>, NoteEvent),
    /// Completed actions with their versions that retention removes if they have expired, and the segment up to which it has
    /// come: how many answer still.
    Expire(Vec<(Hash, u64)>, Option<u64>, Answer<usize>),
    Tick,
    Close(Answer<()>),
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
    /// Where the last checkpoint stands, and when it was signed.
    signed: (u64, Instant),
}

/// An answer that waits for the batch to be durable, or for the reason why it is refused.
type Ready = Box<dyn FnOnce(Option<LedgerError>) + Send>;

/// What is decided and not yet written.
struct Batch {
    /// Where the journal and its checkpoints end without it.
    before: (Head, (u64, Instant)),
    position: Position,
    at_ms: u64,
    at: String,
    bytes: Vec<u8>,
    changes: Changes,
    claimed: Vec<(Answer<Claimed>, Result<Claimed, LedgerError>)>,
    settled: Vec<(Answer<Receipt>, Result<Receipt, LedgerError>)>,
    /// What is asked for seldom.
    others: Vec<Ready>,
}

impl Batch {
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
        opened: Opened,
        signer: Signer,
        options: LedgerOptions,
    ) -> Result<Committer, LedgerError> {
        let durable = opened.head.sequence;
        let signed = (durable, Instant::now());
        let mut committer = Committer { journal, index, shared, head: opened.head, durable, signer, options, signed };
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
                        let claimed = self.claim(&mut batch, *claim)?;
                        batch.claimed.push((answer, claimed));
                    }
                    Operation::Ask(ask, answer) => {
                        let asked = self.ask(&mut batch, *ask)?;
                        batch.answer(answer, asked);
                    }
                    Operation::Decide(decide, answer) => {
                        let decided = self.decide(&mut batch, *decide)?;
                        batch.answer(answer, decided);
                    }
                    Operation::Settle(settle, answer) => {
                        let settled = self.settle(&mut batch, *settle)?;
                        batch.settled.push((answer, settled));
                    }
                    Operation::Expire(candidates, swept, answer) => {
                        let expired = self.expire(&mut batch, &candidates, swept)?;
                        batch.answer(answer, Ok(expired));
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

    fn batch(&mut self) -> Result<Batch, LedgerError> {
        let next = self.head.sequence.saturating_add(1);
        let position = self.journal.begin(next).map_err(LedgerError::io("extend", "the journal"))?;
        let (at_ms, at) = now();
        Ok(Batch {
            before: (self.head.clone(), self.signed),
            position,
            at_ms,
            at,
            bytes: Vec::new(),
            changes: Changes::default(),
            claimed: Vec::new(),
            settled: Vec::new(),
            others: Vec::new(),
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
        match &current {
            Some(action) if starts_over(&claim, action, batch.at_ms) => {}
            Some(action) if action.answers(batch.at_ms) => {
                return Ok(Ok(Claimed::Exists(Box::new(action.clone()))));
            }
            // Its approval was used up, or is over.
            _ if claim.approved.is_some() => return Ok(Err(LedgerError::Superseded)),
            _ => {}
        }
        let state = State::Started { epoch: self.head.epoch };
        let version = self.begin(batch, claim, state, current)?;
        Ok(Ok(Claimed::Won { version }))
    }

    fn ask(&mut self, batch: &mut Batch, ask: Ask) -> Result<Result<Action, LedgerError>, LedgerError> {
        if let Err(refused) = self.shared.accepts_claims() {
            return Ok(Err(refused));
        }
        let Ask { claim, id, expires_ms } = ask;
        let key = claim.key;
        let current = self.current(batch, &key)?;
        if let Some(action) = &current {
            let over = match &action.state {
                State::AwaitingApproval(approval) => approval.expires_ms <= batch.at_ms,
                State::Completed => claim.natural || !action.answers(batch.at_ms),
                // Not even a natural one: if nobody agrees, the doubt would be gone with the approval.
                State::InDoubt | State::Started { .. } => false,
            };
            if !over {
                return Ok(Ok(action.clone()));
            }
        }
        let state = State::AwaitingApproval(Approval { id, expires_ms, decision: None });
        self.begin(batch, claim, state, current)?;
        let asked = self.current(batch, &key)?;
        Ok(asked.ok_or(LedgerError::Superseded))
    }

    /// Begins an action over whatever was there, and gives its version.
    fn begin(
        &mut self,
        batch: &mut Batch,
        claim: Claim,
        state: State,
        current: Option<Action>,
    ) -> Result<u64, LedgerError> {
        let until = runs_until(&state, batch.at_ms, &claim);
        let Claim { entry, key, digest, arguments, undo, .. } = claim;
        let line = Line {
            key: Some(key),
            digest: Some(digest),
            digests: Some(&arguments),
            undo,
            until,
            supersedes: current.as_ref().map(|action| action.version),
            ..Line::of(Event::Started, &entry)
        };
        let line = match &state {
            State::AwaitingApproval(approval) => {
                Line { event: Event::AwaitingApproval, approval: Some(approval), ..line }
            }
            _ => Line { epoch: Some(self.head.epoch), ..line },
        };
        let sequence = self.record(batch, line)?;
        let Entry { call, tenant, tool, .. } = entry;
        let (tool, until_ms) = (tool.into_owned(), until.unwrap_or(0));
        let beginning = Beginning { state, digest, arguments, tenant, tool, call, undo, until_ms };
        let change = Transition::Begin(Box::new(beginning));
        batch.changes.step(Step { sequence, at_ms: batch.at_ms, key, change }, current)?;
        Ok(sequence)
    }

    fn decide(&mut self, batch: &mut Batch, decide: Decide) -> Result<Result<Receipt, LedgerError>, LedgerError> {
        let Decide { key, version, decision } = decide;
        let at_ms = batch.at_ms;
        let awaits = |action: &Action| match &action.state {
            State::AwaitingApproval(approval) => approval.decision.is_none() && at_ms < approval.expires_ms,
            _ => false,
        };
        let current = self.current(batch, &key)?;
        let Some(action) = current.filter(|action| action.version == version && awaits(action)) else {
            return Ok(Err(LedgerError::Superseded));
        };
        let line = Line {
            call: Some(&action.call),
            tenant: Some(&action.tenant),
            tool: Some(&action.tool),
            key: Some(key),
            digest: Some(action.digest),
            operator: Some(&decision.operator),
            supersedes: Some(version),
            ..Line::new(if decision.approved { Event::Approved } else { Event::ApprovalRefused })
        };
        let sequence = self.record(batch, line)?;
        let step = Step { sequence, at_ms, key, change: Transition::Decide(decision) };
        batch.changes.step(step, Some(action))?;
        Ok(Ok(self.receipt(sequence)))
    }

    fn receipt(&self, sequence: u64) -> Receipt {
        Receipt { log: self.head.log.clone(), sequence, hash: self.head.hash }
    }

    fn settle(&mut self, batch: &mut Batch, settle: Settle) -> Result<Result<Receipt, LedgerError>, LedgerError> {
        let Settle { entry, key, version, outcome, how } = settle;
        let current = self.current(batch, &key)?;
        let open = |action: &Action| match action.state {
            State::Started { .. } | State::InDoubt => true,
            // Nothing ran, so nothing but its end can be told.
            State::AwaitingApproval(_) => matches!(outcome, Outcome::Failed { .. }),
            State::Completed => false,
        };
        let Some(action) = current.filter(|action| action.version == version && open(action)) else {
            return Ok(Err(LedgerError::Superseded));
        };
        let line = |event| Line {
            key: Some(key),
            digest: Some(action.digest),
            supersedes: Some(version),
            ..Line::settled(event, &entry, &how)
        };
        let (sequence, change) = match outcome {
            Outcome::Completed { payload, code, undo } => {
                if payload.contains(&b'\n') {
                    return Ok(Err(LedgerError::Payload { reason: "has a line break" }));
                }
                let undo = undo.or(action.undo);
                let frees = self.frees(batch, &key, undo.as_ref())?;
                let expires_ms = Some(batch.at_ms.saturating_add(answers_for(self.options.retention_ms(), &how)));
                let Position { segment, offset } = batch.position;
                let payload = write_payload(&mut batch.bytes, segment, offset, &payload);
                let line = Line {
                    code: Some(&code),
                    payload: Some(payload.hash),
                    undo,
                    frees: &frees,
                    expires: expires_ms,
                    ..line(Event::Completed)
                };
                let sequence = self.record(batch, line)?;
                (sequence, Transition::Complete { payload: Some(payload), undo, frees, expires_ms })
            }
            Outcome::Failed { code } => {
                (self.record(batch, Line { code: Some(&code), ..line(Event::Failed) })?, Transition::Leave)
            }
            Outcome::InDoubt { code, running } => {
                let line = Line { code: Some(&code), running, ..line(Event::InDoubt) };
                (self.record(batch, line)?, Transition::Doubt { running })
            }
        };
        batch.changes.step(Step { sequence, at_ms: batch.at_ms, key, change }, Some(action))?;
        Ok(Ok(self.receipt(sequence)))
    }

    /// Removes those of `candidates` that still have that version and answer no longer; says how many still answer.
    fn expire(
        &mut self,
        batch: &mut Batch,
        candidates: &[(Hash, u64)],
        swept: Option<u64>,
    ) -> Result<usize, LedgerError> {
        let (mut expired, mut answering) = (Vec::new(), 0);
        for (key, version) in candidates {
            match self.current(batch, key)?.filter(|action| action.version == *version) {
                Some(action) if action.answers(batch.at_ms) => answering += 1,
                Some(action) => expired.push(action),
                None => {}
            }
        }
        if expired.is_empty() && swept.is_none() {
            return Ok(answering);
        }
        let keys: Vec<Hash> = expired.iter().map(|action| action.key).collect();
        let sequence = self.record(batch, Line { keys: &keys, swept, ..Line::new(Event::Expired) })?;
        self.head.swept = self.head.swept.max(swept.unwrap_or(0));
        for action in expired {
            let step = Step { sequence, at_ms: batch.at_ms, key: action.key, change: Transition::Leave };
            batch.changes.step(step, Some(action))?;
        }
        Ok(answering)
    }

    fn checkpoint_due(&self, ticked: bool) -> bool {
        let (sequence, at) = self.signed;
        let new = self.head.sequence.saturating_sub(sequence);
        new >= self.options.checkpoint_every || (ticked && due(new, at.elapsed()))
    }

    /// Signs how far the journal has come.
    fn checkpoint(&mut self, batch: &mut Batch) -> Result<(), LedgerError> {
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

    /// Keys that answer no longer once `key`, which `undo` undoes, is completed: the completed actions that it undid,
    /// and the earlier completion of its own undo. The next call with such a key is a new generation.
    fn frees(&self, batch: &Batch, key: &Hash, undo: Option<&Hash>) -> Result<Vec<Hash>, LedgerError> {
        // The overlay first: a change leaves it only after it is in the index.
        let mut undone: BTreeSet<Hash> =
            self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner).undone_by(key).collect();
        undone.extend(self.index.undone_by(key)?);
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
        // The index may list more than there is.
        let Some(action) = self.index.get(key)?.filter(|action| action.unsettled() == Some(Unsettled::Started)) else {
            return Ok(());
        };
        let line = Line {
            call: Some(&action.call),
            tenant: Some(&action.tenant),
            tool: Some(&action.tool),
            key: Some(*key),
            digest: Some(action.digest),
            code: Some("crashed"),
            supersedes: Some(action.version),
            ..Line::new(Event::InDoubt)
        };
        let sequence = self.record(batch, line)?;
        let step = Step { sequence, at_ms: batch.at_ms, key: *key, change: Transition::Doubt { running: false } };
        batch.changes.step(step, Some(action))
    }

    /// Makes the batch durable.
    fn write(&mut self, batch: &Batch) -> Result<(), WriteError> {
        self.journal.append(&batch.bytes)?;
        self.durable = self.head.sequence;
        Ok(())
    }

    /// Makes the batch durable, then visible, then answers. A batch that the journal refuses is as if it had not been.
    fn commit(&mut self, batch: Batch, applier: &SyncSender<Applied>) -> Result<(), LedgerError> {
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
    fn refuse(&mut self, batch: Batch, source: &io::Error) -> Result<(), LedgerError> {
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

/// When the body of what begins at `at_ms` has ended for certain, in ms since 1970; `None` while nothing runs.
pub(in crate::ledger) fn runs_until(state: &State, at_ms: u64, claim: &Claim) -> Option<u64> {
    let lives_ms = u64::try_from(claim.lives.as_millis()).unwrap_or(u64::MAX);
    matches!(state, State::Started { .. }).then(|| at_ms.saturating_add(lives_ms))
}

/// How long a completed action answers, in ms. What an operator says is often said where the server's retention is not
/// known, and is looked at again less soon.
pub(in crate::ledger) fn answers_for(retention_ms: u64, how: &How) -> u64 {
    match how {
        How::Operator(_) => retention_ms.max(OPERATOR_MS),
        How::Call | How::Late | How::Reconcile => retention_ms,
    }
}

/// Whether `claim` may start where `action` stands. One that uses up an approval starts over that very approval only.
pub(in crate::ledger) fn starts_over(claim: &Claim, action: &Action, now_ms: u64) -> bool {
    match &action.state {
        State::AwaitingApproval(approval) => {
            let approved = approval.decision.as_ref().is_some_and(|decision| decision.approved);
            let asked = claim.approved == Some(action.version) && claim.digest == action.digest;
            approved && asked && now_ms < approval.expires_ms
        }
        _ if claim.approved.is_some() => false,
        State::Started { .. } => false,
        State::Completed => claim.natural || !action.answers(now_ms),
        State::InDoubt => claim.natural,
    }
}

/// Answers, whether or not somebody still listens: what is recorded stays recorded.
pub(in crate::ledger) fn reply<T>(answer: Answer<T>, result: Result<T, LedgerError>) {
    drop(answer.send(result));
}
