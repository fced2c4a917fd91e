//! The records of a ledger in order, wherever it is.

use super::Failed;
use super::output::Output;
#[cfg(feature = "postgres")]
use crate::ledger::Database;
use crate::ledger::local::reader::{LineAt, Segment, record_text, segments};
use crate::operate::place::Place;
use crate::operate::row::Row;
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
use std::fmt::Display;
use std::path::Path;

/// Lines that are named when they cannot be read; of more, only the number is told.
const MOST_NAMED: u64 = 20;

/// A stored line.
struct Found<'a> {
    /// Id of the chain; in a journal its `open` records say it.
    log: Option<&'a str>,
    line: &'a [u8],
    /// Where it stands, for people.
    place: &'a dyn Display,
}

/// What becomes of a record of a chain: a line to print, or nothing, or a reason why it cannot be read.
type Each<'a> = &'a mut dyn FnMut(&str, &str, &Row<'_>) -> Result<Option<String>, &'static str>;

/// Prints what `each` makes of the chain's id and every record, in order. Lines that are not as they were written are named
/// and left out.
pub(super) fn print(place: &Place, output: &mut Output, each: Each<'_>) -> Result<(), Failed> {
    let mut broken = 0_u64;
    let mut log = String::new();
    walk(place, &mut |found| {
        let made = record_text(found.line).and_then(|record| {
            let Some(record) = record else { return Ok(None) };
            let row = Row::read(record).ok_or("the record cannot be read")?;
            if let Some(of) = found.log.or(row.log.as_deref()) {
                of.clone_into(&mut log);
            }
            each(&log, record, &row)
        });
        match made {
            Ok(Some(line)) => output.line(&line)?,
            Ok(None) => {}
            Err(reason) => {
                broken += 1;
                if broken <= MOST_NAMED {
                    output.complain(&format!("{}: {reason}", found.place));
                }
            }
        }
        Ok(())
    })?;
    if broken > 0 {
        return Err(Failed::no(format_args!(
            "{broken} lines were left out because they cannot be read as they were written; see `safe-tool audit verify`"
        )));
    }
    Ok(())
}

fn walk(place: &Place, each: &mut dyn FnMut(Found<'_>) -> Result<(), Failed>) -> Result<(), Failed> {
    match place {
        Place::Directory(directory) => journal(directory, each),
        #[cfg(feature = "postgres")]
        Place::Database(url) => Database::open(url.expose_secret())?.records(|log, sequence, line| {
            each(Found { log: Some(log), line, place: &format_args!("chain {log} record {sequence}") })
        }),
    }
}

fn journal(directory: &Path, each: &mut dyn FnMut(Found<'_>) -> Result<(), Failed>) -> Result<(), Failed> {
    let segments = segments_in(directory)?;
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
            let place = format_args!("{} line {number}", segment.path.display());
            each(Found { log: None, line: bytes, place: &place })?;
        }
    }
    Ok(())
}

/// The segments of the journal.
pub(super) fn segments_in(directory: &Path) -> Result<Vec<Segment>, Failed> {
    segments(directory)
        .map_err(|(path, error)| Failed::unusable(format_args!("cannot read {}: {error}", path.display())))
}

/// A segment that the system does not give.
pub(super) fn unreadable(segment: &Segment, error: &std::io::Error) -> Failed {
    Failed::unusable(format_args!("cannot read {}: {error}", segment.path.display()))
}
