//! The journal as a directory of segments, `<first sequence>.jsonl`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::files::OpenFiles;
use super::filler::{Filler, NEXT};
use super::segment::SegmentFile;
use super::{Journal, Position, Reader, WriteError};

/// A segment this old is followed by a new one: retention waits for the end of a segment.
const SEGMENT_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Segments with fewer bytes are not filled ahead, so that a small ledger stays small.
const FILL_FROM: u64 = 16 * 1024;
/// Segments are filled as far ahead as they are long, up to this many bytes.
const AHEAD: u64 = 4 * 1024 * 1024;

/// The writing side of the segments in one directory.
pub(in crate::ledger) struct FileJournal {
    /// Held open, so that a new segment needs no new descriptor.
    directory: File,
    live: Arc<SegmentFile>,
    at: Position,
    segment_bytes: u64,
    /// When the segment was made.
    made: SystemTime,
    filler: Filler,
    /// The next segment is asked for, with its filling.
    prepared: bool,
    readers: Arc<OpenFiles>,
    /// Bytes that nobody was told of may stand behind the last record.
    broken: bool,
    /// A new segment could not be begun, and it is said so.
    stays: bool,
}

impl FileJournal {
    /// Begins an empty journal: its first segment, without a record. A crash in here leaves an empty segment at most.
    pub(in crate::ledger) fn create(directory: &Path) -> io::Result<()> {
        let path = segment_path(directory, 1);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => {
                other?.sync_all()?;
                sync_directory_of(&path)
            }
        }
    }

    /// Goes on at `at`; what lies behind it in its segment is cut. Segments get `segment_bytes` long.
    pub(in crate::ledger) fn resume(directory: &Path, at: Position, segment_bytes: u64) -> io::Result<FileJournal> {
        let live = Arc::new(SegmentFile::open(&segment_path(directory, at.segment), at.offset)?);
        // Where the file system does not tell, the age counts from now.
        let made = live.file().metadata()?.created().unwrap_or_else(|_| SystemTime::now());
        let filler = Filler::start(directory.to_owned())?;
        let readers = Arc::new(OpenFiles::new(directory.to_owned(), segments(directory)?));
        readers.rotated(at.segment, Arc::clone(live.file()));
        let directory = File::open(directory)?;
        Ok(FileJournal {
            directory,
            live,
            at,
            segment_bytes,
            made,
            filler,
            prepared: false,
            readers,
            broken: false,
            stays: false,
        })
    }

    /// Goes on in a new segment that begins with the record `first`, or in this one where that cannot be: a segment that
    /// gets longer than it should harms nobody.
    fn rotate(&mut self, first: u64) -> io::Result<()> {
        match self.next_segment(first) {
            Ok(segment) => {
                self.live = segment;
                self.at = Position { segment: first, offset: 0 };
                self.made = SystemTime::now();
                self.readers.rotated(first, Arc::clone(self.live.file()));
                self.prepared = false;
                self.stays = false;
                self.filler.prepare(0);
                Ok(())
            }
            Err(WriteError::Refused(error)) => {
                if !self.stays {
                    tracing::warn!(
                        error = error.to_string(),
                        "the journal cannot begin a new segment: this one gets longer, and it is tried again"
                    );
                }
                self.stays = true;
                Ok(())
            }
            Err(WriteError::Broken(error)) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    fn next_segment(&self, first: u64) -> Result<Arc<SegmentFile>, WriteError> {
        let next = self.filler.next();
        next.get().map_err(WriteError::Refused)?;
        if self.live.cut(self.at.offset).map_err(WriteError::Refused)? {
            self.live.file().sync_all().map_err(WriteError::Broken)?;
        }
        let rename = || Ok(rustix::fs::renameat(&self.directory, NEXT, &self.directory, segment_name(first))?);
        let segment = next.become_segment(rename).map_err(WriteError::Refused)?;
        // The name is there by now, and nobody knows whether it lasts: neither segment may be written to.
        self.directory.sync_all().map_err(WriteError::Broken)?;
        Ok(segment)
    }

    /// Has done ahead what the next batches would have to wait for.
    fn look_ahead(&mut self) {
        let written = self.at.offset;
        if written < FILL_FROM {
            return;
        }
        let ahead = written.min(AHEAD);
        let to = written.saturating_add(ahead).min(self.segment_bytes);
        if self.live.ready() < written.saturating_add(ahead / 2).min(to) {
            self.filler.fill(&self.live, to);
        }
        if !self.prepared && self.segment_bytes.saturating_sub(written) < ahead {
            self.prepared = self.filler.prepare(AHEAD.min(self.segment_bytes));
        }
    }
}

impl Journal for FileJournal {
    fn begin(&mut self, next: u64) -> io::Result<Position> {
        let old = || self.made.elapsed().is_ok_and(|age| age >= SEGMENT_AGE);
        if self.at.offset >= self.segment_bytes || (self.at.offset > 0 && old()) {
            self.rotate(next)?;
        }
        Ok(self.at)
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError> {
        // Until it is known better: it may panic.
        self.broken = true;
        let written = self.live.write(batch, self.at.offset);
        self.broken = matches!(written, Err(WriteError::Broken(_)));
        written?;
        self.at.offset += batch.len() as u64;
        self.look_ahead();
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.readers) as Arc<dyn Reader>
    }
}

/// Leaves a segment without zero bytes behind it, which any program reads.
impl Drop for FileJournal {
    fn drop(&mut self) {
        self.live.seal();
        if !self.broken && self.live.cut(self.at.offset).is_err() {
            // Whoever opens it next does that.
            tracing::debug!("the zero bytes behind the journal stay");
        }
    }
}

/// The file of the segment whose first record is `first`.
pub(in crate::ledger) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(segment_name(first))
}

fn segment_name(first: u64) -> String {
    format!("{first:020}.jsonl")
}

/// First sequences of the segments in `directory`, ascending; none when there is no such directory.
///
/// Fails when a `.jsonl` file has another name than a segment.
pub(in crate::ledger) fn segments(directory: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let first = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        match first {
            Some(first) if segment_path(directory, first) == path => firsts.push(first),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a file is named like no segment")),
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Makes `directory` (0700) and those above it, and its name durable.
pub(in crate::ledger) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_directory_of(directory)
}

/// Makes the name of `path` in its directory durable.
pub(in crate::ledger) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
