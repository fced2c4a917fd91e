//! The lines of a journal in order, one at a time: reading all of it takes no more memory than its longest line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

#[cfg(feature = "cli")]
use super::super::{
    error::LedgerError,
    record::{Parsed, parse},
    redact::Redactor,
};
use super::journal::file::{segment_path, segments as firsts};
use super::journal::zeros::Content;

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;

/// One file of the journal.
pub(crate) struct Segment {
    /// Sequence of its first record, by its name.
    pub(crate) first: u64,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The segments of the ledger in `directory`, ascending; none when there is no journal.
///
/// Fails with the directory that cannot be read.
pub(crate) fn segments(directory: &Path) -> Result<Vec<Segment>, (PathBuf, io::Error)> {
    let journal = directory.join("journal");
    let firsts = firsts(&journal).map_err(|error| (journal.clone(), error))?;
    Ok(firsts.into_iter().map(|first| Segment { first, path: segment_path(&journal, first) }).collect())
}

impl Segment {
    /// Its lines from the first on, as far as they are written when it begins.
    pub(crate) fn lines(&self) -> io::Result<Lines> {
        let file = BufReader::with_capacity(BUFFER, Content::of(File::open(&self.path)?)?);
        Ok(Lines { file, line: Vec::new(), next: 0, number: 0 })
    }
}

/// The lines of one segment.
pub(crate) struct Lines {
    file: BufReader<Content<File>>,
    line: Vec<u8>,
    next: u64,
    number: u64,
}

/// One line of a segment.
pub(crate) struct LineAt<'a> {
    /// Its first byte in the segment.
    pub(crate) offset: u64,
    /// Which line of the segment it is, from 1.
    pub(crate) number: u64,
    /// The line without its line break.
    pub(crate) bytes: &'a [u8],
    /// It has a line break, and no zero byte: those are where a batch is not written yet, or did not reach the disk.
    pub(crate) whole: bool,
    /// The first byte behind it and its line break.
    pub(crate) end: u64,
}

impl Lines {
    /// The next line; `None` at the end.
    pub(crate) fn read(&mut self) -> io::Result<Option<LineAt<'_>>> {
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        let offset = self.next;
        self.next += read as u64;
        self.number += 1;
        let (bytes, whole) = match self.line.strip_suffix(b"\n") {
            Some(bytes) => (bytes, !bytes.contains(&0)),
            None => (self.line.as_slice(), false),
        };
        Ok(Some(LineAt { offset, number: self.number, bytes, whole, end: self.next }))
    }
}

/// The text of the record in `line`, whose hash was checked; `None` for a payload.
///
/// Fails with a reason. Whether the record stands in its place is for [`verify`](super::verify()) to say.
#[cfg(feature = "cli")]
pub(crate) fn record_text(line: &[u8]) -> Result<Option<&str>, &'static str> {
    match parse(line)? {
        Parsed::Record(..) => std::str::from_utf8(line).map(Some).map_err(|_| "the record is not Unicode"),
        Parsed::Payload(..) => Ok(None),
    }
}

/// The key with which the ledger in `directory` hides values.
#[cfg(feature = "cli")]
pub(crate) fn redactor(directory: &Path) -> Result<Redactor, LedgerError> {
    let path = directory.join("redact.key");
    let key = std::fs::read(&path).map_err(LedgerError::io("read", &path))?;
    Redactor::new(&key).ok_or(LedgerError::RedactKey { path })
}
