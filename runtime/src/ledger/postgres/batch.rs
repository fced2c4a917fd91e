//! What a batch of operations comes to, given the rows it is about: the records to write and the rows to change.
//!
//! Decides only; see [`super::commit`] for how it becomes durable.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::action::{Action, Approval, Beginning, State, Step, Transition};
use super::super::changes::Changes;
use super::super::checkpoint::Signer;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::local::committer::{answers_for, runs_until, starts_over};
use super::super::record::{Anchor, Event, FORMAT, Line, Tail, TailFound, now, write_payload, write_record};
use super::super::shared::Shared;
use super::super::{Ask, Claim, Claimed, Decide, Entry, How, Outcome, Receipt, Settle};
use super::operation::{Operation, Reply};
use super::version::version;

/// This server's chain, as far as it is durable.
#[derive(Clone)]
pub(super) struct Own {
    /// Id of the chain, random.
    pub(super) log: String,
    /// Its number in versions.
    pub(super) chain: u64,
    /// Its last record.
    pub(super) tail: Tail,
    /// Epoch of the connection that writes.
    pub(super) epoch: u64,
}

/// One row of the actions.
pub(super) struct Row {
    pub(super) action: Action,
    /// In doubt because its server was gone.
    pub(super) crashed: bool,
}

/// What holds for every operation of a batch.
pub(super) struct Terms<'a> {
    /// Whether claims are accepted.
    pub(super) shared: &'a Shared,
    /// How long a completed action answers, in ms.
    pub(super) retention_ms: u64,
}

/// What is decided and not yet written.
pub(super) struct Batch<'a> {
    pub(super) own: Own,
    /// Sequence of the last durable record.
    durable: u64,
    pub(super) at_ms: u64,
    at: String,
    terms: Terms<'a>,
    /// Epochs whose server is gone.
    gone: BTreeSet<u64>,
    rows: HashMap<Hash, Action>,
    crashed: HashSet<Hash>,
    changes: Changes,
    payloads: HashMap<Hash, &'a [u8]>,
    /// The records, each a line without its break.
    pub(super) lines: Vec<(u64, Vec<u8>)>,
}

/// How one row changes.
pub(super) struct Write<'a> {
    /// The version that it replaces; `None` for a new row.
    pub(super) replaces: Option<u64>,
    /// The row from now on; `None` when it goes.
    pub(super) action: Option<&'a Action>,
    pub(super) crashed: bool,
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(own: Own, terms: Terms<'a>) -> Batch<'a> {
        let (at_ms, at) = now();
        Batch {
            durable: own.tail.sequence,
            own,
            at_ms,
            at,
            terms,
            gone: BTreeSet::new(),
            rows: HashMap::new(),
            crashed: HashSet::new(),
            changes: Changes::default(),
            payloads: HashMap::new(),
            lines: Vec::new(),
        }
    }

    /// Takes over what the database holds. Rows that are here already stay as they are.
    pub(super) fn load(&mut self, rows: Vec<Row>) {
        for Row { action, crashed } in rows {
            if crashed {
                self.crashed.insert(action.key);
            }
            self.rows.entry(action.key).or_insert(action);
        }
    }

    /// Epochs of the started actions here.
    pub(super) fn epochs(&self) -> BTreeSet<u64> {
        let epoch = |action: &Action| match action.state {
            State::Started { epoch } => Some(epoch),
            _ => None,
        };
        self.rows.values().filter_map(epoch).collect()
    }

    /// Takes over whose servers are gone.
    pub(super) fn gone(&mut self, epochs: BTreeSet<u64>) {
        self.gone = epochs;
    }

    /// The keys of the undo calls of `completed`, which their claims knew and their outcomes need not.
    pub(super) fn undo_of(&self, completed: &[Hash]) -> Vec<Hash> {
        completed.iter().filter_map(|key| self.rows.get(key)?.undo).collect()
    }

    /// Decides on one operation.
    pub(super) fn take(&mut self, operation: &'a Operation) -> Result<Reply, LedgerError> {
        Ok(match operation {
            Operation::Claim(claim, _) => Reply::Claimed(self.claim(claim)?),
            Operation::Ask(ask, _) => Reply::Asked(self.ask(ask)?),
            Operation::Decide(decide, _) => Reply::Recorded(self.decide(decide)?),
            Operation::Settle(settle, _) => Reply::Recorded(self.settle(settle)?),
            Operation::Examine(key, _) => Reply::Examined(self.current(key)?),
            Operation::NeverRan(key, version) => {
                self.never_ran(key, *version)?;
                Reply::Nothing
            }
            Operation::Note(entry, event) => {
                self.record(Line::note(entry, event))?;
                Reply::Nothing
            }
            // The committer's own business.
            Operation::Sweep(_) | Operation::Tick | Operation::Close(_) => Reply::Nothing,
        })
    }

    /// Adds a record and gives its version.
    pub(super) fn record(&mut self, line: Line<'_>) -> Result<u64, LedgerError> {
        let mut bytes = Vec::new();
        self.own.tail = write_record(&mut bytes, self.own.tail, self.durable, &self.at, line)
            .map_err(|error| LedgerError::io("encode a record of", "the journal")(error.into()))?;
        bytes.pop();
        self.lines.push((self.own.tail.sequence, bytes));
        Ok(version(self.own.chain, self.own.tail.sequence))
    }

    /// Begins an epoch.
    pub(super) fn open(
        &mut self,
        signer: &Signer,
        tail: Option<TailFound>,
        anchors: &[Anchor],
    ) -> Result<(), LedgerError> {
        let (log, signer) = (self.own.log.clone(), signer.public());
        let line = Line {
            log: Some(&log),
            signer: Some(&signer),
            format: Some(FORMAT),
            epoch: Some(self.own.epoch),
            tail,
            anchors,
            ..Line::new(Event::Open)
        };
        self.record(line).map(drop)
    }

    /// Ends the chain.
    pub(super) fn close(&mut self) -> Result<(), LedgerError> {
        self.record(Line::new(Event::Close)).map(drop)
    }

    /// Signs how far the chain has come, and names how far others have.
    pub(super) fn checkpoint(&mut self, signer: &Signer, anchors: &[Anchor]) -> Result<(), LedgerError> {
        let checkpoint = signer.sign(&self.own.log, self.own.tail, &self.at);
        let line = Line {
            signer: Some(&checkpoint.signer),
            signature: Some(&checkpoint.signature),
            anchors,
            ..Line::new(Event::Checkpoint)
        };
        self.record(line).map(drop)
    }

    /// Removes the completed actions of `keys` that answer no longer.
    pub(super) fn expire(&mut self, keys: &[Hash]) -> Result<(), LedgerError> {
        let mut expired = Vec::new();
        for key in keys {
            expired.extend(self.current(key)?.filter(|action| !action.answers(self.at_ms)));
        }
        if expired.is_empty() {
            return Ok(());
        }
        let keys: Vec<Hash> = expired.iter().map(|action| action.key).collect();
        let version = self.record(Line { keys: &keys, ..Line::new(Event::Expired) })?;
        for action in expired {
            self.step(version, action.key, Transition::Leave, Some(action))?;
        }
        Ok(())
    }

    /// All rows that change.
    pub(super) fn writes(&self) -> Vec<(Hash, Write<'_>)> {
        let mut writes = Vec::with_capacity(self.changes.len());
        for (key, change) in self.changes.iter() {
            let replaces = self.rows.get(key).map(|action| action.version);
            let action = change.action.as_deref();
            if replaces.is_some() || action.is_some() {
                let (crashed, payload) = (self.crashed.contains(key), self.payloads.get(key).copied());
                writes.push((*key, Write { replaces, action, crashed, payload }));
            }
        }
        writes
    }

    /// The state of an action after all that was decided so far. In doubt from here on when its server is gone.
    fn current(&mut self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        let current = match self.changes.get(key) {
            Some(change) => change.action.as_deref().cloned(),
            None => self.rows.get(key).cloned(),
        };
        let Some(action) = current else { return Ok(None) };
        match action.state {
            State::Started { epoch } if self.gone.contains(&epoch) => {
                self.end(&action, Event::InDoubt, "crashed", Transition::Doubt { running: true })?;
                self.crashed.insert(*key);
                Ok(self.changes.get(key).and_then(|change| change.action.as_deref().cloned()))
            }
            _ => Ok(Some(action)),
        }
    }

    fn step(
        &mut self,
        version: u64,
        key: Hash,
        change: Transition,
        current: Option<Action>,
    ) -> Result<(), LedgerError> {
        self.crashed.remove(&key);
        self.payloads.remove(&key);
        self.changes.step(Step { sequence: version, at_ms: self.at_ms, key, change }, current)
    }

    fn receipt(&self) -> Receipt {
        let Tail { sequence, hash } = self.own.tail;
        Receipt { log: self.own.log.clone(), sequence, hash }
    }

    fn claim(&mut self, claim: &Claim) -> Result<Result<Claimed, LedgerError>, LedgerError> {
        if let Err(refused) = self.terms.shared.accepts_claims() {
            return Ok(Err(refused));
        }
        let current = self.current(&claim.key)?;
        match &current {
            Some(action) if starts_over(claim, action, self.at_ms) => {}
            Some(action) if action.answers(self.at_ms) => return Ok(Ok(Claimed::Exists(Box::new(action.clone())))),
            // An approval is used up once: what it was given to is there, or it is used.
            _ if claim.approved.is_some() => return Ok(Err(LedgerError::Superseded)),
            _ => {}
        }
        let state = State::Started { epoch: self.own.epoch };
        let version = self.begin(claim, state, current)?;
        Ok(Ok(Claimed::Won { version }))
    }

    fn ask(&mut self, ask: &Ask) -> Result<Result<Action, LedgerError>, LedgerError> {
        if let Err(refused) = self.terms.shared.accepts_claims() {
            return Ok(Err(refused));
        }
        let Ask { claim, id, expires_ms } = ask;
        let current = self.current(&claim.key)?;
        if let Some(action) = &current {
            let over = match &action.state {
                State::AwaitingApproval(approval) => approval.expires_ms <= self.at_ms,
                State::Completed => claim.natural || !action.answers(self.at_ms),
                // As the local committer: the doubt would be gone with the approval.
                State::InDoubt | State::Started { .. } => false,
            };
            if !over {
                return Ok(Ok(action.clone()));
            }
        }
        let approval = Approval { id: id.clone(), expires_ms: *expires_ms, decision: None };
        self.begin(claim, State::AwaitingApproval(approval), current)?;
        Ok(self.current(&claim.key)?.ok_or(LedgerError::Superseded))
    }

    /// Begins an action over whatever was there, and gives its version.
    fn begin(&mut self, claim: &Claim, state: State, current: Option<Action>) -> Result<u64, LedgerError> {
        let until = runs_until(&state, self.at_ms, claim);
        let Claim { entry, key, digest, arguments, undo, .. } = claim;
        let line = Line {
            key: Some(*key),
            digest: Some(*digest),
            digests: Some(arguments),
            undo: *undo,
            until,
            supersedes: current.as_ref().map(|action| action.version),
            ..Line::of(Event::Started, entry)
        };
        let line = match &state {
            State::AwaitingApproval(approval) => {
                Line { event: Event::AwaitingApproval, approval: Some(approval), ..line }
            }
            _ => Line { epoch: Some(self.own.epoch), ..line },
        };
        let version = self.record(line)?;
        let Entry { call, tenant, tool, .. } = entry.clone();
        let (digest, arguments, undo) = (*digest, arguments.clone(), *undo);
        let (tool, until_ms) = (tool.into_owned(), until.unwrap_or(0));
        let beginning = Beginning { state, digest, arguments, tenant, tool, call, undo, until_ms };
        self.step(version, *key, Transition::Begin(Box::new(beginning)), current)?;
        Ok(version)
    }

    fn decide(&mut self, decide: &Decide) -> Result<Result<Receipt, LedgerError>, LedgerError> {
        let Decide { key, version, decision } = decide;
        let at_ms = self.at_ms;
        let awaits = |action: &Action| match &action.state {
            State::AwaitingApproval(approval) => approval.decision.is_none() && at_ms < approval.expires_ms,
            _ => false,
        };
        let current = self.current(key)?;
        let Some(action) = current.filter(|action| action.version == *version && awaits(action)) else {
            return Ok(Err(LedgerError::Superseded));
        };
        let event = if decision.approved { Event::Approved } else { Event::ApprovalRefused };
        let line = Line { operator: Some(&decision.operator), ..of(&action, event) };
        let version = self.record(line)?;
        self.step(version, *key, Transition::Decide(decision.clone()), Some(action))?;
        Ok(Ok(self.receipt()))
    }

    fn settle(&mut self, settle: &'a Settle) -> Result<Result<Receipt, LedgerError>, LedgerError> {
        let Settle { entry, key, version, outcome, how } = settle;
        let Some(action) = self.current(key)? else { return Ok(Err(LedgerError::Superseded)) };
        // Somebody held this server for gone, wrongly as it turns out: nobody else has run the action since.
        let taken_for_gone = self.crashed.contains(key) && action.intent == *version;
        // Or the doubt that this very call left was recorded after the call had given up on it.
        let own_doubt = *how == How::Late && action.state == State::InDoubt && action.call == entry.call;
        let mistaken = taken_for_gone || (own_doubt && action.intent == *version);
        let open = match action.state {
            State::Started { .. } | State::InDoubt => true,
            State::AwaitingApproval(_) => matches!(outcome, Outcome::Failed { .. }),
            State::Completed => false,
        };
        if !open || (action.version != *version && !mistaken) {
            return Ok(Err(LedgerError::Superseded));
        }
        let how = if mistaken && *how == How::Call { &How::Late } else { how };
        let line = |event| Line {
            key: Some(*key),
            digest: Some(action.digest),
            supersedes: Some(action.version),
            ..Line::settled(event, entry, how)
        };
        match outcome {
            Outcome::Completed { payload, code, undo } => {
                if payload.contains(&b'\n') {
                    return Ok(Err(LedgerError::Payload { reason: "has a line break" }));
                }
                let undo = undo.or(action.undo);
                let frees = self.frees(key, undo.as_ref())?;
                let expires_ms = Some(self.at_ms.saturating_add(answers_for(self.terms.retention_ms, how)));
                // Where a journal has a line, this has a column.
                let stored = write_payload(&mut Vec::new(), 0, 0, payload);
                let version = self.record(Line {
                    code: Some(code),
                    payload: Some(stored.hash),
                    undo,
                    frees: &frees,
                    expires: expires_ms,
                    ..line(Event::Completed)
                })?;
                let change = Transition::Complete { payload: Some(stored), undo, frees, expires_ms };
                self.step(version, *key, change, Some(action))?;
                self.payloads.insert(*key, payload);
            }
            Outcome::Failed { code } => {
                let version = self.record(Line { code: Some(code), ..line(Event::Failed) })?;
                self.step(version, *key, Transition::Leave, Some(action))?;
            }
            Outcome::InDoubt { code, running } => {
                let running = *running;
                let version = self.record(Line { code: Some(code), running, ..line(Event::InDoubt) })?;
                self.step(version, *key, Transition::Doubt { running }, Some(action))?;
            }
        }
        Ok(Ok(self.receipt()))
    }

    /// Frees the key of a claim whose caller was told that nothing runs, unless somebody did so already.
    fn never_ran(&mut self, key: &Hash, version: u64) -> Result<(), LedgerError> {
        let Some(action) = self.current(key)?.filter(|action| action.intent == version) else { return Ok(()) };
        let untouched = action.version == version || self.crashed.contains(key);
        if untouched { self.end(&action, Event::Failed, "never_ran", Transition::Leave) } else { Ok(()) }
    }

    /// Ends what nobody else can tell the end of.
    fn end(&mut self, action: &Action, event: Event, code: &str, change: Transition) -> Result<(), LedgerError> {
        let running = matches!(change, Transition::Doubt { running: true });
        let version = self.record(Line { code: Some(code), running, ..of(action, event) })?;
        self.step(version, action.key, change, Some(action.clone()))
    }

    /// Keys that answer no longer once `key`, which `undo` undoes, is completed; as the local committer has it.
    fn frees(&mut self, key: &Hash, undo: Option<&Hash>) -> Result<Vec<Hash>, LedgerError> {
        let mut undone: BTreeSet<Hash> = self.changes.undone_by(key).collect();
        undone.extend(self.rows.values().filter(|action| action.undo == Some(*key)).map(|action| action.key));
        let mut frees = Vec::new();
        for other in undone.into_iter().chain(undo.copied()) {
            if frees.contains(&other) {
                continue;
            }
            let Some(action) = self.current(&other)? else { continue };
            if action.state == State::Completed && (action.undo == Some(*key) || Some(&other) == undo) {
                frees.push(other);
            }
        }
        Ok(frees)
    }
}

/// A record about `action` that none of its calls writes.
fn of(action: &Action, event: Event) -> Line<'_> {
    Line {
        call: Some(&action.call),
        tenant: Some(&action.tenant),
        tool: Some(&action.tool),
        key: Some(action.key),
        digest: Some(action.digest),
        supersedes: Some(action.version),
        ..Line::new(event)
    }
}
