//! The durable form of the index: blocks of entries in the order in which they changed, and a head that says how far they
//! lead, how many entries stand, and the sum of their digests.
//!
//! An entry in a later block replaces the same one in an earlier block. When more entries are replaced than stand, all are
//! written anew, as another generation. Written by nobody waited for, so anything may be missing after a crash; then number
//! or sum do not fit the head, and the journal has it all.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::super::error::LedgerError;
use super::super::super::hash::Hash;
use super::entry::{Entry, Name, Read, decode, digest, encode, encode_removal};
use super::map::{Map, PARTS};
use super::{Batch, Changed, Head, Index};

/// First byte of every value; another one means another version wrote it.
const FORMAT: u8 = 2;
/// A block of so many bytes is full, which is after some two thousand entries. Sixteen of them are a leaf of sled's, which it
/// writes as one.
const BLOCK_BYTES: usize = 64 * 1024;
/// So many entries may have been replaced however few stand.
const REPLACED: u64 = 64 * 1024;
/// Name of the head.
pub(in crate::ledger) const HEAD: &[u8] = b"m/head";
const BLOCK: &[u8] = b"b/";
/// Bytes of the checksum of a value.
const CHECKSUM: usize = 8;

/// Where blocks are kept. Errors are [`LedgerError::Index`].
pub(in crate::ledger) trait Values: Send {
    fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError>;
    fn put(&self, name: &[u8], value: &[u8]) -> Result<(), LedgerError>;
    fn remove(&self, name: &[u8]) -> Result<(), LedgerError>;
    fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError>;
    /// Shows all of them by ascending name. To get one after the other costs sled a leaf each time.
    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError>;
}

/// How far the blocks lead.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Written {
    head: Option<Head>,
    generation: u64,
    /// Blocks that are full.
    full: u64,
    /// Entries in all blocks, and those in the full ones.
    entries: u64,
    entries_full: u64,
    /// Entries that stand, and how many of these are actions, about.
    stand: u64,
    actions: u64,
    /// The sum of their digests.
    sum: u64,
}

/// Blocks as they are written.
pub(in crate::ledger) struct Blocks {
    values: Box<dyn Values>,
    written: Written,
    /// The entries of the last block, which is not full.
    last: Vec<u8>,
    /// All has to be written anew.
    anew: bool,
}

/// What was kept of an index.
pub(in crate::ledger) struct Loaded {
    pub(in crate::ledger) map: Map,
    pub(in crate::ledger) head: Option<Head>,
    /// It is not what was written; why.
    pub(in crate::ledger) damage: Option<&'static str>,
    /// The highest sequence that any part of it has seen.
    pub(in crate::ledger) seen: u64,
}

fn name_of(generation: u64, number: u64) -> Vec<u8> {
    [BLOCK, &generation.to_be_bytes(), &number.to_be_bytes()].concat()
}

fn block(sequence: u64, count: u64, entries: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 1 + CHECKSUM];
    value.extend_from_slice(&sequence.to_le_bytes());
    value.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    value.extend_from_slice(entries);
    sealed(value)
}

/// Sets format and checksum before what follows them.
fn sealed(mut value: Vec<u8>) -> Vec<u8> {
    let sum = Hash::of(value.get(1 + CHECKSUM..).unwrap_or_default());
    for (place, byte) in value.iter_mut().zip([FORMAT].iter().chain(&sum.0[..CHECKSUM])) {
        *place = *byte;
    }
    value
}

/// What follows format and checksum.
fn unsealed(value: &[u8]) -> Option<&[u8]> {
    let (format, rest) = value.split_first()?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    (*format == FORMAT && Hash::of(rest).0.starts_with(sum)).then_some(rest)
}

/// The sequence of a block, its number of entries, and the entries.
fn unblock(value: &[u8]) -> Option<(u64, u64, &[u8])> {
    let rest = unsealed(value)?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (count, entries) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*sequence), u64::from(u32::from_le_bytes(*count)), entries))
}

const OTHER: &str = "it was written by another version";
const MISSING: &str = "a part of it is missing or was changed";

/// Reads what `values` hold.
///
/// # Errors
/// They cannot be read. Damage is told beside what was found.
pub(in crate::ledger) fn load(values: Box<dyn Values>) -> Result<(Loaded, Blocks), LedgerError> {
    let head = values.get(HEAD)?;
    let told = head.as_deref().map(|value| unsealed(value).and_then(|value| postcard::from_bytes(value).ok()));
    let blocks = |written| Blocks { values, written, last: Vec::new(), anew: true };
    let loaded = |head, map, damage, seen| Loaded { map, head, damage, seen };
    let written: Written = match told {
        Some(Some(written)) => written,
        Some(None) => {
            return Ok((loaded(None, Map::default(), Some(OTHER), 0), blocks(Written::default())));
        }
        None => Written::default(),
    };
    let mut blocks = blocks(written.clone());
    let mut reading =
        Reading { map: Map::for_about(written.actions), sum: 0, left: written.entries, scratch: Vec::new() };
    let mut seen = written.head.as_ref().map_or(0, |head| head.sequence);
    let mut damage = None;
    let mut last = Vec::new();
    let mut next = 0;
    blocks.values.each(&mut |name, value| {
        if name == HEAD {
            return;
        }
        if !name.starts_with(BLOCK) {
            damage = damage.or(Some(OTHER));
            return;
        }
        let told = unblock(value);
        seen = seen.max(told.map_or(0, |(sequence, ..)| sequence));
        // Others were written before a crash, or left to be removed by one: the head does not know of them.
        if next > written.full || name != name_of(written.generation, next) {
            damage = damage.or(head.is_none().then_some("it has entries but no head"));
            return;
        }
        let end = told.and_then(|(_, count, entries)| Some((reading.take(count, entries)?, entries)));
        match end {
            Some((end, entries)) if next == written.full => last = entries.get(..end).unwrap_or_default().to_vec(),
            Some(_) => {}
            None => damage = damage.or(Some(MISSING)),
        }
        next += 1;
    })?;
    blocks.last = last;
    if reading.left > 0 || reading.map.count() != written.stand || reading.sum != written.sum {
        damage = damage.or(Some(MISSING));
    }
    blocks.anew = damage.is_some() || written.head.is_none();
    Ok((loaded(written.head, reading.map, damage, seen), blocks))
}

/// Entries on their way into memory.
struct Reading {
    map: Map,
    sum: u64,
    /// Entries that the head knows of and that were not read yet.
    left: u64,
    scratch: Vec<u8>,
}

impl Reading {
    /// Takes the entries of a block that the head knows of; gives where these end, or `None` when they cannot be read.
    fn take(&mut self, count: u64, entries: &[u8]) -> Option<usize> {
        let mut rest = entries;
        for _ in 0..count.min(self.left) {
            let (name, before, after) = match decode(&mut rest)? {
                Read::Action(name, place) => (name, self.map.set_action(name, place), place.map(Entry::Action)),
                Read::Slot(name, spot) => (name, self.map.set_slot(name, spot), spot.map(Entry::Slot)),
            };
            for (entry, sign) in [(before, 1_u64.wrapping_neg()), (after, 1)] {
                if let Some(entry) = entry {
                    let digest = digest(&name, &entry, &mut self.scratch);
                    self.sum = self.sum.wrapping_add(digest.wrapping_mul(sign));
                }
            }
            self.left -= 1;
        }
        Some(entries.len() - rest.len())
    }
}

impl Blocks {
    /// Writes all of `index`, whatever is written.
    #[cfg(test)]
    pub(in crate::ledger) fn write_anew(&mut self, index: &Index) -> Result<(), LedgerError> {
        self.anew = true;
        self.write(index)
    }

    /// True when nothing written counts.
    pub(super) fn is_anew(&self) -> bool {
        self.anew
    }

    /// Writes what changed in `index` since the last time.
    pub(in crate::ledger) fn write(&mut self, index: &Index) -> Result<(), LedgerError> {
        let mut batch = index.take();
        if self.anew || batch.lost || self.written.entries > 2 * self.written.stand + REPLACED {
            return self.all(index);
        }
        let Some(head) = batch.head.take() else { return Ok(()) };
        if batch.changes.is_empty() && self.written.head.as_ref() == Some(&head) {
            return Ok(());
        }
        // What changed twice is written once.
        let mut places: HashMap<(bool, Name), usize> = HashMap::with_capacity(batch.changes.len());
        let mut once: Vec<Changed> = Vec::with_capacity(batch.changes.len());
        for changed in batch.changes {
            let is_slot = matches!(changed.before.or(changed.after), Some(Entry::Slot(_)));
            match places.get(&(is_slot, changed.name)).and_then(|place| once.get_mut(*place)) {
                Some(known) => known.after = changed.after,
                None => {
                    places.insert((is_slot, changed.name), once.len());
                    once.push(changed);
                }
            }
        }
        for changed in &once {
            self.change(changed, head.sequence)?;
        }
        self.close(head)
    }

    /// Writes all entries, while they go on changing: a part after the other, and then what changed in it since.
    fn all(&mut self, index: &Index) -> Result<(), LedgerError> {
        let before = self.values.names()?;
        let generations = before.iter().filter_map(|name| name.strip_prefix(BLOCK)?.first_chunk());
        let latest = generations.map(|generation| u64::from_be_bytes(*generation)).max().unwrap_or(0);
        let generation = latest.max(self.written.generation) + 1;
        self.anew = true;
        self.written = Written { generation, ..Written::default() };
        self.last.clear();
        index.begin_anew();
        let mut copied = Vec::with_capacity(PARTS);
        let sequence = index.head().map_or(0, |head| head.sequence);
        for part in 0..PARTS {
            let (entries, next) = index.part(part);
            copied.push(next);
            for (name, entry) in entries {
                self.change(&Changed { name, before: None, after: Some(entry) }, sequence)?;
            }
        }
        let batch: Batch = index.take();
        let Some(head) = batch.head.filter(|_| !batch.lost) else { return Ok(()) };
        for (number, changed) in (batch.first..).zip(&batch.changes) {
            if copied.get(changed.name.part(PARTS)).is_some_and(|next| number >= *next) {
                self.change(changed, head.sequence)?;
            }
        }
        self.close(head)?;
        self.anew = false;
        for name in before.iter().filter(|name| *name != HEAD) {
            self.values.remove(name)?;
        }
        Ok(())
    }

    /// Appends an entry, and writes the block that it fills.
    fn change(&mut self, changed: &Changed, sequence: u64) -> Result<(), LedgerError> {
        let Changed { name, before, after } = changed;
        if before == after {
            return Ok(());
        }
        let mut scratch = Vec::new();
        let written = &mut self.written;
        if let Some(before) = before {
            written.sum = written.sum.wrapping_sub(digest(name, before, &mut scratch));
            written.stand = written.stand.saturating_sub(1);
            written.actions = written.actions.saturating_sub(u64::from(matches!(before, Entry::Action(_))));
        }
        match (before, after) {
            (_, Some(after)) => {
                written.sum = written.sum.wrapping_add(digest(name, after, &mut scratch));
                written.stand += 1;
                written.actions += u64::from(matches!(after, Entry::Action(_)));
                encode(&mut self.last, name, after);
            }
            (Some(before), None) => encode_removal(&mut self.last, name, before),
            (None, None) => return Ok(()),
        }
        written.entries += 1;
        if self.last.len() >= BLOCK_BYTES {
            self.put_last(sequence)?;
            self.written.full += 1;
            self.written.entries_full = self.written.entries;
            self.last.clear();
        }
        Ok(())
    }

    fn put_last(&self, sequence: u64) -> Result<(), LedgerError> {
        let count = self.written.entries - self.written.entries_full;
        let name = name_of(self.written.generation, self.written.full);
        self.values.put(&name, &block(sequence, count, &self.last))
    }

    /// Writes the last block and the head.
    fn close(&mut self, head: Head) -> Result<(), LedgerError> {
        if !self.last.is_empty() {
            self.put_last(head.sequence)?;
        }
        self.written.head = Some(head);
        let mut value = vec![0; 1 + CHECKSUM];
        value = postcard::to_extend(&self.written, value)
            .map_err(|error| LedgerError::Index { reason: error.to_string() })?;
        self.values.put(HEAD, &sealed(value))
    }
}
