//! The core alone, driven as a store drives it: actions in a map, a clock that the test sets, no threads and no files.

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::super::super::action::{Moment, PayloadAt, Version};
use super::super::super::changes::{Before, Changes};
use super::super::super::decide::{self, Draft, Landed, Terms, View};
use super::super::super::record::{Line, Tail, read_intent, write_record};
use super::super::super::shared::Status;
use super::super::super::subject::{Meeting, Slot};
use super::super::super::{
    Action, Ask, Asked, Claim, Claimed, Decide, Entry, Hash, Intent, Ledger, LedgerError, LedgerOptions, Listed,
    NoteEvent, Receipt, Redactor, Settle, Settled, Standing, State, Store,
};
use super::Place;

const AT: &str = "1970-01-01T00:00:01Z";

/// All that the core decided so far.
pub(super) struct Held {
    terms: Terms,
    tail: Tail,
    actions: HashMap<Hash, Arc<Action>>,
    meetings: HashMap<Slot, Arc<Meeting>>,
    longest_ms: u64,
    results: Vec<Vec<u8>>,
    lines: Vec<Vec<u8>>,
}

impl Held {
    fn record(&mut self, line: Line<'_>) -> Version {
        let mut bytes = Vec::new();
        self.tail = write_record(&mut bytes, self.tail, self.tail.sequence, AT, line).unwrap();
        self.lines.push(bytes);
        Version(self.tail.sequence)
    }

    fn works(&self) -> Result<(), LedgerError> {
        match self.terms.status.accepts_claims() {
            Err(LedgerError::Latched) => Ok(()),
            other => other,
        }
    }

    fn known(&self, key: &Hash) -> Result<Option<Action>, LedgerError> {
        self.works()?;
        let found = self.actions.get(key).filter(|action| action.answers(self.terms.at_ms));
        Ok(found.map(|action| Action::clone(action)))
    }

    fn expire(&mut self) {
        let settled = self.actions.values().filter(|action| action.is_settled());
        let candidates: Vec<_> = settled.map(|action| (action.key, action.version)).collect();
        let expired = decide::expired(self, &self.terms, &candidates).unwrap();
        assert_eq!(expired.actions.len() + expired.answering, candidates.len());
        for action in expired.actions {
            self.actions.remove(&action.key);
        }
    }
}

impl View for Held {
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        Ok(self.actions.get(key).cloned())
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        Ok(self.meetings.get(slot).cloned())
    }

    /// As in a store with one server at a time.
    fn may_run(&self, epoch: u64, _until_ms: u64) -> bool {
        epoch == self.terms.epoch
    }

    /// As in a store with one server at a time.
    fn presumed_dead(&self, _key: &Hash) -> bool {
        false
    }
}

impl Before for Held {
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        View::meeting(self, slot)
    }

    fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}

impl<'a> decide::Batch<'a> for Held {
    fn terms(&self) -> Terms {
        self.terms
    }

    fn write(&mut self, draft: Draft<'a>) -> Result<Landed, LedgerError> {
        let key = draft.key;
        let payload = draft.payload().map(|body| {
            self.results.push(body.to_vec());
            let offset = u64::try_from(self.results.len() - 1).unwrap();
            PayloadAt { segment: 1, offset, length: u64::try_from(body.len()).unwrap(), hash: Hash::of(body) }
        });
        let version = self.record(draft.line(payload.as_ref().map(|payload| payload.hash)));
        self.longest_ms = self.longest_ms.max(draft.expires_ms().unwrap_or(0));
        let (step, before) = draft.step(version, Moment(version.0), self.terms.at_ms, payload);
        assert_eq!(before.as_ref(), self.actions.get(&key));
        let mut changes = Changes::default();
        changes.step(step, before, self)?;
        let action = changes.get(&key).and_then(|change| change.action.clone());
        self.meetings.extend(changes.slots().map(|(slot, meeting)| (*slot, Arc::clone(meeting))));
        match &action {
            Some(action) => self.actions.insert(key, Arc::clone(action)),
            None => self.actions.remove(&key),
        };
        let Tail { sequence, hash } = self.tail;
        let receipt = Receipt { log: "core".to_owned(), sequence, hash };
        Ok(Landed { version, receipt, action })
    }
}

/// The place of a [`CoreStore`]: opening it again begins another epoch.
pub(super) struct Core(Arc<Mutex<Held>>);

impl Place for Core {
    const REOPENS: bool = true;
    const CRASHES: bool = false;
    const HAS_CLOCK: bool = true;

    fn new() -> Core {
        let terms = Terms { at_ms: 1000, epoch: 0, retention_ms: 0, trusted: true, status: Status::Closed };
        let tail = Tail { sequence: 0, hash: Hash::ZERO };
        Core(Arc::new(Mutex::new(Held {
            terms,
            tail,
            actions: HashMap::new(),
            meetings: HashMap::new(),
            longest_ms: 0,
            results: Vec::new(),
            lines: Vec::new(),
        })))
    }

    fn open(&mut self, options: &LedgerOptions) -> Ledger {
        let mut held = self.0.lock().unwrap();
        let Terms { at_ms, epoch, .. } = held.terms;
        let retention_ms = options.retention_ms();
        held.terms = Terms { at_ms, epoch: epoch + 1, retention_ms, trusted: true, status: Status::Open };
        let mut started: Vec<_> = held.actions.values().cloned().collect();
        started.retain(|action| matches!(action.state, State::Started { .. }));
        started.sort_by_key(|action| action.key);
        for action in started {
            decide::presume_dead(&mut *held, action, false).unwrap();
        }
        let epoch = held.terms.epoch;
        let redactor = Redactor::new(&[7; 32]).unwrap();
        Ledger::with(Arc::new(CoreStore { held: Arc::clone(&self.0), epoch, redactor, retention: options.retention }))
    }

    fn wait(&self, time: Duration) {
        self.0.lock().unwrap().terms.at_ms += u64::try_from(time.as_millis()).unwrap();
    }
}

/// A server's view of a [`Core`].
struct CoreStore {
    held: Arc<Mutex<Held>>,
    epoch: u64,
    redactor: Redactor,
    retention: Duration,
}

impl CoreStore {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// What `asks` comes to.
    fn put<T: Send + 'static>(
        &self,
        asks: impl FnOnce(&mut Held) -> Result<Result<T, LedgerError>, LedgerError>,
    ) -> BoxFuture<'_, Result<T, LedgerError>> {
        let mut held = self.held();
        let answer = held.works().and_then(|()| asks(&mut held).unwrap());
        Box::pin(ready(answer))
    }
}

impl Store for CoreStore {
    fn standing(&self, claim: Claim) -> BoxFuture<'_, Result<Standing, LedgerError>> {
        let held = self.held();
        Box::pin(ready(held.works().and_then(|()| decide::standing(&*held, &held.terms, &claim))))
    }

    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>> {
        Box::pin(ready(self.held().known(key)))
    }

    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>> {
        let at = action.payload.as_ref().map(|payload| usize::try_from(payload.offset).unwrap());
        let stored = at.and_then(|at| self.held().results.get(at).cloned());
        Box::pin(ready(stored.ok_or(LedgerError::Payload { reason: "is not kept" })))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        self.put(|held| decide::claim(held, &claim))
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Asked, LedgerError>> {
        self.put(|held| decide::ask(held, &ask))
    }

    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        self.put(|held| decide::decide(held, &decide))
    }

    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        self.put(|held| decide::settle(held, &settle))
    }

    fn list(
        &self,
        which: Listed,
        after: Option<Hash>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Action>, LedgerError>> {
        let stands = |action: &Action| match which {
            Listed::InDoubt => action.state == State::InDoubt,
            Listed::AwaitingApproval => matches!(action.state, State::AwaitingApproval(_)),
        };
        let held = self.held();
        let mut found: Vec<_> = held.actions.values().map(|action| Action::clone(action)).collect();
        found.retain(|action| stands(action) && after.is_none_or(|after| action.key > after));
        found.sort_by_key(|action| action.key);
        found.truncate(limit);
        Box::pin(ready(Ok(found)))
    }

    fn ended(&self, action: &Action) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(ready(Ok(action.epoch != self.epoch)))
    }

    fn intent(&self, action: &Action) -> BoxFuture<'_, Result<Intent, LedgerError>> {
        let Version(sequence) = action.intent;
        let line = self.held().lines[usize::try_from(sequence).unwrap() - 1].clone();
        Box::pin(ready(
            read_intent(line.strip_suffix(b"\n").unwrap()).map_err(|reason| LedgerError::Payload { reason }),
        ))
    }

    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.held().record(Line::note(&entry, &event));
        Ok(())
    }

    fn record(&self, entry: Entry, event: NoteEvent) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(ready(self.note(entry, event)))
    }

    fn tick(&self) {
        self.held().expire();
    }

    fn health(&self) -> Result<(), LedgerError> {
        self.held().terms.status.accepts_claims()
    }

    fn latch(&self) {
        self.held().terms.status = Status::Latched;
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn retention(&self) -> Duration {
        self.retention
    }

    fn directory(&self) -> Option<&Path> {
        None
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.held().terms.status = Status::Closed;
        Box::pin(ready(Ok(())))
    }
}
