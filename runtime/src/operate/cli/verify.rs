//! `safe-tool audit verify`: is the journal the one that was written?

#[cfg(feature = "postgres")]
use super::database;
use super::output::Output;
use super::{Failed, audit};
use crate::ledger::local::reader::segments;
use crate::ledger::{Anchor, IndexCheck, Report, Rung, Verification, VerifyError};
use crate::operate::place::Place;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Journals of fewer bytes are verified before a progress bar could be read.
const LONG: u64 = 64 * 1024 * 1024;
/// The progress bar moves this often, in bytes.
const STEP: u64 = 1024 * 1024;

const MANUAL: &str = "\
Reads the whole journal: the hash of each record and of each stored result, each link to the record before, the \
sequence without gaps, the signature of each checkpoint. A server may run meanwhile; otherwise the index is copied to the \
directory for temporary files and held against the journal too.

What it can show depends on what it is given. By itself a journal can be \"consistent, tail unproven\": that its end was \
not cut, or that it was not written anew as a whole, it cannot show. With an anchor, which is what somebody else holds of \
the journal, it is \"complete up to record N\". Get anchors out regularly:

    safe-tool audit checkpoint LEDGER >> /elsewhere/anchors    (from cron, to another machine)

The receipts that answers of write tools carry in _meta[\"dev.safe-tool/receipt\"] are anchors too.

A database holds one chain for each time a server, or this command, opened it. Each is verified like a journal; an anchor is \
held against the chain that it names, and one whose chain is gone is not extended. Chains name how far others had come: who \
removes a part of one has to rewrite those too, but all of them are inside the same database, so that proves no end. Each is \
signed with a key of its own that its server kept in memory: --signer has to name all of them.

Whoever can write to the ledger's directory can read the key in it and sign. --signer finds a journal that was written \
anew with another key; only an anchor finds one that was rewritten with the real one.";

/// Verify the journal
#[derive(Args)]
#[command(after_long_help = MANUAL)]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: audit::Ledger,
    /// A file of checkpoints or receipts, one JSON line each, that the journal must extend; may be given several times
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// A public key (64 hex digits) that may sign; may be given several times. Without it, the journal says who signs
    #[arg(long, value_name = "HEX", value_parser = signer)]
    signer: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn signer(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits && text.len() == 64 {
        return Ok(text.to_owned());
    }
    Err("a public key is 64 lower-case hex digits; `safe-tool audit checkpoint` prints it as `signer`".to_owned())
}

pub(super) fn run(arguments: Arguments, output: &mut Output) -> Result<(), Failed> {
    let place = arguments.ledger.place()?;
    let mut anchors = Vec::new();
    for file in &arguments.anchor {
        let text = fs::read_to_string(file).map_err(|error| {
            Failed::unusable(format_args!("cannot read the anchors in {}: {error}", file.display()))
        })?;
        anchors.extend(
            Anchor::read(&text).map_err(|error| Failed::unusable(format_args!("{}: {error}", file.display())))?,
        );
    }
    let verification = Verification::default().anchors(anchors).signers(arguments.signer);
    match &place {
        Place::Directory(directory) => journal(&verification, directory, arguments.json, output),
        #[cfg(feature = "postgres")]
        Place::Database(url) => database::verify(&verification, url.expose_secret(), arguments.json, output),
    }
}

fn journal(verification: &Verification, directory: &Path, json: bool, output: &mut Output) -> Result<(), Failed> {
    let bar = bar(directory);
    let mut shown = 0;
    let found = verification.run(directory, &mut |read| {
        if read - shown >= STEP {
            shown = read;
            bar.set_position(read);
        }
    });
    bar.finish_and_clear();
    if json {
        return in_json(found, output);
    }
    match found {
        Ok(report) => {
            in_words(&report, output)?;
            complete(&report)
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Shows itself on a terminal only.
fn bar(directory: &Path) -> ProgressBar {
    let total = segments(directory).map_or(0, |segments| {
        segments.iter().filter_map(|segment| fs::metadata(&segment.path).ok()).map(|found| found.len()).sum()
    });
    if total < LONG {
        return ProgressBar::hidden();
    }
    progress(total, "{wide_bar} {bytes} of {total_bytes}, {eta} left")
}

/// A progress bar of this form.
pub(super) fn progress(total: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn code(error: &VerifyError) -> u8 {
    match error {
        VerifyError::Broken { .. } | VerifyError::Index { .. } => 1,
        error if error.contradicts_anchor() => 3,
        _ => 2,
    }
}

fn failed(error: &VerifyError) -> Failed {
    let text = match error {
        VerifyError::Broken { .. } => format!(
            "{error}\nKeep a copy of the journal as it is, and compare it with a backup: up to the record before, it is \
             consistent."
        ),
        VerifyError::Index { path, .. } => format!(
            "{error}\nActions that the index has wrong could run twice, or be refused. Keep a copy of both. The journal is what \
             counts: if it is complete (see --anchor), remove {} while no server runs, and the next start makes the index anew.",
            path.display()
        ),
        error if error.contradicts_anchor() => {
            format!("{error}\nKeep a copy of the journal as it is, and look for one that extends the anchor.")
        }
        error => error.to_string(),
    };
    Failed { code: code(error), text }
}

fn in_json(found: Result<Report, VerifyError>, output: &mut Output) -> Result<(), Failed> {
    match found {
        Ok(report) => {
            let text = serde_json::to_string(&report).map_err(Failed::unusable)?;
            output.line(&text)?;
            complete(&report)
        }
        Err(error) => {
            let (what, sequence) = named(&error);
            output.line(&json!({ "error": what, "record": sequence, "message": error.to_string() }).to_string())?;
            Err(failed(&error))
        }
    }
}

/// Fails where a stored result is missing that no retention removed.
fn complete(report: &Report) -> Result<(), Failed> {
    if report.lost_payloads == 0 {
        return Ok(());
    }
    let text = format!(
        "{} stored results are missing before their retention ended: somebody or something took them out of the journal. \
         Repeated calls cannot be answered with them. Keep a copy of the journal as it is, and restore them from a backup.",
        report.lost_payloads
    );
    Err(Failed { code: 4, text })
}

/// What is wrong, in a word, and at which record.
pub(super) fn named(error: &VerifyError) -> (&'static str, Option<u64>) {
    match error {
        VerifyError::Broken { sequence, .. } => ("broken", Some(*sequence)),
        VerifyError::EndsBefore { anchor, .. } => ("ends_before_anchor", Some(*anchor)),
        VerifyError::Rewritten { anchor } => ("rewritten", Some(*anchor)),
        VerifyError::OtherLog { anchor } => ("other_log", Some(*anchor)),
        VerifyError::OtherSigner { anchor } => ("other_signer", Some(*anchor)),
        VerifyError::Index { sequence, .. } => ("index", *sequence),
        VerifyError::Io { .. } | VerifyError::Missing { .. } => ("unreadable", None),
    }
}

fn in_words(report: &Report, output: &mut Output) -> Result<(), Failed> {
    output.line(&report.rung.to_string())?;
    output.line(&format!("  journal     {}", report.log))?;
    output.line(&format!(
        "  records     {}, the last of {} with hash {}",
        report.records, report.last_at, report.last_hash
    ))?;
    let removed = report.missing_payloads - report.lost_payloads;
    output.line(&format!(
        "  results     {} stored, each as its record names it; {removed} removed by retention",
        report.payloads
    ))?;
    output.line(&signatures(report.checkpoints, report.signed_up_to, &report.signers))?;
    output.line(&format!("  ends        {} unclean before; {}", report.unclean_ends, end(report.clean_close)))?;
    let mut notes = Vec::new();
    match &report.index {
        Some(IndexCheck::Agrees { up_to }) => {
            output.line(&format!("  index       agrees with the journal up to record {up_to}"))?;
        }
        Some(IndexCheck::Absent) => output.line("  index       none: the next start makes it from the journal")?,
        Some(IndexCheck::InUse) => notes.push("the index was not compared: a server uses it".to_owned()),
        Some(IndexCheck::Unreadable { reason }) => notes.push(format!(
            "the index was not compared, as it does not open ({reason}): the next start makes it from the journal"
        )),
        None => {}
    }
    if report.cut_bytes > 0 {
        notes.push(format!("servers cut {} bytes of unfinished records when they started", report.cut_bytes));
    }
    if report.unfinished_bytes > 0 {
        notes.push(format!(
            "{} bytes at the end are no whole record: a running server is writing it, or a crash cut it off and the next \
             start removes it",
            report.unfinished_bytes
        ));
    }
    notes.extend(backdated(report.backdated, report.first_backdated));
    if report.rung == Rung::TailUnproven {
        notes.push(UNPROVEN.to_owned());
    }
    for note in notes {
        output.line(&format!("  note        {note}"))?;
    }
    Ok(())
}

/// What is said where there was no anchor.
pub(super) const UNPROVEN: &str =
    "without --anchor, a missing end would look the same; see `safe-tool audit verify --help`";

/// Who signed.
pub(super) fn signatures(checkpoints: u64, signed_up_to: u64, signers: &[String]) -> String {
    match checkpoints {
        0 => "  signatures  none".to_owned(),
        checkpoints => format!(
            "  signatures  {checkpoints} checkpoints, the last up to record {signed_up_to}, by {}",
            signers.join(", ")
        ),
    }
}

/// How a chain ends.
pub(super) fn end(clean_close: bool) -> &'static str {
    if clean_close {
        "the last record is a close"
    } else {
        "the last record is no close: a server runs, or ended without one"
    }
}

/// What is said of records that are older than a checkpoint ahead of them.
pub(super) fn backdated(records: u64, first: Option<u64>) -> Option<String> {
    first.map(|first| {
        format!(
            "{records} records from {first} on are dated before the checkpoint ahead of them: the clock was set back, or \
             old records were put there"
        )
    })
}
