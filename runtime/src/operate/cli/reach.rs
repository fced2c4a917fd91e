//! The way to a ledger for what changes it: through the server that has it open, or by opening it.

use super::Failed;
#[cfg(feature = "postgres")]
use crate::ledger::Database;
use crate::ledger::{Hash, Ledger, LedgerError};
use crate::operate::desk;
use crate::operate::place::Place;
use crate::operate::request::{Case, Request, Response};
use crate::operate::socket::Short;
use clap::Args;
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a server may take to answer: longer than it gives itself.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer: a page of cases with the longest arguments.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Which ledger.
#[derive(Args)]
pub(super) struct Of {
    /// The ledger, as in SAFE_TOOL_LEDGER, from which it is taken where it is not given
    #[arg(long, env = "SAFE_TOOL_LEDGER", hide_env_values = true)]
    ledger: String,
}

/// A ledger that answers.
pub(super) enum Reach {
    /// The server that has the ledger in this directory open.
    Server(PathBuf),
    /// No server has it open, or several share it: this command has it open.
    Here(Box<Ledger>, Runtime),
}

impl Of {
    /// Where the ledger is; fails when no ledger is there.
    pub(super) fn place(&self) -> Result<Place, Failed> {
        super::place(&self.ledger)
    }

    /// Finds the server, or opens the ledger where there is none, or where it is shared.
    pub(super) fn reach(&self) -> Result<Reach, Failed> {
        match self.place()? {
            Place::Directory(directory) => match connect(&directory) {
                Ok(_) => Ok(Reach::Server(directory)),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                    owned(&directory)?;
                    // Not the text: a path with a colon in it must stay a path.
                    open(&format!("sled:{}", directory.display()))
                }
                Err(error) => Err(unreachable(&directory, &error)),
            },
            #[cfg(feature = "postgres")]
            Place::Database(url) => {
                // To open it would make one.
                Database::open(url.expose_secret())?;
                open(url.expose_secret())
            }
        }
    }
}

fn connect(directory: &Path) -> io::Result<UnixStream> {
    let short = Short::socket(directory)?;
    UnixStream::connect(&short.path)
}

fn unreachable(directory: &Path, error: &io::Error) -> Failed {
    Failed::unusable(format_args!(
        "the server of the ledger in {} cannot be reached: {error}; its operators are whoever may read and write in that \
         directory",
        directory.display()
    ))
}

/// What is made in a ledger that is opened belongs to who opens it, and its server could not open it any more.
fn owned(directory: &Path) -> Result<(), Failed> {
    let owner = std::fs::metadata(directory).map_err(Failed::unusable)?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Failed::unusable(format_args!(
        "no server runs on the ledger in {}, and it belongs to another user: run this as that user (uid {owner})",
        directory.display()
    )))
}

fn open(location: &str) -> Result<Reach, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::unusable(format_args!("cannot start: {error}")))?;
    match Ledger::open(location) {
        Ok(ledger) => Ok(Reach::Here(Box::new(ledger), runtime)),
        Err(error @ LedgerError::Locked { .. }) => Err(Failed::unusable(format_args!(
            "{error}, and it does not listen for operators: it is just starting or ending (try again), or its log says why \
             it cannot listen (stop it first)"
        ))),
        Err(error) => Err(Failed::unusable(error)),
    }
}

impl Reach {
    /// Asks, and takes a refusal for a failure.
    pub(super) fn ask(&self, request: Request) -> Result<Response, Failed> {
        let response = match self {
            Reach::Server(directory) => {
                exchange(directory, &request).map_err(|error| unreachable(directory, &error))?
            }
            Reach::Here(ledger, runtime) => runtime.block_on(desk::serve(ledger, request)),
        };
        match response {
            Response::Refused { reason } => Err(Failed::no(reason)),
            response => Ok(response),
        }
    }

    /// All cases that `request` lists, a page at a time.
    pub(super) fn all(&self, request: impl Fn(Option<Hash>) -> Request) -> Result<Vec<Case>, Failed> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let Response::Listed { cases, more } = self.ask(request(after))? else { return Err(astray()) };
            all.extend(cases);
            match more {
                Some(more) => after = Some(more),
                None => return Ok(all),
            }
        }
    }

    /// Leaves the ledger as it was found.
    pub(super) fn close(self) -> Result<(), Failed> {
        match self {
            Reach::Server(_) => Ok(()),
            Reach::Here(ledger, runtime) => runtime.block_on(ledger.close()).map_err(Failed::unusable),
        }
    }
}

/// The answer is to another question.
pub(super) fn astray() -> Failed {
    Failed::unusable("the server's answer cannot be read; is this command as new as the server?")
}

fn exchange(directory: &Path, request: &Request) -> io::Result<Response> {
    let mut stream = connect(directory)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST_BYTES)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Who runs this command, as records name him.
pub(super) fn operator(by: Option<String>) -> String {
    let named = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    by.or_else(named).unwrap_or_else(|| {
        std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |own| format!("uid {}", own.uid()))
    })
}
