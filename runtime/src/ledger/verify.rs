//! Verification of a journal, by itself and against anchors.
//!
//! By itself a journal shows a change inside it, unless everything after the change was rewritten too, with checkpoints signed
//! anew. It cannot show that its end was cut off, or that it was rewritten as a whole: that takes an [`Anchor`].
//!
//! The stored index is compared with the journal too: the action of a key that is missing in the index could run twice.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::anchor::Anchor;
use super::chain::{Chain, Linked};
use super::checkpoint::Checkpoint;
use super::hash::Hash;
use super::local::compare::{self, Kept, Telling, Told};
use super::local::index::Difference;
use super::local::journal::recover::durable_of;
use super::local::reader::segments;
use super::record::{Event, FORMAT, Record, Tail};

/// The result of a verification: how much it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "rung", rename_all = "snake_case")]
pub enum Rung {
    /// The journal is consistent. One with a cut-off end, or one that was rewritten as a whole, would look the same.
    TailUnproven,
    /// Nothing is missing up to the last anchor; the records after it are consistent.
    Complete {
        /// Sequence of the anchored record.
        up_to: u64,
        /// Time at which the anchor was made, as RFC 3339.
        anchor_at: String,
        /// Records after it.
        behind: u64,
    },
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rung::TailUnproven => f.write_str("consistent, tail unproven"),
            Rung::Complete { up_to, anchor_at, behind: 0 } => {
                write!(f, "complete up to record {up_to}, the last (anchor of {anchor_at})")
            }
            Rung::Complete { up_to, anchor_at, behind } => write!(
                f,
                "complete up to record {up_to} (anchor of {anchor_at}); {behind} record{} after it {} consistent",
                if *behind == 1 { "" } else { "s" },
                if *behind == 1 { "is" } else { "are" },
            ),
        }
    }
}

/// The contents of a journal that verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Id of the journal.
    pub log: String,
    /// The extent of the proof.
    #[serde(flatten)]
    pub rung: Rung,
    /// Number of records.
    pub records: u64,
    /// Payloads that are there and match their hash.
    pub payloads: u64,
    /// Payloads that a record names and that are missing.
    pub missing_payloads: u64,
    /// Of the missing payloads, those that had not expired when the last record was written: retention did not remove them.
    pub lost_payloads: u64,
    /// Sequence of the last record.
    pub last_sequence: u64,
    /// Hash of the last record.
    pub last_hash: Hash,
    /// Time of the last record, as RFC 3339.
    pub last_at: String,
    /// The last record is a `close`. Otherwise the server runs, or ended without one.
    pub clean_close: bool,
    /// Opens that found that the server before had ended without a `close`.
    pub unclean_ends: u64,
    /// Bytes of unfinished records that servers cut when they started.
    pub cut_bytes: u64,
    /// Bytes after the last record that are no whole record: a running server is writing them, or a crash cut them off.
    pub unfinished_bytes: u64,
    /// Number of checkpoints; the signature of each was checked.
    pub checkpoints: u64,
    /// Sequence of the last record that a checkpoint signs; 0 when there is no checkpoint.
    pub signed_up_to: u64,
    /// The keys that signed, in order of appearance, as hex.
    pub signers: Vec<String>,
    /// Records that are dated earlier than a checkpoint before them: the clock was set back, or old records were inserted.
    pub backdated: u64,
    /// Sequence of the first of them.
    pub first_backdated: Option<u64>,
    /// The comparison of the index with the journal; `None` for a chain in a database, which has no separate index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexCheck>,
}

/// The result of comparing a ledger's index with its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "compared", rename_all = "snake_case")]
pub enum IndexCheck {
    /// It agrees with the journal.
    Agrees {
        /// Sequence of the last record that it has seen. A server reads those after it when it starts.
        up_to: u64,
    },
    /// There is no index: the next server that starts makes it from the journal.
    Absent,
    /// Not compared: a server uses it.
    InUse,
    /// Not compared: it cannot be opened. The next server that starts rebuilds it from the journal.
    Unreadable {
        /// The error.
        reason: String,
    },
}

/// The reason why a journal does not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no journal.
    #[error("there is no journal in {}", .path.display())]
    Missing {
        /// The place where it should be.
        path: PathBuf,
    },
    /// The first place that is not as it was written.
    #[error("broken at record {sequence}, {} line {line}: {reason}", .segment.display())]
    Broken {
        /// Sequence of the record that should stand there.
        sequence: u64,
        /// The segment.
        segment: PathBuf,
        /// The line in the segment, from 1.
        line: u64,
        /// The reason.
        reason: &'static str,
    },
    /// The journal ends before an anchored record: its end was cut, or an older copy stands in its place.
    #[error(
        "the journal ends at record {last}, and record {anchor} was anchored: its end was cut, or an older copy \
        was put in its place"
    )]
    EndsBefore {
        /// Sequence of the anchored record.
        anchor: u64,
        /// Sequence of the last record.
        last: u64,
    },
    /// Another record stands where the anchored one was: the journal was rewritten, or went on from an older copy.
    #[error(
        "record {anchor} is not the one that was anchored: the journal was rewritten, or went on from an older \
        copy"
    )]
    Rewritten {
        /// Sequence of the anchored record.
        anchor: u64,
    },
    /// The anchor is of another journal: this one was put in its place, or the anchor is the wrong one.
    #[error(
        "the anchor at record {anchor} is of another journal: this one was put in its place, or the anchor is \
        the wrong one"
    )]
    OtherLog {
        /// Sequence of the anchored record.
        anchor: u64,
    },
    /// The anchor is signed with a key that the journal does not announce.
    #[error(
        "the anchor at record {anchor} is signed with a key that the journal does not announce there: the \
        journal was written anew with another key, or the anchor is the wrong one"
    )]
    OtherSigner {
        /// Sequence of the anchored record.
        anchor: u64,
    },
    /// The journal is consistent, and the index does not agree with it.
    #[error("the index in {} does not say what the journal says: {reason}", .path.display())]
    Index {
        /// The directory of the index.
        path: PathBuf,
        /// Sequence of the first record whose action is wrong in the index, if it is known.
        sequence: Option<u64>,
        /// The difference.
        reason: String,
    },
}

impl VerifyError {
    /// True if the journal contradicts an anchor, even if it is consistent by itself.
    #[must_use]
    pub fn contradicts_anchor(&self) -> bool {
        match self {
            VerifyError::Io { .. }
            | VerifyError::Missing { .. }
            | VerifyError::Broken { .. }
            | VerifyError::Index { .. } => false,
            VerifyError::EndsBefore { .. }
            | VerifyError::Rewritten { .. }
            | VerifyError::OtherLog { .. }
            | VerifyError::OtherSigner { .. } => true,
        }
    }
}

/// Verifies the journal of the ledger in `directory` by itself; see [`Verification`].
///
/// # Errors
/// As [`Verification::run`], without anchors.
pub fn verify(directory: &Path) -> Result<Report, VerifyError> {
    Verification::default().run(directory, &mut |_| {})
}

/// The anchors and signers that a journal is verified against.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    pub(super) anchors: Vec<Anchor>,
    pub(super) signers: Vec<String>,
}

impl Verification {
    /// Adds anchors, which the journal must hold.
    #[must_use]
    pub fn anchors(mut self, anchors: impl IntoIterator<Item = Anchor>) -> Verification {
        self.anchors.extend(anchors);
        self.anchors.sort_by_key(Anchor::sequence);
        self
    }

    /// Adds public keys (hex), of which every signature must use one; without any, the keys that the journal names are trusted.
    #[must_use]
    pub fn signers(mut self, signers: impl IntoIterator<Item = String>) -> Verification {
        self.signers.extend(signers);
        self
    }

    /// Walks the journal of the ledger in `directory` and tells `progress` how many bytes it has read.
    ///
    /// Checks each line's hash, each link, that the sequence has no gaps, each checkpoint's signature and each anchor, and then
    /// compares the index, unless a server uses it. Changes nothing, so a server may run meanwhile: unfinished bytes after the
    /// last whole record are not judged. The index is copied to the directory for temporary files.
    ///
    /// # Errors
    /// [`VerifyError::Broken`] for the first place that is not as it was written; [`VerifyError::Index`] when the index does not
    /// agree; [`VerifyError::Io`] or [`VerifyError::Missing`] when the ledger cannot be read; any other for the first anchor that
    /// the journal contradicts.
    pub fn run(&self, directory: &Path, progress: &mut dyn FnMut(u64)) -> Result<Report, VerifyError> {
        let segments = segments(directory).map_err(|(path, source)| VerifyError::Io { path, source })?;
        let Some(last) = segments.last().map(|segment| segment.first) else {
            return Err(VerifyError::Missing { path: directory.join("journal") });
        };
        let mut walk = Walk::new(self, "");
        let index = directory.join("index");
        let unread = |source| VerifyError::Io { path: index.clone(), source };
        let kept = compare::read(directory).map_err(unread)?;
        let told = Told::of(directory).map_err(unread)?;
        let mut telling = match &kept {
            Kept::Whole(_, head) => Some(told.up_to(head)),
            _ => None,
        };
        let mut astray = None;
        let mut read = 0;
        for segment in &segments {
            let io = |source| VerifyError::Io { path: segment.path.clone(), source };
            let broken = |sequence, line, reason| {
                let segment = segment.path.clone();
                VerifyError::Broken { sequence, segment, line, reason }
            };
            let last = segment.first == last;
            if segment.first != walk.next_sequence() {
                return Err(broken(walk.next_sequence(), 1, "the segment before is missing or incomplete"));
            }
            let mut lines = segment.lines().map_err(io)?;
            let (mut number, mut recorded, mut end) = (0, 0, 0);
            // The line at which an incomplete batch begins.
            let mut unfinished = None;
            while let Some(line) = lines.read().map_err(io)? {
                let next = walk.next_sequence();
                number = line.number;
                end = line.end;
                if !line.whole {
                    if !last {
                        return Err(broken(next, number, "the line is incomplete"));
                    }
                    unfinished = unfinished.or(Some(number));
                }
                match unfinished {
                    // The server that wrote this line knew that the batch was synced as a whole.
                    Some(hole) if durable_of(line.bytes) >= next => {
                        return Err(broken(next, hole, "the line is incomplete, and a later record knows it whole"));
                    }
                    Some(_) => {}
                    None => {
                        let taken = walk.take(segment.first, line.offset, line.bytes);
                        let taken = taken.map_err(|wrong| match wrong {
                            Wrong::Broken(reason) => broken(next, number, reason),
                            Wrong::Anchor(error) => error,
                        })?;
                        if let Some(record) = taken {
                            recorded = end;
                            if let Some(telling) = telling.as_mut().filter(|_| astray.is_none()) {
                                astray = telling.record(record, walk.tail()).err();
                            }
                        }
                    }
                }
                progress(read + end);
            }
            if walk.chain.waits() && !last {
                return Err(broken(walk.next_sequence(), number, "the payload has no record"));
            }
            walk.report.unfinished_bytes = end - recorded;
            read += end;
        }
        let fits = telling.is_none_or(Telling::end);
        let mut report = walk.end()?;
        let differs = |sequence, reason| VerifyError::Index { path: index.clone(), sequence, reason };
        report.index = Some(match kept {
            Kept::Absent => IndexCheck::Absent,
            Kept::InUse => IndexCheck::InUse,
            Kept::Unreadable(reason) => IndexCheck::Unreadable { reason },
            Kept::Damaged(reason) => return Err(differs(None, reason.to_owned())),
            Kept::Whole(..) if astray.is_some() => {
                let reason = astray.map_or_else(String::new, |error| error.to_string());
                return Err(differs(None, reason));
            }
            Kept::Whole(_, head) if !fits => {
                let reason = format!(
                    "it has seen record {}, which the journal does not have or has otherwise: the end of the journal was \
                     cut, or it is another journal",
                    head.sequence
                );
                return Err(differs(Some(head.sequence), reason));
            }
            Kept::Whole(kept, head) => match told.differs(&kept, &head) {
                Difference { record: None, slots: 0, .. } => IndexCheck::Agrees { up_to: head.sequence },
                Difference { record: Some(record), actions, .. } => {
                    let reason = format!(
                        "{actions} of its actions are other ones or missing, the first is that of record {record}"
                    );
                    return Err(differs(Some(record), reason));
                }
                Difference { record: None, slots, .. } => {
                    return Err(differs(None, format!("it has other actions on {slots} subjects")));
                }
            },
        });
        Ok(report)
    }
}

/// The reason why a walk stops.
pub(super) enum Wrong {
    /// The line is not as it was written, for this reason.
    Broken(&'static str),
    /// The chain contradicts an anchor.
    Anchor(VerifyError),
}

impl From<&'static str> for Wrong {
    fn from(reason: &'static str) -> Wrong {
        Wrong::Broken(reason)
    }
}

/// The walk along one chain, in files or in a database.
pub(super) struct Walk<'a> {
    asked: &'a Verification,
    chain: Chain,
    report: Report,
    /// Number of anchors that were found in the chain.
    met: usize,
    durable: u64,
    epoch: u64,
    /// The last record was a `close`.
    closed: bool,
    /// The key that the last `open` announced.
    signer: Option<String>,
    /// Payloads that are missing: the segment, and the time at which they expire.
    missing: Vec<(u64, u64)>,
    /// First sequence of the segment up to which retention has come.
    swept: u64,
    /// Time of the last record, in ms since 1970.
    at_ms: u64,
    /// The time of the last checkpoint.
    signed_at: Option<Timestamp>,
}

impl<'a> Walk<'a> {
    /// A walk along the chain `log`; if that is empty, the first record names the chain.
    pub(super) fn new(asked: &'a Verification, log: &str) -> Walk<'a> {
        let report = Report {
            log: log.to_owned(),
            rung: Rung::TailUnproven,
            records: 0,
            payloads: 0,
            missing_payloads: 0,
            lost_payloads: 0,
            last_sequence: 0,
            last_hash: Hash::ZERO,
            last_at: String::new(),
            clean_close: false,
            unclean_ends: 0,
            cut_bytes: 0,
            unfinished_bytes: 0,
            checkpoints: 0,
            signed_up_to: 0,
            signers: Vec::new(),
            backdated: 0,
            first_backdated: None,
            index: None,
        };
        let chain = Chain::from(1);
        Walk {
            asked,
            chain,
            report,
            met: 0,
            durable: 0,
            epoch: 0,
            closed: false,
            signer: None,
            missing: Vec::new(),
            swept: 0,
            at_ms: 0,
            signed_at: None,
        }
    }

    /// The sequence that the next record must have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.chain.next_sequence()
    }

    /// The last record.
    pub(super) fn tail(&self) -> Tail {
        Tail { sequence: self.report.last_sequence, hash: self.report.last_hash }
    }

    /// Takes a whole line; `None` for a payload.
    ///
    /// # Errors
    /// [`Wrong`] when the line is not as it was written, or the chain contradicts an anchor.
    pub(super) fn take(&mut self, segment: u64, offset: u64, line: &[u8]) -> Result<Option<Box<Record>>, Wrong> {
        let before = self.report.last_hash;
        let Some(linked) = self.chain.take(segment, offset, line)? else { return Ok(None) };
        let Linked { record, tail, payload } = linked;
        self.report.records += 1;
        self.report.payloads += u64::from(payload.is_some());
        if payload.is_none() && record.payload.is_some() {
            self.missing.push((segment, record.expires.unwrap_or(u64::MAX)));
        }
        self.swept = self.swept.max(record.swept.unwrap_or(0));
        self.at_ms = self.at_ms.max(record.at_ms()?);
        self.report.last_sequence = tail.sequence;
        self.report.last_hash = tail.hash;
        self.in_order(&record)?;
        match record.event {
            Event::Open => self.open(&record)?,
            Event::Checkpoint => self.checkpoint(&record, before)?,
            Event::Started if record.epoch != Some(self.epoch) => {
                return Err("it was started by a server that was not open there".into());
            }
            _ => {}
        }
        self.closed = record.event == Event::Close;
        record.at.clone_into(&mut self.report.last_at);
        self.anchored().map_err(Wrong::Anchor)?;
        Ok(Some(record))
    }

    /// Checks the members that only grow along a journal: an old record that was chained anew at a later place breaks this order.
    fn in_order(&mut self, record: &Record) -> Result<(), &'static str> {
        if record.seq == 1 && record.event != Event::Open {
            return Err("the journal does not begin with an `open` record");
        }
        if record.durable < self.durable || record.durable >= record.seq {
            return Err("it knows another part of the journal to be synced than stands before it");
        }
        self.durable = record.durable;
        let at: Timestamp = record.at.parse().map_err(|_| "the time cannot be read")?;
        if self.signed_at.is_some_and(|signed| at < signed) {
            self.report.backdated += 1;
            self.report.first_backdated.get_or_insert(record.seq);
        }
        Ok(())
    }

    fn open(&mut self, record: &Record) -> Result<(), &'static str> {
        if record.format != Some(FORMAT) {
            return Err("the format is unknown");
        }
        let log = record.log.as_deref().ok_or("it does not say which journal it is")?;
        if self.report.log.is_empty() {
            log.clone_into(&mut self.report.log);
        } else if log != self.report.log {
            return Err("it is of another journal");
        }
        if record.epoch.is_none_or(|epoch| epoch <= self.epoch) {
            return Err("its epoch is not behind the one before");
        }
        self.epoch = record.epoch.unwrap_or(self.epoch);
        match record.tail {
            Some(found) if found.clean && !self.closed => return Err("it found a clean end where there is none"),
            Some(found) => {
                self.report.unclean_ends += u64::from(!found.clean);
                self.report.cut_bytes += found.cut;
            }
            None if record.seq > 1 => return Err("it does not name the tail it found"),
            None => {}
        }
        match &record.signer {
            Some(signer) if !self.may_sign(signer) => return Err("its signing key is none of the given signers"),
            None if !self.asked.signers.is_empty() => return Err("it names no signing key"),
            Some(signer) if !self.report.signers.contains(signer) => self.report.signers.push(signer.clone()),
            _ => {}
        }
        self.signer.clone_from(&record.signer);
        Ok(())
    }

    fn may_sign(&self, signer: &str) -> bool {
        self.asked.signers.is_empty() || self.asked.signers.iter().any(|asked| asked == signer)
    }

    /// Checks a checkpoint: it signs the record before it, whose hash is `before`, with the key that the last `open` announced.
    fn checkpoint(&mut self, record: &Record, before: Hash) -> Result<(), &'static str> {
        let (Some(signer), Some(signature)) = (&record.signer, &record.signature) else {
            return Err("the checkpoint is not signed");
        };
        if self.signer.as_ref() != Some(signer) {
            return Err("the checkpoint is signed with a key that was not announced");
        }
        let checkpoint = Checkpoint {
            log: self.report.log.clone(),
            sequence: record.seq - 1,
            hash: before,
            at: record.at.clone(),
            signer: signer.clone(),
            signature: signature.clone(),
        };
        if !checkpoint.is_signed() {
            return Err("the signature of the checkpoint is wrong");
        }
        self.report.checkpoints += 1;
        self.report.signed_up_to = checkpoint.sequence;
        self.signed_at = record.at.parse().ok();
        Ok(())
    }

    /// Compares the last record with the anchors of its sequence.
    fn anchored(&mut self) -> Result<(), VerifyError> {
        while let Some(anchor) = self.asked.anchors.get(self.met) {
            let sequence = anchor.sequence();
            if anchor.log() != self.report.log {
                return Err(VerifyError::OtherLog { anchor: sequence });
            }
            if sequence > self.report.last_sequence {
                return Ok(());
            }
            if sequence < self.report.last_sequence || anchor.hash() != self.report.last_hash {
                return Err(VerifyError::Rewritten { anchor: sequence });
            }
            let at = match anchor.signed() {
                Some((_, signer)) if self.signer.as_deref() != Some(signer) => {
                    return Err(VerifyError::OtherSigner { anchor: sequence });
                }
                Some((at, _)) => at,
                None => &self.report.last_at,
            };
            self.report.rung = Rung::Complete { up_to: sequence, anchor_at: at.to_owned(), behind: 0 };
            self.met += 1;
        }
        Ok(())
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// [`VerifyError::EndsBefore`] when an anchored record is missing.
    pub(super) fn end(mut self) -> Result<Report, VerifyError> {
        let last = self.report.last_sequence;
        if let Some(anchor) = self.asked.anchors.get(self.met) {
            return Err(VerifyError::EndsBefore { anchor: anchor.sequence(), last });
        }
        if let Rung::Complete { up_to, behind, .. } = &mut self.report.rung {
            *behind = last - *up_to;
        }
        self.report.missing_payloads = self.missing.len() as u64;
        // Retention rewrites a segment before it records that. After a crash between the two, the expiry time decides.
        let lost = |(segment, expires_ms): &&(u64, u64)| *segment >= self.swept && *expires_ms > self.at_ms;
        self.report.lost_payloads = self.missing.iter().filter(lost).count() as u64;
        self.report.clean_close = self.closed && self.report.unfinished_bytes == 0;
        Ok(self.report)
    }
}
