//! The journal as a directory of segments, `<first sequence>.jsonl`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::super::action::PayloadAt;
use super::{Journal, Position, Reader, find_record};

/// A segment this old is followed by a new one: retention waits for the end of a segment.
const SEGMENT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The writing side of the segments in one directory.
pub(in crate::ledger) struct FileJournal {
    directory: PathBuf,
    file: File,
    at: Position,
    segment_bytes: u64,
    /// When the segment was made.
    made: SystemTime,
}

impl FileJournal {
    /// Begins an empty journal: its first segment, without a record. A crash in here leaves an empty segment at most.
    pub(in crate::ledger) fn create(directory: &Path) -> io::Result<()> {
        match create_segment(directory, 1) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Goes on at `at`; what lies behind it in its segment is cut. Segments get `segment_bytes` long.
    pub(in crate::ledger) fn resume(directory: &Path, at: Position, segment_bytes: u64) -> io::Result<FileJournal> {
        let file = OpenOptions::new().append(true).open(segment_path(directory, at.segment))?;
        let metadata = file.metadata()?;
        if metadata.len() != at.offset {
            file.set_len(at.offset)?;
            file.sync_all()?;
        }
        // Where the file system does not tell, the age counts from now.
        let made = metadata.created().unwrap_or_else(|_| SystemTime::now());
        Ok(FileJournal { directory: directory.to_owned(), file, at, segment_bytes, made })
    }
}

impl Journal for FileJournal {
    fn begin(&mut self, next: u64) -> io::Result<Position> {
        let old = || self.made.elapsed().is_ok_and(|age| age >= SEGMENT_AGE);
        if self.at.offset >= self.segment_bytes || (self.at.offset > 0 && old()) {
            self.file = create_segment(&self.directory, next)?;
            self.at = Position { segment: next, offset: 0 };
            self.made = SystemTime::now();
        }
        Ok(self.at)
    }

    fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)?;
        self.file.sync_data()?;
        self.at.offset += batch.len() as u64;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(FileReader(self.directory.clone()))
    }
}

/// The reading side of the segments in one directory.
struct FileReader(PathBuf);

impl Reader for FileReader {
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>> {
        let file = File::open(segment_path(&self.0, at.segment))?;
        // A length that the file cannot have must not become an allocation.
        if at.offset.checked_add(at.length).is_none_or(|end| file.metadata().is_ok_and(|meta| meta.len() < end)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = vec![0; usize::try_from(at.length).map_err(|_| io::ErrorKind::InvalidData)?];
        file.read_exact_at(&mut body, at.offset)?;
        Ok(body)
    }

    fn record(&self, sequence: u64) -> io::Result<Vec<u8>> {
        let firsts = segments(&self.0)?;
        let first = firsts.iter().rev().find(|first| **first <= sequence).ok_or(io::ErrorKind::NotFound)?;
        find_record(BufReader::new(File::open(segment_path(&self.0, *first))?), sequence)
    }
}

/// The file of the segment whose first record is `first`.
pub(in crate::ledger) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.jsonl"))
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

fn create_segment(directory: &Path, first: u64) -> io::Result<File> {
    let path = segment_path(directory, first);
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
    file.sync_all()?;
    sync_directory_of(&path)?;
    Ok(file)
}
