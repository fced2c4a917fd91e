//! The kept index against what the journal tells. Only reads: what is kept is copied, because sled writes to what it opens.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::LedgerError;
use super::super::record::{Record, Tail};
use super::catch_up::Follower;
use super::index::blocks::{Loaded, load};
use super::index::sled::{CLOSE, Sled};
use super::index::{Difference, Head, Index};
use super::journal::file::segments;
use super::journal::files::OpenFiles;

/// What is kept of the index of a ledger.
pub(in crate::ledger) enum Kept {
    /// Nothing: it was removed, or never written.
    Absent,
    /// A server uses it.
    InUse,
    /// It does not open; why.
    Unreadable(String),
    /// It is not what was written; why.
    Damaged(&'static str),
    Whole(Box<Index>, Head),
}

/// Reads what is kept of the index of the ledger in `directory`.
///
/// # Errors
/// A file cannot be read or copied.
pub(in crate::ledger) fn read(directory: &Path) -> io::Result<Kept> {
    let index = directory.join("index");
    let held = match File::open(index.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Absent),
        other => other?,
    };
    let begun = Instant::now();
    while !is_free(&held)? {
        // A server has the directory as well. A thread of sled's may go on for a moment behind one that has ended.
        if !is_free(&File::open(directory)?)? || begun.elapsed() >= CLOSE {
            return Ok(Kept::InUse);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let scratch = Scratch::new()?;
    copy(&index, &scratch.0)?;
    drop(held);
    let loaded = Sled::open(&scratch.0).and_then(|values| load(Box::new(values)));
    Ok(match loaded {
        Err(error) => Kept::Unreadable(error.to_string()),
        Ok((Loaded { damage: Some(reason), .. }, _)) => Kept::Damaged(reason),
        Ok((Loaded { head: None, .. }, _)) => Kept::Absent,
        Ok((Loaded { map, head: Some(head), .. }, _)) => {
            let reader = OpenFiles::new(directory.join("journal"), Vec::new());
            Kept::Whole(Box::new(Index::kept(map, None, Arc::new(reader))), head)
        }
    })
}

/// True if nobody else has the lock on `file`, which this handle then has.
fn is_free(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What the journal tells, up to where the kept index ends.
pub(in crate::ledger) struct Told {
    index: Index,
}

/// A walk along the journal that makes a [`Told`].
pub(in crate::ledger) struct Telling<'a> {
    follower: Follower<'a>,
    up_to: &'a Head,
    /// The record where the kept index ends is another one.
    other: bool,
}

impl Told {
    /// Of the journal of the ledger in `directory`.
    pub(in crate::ledger) fn of(directory: &Path) -> io::Result<Told> {
        let journal = directory.join("journal");
        let firsts = segments(&journal)?;
        Ok(Told { index: Index::new(Arc::new(OpenFiles::new(journal, firsts))) })
    }

    pub(in crate::ledger) fn up_to<'a>(&'a self, head: &'a Head) -> Telling<'a> {
        Telling { follower: Follower::new(&self.index), up_to: head, other: false }
    }

    /// In what `kept`, which ends at `head`, differs.
    pub(in crate::ledger) fn differs(&self, kept: &Index, head: &Head) -> Difference {
        kept.differs(&self.index, head.at_ms)
    }
}

impl Telling<'_> {
    /// Takes the next record.
    ///
    /// # Errors
    /// As [`Follower::record`].
    pub(in crate::ledger) fn record(&mut self, record: Box<Record>, tail: Tail) -> Result<(), LedgerError> {
        if tail.sequence > self.up_to.sequence {
            return Ok(());
        }
        self.other |= tail.sequence == self.up_to.sequence && tail.hash != self.up_to.hash;
        // Where results are is not compared.
        self.follower.record(record, None, tail)
    }

    /// True if the journal has the record where the kept index ends.
    pub(in crate::ledger) fn end(self) -> bool {
        let end = self.follower.end().map_or(0, |head| head.sequence);
        end == self.up_to.sequence && !self.other
    }
}

/// A directory that only this user reads, and that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Scratch> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("safe-tool-verify-{}", hex::encode(random)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(error = error.to_string(), path = %self.0.display(), "a copy of the index cannot be removed");
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for item in fs::read_dir(from)? {
        let item = item?;
        let target = to.join::<&OsStr>(&item.file_name());
        if item.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target)?;
        }
    }
    Ok(())
}
