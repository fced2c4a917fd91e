//! Retention: removes actions that answer no longer, then their results from the segments that hold them.
//!
//! A segment is swept when it is not written to any more and everything completed in it has expired. The actions leave the
//! index first, in slices between which callers get their turn; then the segment is written anew without its payload
//! lines, which are not part of the chain; then a record says that this segment is done. After a crash in between, all of
//! it is done again. Slots of subjects that nothing needs any more are forgotten in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::action::Version;
use super::super::error::LedgerError;
use super::super::front::Answer;
use super::super::record::{Parsed, is_payload, now_ms, parse};
use super::super::sync::threads::Receiver;
use super::super::sync::{oneshot, tasks};
use super::committer::{Candidate, Operation, Sweep};
use super::index::{Index, SLICES};
use super::journal::file::{segment_path, segments, sync_directory_of};

/// Actions that one operation removes: callers wait for no more than this.
const SLICE: usize = 256;
/// How often it is looked whether a segment is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Sweeps the segments of one journal, oldest first.
pub(in crate::ledger) struct Sweeper {
    directory: PathBuf,
    /// First sequence of the next segment to sweep.
    next: u64,
    /// Before this time, in ms since 1970, that segment is not due.
    due_ms: u64,
    queue: tasks::Sender<Operation>,
    /// Has segments open that are written anew.
    index: Arc<Index>,
}

/// Sweeps what is due on the first tick, and then on ticks a minute apart, until there are no more to come.
pub(in crate::ledger) fn run(mut sweeper: Sweeper, ticks: &Receiver<()>) {
    let mut looked: Option<Instant> = None;
    while ticks.recv().is_ok() {
        if looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            continue;
        }
        looked = Some(Instant::now());
        if let Err(error) = sweeper.sweep(now_ms())
            && !matches!(error, LedgerError::Closed)
        {
            tracing::error!(error = error.to_string(), "expired results could not be removed; it is tried again");
        }
    }
}

impl Sweeper {
    /// For the journal in `directory`, from the segment that begins at `next` on.
    pub(in crate::ledger) fn new(
        directory: PathBuf,
        next: u64,
        queue: tasks::Sender<Operation>,
        index: Arc<Index>,
    ) -> Sweeper {
        Sweeper { directory, next, due_ms: 0, queue, index }
    }

    /// Sweeps the segments that are due at `now_ms`, in ms since 1970. What it writes itself waits for the next time.
    pub(in crate::ledger) fn sweep(&mut self, now_ms: u64) -> Result<(), LedgerError> {
        let firsts = segments(&self.directory).map_err(LedgerError::io("list", &self.directory))?;
        // The last segment is still written to.
        for pair in firsts.windows(2) {
            let &[first, following] = pair else { break };
            if first < self.next {
                continue;
            }
            if !self.sweep_segment(first, following, now_ms)? {
                break;
            }
        }
        for slice in 0..SLICES {
            self.ask(|answer| Sweep::Forget { slice, answer })?;
        }
        Ok(())
    }

    /// Sweeps one segment if it is due; says whether it was.
    fn sweep_segment(&mut self, first: u64, following: u64, now_ms: u64) -> Result<bool, LedgerError> {
        if now_ms < self.due_ms {
            return Ok(false);
        }
        let path = segment_path(&self.directory, first);
        let held = completed_in(&path)?;
        if now_ms < held.expires_ms {
            self.due_ms = held.expires_ms;
            return Ok(false);
        }
        for slice in held.completed.chunks(SLICE) {
            // A clock that was set back since: their results are still wanted.
            if self.expire(slice.to_vec(), None)? > 0 {
                return Ok(false);
            }
        }
        if held.payloads {
            without_payloads(&path).map_err(LedgerError::io("rewrite", &path))?;
            self.index.rewritten(first);
        }
        self.expire(Vec::new(), Some(following))?;
        self.next = following;
        Ok(true)
    }

    fn expire(&self, candidates: Vec<Candidate>, swept: Option<u64>) -> Result<usize, LedgerError> {
        self.ask(|answer| Sweep::Expire { candidates, swept, answer })
    }

    fn ask<T>(&self, sweep: impl FnOnce(Answer<T>) -> Sweep) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.queue.blocking_send(Operation::Own(sweep(answer))).map_err(|_| LedgerError::Closed)?;
        answered.blocking_recv().unwrap_or(Err(LedgerError::Closed))
    }
}

/// What a segment holds that retention is about.
#[derive(Default)]
struct Held {
    /// Actions that were settled in it.
    completed: Vec<Candidate>,
    /// When the last of them expires, in ms since 1970.
    expires_ms: u64,
    payloads: bool,
}

fn completed_in(path: &Path) -> Result<Held, LedgerError> {
    let mut held = Held::default();
    let file = File::open(path).map_err(LedgerError::io("read", path))?;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(LedgerError::io("read", path))?;
        match parse(&line) {
            Ok(Parsed::Payload(..)) => held.payloads = true,
            Ok(Parsed::Record(record, _)) => {
                if let Some((key, expires_ms)) = record.settled() {
                    held.completed.push(Candidate { key, version: Version(record.seq), expires_ms });
                    held.expires_ms = held.expires_ms.max(expires_ms);
                }
            }
            // Whoever verifies the journal must find the damage as it is.
            Err(reason) => {
                return Err(LedgerError::io("sweep", path)(io::Error::new(io::ErrorKind::InvalidData, reason)));
            }
        }
    }
    Ok(held)
}

/// Writes the segment anew without its payload lines, whole or not at all.
fn without_payloads(path: &Path) -> io::Result<()> {
    let unfinished = path.with_extension("swept");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let mut writer = BufWriter::new(file);
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if !is_payload(&line) {
            writer.write_all(&line)?;
            writer.write_all(b"\n")?;
        }
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory_of(path)
}
