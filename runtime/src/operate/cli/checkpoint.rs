//! `safe-tool audit checkpoint`: the newest signed statement of how far each chain has come.

use super::Failed;
use super::output::Output;
use super::records::{segments_in, unreadable};
use crate::ledger::local::reader::{Segment, record_text};
use crate::ledger::{Checkpoint, Hash};
#[cfg(feature = "postgres")]
use crate::ledger::{Database, LedgerError};
use crate::operate::place::Place;
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::path::Path;

/// The members of a record that make a checkpoint.
#[derive(Deserialize)]
struct Signed {
    seq: u64,
    prev: Hash,
    at: String,
    event: String,
    log: Option<String>,
    signer: Option<String>,
    signature: Option<String>,
}

impl Signed {
    /// Reads the record in a line, if it can be read.
    fn read(line: &[u8]) -> Option<Signed> {
        let record = record_text(line).ok().flatten()?;
        serde_json::from_str(record).ok()
    }

    /// The checkpoint of the chain `log`.
    fn checkpoint(self, log: Option<String>) -> Result<Checkpoint, Failed> {
        let Signed { seq, prev, at, signer, signature, .. } = self;
        let (Some(log), Some(signer), Some(signature)) = (log, signer, signature) else {
            return Err(Failed::no("the newest checkpoint is incomplete; see `safe-tool audit verify`"));
        };
        let checkpoint = Checkpoint { log, sequence: seq.saturating_sub(1), hash: prev, at, signer, signature };
        if !checkpoint.is_signed() {
            return Err(Failed::no("the signature of the newest checkpoint is wrong; see `safe-tool audit verify`"));
        }
        Ok(checkpoint)
    }
}

pub(super) fn run(place: &Place, output: &mut Output) -> Result<(), Failed> {
    let checkpoints = match place {
        Place::Directory(directory) => vec![of_journal(directory)?],
        #[cfg(feature = "postgres")]
        Place::Database(url) => of_database(url.expose_secret())?,
    };
    for checkpoint in checkpoints {
        output.line(&serde_json::to_string(&checkpoint).map_err(Failed::unusable)?)?;
    }
    Ok(())
}

fn of_journal(directory: &Path) -> Result<Checkpoint, Failed> {
    let segments = segments_in(directory)?;
    // Newest first: the one that is wanted stands in the last segment, or in the one before.
    let mut newest = None;
    let mut log = None;
    for segment in segments.iter().rev() {
        each_signed(segment, &mut |record| {
            log = record.log.clone().or(log.take());
            if record.event == "checkpoint" {
                newest = Some(record);
            }
        })?;
        if newest.is_some() {
            break;
        }
    }
    let newest = newest.ok_or_else(none)?;
    if let (None, Some(first)) = (&log, segments.first()) {
        each_signed(first, &mut |record| log = log.take().or(record.log))?;
    }
    newest.checkpoint(log)
}

/// Gives the records of a segment to `each`, as far as they can be read.
fn each_signed(segment: &Segment, each: &mut dyn FnMut(Signed)) -> Result<(), Failed> {
    let mut lines = segment.lines().map_err(|error| unreadable(segment, &error))?;
    while let Some(line) = lines.read().map_err(|error| unreadable(segment, &error))? {
        if let Some(record) = Signed::read(line.bytes) {
            each(record);
        }
    }
    Ok(())
}

fn none() -> Failed {
    Failed::no("the journal has no checkpoint yet; the first one is written when a server starts")
}

/// One of each chain. A chain whose server ended before its first one has none.
#[cfg(feature = "postgres")]
fn of_database(url: &str) -> Result<Vec<Checkpoint>, Failed> {
    let database = Database::open(url)?;
    let mut checkpoints = Vec::new();
    for chain in database.chains()? {
        if let Some(newest) = newest(&database, &chain.log, chain.last)? {
            checkpoints.push(newest.checkpoint(Some(chain.log))?);
        }
    }
    if checkpoints.is_empty() { Err(none()) } else { Ok(checkpoints) }
}

/// The newest checkpoint of a chain that ends with the record `last`.
#[cfg(feature = "postgres")]
fn newest(database: &Database, log: &str, mut last: u64) -> Result<Option<Signed>, LedgerError> {
    loop {
        let lines = database.back(log, last)?;
        if lines.is_empty() {
            return Ok(None);
        }
        let mut read = lines.iter().filter_map(|line| Signed::read(line));
        if let Some(newest) = read.find(|record| record.event == "checkpoint") {
            return Ok(Some(newest));
        }
        // Where records are missing some are read twice, and all are read.
        last = last.saturating_sub(lines.len() as u64);
    }
}
