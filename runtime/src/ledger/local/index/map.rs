//! The compact entries of the index, in parts: a part that grows is moved on its own, so nobody waits for all of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::entry::{Entry, Name, Place, Small, Spot};

/// Parts, by the last byte of a name.
pub(super) const PARTS: usize = 256;

/// Names are random: eight of their bytes are the hash.
#[derive(Default)]
struct ByName(u64);

impl Hasher for ByName {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Named<T> = HashMap<Name, T, BuildHasherDefault<ByName>>;

/// The actions and slots of a ledger.
pub(in crate::ledger) struct Map {
    actions: Vec<Named<Small>>,
    slots: Vec<Named<Spot>>,
    /// Versions of the actions that a failed repeat put back.
    restored: Named<u64>,
    count: u64,
}

impl Default for Map {
    fn default() -> Map {
        Map::for_about(0)
    }
}

impl Map {
    /// An empty map with room for so many actions.
    pub(super) fn for_about(actions: u64) -> Map {
        let each = usize::try_from(actions).unwrap_or(0) / PARTS;
        // As parts are not quite the same.
        let room = if each == 0 { 0 } else { each + each / 50 + 64 };
        let part = || Named::with_capacity_and_hasher(room, BuildHasherDefault::default());
        Map {
            actions: (0..PARTS).map(|_| part()).collect(),
            slots: (0..PARTS).map(|_| Named::default()).collect(),
            restored: Named::default(),
            count: 0,
        }
    }

    /// Number of entries, slots included.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(in crate::ledger) fn action(&self, name: &Name) -> Option<Place> {
        let small = self.actions.get(name.part(PARTS))?.get(name)?;
        Some(small.place(|| self.restored.get(name).copied()))
    }

    pub(in crate::ledger) fn slot(&self, name: &Name) -> Option<Spot> {
        self.slots.get(name.part(PARTS))?.get(name).copied()
    }

    /// Puts `place` under `name`, or takes away what is there; gives what was.
    pub(super) fn set_action(&mut self, name: Name, place: Option<Place>) -> Option<Entry> {
        let part = self.actions.get_mut(name.part(PARTS))?;
        let before = match &place {
            Some(place) => part.insert(name, Small::of(place)),
            None => part.remove(&name),
        };
        let before = before.map(|small| small.place(|| self.restored.get(&name).copied()));
        if before.is_some_and(|before| before.version != before.record) {
            self.restored.remove(&name);
        }
        if let Some(place) = place.filter(|place| place.version != place.record) {
            self.restored.insert(name, place.version);
        }
        self.counted(before.is_some(), place.is_some());
        before.map(Entry::Action)
    }

    /// As [`Map::set_action`].
    pub(super) fn set_slot(&mut self, name: Name, spot: Option<Spot>) -> Option<Entry> {
        let part = self.slots.get_mut(name.part(PARTS))?;
        let before = match spot {
            Some(spot) => part.insert(name, spot),
            None => part.remove(&name),
        };
        self.counted(before.is_some(), spot.is_some());
        before.map(Entry::Slot)
    }

    fn counted(&mut self, before: bool, after: bool) {
        self.count = self.count + u64::from(after) - u64::from(before);
    }

    /// All entries of a part.
    pub(super) fn part(&self, part: usize) -> impl Iterator<Item = (Name, Entry)> {
        let place =
            |(name, small): (&Name, &Small)| (*name, Entry::Action(small.place(|| self.restored.get(name).copied())));
        let actions = self.actions.get(part).into_iter().flatten().map(place);
        let slots = self.slots.get(part).into_iter().flatten().map(|(name, spot)| (*name, Entry::Slot(*spot)));
        actions.chain(slots)
    }

    /// The slots of a part.
    pub(super) fn slots(&self, part: usize) -> impl Iterator<Item = (&Name, &Spot)> {
        self.slots.get(part).into_iter().flatten()
    }

    /// The actions whose outcome is not known yet, or that await approval.
    pub(super) fn unsettled(&self) -> Vec<(Name, Place)> {
        let all = (0..PARTS).flat_map(|part| self.part(part));
        let open = all.filter_map(|(name, entry)| match entry {
            Entry::Action(place) if !place.settled => Some((name, place)),
            Entry::Action(_) | Entry::Slot(_) => None,
        });
        open.collect()
    }
}
