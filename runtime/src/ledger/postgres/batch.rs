//! Decides a batch of operations on its rows: the records to write and the rows to change.
//!
//! No I/O; [`super::commit`] makes the batch durable.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::Receipt;
use super::super::action::{Action, Moment, PayloadAt, State, Step, Transition, Version};
use super::super::changes::{Before, Changes};
use super::super::checkpoint::Signer;
use super::super::decide::{self, Draft, Landed, Terms, View};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{Anchor, Event, FORMAT, Line, Tail, TailFound, time_text, write_payload, write_record};
use super::super::subject::{Meeting, Slot, touching};
use super::link::Link;
use super::operation::{Decided, Operation, Own as OwnOperation};
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
    /// In doubt because its server was presumed dead.
    pub(super) crashed: bool,
}

/// The conditions of this server for every operation of a batch.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'a> {
    /// The status of the ledger and of its clock.
    pub(super) link: &'a Link,
    /// The retention of a completed action, in ms.
    pub(super) retention_ms: u64,
}

/// The time of a batch and its place in the order of the ledger, read from the database once the rows are locked.
#[derive(Clone, Copy)]
pub(super) struct Time {
    /// The database's clock, in ms since 1970.
    pub(super) at_ms: u64,
    /// Number of the batch: a batch that waited for another one's locks has a greater one.
    pub(super) order: u64,
    /// The latest time until which any action answers, in ms since 1970.
    pub(super) longest_ms: u64,
}

/// Bits of a moment that count the records of a batch; the batch's number is above them.
const RECORD_BITS: u32 = 16;

/// A batch that is decided and not written yet.
pub(super) struct Batch<'a> {
    pub(super) own: Own,
    /// Sequence of the last durable record.
    durable: u64,
    /// The database's time, in ms since 1970.
    pub(super) at_ms: u64,
    at: String,
    /// The place of this batch in the order of the ledger.
    order: u64,
    conditions: Conditions<'a>,
    /// Epochs of dead servers.
    dead: BTreeSet<u64>,
    rows: HashMap<Hash, Arc<Action>>,
    meetings: HashMap<Slot, Arc<Meeting>>,
    /// The latest time until which any action answers, in ms since 1970.
    longest_ms: u64,
    crashed: HashSet<Hash>,
    changes: Changes,
    payloads: HashMap<Hash, &'a [u8]>,
    /// The records, each a line without its break.
    pub(super) lines: Vec<(u64, Vec<u8>)>,
}

/// The change of one row.
pub(super) struct Write<'a> {
    /// The version that it replaces; `None` for a new row.
    pub(super) replaces: Option<Version>,
    /// The new content of the row; `None` when it is deleted.
    pub(super) action: Option<&'a Action>,
    pub(super) crashed: bool,
    pub(super) payload: Option<&'a [u8]>,
    /// The stored result in the row stays: it belongs to the completed action that a repeat may restore.
    pub(super) keeps: bool,
}

/// The slots of the actions that touch `action`, or the action that it repeats, which may be restored.
pub(super) fn reached(action: &Action) -> Vec<Slot> {
    let mut slots = touching(&action.subjects);
    slots.extend(action.replaced.iter().flat_map(|before| reached(before)));
    slots
}

/// The stored result in the row of an action: its own, or that of the action that it repeats, which may be restored.
pub(super) fn kept(action: &Action) -> Option<&PayloadAt> {
    action.payload.as_ref().or_else(|| action.replaced.as_deref().and_then(kept))
}

impl<'a> Batch<'a> {
    pub(super) fn new(own: Own, conditions: Conditions<'a>) -> Batch<'a> {
        Batch {
            durable: own.tail.sequence,
            own,
            at_ms: 0,
            at: String::new(),
            order: 0,
            conditions,
            dead: BTreeSet::new(),
            rows: HashMap::new(),
            meetings: HashMap::new(),
            longest_ms: 0,
            crashed: HashSet::new(),
            changes: Changes::default(),
            payloads: HashMap::new(),
            lines: Vec::new(),
        }
    }

    /// Takes the time and the place of the batch.
    pub(super) fn begin(&mut self, Time { at_ms, order, longest_ms }: Time) {
        self.at_ms = at_ms;
        self.at = time_text(at_ms);
        self.order = order;
        self.longest_ms = longest_ms;
    }

    /// Adds rows of the database. Rows that are here already stay as they are.
    pub(super) fn load(&mut self, rows: Vec<Row>) {
        for Row { action, crashed } in rows {
            if crashed {
                self.crashed.insert(action.key);
            }
            self.rows.entry(action.key).or_insert_with(|| Arc::new(action));
        }
    }

    /// Adds the meetings at the slots that the database holds.
    pub(super) fn meet(&mut self, meetings: Vec<(Slot, Meeting)>) {
        self.meetings.extend(meetings.into_iter().map(|(slot, meeting)| (slot, Arc::new(meeting))));
    }

    /// The slots of the actions that touch one of the actions here.
    pub(super) fn slots(&self) -> Vec<Slot> {
        self.rows.values().flat_map(|action| reached(action)).collect()
    }

    /// Epochs of the actions here that may run.
    pub(super) fn epochs(&self) -> BTreeSet<u64> {
        let open = self.meetings.values().flat_map(|meeting| meeting.open.iter().map(|touch| touch.epoch));
        self.rows.values().map(|action| action.epoch).chain(open).filter(|epoch| *epoch != 0).collect()
    }

    /// Sets the epochs of dead servers.
    pub(super) fn dead(&mut self, epochs: BTreeSet<u64>) {
        self.dead = epochs;
    }

    /// Decides on one operation.
    ///
    /// # Errors
    /// [`LedgerError::Inconsistent`] when a record does not fit its action; [`LedgerError::Io`] when one cannot be encoded.
    pub(super) fn take(&mut self, operation: &'a Operation) -> Result<Decided, LedgerError> {
        let mut keys = Vec::new();
        super::operation::keys(operation, &mut keys);
        for key in &keys {
            self.presume_dead(key)?;
        }
        Ok(match operation {
            Operation::Claim(claim, _) => Decided::Claimed(decide::claim(self, claim)?),
            Operation::Ask(ask, _) => Decided::Asked(decide::ask(self, ask)?),
            Operation::Decide(decision, _) => Decided::Settled(decide::decide(self, decision)?),
            Operation::Settle(settle, _) => Decided::Settled(decide::settle(self, settle)?),
            Operation::Own(OwnOperation::Examine(key, _)) => {
                Decided::Examined(self.action(key)?.map(|action| Box::new(Arc::unwrap_or_clone(action))))
            }
            Operation::Own(OwnOperation::NeverRan(key, version)) => {
                decide::never_ran(self, key, *version)?;
                Decided::Nothing
            }
            Operation::Note(entry, event) => {
                self.record(Line::note(entry, event))?;
                Decided::Nothing
            }
            // The committer handles these itself.
            Operation::Own(OwnOperation::PresumeDead(_)) | Operation::Tick | Operation::Close(_) => Decided::Nothing,
        })
    }

    /// Puts the action of `key` in doubt if its server is dead.
    fn presume_dead(&mut self, key: &Hash) -> Result<(), LedgerError> {
        let dead =
            |action: &Arc<Action>| matches!(action.state, State::Started { epoch } if self.dead.contains(&epoch));
        let Some(action) = self.action(key)?.filter(dead) else { return Ok(()) };
        decide::presume_dead(self, action, true)?;
        self.crashed.insert(*key);
        Ok(())
    }

    /// Adds a record and returns its version.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it cannot be encoded.
    pub(super) fn record(&mut self, line: Line<'_>) -> Result<Version, LedgerError> {
        let mut bytes = Vec::new();
        let line = Line { moment: Some(self.next_moment().0), ..line };
        self.own.tail = write_record(&mut bytes, self.own.tail, self.durable, &self.at, line)
            .map_err(|error| LedgerError::io("encode a record of", "the journal")(error.into()))?;
        bytes.pop();
        self.lines.push((self.own.tail.sequence, bytes));
        Ok(version(self.own.chain, self.own.tail.sequence))
    }

    /// Begins an epoch.
    ///
    /// # Errors
    /// As [`record`](Batch::record).
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
    ///
    /// # Errors
    /// As [`record`](Batch::record).
    pub(super) fn close(&mut self) -> Result<(), LedgerError> {
        self.record(Line::new(Event::Close)).map(drop)
    }

    /// Adds a checkpoint: signs the last record, and names the last records of other chains.
    ///
    /// # Errors
    /// As [`record`](Batch::record).
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

    /// Removes those of `candidates` that no longer answer.
    ///
    /// # Errors
    /// As [`take`](Batch::take).
    pub(super) fn expire(&mut self, candidates: &[(Hash, Version)]) -> Result<(), LedgerError> {
        let expired = decide::expired(self, &decide::Batch::terms(self), candidates)?.actions;
        if expired.is_empty() {
            return Ok(());
        }
        let keys: Vec<Hash> = expired.iter().map(|action| action.key).collect();
        let version = self.record(Line { keys: &keys, ..Line::new(Event::Expired) })?;
        for action in expired {
            let (moment, at_ms, key) = (self.moment(), self.at_ms, action.key);
            self.step(Step { version, moment, at_ms, key, change: Transition::Leave }, Some(action))?;
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
                let keeps = payload.is_none() && action.is_some_and(|action| kept(action).is_some());
                writes.push((*key, Write { replaces, action, crashed, payload, keeps }));
            }
        }
        writes
    }

    fn step(&mut self, step: Step, before: Option<Arc<Action>>) -> Result<(), LedgerError> {
        let key = step.key;
        self.crashed.remove(&key);
        let mut changes = std::mem::take(&mut self.changes);
        let stepped = changes.step(step, before, self);
        self.changes = changes;
        let action = self.changes.get(&key).and_then(|change| change.action.as_deref());
        if action.and_then(kept).is_none() {
            self.payloads.remove(&key);
        }
        stepped
    }

    /// The moment of the record that was added last.
    fn moment(&self) -> Moment {
        Moment((self.order << RECORD_BITS) | self.lines.len() as u64)
    }

    /// The moment of the record to be added.
    fn next_moment(&self) -> Moment {
        Moment((self.order << RECORD_BITS) | (self.lines.len() as u64 + 1))
    }

    /// The slots that change, with their new meetings.
    pub(super) fn changed_slots(&self) -> impl Iterator<Item = (&Slot, &Arc<Meeting>)> {
        self.changes.slots()
    }

    /// True if the database holds the slot.
    pub(super) fn holds(&self, slot: &Slot) -> bool {
        self.meetings.contains_key(slot)
    }
}

/// The slots in the database, before the changes of the batch.
impl Before for Batch<'_> {
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        Ok(self.meetings.get(slot).cloned())
    }

    fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}

impl View for Batch<'_> {
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        Ok(match self.changes.get(key) {
            Some(change) => change.action.clone(),
            None => self.rows.get(key).cloned(),
        })
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        Ok(self.changes.meeting(slot).or_else(|| self.meetings.get(slot)).cloned())
    }

    /// True if its server holds the lock of its epoch, or its lease has not passed: the lock belongs to the connection, and a
    /// server that has lost its connection still runs its bodies.
    fn may_run(&self, epoch: u64, until_ms: u64) -> bool {
        epoch != 0 && (!self.dead.contains(&epoch) || self.at_ms <= until_ms)
    }

    fn presumed_dead(&self, key: &Hash) -> bool {
        self.crashed.contains(key)
    }
}

impl<'a> decide::Batch<'a> for Batch<'a> {
    fn terms(&self) -> Terms {
        Terms {
            at_ms: self.at_ms,
            epoch: self.own.epoch,
            retention_ms: self.conditions.retention_ms,
            trusted: self.conditions.link.trusted(),
            status: self.conditions.link.shared.status(),
        }
    }

    fn write(&mut self, draft: Draft<'a>) -> Result<Landed, LedgerError> {
        // The payload goes into a column instead of a line.
        let payload = draft.payload();
        let stored = payload.map(|body| write_payload(&mut Vec::new(), 0, 0, body));
        let version = self.record(draft.line(stored.as_ref().map(|stored| stored.hash)))?;
        let key = draft.key;
        self.longest_ms = self.longest_ms.max(draft.expires_ms().unwrap_or(0));
        let (step, before) = draft.step(version, self.moment(), self.at_ms, stored);
        self.step(step, before)?;
        self.payloads.extend(payload.map(|payload| (key, payload)));
        let Tail { sequence, hash } = self.own.tail;
        let receipt = Receipt { log: self.own.log.clone(), sequence, hash };
        Ok(Landed { version, receipt, action: self.action(&key)? })
    }
}
