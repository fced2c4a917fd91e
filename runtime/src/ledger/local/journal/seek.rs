//! Finds a record of a segment by its sequence without reading all of it: records stand in the order of their sequences, and
//! are about as long as each other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::super::super::action::PayloadAt;
use super::super::super::record::{is_record, payload_named, sequence_of};
use super::{Found, Near};

/// Bytes that are read at once where a record is expected.
const EXPECTED: usize = 2 * 1024;
/// A part of a segment that is read through rather than guessed again, in bytes.
const WINDOW: u64 = 32 * 1024;
/// Guesses after which the rest is halved instead: records need not be alike.
const GUESSES: u32 = 4;

/// A file from a place on. Reads past no other reader's place.
struct From<'f> {
    file: &'f File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Whole lines, up to the end or the zero bytes there.
pub(super) struct Lines<R> {
    from: R,
    /// The first byte of the next line.
    next: u64,
    line: Vec<u8>,
}

impl<'f> Lines<BufReader<From<'f>>> {
    fn of(file: &'f File, at: u64, buffer: usize) -> Self {
        Lines::new(BufReader::with_capacity(buffer, From { file, at }), at)
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of `from`, which begins at the byte `at`.
    pub(super) fn new(from: R, at: u64) -> Lines<R> {
        Lines { from, next: at, line: Vec::new() }
    }

    /// The next line without its line break, and its first byte.
    fn read(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if self.from.fill_buf()?.first().is_none_or(|byte| *byte == 0) {
            return Ok(None);
        }
        self.line.clear();
        let begin = self.next;
        self.next += self.from.read_until(b'\n', &mut self.line)? as u64;
        Ok(self.line.strip_suffix(b"\n").map(|line| (begin, line)))
    }

    /// The next record whose line begins here or later: its first byte and its sequence.
    fn record(&mut self) -> io::Result<Option<(u64, u64)>> {
        while let Some((begin, line)) = self.read()? {
            if let Some(sequence) = sequence_of(line) {
                return Ok(Some((begin, sequence)));
            }
        }
        Ok(None)
    }
}

/// The record `sequence` and its payload, if they are the next lines.
pub(super) fn here<R: BufRead>(lines: &mut Lines<R>, segment: u64, sequence: u64) -> io::Result<Option<Found>> {
    let mut payload = None;
    while let Some((begin, line)) = lines.read()? {
        if is_record(line, sequence) {
            let line = line.to_vec();
            let (begins, payload) = payload.map_or((begin, None), |(begin, at)| (begin, Some(at)));
            return Ok(Some(Found { line, begins, payload }));
        }
        match payload_named(line) {
            Some((hash, body, length)) if payload.is_none() => {
                payload = Some((begin, PayloadAt { segment, offset: begin + body, length, hash }));
            }
            _ => break,
        }
    }
    Ok(None)
}

/// The record `sequence` of the `segment` in `file`.
///
/// # Errors
/// The file cannot be read, or has no such record.
pub(super) fn find(file: &File, segment: u64, sequence: u64, near: Near) -> io::Result<Found> {
    if let Some(hint) = near.hint
        && let Some(found) = at(file, segment, sequence, hint)?
    {
        return Ok(found);
    }
    // A record with a sequence of at most that begins at `low` or later, and the wanted one not before it.
    let mut low = (0, segment);
    let mut high = match near.before.filter(|(later, _)| *later > sequence) {
        Some((later, begins)) => (begins, Some(later)),
        None => (file.metadata()?.len(), None),
    };
    let mut guesses = 0;
    loop {
        let span = high.0.saturating_sub(low.0);
        // What records take, on average.
        let each = high.1.map(|high_sequence| (span / high_sequence.saturating_sub(low.1).max(1)).max(1));
        let expected = each.map(|each| each.saturating_mul(sequence.saturating_sub(low.1)));
        if span <= WINDOW || expected.is_some_and(|expected| expected <= WINDOW / 2) {
            match through(file, segment, sequence, low.0, if span <= WINDOW { u64::MAX } else { WINDOW })? {
                Through::Found(found) => return Ok(found),
                Through::Missing => return Err(io::ErrorKind::NotFound.into()),
                Through::Before(begin, found) => low = (begin, found),
            }
            continue;
        }
        guesses += 1;
        let behind = each.filter(|_| guesses <= GUESSES).zip(high.1);
        let guess = match behind {
            // Rather too early than too late.
            Some((each, later)) => {
                high.0.saturating_sub(each.saturating_mul(later.saturating_sub(sequence))).saturating_sub(WINDOW / 4)
            }
            None => low.0 + span / 2,
        };
        let guess = guess.clamp(low.0 + 1, high.0.saturating_sub(1).max(low.0 + 1));
        let mut lines = Lines::of(file, guess, EXPECTED);
        // The first has its beginning cut off.
        lines.read()?;
        match lines.record()? {
            Some((begin, found)) if found < sequence => low = (begin, found),
            Some((_, found)) => high = (guess, Some(found)),
            None => high = (guess, None),
        }
    }
}

/// The record `sequence`, where it was once.
fn at(file: &File, segment: u64, sequence: u64, hint: u64) -> io::Result<Option<Found>> {
    let mut lines = Lines::of(file, hint.saturating_sub(1), EXPECTED);
    // Inside of a line, a caller may have chosen what stands there.
    if hint > 0 && lines.read()?.is_none_or(|(_, line)| !line.is_empty()) {
        return Ok(None);
    }
    here(&mut lines, segment, sequence)
}

enum Through {
    Found(Found),
    /// It would have come by now.
    Missing,
    /// So far, it was not there: the last record that was.
    Before(u64, u64),
}

/// Reads on from the first byte of a line, through about so many bytes.
fn through(file: &File, segment: u64, sequence: u64, from: u64, bytes: u64) -> io::Result<Through> {
    let mut lines = Lines::of(file, from, usize::try_from(WINDOW).unwrap_or(EXPECTED));
    // Where the lines of the next record begin.
    let mut begins = from;
    while let Some((begin, found)) = lines.record()? {
        if found == sequence {
            let found = here(&mut Lines::of(file, begins, EXPECTED), segment, sequence)?;
            return Ok(found.map_or(Through::Missing, Through::Found));
        }
        if found > sequence {
            return Ok(Through::Missing);
        }
        begins = lines.next;
        if begin > from && begins.saturating_sub(from) > bytes {
            return Ok(Through::Before(begin, found));
        }
    }
    Ok(Through::Missing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::super::super::super::record::{Event, Line, Tail, is_record, write_payload, write_record};
    use super::super::Near;
    use super::find;

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
        let mut before = None;
        for sequence in (7..=tail.sequence).rev() {
            let found = find(&file, 7, sequence, Near::default()).unwrap();
            assert!(is_record(&found.line, sequence));
            assert_eq!(found.payload.is_some(), (sequence - 7) % 3 == 0, "{sequence}");
            // With any hint, right or wrong, and from any later record.
            for hint in [Some(found.begins), Some(found.begins + 1), Some(0), Some(u64::from(u32::MAX))] {
                let again = find(&file, 7, sequence, Near { hint, before }).unwrap();
                assert_eq!((again.line == found.line, again.begins), (true, found.begins));
                assert_eq!(again.payload, found.payload);
            }
            if sequence % 500 == 0 {
                before = Some((sequence, found.begins));
            }
        }
        for sequence in [0, 6, tail.sequence + 1, u64::MAX] {
            assert!(find(&file, 7, sequence, Near::default()).is_err(), "{sequence}");
        }
    }

    /// What a caller chose, in the middle of a line, is no record.
    #[test]
    fn a_hint_into_a_result_finds_nothing_there() {
        let mut bytes = Vec::new();
        let tail = Tail { sequence: 6, ..Tail::GENESIS };
        let line = || Line { code: Some("c"), ..Line::new(Event::Read) };
        let mut forged = Vec::new();
        write_record(&mut forged, tail, 0, "2026-11-20T00:00:00.000Z", Line { code: Some("forged"), ..line() })
            .unwrap();
        write_payload(&mut bytes, 1, 0, forged.strip_suffix(b"\n").unwrap());
        let inside = bytes.windows(8).rposition(|bytes| bytes == b"{\"hash\":").unwrap() as u64;
        write_record(&mut bytes, tail, 0, "2026-11-20T00:00:00.000Z", line()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let found = find(&file, 7, 7, Near { hint: Some(inside), before: None }).unwrap();
        assert!(!String::from_utf8(found.line).unwrap().contains("forged"));
    }
}
