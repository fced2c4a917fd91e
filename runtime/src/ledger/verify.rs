//! Whether a journal is the one that was written, as far as the journal alone can show.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{error, fs, io};

use super::chain::{Chain, lines};
use super::hash::Hash;
use super::journal::file::{segment_path, segments};
use super::record::{Event, FORMAT};

/// What a journal without a break holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Records.
    pub records: u64,
    /// Payloads that are there and match their name.
    pub payloads: u64,
    /// Payloads that a record names and that are not there.
    pub missing_payloads: u64,
    /// Sequence of the last record.
    pub last_sequence: u64,
    /// Hash of the last record: compare it with a receipt held elsewhere.
    pub last_hash: Hash,
    /// The last record is a `close`. Otherwise the server runs, or ended without one.
    pub clean_close: bool,
    /// How much this shows: without an anchor elsewhere a cut tail, or a journal rewritten as a whole, looks the same.
    pub rung: &'static str,
}

/// Why a journal does not verify.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file could not be read.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no journal.
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The first place that is not as it was written.
    Broken {
        /// Sequence of the record that should stand there.
        sequence: u64,
        /// The segment.
        segment: PathBuf,
        /// The line in the segment, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Io { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            VerifyError::Missing { path } => write!(f, "there is no journal in {}", path.display()),
            VerifyError::Broken { sequence, segment, line, reason } => {
                write!(f, "broken at record {sequence}, {} line {line}: {reason}", segment.display())
            }
        }
    }
}

impl error::Error for VerifyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            VerifyError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Walks the journal of the ledger in `directory`: every line's hash, every link, the sequence without gaps.
///
/// Takes no lock and changes nothing. A last line that a running server is just writing, or that a crash cut short, is
/// reported as a break.
pub fn verify(directory: &Path) -> Result<Report, VerifyError> {
    let journal = directory.join("journal");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| VerifyError::Io { path, source }
    };
    let firsts = segments(&journal).map_err(io(&journal))?;
    if firsts.is_empty() {
        return Err(VerifyError::Missing { path: journal });
    }
    let mut chain = Chain::from(1);
    let mut report = Report {
        records: 0,
        payloads: 0,
        missing_payloads: 0,
        last_sequence: 0,
        last_hash: Hash::ZERO,
        clean_close: false,
        rung: "consistent, tail unproven",
    };
    for first in firsts {
        let path = segment_path(&journal, first);
        let mut number = 0;
        let broken = |sequence, line, reason| VerifyError::Broken { sequence, segment: path.clone(), line, reason };
        if first != chain.next_sequence() {
            return Err(broken(chain.next_sequence(), 1, "the segment before is missing or incomplete"));
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        for (offset, line, whole) in lines(&bytes) {
            number += 1;
            let next = chain.next_sequence();
            if !whole {
                return Err(broken(next, number, "the line is incomplete"));
            }
            let linked = chain.take(first, offset, line).map_err(|reason| broken(next, number, reason))?;
            let Some(linked) = linked else { continue };
            if linked.record.format.is_some_and(|format| format != FORMAT) {
                return Err(broken(next, number, "the format is unknown"));
            }
            report.records += 1;
            report.payloads += u64::from(linked.payload.is_some());
            report.missing_payloads += u64::from(linked.payload.is_none() && linked.record.payload.is_some());
            report.last_sequence = linked.tail.sequence;
            report.last_hash = linked.tail.hash;
            report.clean_close = linked.record.event == Event::Close;
        }
        if chain.waits() {
            return Err(broken(chain.next_sequence(), number, "the payload has no record"));
        }
    }
    Ok(report)
}
