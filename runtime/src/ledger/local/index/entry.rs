//! What the index keeps of one action or one slot: fixed, small, and the same bytes in memory's digest and in a block.

use std::hash::{Hash as StdHash, Hasher};

use super::super::super::action::{Action, Moment};
use super::super::super::hash::Hash;
use super::super::super::record::payload_line;
use super::super::super::subject::{Done, REMEMBERED, Slot, Touch};

/// Half of a key, or a slot. To hit the half of another's key takes 2^128 tries; of two keys with one half the later is refused,
/// because the whole key stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Name(pub(super) [u8; 16]);

impl Name {
    pub(in crate::ledger) fn of(key: &Hash) -> Name {
        Name(first(&key.0))
    }

    /// Names are random: some of their bytes are the hash.
    pub(super) fn number(&self) -> u64 {
        u64::from_le_bytes(first(&self.0))
    }

    /// The part of the index that has it, of so many: by other bytes than [`Name::number`].
    pub(super) fn part(&self, parts: usize) -> usize {
        usize::from(self.0[15]) % parts
    }
}

impl From<&Slot> for Name {
    fn from(slot: &Slot) -> Name {
        Name(slot.0)
    }
}

impl StdHash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.number());
    }
}

/// The first `N` of at least as many bytes.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut head = [0; N];
    head.copy_from_slice(bytes.get(..N).unwrap_or(&[0; N]));
    head
}

/// A hint that says nothing.
const NO_HINT: u32 = u32::MAX;

/// The first byte in its segment of the record that settled `action`, or of its result; short, and good for a while.
fn hint(action: &Action) -> u32 {
    action.payload.as_ref().and_then(|at| u32::try_from(payload_line(at)).ok()).unwrap_or(NO_HINT)
}

/// The action of a key, by the record that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Place {
    /// From this record back, the journal tells all of it but its version.
    pub(in crate::ledger) record: u64,
    /// The last record that changed it: a later one where a failed repeat put it back.
    pub(in crate::ledger) version: u64,
    pub(in crate::ledger) settled: bool,
    hint: u32,
}

impl Place {
    pub(in crate::ledger) fn of(action: &Action) -> Place {
        let (Moment(record), version) = (action.moment, action.version.0);
        Place { record, version, settled: action.is_settled(), hint: hint(action) }
    }

    /// See [`Near::hint`](super::super::journal::Near).
    pub(super) fn hint(&self) -> Option<u64> {
        (self.hint != NO_HINT).then_some(u64::from(self.hint))
    }

    /// The same but for the hint, which retention may have made worthless.
    pub(in crate::ledger) fn agrees(&self, other: &Place) -> bool {
        (self.record, self.version, self.settled) == (other.record, other.version, other.settled)
    }
}

/// Bits of [`Small::packed`] below the sequence.
const SETTLED: u64 = 1;
const RESTORED: u64 = 2;

/// A [`Place`] as it is kept in memory, where there are millions: 12 bytes, the version elsewhere where it differs.
#[derive(Clone, Copy)]
pub(super) struct Small {
    packed: [u8; 8],
    hint: [u8; 4],
}

impl Small {
    pub(super) fn of(place: &Place) -> Small {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(place.settled, SETTLED) | flag(place.version != place.record, RESTORED);
        Small { packed: ((place.record << 2) | flags).to_le_bytes(), hint: place.hint.to_le_bytes() }
    }

    /// `restored` tells the version of a place whose version is not its record.
    pub(super) fn place(self, restored: impl FnOnce() -> Option<u64>) -> Place {
        let packed = u64::from_le_bytes(self.packed);
        let record = packed >> 2;
        let version = if packed & RESTORED == 0 { record } else { restored().unwrap_or(record) };
        Place { record, version, settled: packed & SETTLED != 0, hint: u32::from_le_bytes(self.hint) }
    }
}

/// A completed action as a slot remembers it: enough to know which ended last; the journal tells the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Ended {
    /// A quarter of its key.
    tag: [u8; 8],
    ended: [u8; 6],
    record: [u8; 6],
    hint: [u8; 4],
}

impl Ended {
    /// From this record back, the journal tells all of the action.
    pub(in crate::ledger) fn record(&self) -> u64 {
        wide(self.record)
    }

    pub(super) fn hint(&self) -> Option<u64> {
        let hint = u32::from_le_bytes(self.hint);
        (hint != NO_HINT).then_some(u64::from(hint))
    }

    fn is_none(&self) -> bool {
        self.record() == 0
    }
}

impl Done for Ended {
    fn of(action: &Action, touch: Touch) -> Ended {
        let ended = touch.ended.map_or(0, |Moment(ended)| ended);
        Ended {
            tag: first(&touch.key.0),
            ended: narrow(ended),
            record: narrow(action.moment.0),
            hint: hint(action).to_le_bytes(),
        }
    }

    fn is_of(&self, key: &Hash) -> bool {
        self.tag == first(&key.0)
    }

    fn ended(&self) -> Option<Moment> {
        Some(Moment(wide(self.ended)))
    }
}

/// A number below 2^48, as sequences and times in ms are.
fn narrow(number: u64) -> [u8; 6] {
    first(&number.min((1 << 48) - 1).to_le_bytes())
}

fn wide(bytes: [u8; 6]) -> u64 {
    let mut number = [0; 8];
    number[..6].copy_from_slice(&bytes);
    u64::from_le_bytes(number)
}

/// A slot without the actions that are open there, which are few and known otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Spot {
    until: [u8; 6],
    done: [Ended; REMEMBERED],
}

impl Spot {
    pub(in crate::ledger) fn new(until_ms: u64, done: &[Ended]) -> Spot {
        let mut spot = Spot { until: narrow(until_ms), done: [Ended::default(); REMEMBERED] };
        for (place, done) in spot.done.iter_mut().zip(done) {
            *place = *done;
        }
        spot
    }

    /// See [`Meeting::until_ms`](super::super::super::subject::Meeting).
    pub(in crate::ledger) fn until_ms(&self) -> u64 {
        wide(self.until)
    }

    pub(in crate::ledger) fn done(&self) -> impl Iterator<Item = &Ended> {
        self.done.iter().filter(|done| !done.is_none())
    }

    /// True if `other` tells the same, and perhaps of earlier actions too: those may have been forgotten here.
    pub(in crate::ledger) fn is_part_of(&self, other: &Spot) -> bool {
        let same = |(done, other): (&Ended, &Ended)| {
            (done.tag, done.ended, done.record) == (other.tag, other.ended, other.record)
        };
        self.until == other.until
            && self.done().count() <= other.done().count()
            && self.done().zip(other.done()).all(same)
    }
}

/// What stands in the index under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Action(Place),
    Slot(Spot),
}

const NO_ACTION: u8 = 0;
const NO_SLOT: u8 = 1;
const OPEN: u8 = 2;
const DONE: u8 = 3;
const PUT_BACK: u8 = 4;
/// And one more for each action that it remembers.
const SLOT: u8 = 5;

/// Appends what stands under `name` now.
pub(super) fn encode(into: &mut Vec<u8>, name: &Name, entry: &Entry) {
    match entry {
        Entry::Action(place) => {
            let restored = place.version != place.record;
            into.push(if restored {
                PUT_BACK
            } else if place.settled {
                DONE
            } else {
                OPEN
            });
            into.extend_from_slice(&name.0);
            into.extend_from_slice(&narrow(place.record));
            into.extend_from_slice(&place.hint.to_le_bytes());
            if restored {
                into.extend_from_slice(&narrow(place.version));
            }
        }
        Entry::Slot(spot) => {
            let kind = into.len();
            into.push(SLOT);
            into.extend_from_slice(&name.0);
            into.extend_from_slice(&spot.until);
            for done in spot.done() {
                if let Some(kind) = into.get_mut(kind) {
                    *kind += 1;
                }
                into.extend_from_slice(&done.tag);
                into.extend_from_slice(&done.ended);
                into.extend_from_slice(&done.record);
                into.extend_from_slice(&done.hint);
            }
        }
    }
}

/// Appends that nothing stands under `name` any more, where an entry like `before` stood.
pub(super) fn encode_removal(into: &mut Vec<u8>, name: &Name, before: &Entry) {
    into.push(match before {
        Entry::Action(_) => NO_ACTION,
        Entry::Slot(_) => NO_SLOT,
    });
    into.extend_from_slice(&name.0);
}

/// An entry of a block.
pub(super) enum Read {
    Action(Name, Option<Place>),
    Slot(Name, Option<Spot>),
}

/// Takes the first entry from `bytes`; `None` when they are none.
pub(super) fn decode(bytes: &mut &[u8]) -> Option<Read> {
    let [kind] = take(bytes)?;
    let name = Name(take(bytes)?);
    Some(match kind {
        NO_ACTION => Read::Action(name, None),
        NO_SLOT => Read::Slot(name, None),
        OPEN | DONE | PUT_BACK => {
            let record = wide(take(bytes)?);
            let hint = u32::from_le_bytes(take(bytes)?);
            let version = if kind == PUT_BACK { wide(take(bytes)?) } else { record };
            Read::Action(name, Some(Place { record, version, settled: kind != OPEN, hint }))
        }
        _ => {
            let mut spot = Spot { until: take(bytes)?, done: [Ended::default(); REMEMBERED] };
            for place in 0..usize::from(kind.checked_sub(SLOT)?) {
                let done = Ended { tag: take(bytes)?, ended: take(bytes)?, record: take(bytes)?, hint: take(bytes)? };
                *spot.done.get_mut(place)? = done;
            }
            Read::Slot(name, Some(spot))
        }
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// What an entry adds to the digest of an index, which is a sum, so that their order does not matter.
///
/// It finds what was lost or changed, not who did that: whoever can write to the index can also write the sum.
pub(super) fn digest(name: &Name, entry: &Entry, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    encode(scratch, name, entry);
    let mut sum = scratch.len() as u64;
    for chunk in scratch.chunks(8) {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(chunk) {
            *place = *byte;
        }
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        sum ^= sum >> 32;
    }
    sum.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::super::hash::Hash;
    use super::{Ended, Entry, Name, Place, Read, Small, Spot, decode, digest, encode, encode_removal, narrow};

    fn ended(record: u64) -> Ended {
        Ended { tag: [7; 8], ended: narrow(record + 1), record: narrow(record), hint: 9_u32.to_le_bytes() }
    }

    fn entries() -> Vec<Entry> {
        let place = |record, version, settled| Entry::Action(Place { record, version, settled, hint: 77 });
        let spot = |done: &[Ended]| Entry::Slot(Spot::new(1_800_000_000_000, done));
        vec![
            place(1, 1, false),
            place(1, 1, true),
            place(1, 5, true),
            place((1 << 48) - 1, (1 << 48) - 1, true),
            spot(&[]),
            spot(&[ended(3)]),
            spot(&[ended(3), ended(2)]),
        ]
    }

    #[test]
    fn every_entry_reads_back_and_has_its_own_digest() {
        let name = Name::of(&Hash::of(b"a"));
        let mut digests = Vec::new();
        for entry in entries() {
            let mut bytes = Vec::new();
            encode(&mut bytes, &name, &entry);
            encode_removal(&mut bytes, &name, &entry);
            let mut rest = bytes.as_slice();
            let again = match decode(&mut rest).unwrap() {
                Read::Action(_, place) => Entry::Action(place.unwrap()),
                Read::Slot(_, spot) => Entry::Slot(spot.unwrap()),
            };
            assert_eq!(again, entry);
            assert!(matches!(decode(&mut rest).unwrap(), Read::Action(_, None) | Read::Slot(_, None)));
            assert!(decode(&mut rest).is_none());
            assert!(decode(&mut &bytes[..5]).is_none(), "cut");
            if let Entry::Action(place) = &entry {
                assert_eq!(Small::of(place).place(|| Some(place.version)), *place);
            }
            digests.push(digest(&name, &entry, &mut Vec::new()));
            digests.push(digest(&Name::of(&Hash::of(b"b")), &entry, &mut Vec::new()));
        }
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }

    #[test]
    fn an_action_takes_28_bytes_and_a_slot_70() {
        assert_eq!(size_of::<(Name, Small)>(), 28);
        assert_eq!(size_of::<(Name, Spot)>(), 70);
    }
}
