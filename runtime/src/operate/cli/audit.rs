//! `safe-tool audit`: read the journal.

use super::output::Output;
use super::{Failed, verify};
use crate::ledger::reader::{LineAt, Segment, record_text, segments};
use crate::ledger::{Checkpoint, Hash};
use crate::operate::filter::Filter;
use crate::operate::place::Place;
use crate::operate::row::Row;
use crate::operate::{cef, ocsf, text};
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Lines that are named when they cannot be read; of more, only the number is told.
const MOST_NAMED: u64 = 20;

#[derive(Subcommand)]
pub(super) enum Audit {
    Verify(verify::Arguments),
    /// Print the newest checkpoint, to be copied elsewhere
    ///
    /// One JSON line: `log`, `sequence` and `hash` of the record that is signed, `at`, `signer`, `signature`. Kept where
    /// whoever can write to the ledger cannot, it is an anchor for `audit verify`. Checkpoints are written every 1,000
    /// records, every minute while there is anything new, every 10 minutes otherwise, and when a server starts and ends.
    Checkpoint {
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Show records, the newest last
    ///
    /// Arguments are shown as they are stored: sensitive ones and free text as `hmac:v1:..`, which `safe-tool hash` finds
    /// again.
    Show {
        #[command(flatten)]
        ledger: Ledger,
        /// Print records as they are stored
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        filter: Filter,
    },
    /// Export records to a SIEM
    ///
    /// One event a line, to stdout. Export with `--since` what is new, or all of it: one version of this command makes the same
    /// event of the same record every time.
    Export {
        #[command(flatten)]
        ledger: Ledger,
        /// What each line is
        #[arg(long)]
        format: Format,
        #[command(flatten)]
        filter: Filter,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// The record as it is stored, one JSON object
    Jsonl,
    /// OCSF 1.9.0, class 6003 API Activity, chained by the profile `record_integrity`
    Ocsf,
    /// ArcSight Common Event Format
    Cef,
}

#[derive(Args)]
pub(super) struct Ledger {
    /// The ledger, as in SAFE_TOOL_LEDGER
    #[arg(value_parser = Place::read)]
    ledger: Place,
}

impl Ledger {
    /// The directory of the ledger.
    ///
    /// Fails when no ledger is there.
    pub(super) fn directory(&self) -> Result<PathBuf, Failed> {
        let Place::Directory(directory) = &self.ledger;
        if directory.join("journal").is_dir() {
            return Ok(directory.clone());
        }
        Err(Failed::unusable(format_args!("there is no ledger in {}", directory.display())))
    }

    fn segments(&self) -> Result<Vec<Segment>, Failed> {
        segments_in(&self.directory()?)
    }
}

fn segments_in(directory: &Path) -> Result<Vec<Segment>, Failed> {
    segments(directory)
        .map_err(|(path, error)| Failed::unusable(format_args!("cannot read {}: {error}", path.display())))
}

pub(super) fn run(audit: Audit, output: &mut Output) -> Result<(), Failed> {
    match audit {
        Audit::Verify(arguments) => verify::run(arguments, output),
        Audit::Checkpoint { ledger } => checkpoint(&ledger, output),
        Audit::Show { ledger, json, filter } => print(&ledger.segments()?, output, &mut |record, row| {
            Ok(filter.takes(row).then(|| if json { record.to_owned() } else { text::line(row) }))
        }),
        Audit::Export { ledger, format, filter } => export(&ledger, format, &filter, output),
    }
}

fn export(ledger: &Ledger, format: Format, filter: &Filter, output: &mut Output) -> Result<(), Failed> {
    let mut exporter = ocsf::Exporter::default();
    let mut log = String::new();
    print(&ledger.segments()?, output, &mut |record, row| {
        if let Some(of) = &row.log {
            of.clone_into(&mut log);
        }
        let wanted = filter.takes(row);
        Ok(match format {
            Format::Ocsf => {
                let event = exporter.event(row).map_err(|_| "the record cannot be written as an event")?;
                wanted.then(|| event.to_string())
            }
            Format::Jsonl => wanted.then(|| record.to_owned()),
            Format::Cef => wanted.then(|| cef::line(row, &log)),
        })
    })
}

/// Prints the records about one action.
pub(super) fn records_of(directory: &Path, key: &Hash, output: &mut Output) -> Result<(), Failed> {
    print(&segments_in(directory)?, output, &mut |_, row| Ok((row.key == Some(*key)).then(|| text::line(row))))
}

/// What becomes of a record: a line to print, or nothing, or a reason why it cannot be read.
type Each<'a> = &'a mut dyn FnMut(&str, &Row<'_>) -> Result<Option<String>, &'static str>;

/// Prints what `each` makes of every record, in order. Lines that are not as they were written are named and left out.
fn print(segments: &[Segment], output: &mut Output, each: Each<'_>) -> Result<(), Failed> {
    let mut broken = 0_u64;
    for (place, segment) in segments.iter().enumerate() {
        let last = place + 1 == segments.len();
        let mut lines = segment.lines().map_err(|error| unreadable(segment, &error))?;
        while let Some(LineAt { number, bytes, whole, .. }) =
            lines.read().map_err(|error| unreadable(segment, &error))?
        {
            if !whole && last {
                // A running server is writing it.
                break;
            }
            let made = record_text(bytes).and_then(|record| {
                let Some(record) = record else { return Ok(None) };
                let row = Row::read(record).ok_or("the record cannot be read")?;
                each(record, &row)
            });
            match made {
                Ok(Some(line)) => output.line(&line)?,
                Ok(None) => {}
                Err(reason) => {
                    broken += 1;
                    if broken <= MOST_NAMED {
                        output.complain(&format!("{} line {number}: {reason}", segment.path.display()));
                    }
                }
            }
        }
    }
    if broken > 0 {
        return Err(Failed::no(format_args!(
            "{broken} lines were left out because they cannot be read as they were written; see `safe-tool audit verify`"
        )));
    }
    Ok(())
}

fn unreadable(segment: &Segment, error: &std::io::Error) -> Failed {
    Failed::unusable(format_args!("cannot read {}: {error}", segment.path.display()))
}

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

fn checkpoint(ledger: &Ledger, output: &mut Output) -> Result<(), Failed> {
    let segments = ledger.segments()?;
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
    let newest = newest.ok_or_else(|| {
        Failed::no("the journal has no checkpoint yet; the first one is written when a server starts")
    })?;
    if let (None, Some(first)) = (&log, segments.first()) {
        each_signed(first, &mut |record| log = log.take().or(record.log))?;
    }
    let (Some(log), Some(signer), Some(signature)) = (log, newest.signer, newest.signature) else {
        return Err(Failed::no("the newest checkpoint is incomplete; see `safe-tool audit verify`"));
    };
    let checkpoint =
        Checkpoint { log, sequence: newest.seq.saturating_sub(1), hash: newest.prev, at: newest.at, signer, signature };
    if !checkpoint.is_signed() {
        return Err(Failed::no("the signature of the newest checkpoint is wrong; see `safe-tool audit verify`"));
    }
    Ok(output.line(&serde_json::to_string(&checkpoint).map_err(Failed::unusable)?)?)
}

/// Gives the records of a segment to `each`, as far as they can be read.
fn each_signed(segment: &Segment, each: &mut dyn FnMut(Signed)) -> Result<(), Failed> {
    let mut lines = segment.lines().map_err(|error| unreadable(segment, &error))?;
    while let Some(line) = lines.read().map_err(|error| unreadable(segment, &error))? {
        if let Ok(Some(record)) = record_text(line.bytes)
            && let Ok(record) = serde_json::from_str(record)
        {
            each(record);
        }
    }
    Ok(())
}
