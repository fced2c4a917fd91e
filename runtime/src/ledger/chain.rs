//! The hash chain of a journal: checks that each line belongs at its place. Recovery and verification read journals with this.

use super::action::PayloadAt;
use super::hash::Hash;
use super::record::{Parsed, Record, Tail, parse};

/// The state of a walk along a journal: the last record, and the payload that waits for its record.
#[derive(Clone)]
pub(super) struct Chain {
    sequence: u64,
    /// `None` where the walk begins in the middle and the record before was not read.
    hash: Option<Hash>,
    waiting: Option<PayloadAt>,
}

/// A record in its place, with the payload before it.
pub(super) struct Linked {
    pub(super) record: Box<Record>,
    pub(super) tail: Tail,
    pub(super) payload: Option<PayloadAt>,
}

impl Chain {
    /// A walk from the record `first`, whose link to its predecessor is not checked.
    pub(super) fn from(first: u64) -> Chain {
        Chain {
            sequence: first.saturating_sub(1),
            hash: if first == 1 { Some(Hash::ZERO) } else { None },
            waiting: None,
        }
    }

    /// The sequence that the next record must have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    /// True when a payload was read and its record was not.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes the line at `offset` of `segment`: a record in its place, or `None` for a payload line.
    ///
    /// # Errors
    /// The reason why the line does not belong here; the walk cannot go on then.
    pub(super) fn take(&mut self, segment: u64, offset: u64, line: &[u8]) -> Result<Option<Linked>, &'static str> {
        let (record, hash) = match parse(line)? {
            Parsed::Payload(..) if self.waiting.is_some() => return Err("the payload before has no record"),
            Parsed::Payload(hash, body_at, body) => {
                let offset = offset + body_at as u64;
                self.waiting = Some(PayloadAt { segment, offset, length: body.len() as u64, hash });
                return Ok(None);
            }
            Parsed::Record(record, hash) => (record, hash),
        };
        if record.seq != self.next_sequence() {
            return Err("the sequence has a gap or a repetition");
        }
        if self.hash.is_some_and(|expected| expected != record.prev) {
            return Err("the record before is not the one it names");
        }
        if record.tail.is_some_and(|found| found.sequence != self.sequence || found.hash != record.prev) {
            return Err("the tail it found is not the record before");
        }
        let payload = self.waiting.take();
        if payload.as_ref().is_some_and(|payload| record.payload != Some(payload.hash)) {
            return Err("the payload before is not the one it names");
        }
        self.sequence = record.seq;
        self.hash = Some(hash);
        Ok(Some(Linked { tail: Tail { sequence: record.seq, hash }, record, payload }))
    }
}

/// The lines of a segment: the byte at which each starts, its text, and `false` for a last line without a line break.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8], bool)> {
    let mut offset = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = offset;
        offset += line.len() as u64;
        match line.strip_suffix(b"\n") {
            Some(whole) => (start, whole, true),
            None => (start, line, false),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::hash::Hash;
    use super::super::record::{Event, Line, Tail, TailFound, write_record};
    use super::Chain;

    const FIRST: Tail = Tail { sequence: 1, hash: Hash([9; 32]) };

    /// The result for a record after [`FIRST`] that was written after `tail` and found `found`.
    fn take(tail: Tail, found: Option<Tail>) -> Result<(), &'static str> {
        let mut chain = Chain { sequence: FIRST.sequence, hash: Some(FIRST.hash), waiting: None };
        let found = found.map(|Tail { sequence, hash }| TailFound { sequence, hash, clean: true, cut: 0 });
        let mut bytes = Vec::new();
        let line = Line { tail: found, ..Line::new(Event::Open) };
        write_record(&mut bytes, tail, 0, "2026-11-20T00:00:00.000Z", line).unwrap();
        chain.take(1, 0, bytes.strip_suffix(b"\n").unwrap()).map(drop)
    }

    #[test]
    fn sequence_link_and_found_tail_count_each_on_its_own() {
        let (other_sequence, other_hash) = (Tail { sequence: 2, ..FIRST }, Tail { hash: Hash::ZERO, ..FIRST });
        assert_eq!(take(FIRST, None), Ok(()));
        assert_eq!(take(FIRST, Some(FIRST)), Ok(()));
        assert!(take(other_sequence, None).unwrap_err().contains("gap"));
        assert!(take(other_hash, None).unwrap_err().contains("record before"));
        assert!(take(FIRST, Some(other_sequence)).unwrap_err().contains("tail"));
        assert!(take(FIRST, Some(other_hash)).unwrap_err().contains("tail"));
    }
}
