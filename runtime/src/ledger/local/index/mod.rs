//! The index: what is known under a key. A map in memory, derived from the journal; sled keeps it for the next start.
//!
//! A settled action is its place in the journal and no more: who asks for it reads its records. Actions that are open, which
//! are few, are kept whole. The committer applies each batch when it is durable; the [`keeper`] writes behind it, and nobody
//! waits for that.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::super::action::{Action, PayloadAt, Unsettled, Version};
use super::super::changes::{Before, Changes};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::Tail;
use super::super::subject::{Meeting, Slot, Touch, own};
use super::super::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use super::journal::Reader;
use entry::{Ended, Entry, Name, Place, Spot};
use map::{Map, PARTS};
use recent::Recent;

pub(in crate::ledger) mod blocks;
pub(in crate::ledger) mod entry;
pub(in crate::ledger) mod keeper;
pub(in crate::ledger) mod map;
mod rebuild;
mod recent;
pub(in crate::ledger) mod sled;

/// Entries that may wait to be written. What comes when there are more is not noted: all is written anew then.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// A slot is forgotten when nothing that touches it has answered for so long, in ms: whoever names it then is told that it
/// is not known.
const FORGET_AFTER_MS: u64 = 24 * 60 * 60 * 1000;

/// How far the index has followed which journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ledger) struct Head {
    /// Id of the journal.
    pub(in crate::ledger) log: String,
    /// Sequence of the last record applied.
    pub(in crate::ledger) sequence: u64,
    /// Its hash.
    pub(in crate::ledger) hash: Hash,
    /// Highest epoch seen.
    pub(in crate::ledger) epoch: u64,
    /// First sequence of the segment up to which retention has come.
    pub(in crate::ledger) swept: u64,
    /// The latest time until which any action answers, in ms since 1970.
    pub(in crate::ledger) longest_ms: u64,
    /// Time of the last record, in ms since 1970.
    pub(in crate::ledger) at_ms: u64,
}

impl Head {
    pub(in crate::ledger) fn tail(&self) -> Tail {
        Tail { sequence: self.sequence, hash: self.hash }
    }
}

/// Parts into which the index can be asked to do something one after the other.
pub(in crate::ledger) const SLICES: usize = PARTS;

/// Actions by key and what met at their subjects, for one writer and readers on any thread.
pub(in crate::ledger) struct Index {
    held: RwLock<Held>,
    recent: Mutex<Recent>,
    reader: Arc<dyn Reader>,
}

#[derive(Default)]
struct Held {
    /// `None` before the first record.
    head: Option<Head>,
    map: Map,
    /// The actions that are not settled.
    open: HashMap<Hash, Arc<Action>>,
    awaiting: BTreeSet<Hash>,
    started: BTreeSet<Hash>,
    in_doubt: BTreeSet<Hash>,
    /// Where they may have, or may get, an effect.
    touches: HashMap<Slot, Vec<Arc<Touch>>>,
    unwritten: Unwritten,
}

/// Changes of entries that are not written yet.
#[derive(Default)]
struct Unwritten {
    /// Nobody writes them down while this is `false`.
    noted: bool,
    changes: Vec<Changed>,
    /// Changes that were taken already.
    taken: u64,
    /// Some are missing here.
    lost: bool,
}

/// A change of one entry.
struct Changed {
    name: Name,
    before: Option<Entry>,
    after: Option<Entry>,
}

/// Changes that lead to a head.
pub(in crate::ledger) struct Batch {
    changes: Vec<Changed>,
    /// The number of the first of them.
    first: u64,
    /// `None` when there is no record yet.
    head: Option<Head>,
    /// There were more: all has to be written anew.
    lost: bool,
}

impl Unwritten {
    fn note(&mut self, name: Name, before: Option<Entry>, after: Option<Entry>) {
        if !self.noted || self.lost || before == after {
            return;
        }
        if self.changes.len() >= MOST_UNWRITTEN {
            self.lost = true;
            self.changes = Vec::new();
            return;
        }
        self.changes.push(Changed { name, before, after });
    }

    fn end(&self) -> u64 {
        self.taken.saturating_add(self.changes.len() as u64)
    }
}

impl Held {
    fn set_action(&mut self, name: Name, place: Option<Place>) {
        let before = self.map.set_action(name, place);
        self.unwritten.note(name, before, place.map(Entry::Action));
    }

    fn set_slot(&mut self, name: Name, spot: Option<Spot>) {
        let before = self.map.set_slot(name, spot);
        self.unwritten.note(name, before, spot.map(Entry::Slot));
    }

    fn listed(&self, state: Unsettled) -> &BTreeSet<Hash> {
        match state {
            Unsettled::AwaitingApproval => &self.awaiting,
            Unsettled::Started => &self.started,
            Unsettled::InDoubt => &self.in_doubt,
        }
    }

    fn listed_mut(&mut self, state: Unsettled) -> &mut BTreeSet<Hash> {
        match state {
            Unsettled::AwaitingApproval => &mut self.awaiting,
            Unsettled::Started => &mut self.started,
            Unsettled::InDoubt => &mut self.in_doubt,
        }
    }

    fn open(&mut self, action: Arc<Action>) {
        if let Some(state) = action.unsettled() {
            self.listed_mut(state).insert(action.key);
            self.open.insert(action.key, action);
        }
    }

    fn close(&mut self, key: &Hash) {
        if let Some(state) = self.open.remove(key).and_then(|action| action.unsettled()) {
            self.listed_mut(state).remove(key);
        }
    }
}

impl Index {
    /// An empty index of the journal that `reader` reads.
    pub(in crate::ledger) fn new(reader: Arc<dyn Reader>) -> Index {
        Index { held: RwLock::new(Held::default()), recent: Mutex::default(), reader }
    }

    /// What was kept of an index, as far as it had come.
    pub(in crate::ledger) fn kept(map: Map, head: Option<Head>, reader: Arc<dyn Reader>) -> Index {
        let held = Held { head, map, ..Held::default() };
        Index { held: RwLock::new(held), recent: Mutex::default(), reader }
    }

    /// The same, with another reader of the same journal.
    pub(in crate::ledger) fn reads(self, reader: Arc<dyn Reader>) -> Index {
        Index { reader, ..self }
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come; `None` when it is empty.
    pub(in crate::ledger) fn head(&self) -> Option<Head> {
        self.held().head.clone()
    }

    /// The action of `key`.
    ///
    /// # Errors
    /// The journal, which has the most of it, cannot be read or does not fit.
    pub(in crate::ledger) fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        let place = {
            let held = self.held();
            if let Some(open) = held.open.get(key) {
                return Ok(Some(Arc::clone(open)));
            }
            held.map.action(&Name::of(key))
        };
        let Some(place) = place else { return Ok(None) };
        let action = self.at(place.record, place.hint())?;
        if action.key != *key {
            return Err(LedgerError::Inconsistent { sequence: place.record });
        }
        Ok(Some(match action.version {
            Version(version) if version == place.version => action,
            _ => Arc::new(Action { version: Version(place.version), ..Arc::unwrap_or_clone(action) }),
        }))
    }

    /// The version of a settled action. Reads no journal.
    pub(in crate::ledger) fn settled(&self, key: &Hash) -> Option<Version> {
        let place = self.held().map.action(&Name::of(key))?;
        place.settled.then_some(Version(place.version))
    }

    /// The action as the record `sequence` left it.
    fn at(&self, sequence: u64, hint: Option<u64>) -> Result<Arc<Action>, LedgerError> {
        if let Some(action) = self.recent().action(sequence) {
            return Ok(action);
        }
        let action = Arc::new(rebuild::rebuild(&*self.reader, sequence, hint)?);
        if action.is_settled() {
            self.recent().keep_action(Arc::clone(&action));
        }
        Ok(action)
    }

    /// The actions that meet at `slot`.
    ///
    /// # Errors
    /// As [`Index::action`].
    pub(in crate::ledger) fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        self.spot(slot).map(|spot| self.whole(&spot, |_| None)).transpose()
    }

    /// What the index itself knows of `slot`.
    pub(in crate::ledger) fn spot(&self, slot: &Slot) -> Option<Meeting<Ended>> {
        let held = self.held();
        let spot = held.map.slot(&Name::from(slot))?;
        let open = held.touches.get(slot).cloned().unwrap_or_default();
        Some(Meeting { open, done: spot.done().copied().collect(), until_ms: spot.until_ms() })
    }

    /// The meeting with what the journal knows of it; `decided` are the actions of records that are not written yet.
    ///
    /// # Errors
    /// As [`Index::action`].
    pub(in crate::ledger) fn whole(
        &self,
        spot: &Meeting<Ended>,
        decided: impl Fn(u64) -> Option<Arc<Action>>,
    ) -> Result<Arc<Meeting>, LedgerError> {
        let touch = |ended: &Ended| {
            let action = decided(ended.record()).map_or_else(|| self.at(ended.record(), ended.hint()), Ok)?;
            Touch::of(&action).ok_or(LedgerError::Inconsistent { sequence: ended.record() })
        };
        let done = spot.done.iter().map(touch).collect::<Result<_, _>>()?;
        Ok(Arc::new(Meeting { open: spot.open.clone(), done, until_ms: spot.until_ms }))
    }

    /// At most `limit` actions in this state by ascending key, after `after`.
    pub(in crate::ledger) fn unsettled(&self, state: Unsettled, after: Option<Hash>, limit: usize) -> Vec<Arc<Action>> {
        let held = self.held();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = held.listed(state).range((after, Bound::Unbounded)).take(limit);
        keys.filter_map(|key| held.open.get(key).cloned()).collect()
    }

    /// Takes over `changes`, and the head they lead to.
    pub(in crate::ledger) fn apply(&self, changes: &Changes<Ended>, head: &Head) {
        let mut held = self.held_mut();
        let mut settled = Vec::new();
        for (key, change) in changes.iter() {
            held.close(key);
            held.set_action(Name::of(key), change.action.as_deref().map(Place::of));
            let Some(action) = &change.action else { continue };
            if !action.is_settled() {
                held.open(Arc::clone(action));
            } else if action.moment.0 == action.version.0 {
                settled.push(Arc::clone(action));
            }
        }
        for (slot, meeting) in changes.slots() {
            if meeting.open.is_empty() {
                held.touches.remove(slot);
            } else {
                held.touches.insert(*slot, meeting.open.clone());
            }
            held.set_slot(Name::from(slot), Some(Spot::new(meeting.until_ms, &meeting.done)));
        }
        held.head = Some(head.clone());
        drop(held);
        let mut recent = self.recent();
        settled.into_iter().for_each(|action| recent.keep_action(action));
    }

    /// Reads the actions that are open, when the journal was followed to its end: until then they are places like others.
    ///
    /// # Errors
    /// As [`Index::action`].
    pub(in crate::ledger) fn read_open(&self) -> Result<(), LedgerError> {
        let mut open: Vec<Arc<Action>> = Vec::new();
        for (name, place) in self.held().map.unsettled() {
            let action = rebuild::rebuild(&*self.reader, place.record, place.hint())?;
            if Name::of(&action.key) != name || action.is_settled() {
                return Err(LedgerError::Inconsistent { sequence: place.record });
            }
            open.push(Arc::new(action));
        }
        open.sort_by_key(|action| action.version);
        let mut held = self.held_mut();
        let keys: Vec<Hash> = held.open.keys().copied().collect();
        keys.iter().for_each(|key| held.close(key));
        held.touches.clear();
        for action in open {
            if let Some(touch) = Touch::of(&action) {
                for slot in own(&action.subjects) {
                    held.touches.entry(slot).or_default().push(Arc::new(touch.clone()));
                }
            }
            held.open(action);
        }
        Ok(())
    }

    /// Forgets, in one of the [`SLICES`], the slots that nothing needs at `now_ms` any more, a time that is trusted.
    pub(in crate::ledger) fn forget(&self, slice: usize, now_ms: u64) {
        let over = |held: &Held| -> Vec<Name> {
            let over = held
                .map
                .slots(slice)
                .filter(|(name, spot)| is_over(spot, now_ms) && !held.touches.contains_key(&Slot(name.0)));
            over.map(|(name, _)| *name).collect()
        };
        if over(&self.held()).is_empty() {
            return;
        }
        let mut held = self.held_mut();
        for name in over(&held) {
            held.set_slot(name, None);
        }
    }

    /// The result at this place, if it was used a moment ago.
    pub(in crate::ledger) fn result(&self, at: &PayloadAt) -> Option<Arc<[u8]>> {
        self.recent().result(at)
    }

    /// Remembers for a while a `body` that has the hash that `at` names.
    pub(in crate::ledger) fn keep_result(&self, at: &PayloadAt, body: &[u8]) {
        self.recent().keep_result(at, body);
    }

    /// Retention put another file in the place of `segment`.
    pub(in crate::ledger) fn rewritten(&self, segment: u64) {
        self.reader.rewritten(segment);
        self.recent().forget_results();
    }

    /// Somebody writes down from now on what changes; `all` when nothing was before.
    pub(in crate::ledger) fn note(&self, all: bool) {
        self.held_mut().unwritten = Unwritten { noted: true, lost: all, ..Unwritten::default() };
    }

    /// Nobody writes it down any more.
    fn note_no_more(&self) {
        self.held_mut().unwritten = Unwritten::default();
    }

    /// Changes that wait, and whether all has to be written anew.
    fn waiting(&self) -> (usize, bool) {
        let held = self.held();
        (held.unwritten.changes.len(), held.unwritten.lost)
    }

    /// The changes that wait.
    fn take(&self) -> Batch {
        let mut held = self.held_mut();
        let first = held.unwritten.taken;
        held.unwritten.taken = held.unwritten.end();
        let changes = std::mem::take(&mut held.unwritten.changes);
        Batch { changes, first, head: held.head.clone(), lost: held.unwritten.lost }
    }

    /// All is about to be written anew: notes what changes from now on.
    fn begin_anew(&self) {
        let mut held = self.held_mut();
        held.unwritten.taken = held.unwritten.end();
        held.unwritten.changes = Vec::new();
        held.unwritten.lost = false;
    }

    /// The entries of a part, and the number of the next change.
    fn part(&self, part: usize) -> (Vec<(Name, Entry)>, u64) {
        let held = self.held();
        (held.map.part(part).collect(), held.unwritten.end())
    }

    /// The entries in which this index, which was kept, differs from `told`, which the journal tells: the first record that
    /// an action differs in, and the number of slots.
    ///
    /// Slots that were forgotten by `now_ms` may be missing here.
    pub(in crate::ledger) fn differs(&self, told: &Index, now_ms: u64) -> Difference {
        let (kept, told) = (self.held(), told.held());
        let (kept, told) = (&kept.map, &told.map);
        let mut difference = Difference::default();
        for part in 0..PARTS {
            for (name, entry) in kept.part(part) {
                match entry {
                    Entry::Action(place) if told.action(&name).is_none() => difference.action(place.record),
                    Entry::Slot(_) if told.slot(&name).is_none() => difference.slots += 1,
                    Entry::Action(_) | Entry::Slot(_) => {}
                }
            }
            for (name, entry) in told.part(part) {
                match (entry, kept.action(&name), kept.slot(&name)) {
                    (Entry::Action(told), Some(kept), _) if kept.agrees(&told) => {}
                    (Entry::Action(told), ..) => difference.action(told.record),
                    (Entry::Slot(told), _, Some(kept)) if kept.is_part_of(&told) => {}
                    (Entry::Slot(told), _, None) if is_over(&told, now_ms) => {}
                    (Entry::Slot(_), ..) => difference.slots += 1,
                }
            }
        }
        difference
    }
}

/// What nobody asks for any more at `now_ms`.
fn is_over(spot: &Spot, now_ms: u64) -> bool {
    spot.until_ms().saturating_add(FORGET_AFTER_MS) < now_ms
}

/// In what an index does not tell what the journal tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Difference {
    /// The first record whose action is another one, or missing.
    pub(in crate::ledger) record: Option<u64>,
    pub(in crate::ledger) actions: u64,
    pub(in crate::ledger) slots: u64,
}

impl Difference {
    fn action(&mut self, record: u64) {
        self.record = Some(self.record.map_or(record, |first| first.min(record)));
        self.actions += 1;
    }
}

/// What is durable, before the changes of a batch. `longest_ms` is the caller's to say.
pub(in crate::ledger) struct Standing<'a> {
    pub(in crate::ledger) index: &'a Index,
    pub(in crate::ledger) longest_ms: u64,
}

impl Before<Ended> for Standing<'_> {
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting<Ended>>>, LedgerError> {
        Ok(self.index.spot(slot).map(Arc::new))
    }

    fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}
