//! Finds a record of a segment by its sequence without reading all of it: records stand in the order of their sequences.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use super::super::super::record::sequence_of;
use super::find_record;
use super::zeros::Content;

/// A part of a segment that is read through rather than halved again, in bytes.
const WINDOW: u64 = 64 * 1024;

/// The line of the record `sequence` in `file`, without its line break.
///
/// # Errors
/// The file cannot be read, or has no such record.
pub(super) fn record(file: &File, sequence: u64) -> io::Result<Vec<u8>> {
    let content = Content::of(file)?;
    // The record begins at `low` or after it, and before `high`.
    let (mut low, mut high) = (0, content.end());
    while high - low > WINDOW {
        let middle = low + (high - low) / 2;
        match first_record(content.from(middle), middle)? {
            Some((begin, found)) if begin < high && found <= sequence => low = begin,
            _ => high = middle,
        }
    }
    find_record(BufReader::new(content.from(low)), sequence)
}

/// The first record that begins after `from`, where `lines` begins: its place and its sequence.
fn first_record(lines: Content<&File>, from: u64) -> io::Result<Option<(u64, u64)>> {
    let mut lines = BufReader::new(lines);
    let mut begin = from;
    let mut line = Vec::new();
    // The first line has its beginning cut off.
    begin += lines.read_until(b'\n', &mut line)? as u64;
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(None);
        }
        if let Some(sequence) = sequence_of(&line) {
            return Ok(Some((begin, sequence)));
        }
        begin += length as u64;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::super::super::super::record::{Event, Line, Tail, is_record, write_payload, write_record};
    use super::record;

    #[test]
    fn every_record_of_a_long_segment_is_found_and_no_other() {
        let mut bytes = Vec::new();
        let mut tail = Tail { sequence: 6, ..Tail::GENESIS };
        for number in 0..2_000_usize {
            if number % 3 == 0 {
                write_payload(&mut bytes, 1, 0, format!("\"{}\"", "x".repeat(number * 7 % 3_000)).as_bytes());
            }
            let line = Line { code: Some("c"), ..Line::new(Event::Read) };
            tail = write_record(&mut bytes, tail, 0, "2026-11-20T00:00:00.000Z", line).unwrap();
        }
        bytes.resize(bytes.len() + 300_000, 0);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        for sequence in 7..=tail.sequence {
            assert!(is_record(&record(&file, sequence).unwrap(), sequence));
        }
        for sequence in [0, 6, tail.sequence + 1, u64::MAX] {
            assert!(record(&file, sequence).is_err(), "{sequence}");
        }
    }
}
