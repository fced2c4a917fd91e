//! Writes journals line by line, honest ones and forged ones: whoever forges has everything but the signing key.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::super::checkpoint::{Checkpoint, KEY_BYTES, Signer};
use super::super::hash::Hash;
use super::super::record::{Event, FORMAT, Line, Tail, TailFound, write_payload, write_record};
use super::super::{Entry, Receipt};
use super::{entry, key};

/// A journal as it is written.
#[derive(Clone)]
pub(super) struct Scribe {
    /// First sequence and bytes of each segment.
    segments: Vec<(u64, Vec<u8>)>,
    pub(super) log: String,
    /// Each byte of the signing key.
    signs: u8,
    tail: Tail,
    pub(super) durable: u64,
    pub(super) epoch: u64,
    pub(super) closed: bool,
    minute: u64,
    /// The checkpoints so far.
    pub(super) checkpoints: Vec<Checkpoint>,
}

impl Scribe {
    /// A journal that was just made and opened.
    pub(super) fn new(log: &str, signs: u8) -> Scribe {
        let mut scribe = Scribe::empty(log, signs);
        scribe.open();
        scribe
    }

    /// A journal without a record.
    pub(super) fn empty(log: &str, signs: u8) -> Scribe {
        Scribe {
            segments: vec![(1, Vec::new())],
            log: log.to_owned(),
            signs,
            tail: Tail::GENESIS,
            durable: 0,
            epoch: 0,
            closed: false,
            minute: 0,
            checkpoints: Vec::new(),
        }
    }

    fn signer(&self) -> Signer {
        Signer::new(&[self.signs; KEY_BYTES]).unwrap()
    }

    /// The key that signs, as hex.
    pub(super) fn public(&self) -> String {
        self.signer().public()
    }

    /// The key is another from the next open on.
    pub(super) fn signs_with(&mut self, signs: u8) {
        self.signs = signs;
    }

    /// The next records are dated this many minutes after the first.
    pub(super) fn at_minute(&mut self, minute: u64) {
        self.minute = minute;
    }

    /// The time of the next record.
    fn at(&self) -> String {
        let first: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        format!("{:.3}", first + SignedDuration::from_mins(i64::try_from(self.minute + 1).unwrap()))
    }

    /// Appends a record.
    pub(super) fn write(&mut self, line: Line<'_>) -> Receipt {
        let at = self.at();
        self.minute += 1;
        let event = line.event;
        let (_, bytes) = self.segments.last_mut().unwrap();
        self.tail = write_record(bytes, self.tail, self.durable, &at, line).unwrap();
        self.durable = self.tail.sequence;
        self.closed = event == Event::Close;
        self.receipt()
    }

    /// The last record.
    pub(super) fn receipt(&self) -> Receipt {
        Receipt { log: self.log.clone(), sequence: self.tail.sequence, hash: self.tail.hash }
    }

    /// A server opens it.
    pub(super) fn open(&mut self) {
        self.epoch += 1;
        let (log, signer) = (self.log.clone(), self.public());
        let Tail { sequence, hash } = self.tail;
        let tail = (sequence > 0).then_some(TailFound { sequence, hash, clean: self.closed, cut: 0 });
        let line = Line::new(Event::Open);
        let (format, epoch) = (Some(FORMAT), Some(self.epoch));
        self.write(Line { log: Some(&log), format, epoch, tail, signer: Some(&signer), ..line });
    }

    /// An action runs from its intent to its outcome.
    pub(super) fn action(&mut self, name: &str) -> Receipt {
        let who: Entry = entry(name);
        let (epoch, digest) = (Some(self.epoch), Some(Hash::of(name.as_bytes())));
        let started = self.write(Line { key: Some(key(name)), digest, epoch, ..Line::of(Event::Started, &who) });
        let payload = self.payload(&format!("{{\"of\":\"{name}\"}}"));
        self.write(Line {
            key: Some(key(name)),
            code: Some("ok"),
            supersedes: Some(started.sequence),
            payload: Some(payload),
            ..Line::of(Event::Completed, &who)
        })
    }

    /// Appends a payload line, and gives its name.
    pub(super) fn payload(&mut self, body: &str) -> Hash {
        let (first, bytes) = self.segments.last_mut().unwrap();
        let offset = bytes.len() as u64;
        write_payload(bytes, *first, offset, body.as_bytes()).hash
    }

    /// A call is refused.
    pub(super) fn refusal(&mut self, call: &str) -> Receipt {
        let who = entry(call);
        self.write(Line {
            code: Some("denied"),
            gate: Some("policy"),
            times: Some(1),
            ..Line::of(Event::Refused, &who)
        })
    }

    /// The record before is signed.
    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        let checkpoint = self.signer().sign(&self.log, self.tail, &self.at());
        self.write_checkpoint(&checkpoint);
        self.checkpoints.push(checkpoint.clone());
        checkpoint
    }

    /// A checkpoint record with the signature of another place.
    pub(super) fn write_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let line = Line::new(Event::Checkpoint);
        self.write(Line { signer: Some(&checkpoint.signer), signature: Some(&checkpoint.signature), ..line });
    }

    /// The server closes it.
    pub(super) fn close(&mut self) {
        self.checkpoint();
        self.write(Line::new(Event::Close));
    }

    /// The next record begins a segment.
    pub(super) fn rotate(&mut self) {
        self.segments.push((self.tail.sequence + 1, Vec::new()));
    }

    /// The segments, as files are named and filled.
    pub(super) fn files(&self) -> &[(u64, Vec<u8>)] {
        &self.segments
    }

    /// Puts the journal into the ledger `directory`, in the place of what was there.
    pub(super) fn save(&self, directory: &Path) {
        save(directory, &self.segments);
    }
}

/// Puts these segments into the ledger `directory`, in the place of what was there.
pub(super) fn save(directory: &Path, segments: &[(u64, Vec<u8>)]) {
    let journal = directory.join("journal");
    if journal.exists() {
        fs::remove_dir_all(&journal).unwrap();
    }
    fs::create_dir_all(&journal).unwrap();
    for (first, bytes) in segments {
        fs::write(journal.join(format!("{first:020}.jsonl")), bytes).unwrap();
    }
}
