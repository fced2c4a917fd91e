//! The command line `safe-tool`. Its help texts are the operators' manual.

mod approvals;
mod audit;
mod checkpoint;
#[cfg(feature = "postgres")]
mod database;
mod doubts;
mod hash;
mod output;
mod reach;
mod records;
mod refusal;
mod verify;

use crate::ledger::LedgerError;
use crate::operate::place::Place;
use clap::{Parser, Subcommand};
use output::Output;
use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

/// What operators do with the ledger of a safe-tool server.
///
/// LEDGER is the same text as in the server's SAFE_TOOL_LEDGER: a directory, `sled:DIRECTORY`, or (with the feature
/// `postgres`) `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Unless it is set, a server keeps its ledger in
/// $XDG_STATE_HOME/safe-tool/SERVER, or ~/.local/state/safe-tool/SERVER.
///
/// Commands read SAFE_TOOL_LEDGER too, where no ledger is given. Put a URL with a password there: whoever is on this
/// machine can read the command lines of others.
#[derive(Parser)]
#[command(name = "safe-tool", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:\n  \
    0  done; for `audit verify`: consistent, or complete up to an anchor\n  \
    1  refused or not found; for `audit`: the journal is broken\n  \
    2  the command line is wrong, or something cannot be read\n  \
    3  `audit verify`: the journal does not extend an anchor (cut, rewritten, another one)\n  \
    4  `audit verify`: a stored result is missing before its retention ended";

#[derive(Subcommand)]
enum Command {
    /// Verify, read and export the journal
    #[command(subcommand)]
    Audit(audit::Audit),
    /// See and resolve actions that started and whose outcome nobody knows
    ///
    /// While the server runs, it is asked through the socket `operator.sock` in the ledger's directory. While none runs, and
    /// where servers share the ledger in a database, the command opens the ledger itself.
    #[command(subcommand)]
    Doubts(doubts::Doubts),
    /// See and decide on actions that may not start before an operator agrees
    ///
    /// While the server runs, it is asked through the socket `operator.sock` in the ledger's directory. While none runs, and
    /// where servers share the ledger in a database, the command opens the ledger itself.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// What a hidden value looks like in this ledger, to find records by it
    Hash(hash::Arguments),
}

/// Where the ledger of this text is; fails when there is no journal in its directory.
fn place(text: &str) -> Result<Place, Failed> {
    match Place::read(text).map_err(Failed::unusable)? {
        Place::Directory(directory) if !directory.join("journal").is_dir() => {
            Err(Failed::unusable(format_args!("there is no ledger in {}", directory.display())))
        }
        place => Ok(place),
    }
}

/// Why a command did not do what was asked, and its exit code.
struct Failed {
    code: u8,
    text: String,
}

impl Failed {
    /// Refused, not found, broken.
    fn no(text: impl fmt::Display) -> Failed {
        Failed { code: 1, text: text.to_string() }
    }

    /// The command line is wrong, or something cannot be read.
    fn unusable(text: impl fmt::Display) -> Failed {
        Failed { code: 2, text: text.to_string() }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Failed {
        Failed::unusable(format_args!("cannot write: {error}"))
    }
}

impl From<LedgerError> for Failed {
    fn from(error: LedgerError) -> Failed {
        Failed::unusable(error)
    }
}

/// Runs the command line `arguments` (the first is the program), and prints to stdout and stderr.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut output = Output::default();
    let mut given: Vec<OsString> = arguments.into_iter().collect();
    let parsed = Arguments::try_parse_from(&given);
    given.extend(std::env::var_os("SAFE_TOOL_LEDGER"));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return refusal::tell(&error, &given),
    };
    let done = match arguments.command {
        Command::Audit(audit) => audit::run(audit, &mut output),
        Command::Doubts(doubts) => doubts::run(doubts, &mut output),
        Command::Approvals(approvals) => approvals::run(approvals, &mut output),
        Command::Hash(hash) => hash::run(hash, &mut output),
    };
    let done = done.and_then(|()| Ok(output.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if output.nobody_reads() => ExitCode::SUCCESS,
        Err(Failed { code, text }) => {
            output.complain(&refusal::without_urls(text, &given));
            ExitCode::from(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
