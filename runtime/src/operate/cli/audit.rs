//! `safe-tool audit`: read the records.

use super::output::Output;
use super::records::print;
use super::{Failed, checkpoint, verify};
use crate::ledger::Hash;
use crate::operate::filter::Filter;
use crate::operate::place::Place;
use crate::operate::{cef, ocsf, text};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Subcommand)]
pub(super) enum Audit {
    Verify(verify::Arguments),
    /// Print the newest checkpoint, to be copied elsewhere
    ///
    /// One JSON line, of a database one of each chain: `log`, `sequence` and `hash` of the record that is signed, `at`, `signer`, `signature`. Kept where
    /// whoever can write to the ledger cannot, it is an anchor for `audit verify`. Checkpoints are written every 1,000
    /// records, every minute while there is anything new, every 10 minutes otherwise, and when a server starts and ends.
    Checkpoint {
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Show records, the newest last
    ///
    /// Of a database those of all chains, by their time.
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
    /// The ledger, as in SAFE_TOOL_LEDGER, from which it is taken where it is not given
    #[arg(env = "SAFE_TOOL_LEDGER", hide_env_values = true)]
    ledger: String,
}

impl Ledger {
    /// Where the ledger is; fails when no ledger is there.
    pub(super) fn place(&self) -> Result<Place, Failed> {
        super::place(&self.ledger)
    }
}

pub(super) fn run(audit: Audit, output: &mut Output) -> Result<(), Failed> {
    match audit {
        Audit::Verify(arguments) => verify::run(arguments, output),
        Audit::Checkpoint { ledger } => checkpoint::run(&ledger.place()?, output),
        Audit::Show { ledger, json, filter } => print(&ledger.place()?, output, &mut |_, record, row| {
            Ok(filter.takes(row).then(|| if json { record.to_owned() } else { text::line(row) }))
        }),
        Audit::Export { ledger, format, filter } => export(&ledger.place()?, format, &filter, output),
    }
}

fn export(place: &Place, format: Format, filter: &Filter, output: &mut Output) -> Result<(), Failed> {
    let mut exporter = ocsf::Exporter::default();
    print(place, output, &mut |log, record, row| {
        let wanted = filter.takes(row);
        Ok(match format {
            Format::Ocsf => {
                let made = exporter.event(log, row).and_then(|event| {
                    // Not by `Display`, which checks every piece for being text.
                    wanted.then(|| serde_json::to_string(&event)).transpose()
                });
                made.map_err(|_| "the record cannot be written as an event")?
            }
            Format::Jsonl => wanted.then(|| record.to_owned()),
            Format::Cef => wanted.then(|| cef::line(row, log)),
        })
    })
}

/// Prints the records about one action.
pub(super) fn records_of(place: &Place, key: &Hash, output: &mut Output) -> Result<(), Failed> {
    print(place, output, &mut |_, _, row| Ok((row.key == Some(*key)).then(|| text::line(row))))
}
