//! The core alone, driven as a store drives it: actions in a map, a clock that the test sets, no threads and no files.

use std::collections::{BTreeSet, HashMap};
use std::future::ready;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::super::super::action::Version;
use super::super::super::decide::{self, Draft, Landed, Terms, View};
use super::super::super::record::{Line, Tail, read_intent, write_record};
use super::super::super::shared::Status;
use super::super::super::{
    Action, Ask, Claim, Claimed, Decide, Entry, Hash, Intent, Ledger, LedgerError, LedgerOptions, Listed, NoteEvent,
    Receipt, Redactor, Settle, Settled, State, Store,
};
use super::Place;

const AT: &str = "1970-01-01T00:00:01Z";

/// All that the core decided so far.
pub(super) struct Held {
    terms: Terms,
    tail: Tail,
    actions: HashMap<Hash, Arc<Action>>,
    results: HashMap<Version, Vec<u8>>,
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
        let candidates: Vec<_> = self.actions.values().map(|action| (action.key, action.version)).collect();
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

    fn undone_by(&self, key: &Hash) -> Result<BTreeSet<Hash>, LedgerError> {
        let undone = self.actions.values().filter(|action| action.undo == Some(*key));
        Ok(undone.map(|action| action.key).collect())
    }

    /// As in a store with one server at a time.
    fn presumed_dead(&self, _key: &Hash) -> bool {
        false
    }
}

impl<'a> decide::Batch<'a> for Held {
    fn terms(&self) -> Terms {
        self.terms
    }

    fn write(&mut self, draft: Draft<'a>) -> Result<Landed, LedgerError> {
        let (key, payload) = (draft.key, draft.payload());
        let version = self.record(draft.line(payload.map(Hash::of)));
        self.results.extend(payload.map(|payload| (version, payload.to_vec())));
        let (step, before) = draft.step(version, self.terms.at_ms, None);
        assert_eq!(before, self.actions.get(&key).cloned());
        for freed in step.frees() {
            self.actions.remove(freed);
        }
        match step.apply(before)? {
            Some(action) => self.actions.insert(key, Arc::new(action)),
            None => self.actions.remove(&key),
        };
        let Tail { sequence, hash } = self.tail;
        let receipt = Receipt { log: "core".to_owned(), sequence, hash };
        Ok(Landed { version, receipt, action: self.actions.get(&key).cloned() })
    }
}

/// The place of a [`CoreStore`]: opening it again begins another epoch.
pub(super) struct Core(Arc<Mutex<Held>>);

impl Place for Core {
    const REOPENS: bool = true;
    const CRASHES: bool = false;
    const HAS_CLOCK: bool = true;

    fn new() -> Core {
        let terms = Terms { at_ms: 1000, epoch: 0, retention_ms: 0, status: Status::Closed };
        let tail = Tail { sequence: 0, hash: Hash::ZERO };
        Core(Arc::new(Mutex::new(Held {
            terms,
            tail,
            actions: HashMap::new(),
            results: HashMap::new(),
            lines: Vec::new(),
        })))
    }

    fn open(&mut self, options: &LedgerOptions) -> Ledger {
        let mut held = self.0.lock().unwrap();
        let Terms { at_ms, epoch, .. } = held.terms;
        held.terms = Terms { at_ms, epoch: epoch + 1, retention_ms: options.retention_ms(), status: Status::Open };
        let mut started: Vec<_> = held.actions.values().cloned().collect();
        started.retain(|action| matches!(action.state, State::Started { .. }));
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
    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>> {
        Box::pin(ready(self.held().known(key)))
    }

    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>> {
        let stored = self.held().results.get(&action.version).cloned();
        Box::pin(ready(stored.ok_or(LedgerError::Payload { reason: "is not kept" })))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        self.put(|held| decide::claim(held, &claim))
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Action, LedgerError>> {
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
