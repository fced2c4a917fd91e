//! The journal as a directory of segments, `<first sequence>.jsonl`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::action::PayloadAt;
use super::{Journal, Payloads, Position};

/// A segment this long is followed by a new one.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The writing side of the segments in one directory.
pub(in super::super) struct FileJournal {
    directory: PathBuf,
    file: File,
    at: Position,
    segment_bytes: u64,
}

impl FileJournal {
    /// Begins an empty journal: its first segment, without a record.
    pub(in super::super) fn create(directory: &Path) -> io::Result<FileJournal> {
        let at = Position { segment: 1, offset: 0 };
        let file = match create_segment(directory, at.segment) {
            // A crash before the first record leaves an empty segment behind.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                OpenOptions::new().append(true).open(segment_path(directory, at.segment))?
            }
            other => other?,
        };
        Ok(FileJournal { directory: directory.to_owned(), file, at, segment_bytes: SEGMENT_BYTES })
    }

    /// Goes on at `at`; what lies behind it in its segment is cut.
    pub(in super::super) fn resume(directory: &Path, at: Position) -> io::Result<FileJournal> {
        let file = OpenOptions::new().append(true).open(segment_path(directory, at.segment))?;
        if file.metadata()?.len() != at.offset {
            file.set_len(at.offset)?;
            file.sync_all()?;
        }
        Ok(FileJournal { directory: directory.to_owned(), file, at, segment_bytes: SEGMENT_BYTES })
    }

    /// The same with segments of `segment_bytes`.
    #[cfg(test)]
    pub(in super::super) fn with_segment_bytes(self, segment_bytes: u64) -> FileJournal {
        FileJournal { segment_bytes, ..self }
    }
}

impl Journal for FileJournal {
    fn begin(&mut self, next: u64) -> io::Result<Position> {
        if self.at.offset >= self.segment_bytes {
            self.file = create_segment(&self.directory, next)?;
            self.at = Position { segment: next, offset: 0 };
        }
        Ok(self.at)
    }

    fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)?;
        self.file.sync_data()?;
        self.at.offset += batch.len() as u64;
        Ok(())
    }

    fn payloads(&self) -> Arc<dyn Payloads> {
        Arc::new(FilePayloads(self.directory.clone()))
    }
}

/// The reading side of the segments in one directory.
struct FilePayloads(PathBuf);

impl Payloads for FilePayloads {
    fn read(&self, at: &PayloadAt) -> io::Result<Vec<u8>> {
        let file = File::open(segment_path(&self.0, at.segment))?;
        // A length that the file cannot have must not become an allocation.
        if at.offset.checked_add(at.length).is_none_or(|end| file.metadata().is_ok_and(|meta| meta.len() < end)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = vec![0; usize::try_from(at.length).map_err(|_| io::ErrorKind::InvalidData)?];
        file.read_exact_at(&mut body, at.offset)?;
        Ok(body)
    }
}

/// The file of the segment whose first record is `first`.
pub(in super::super) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.jsonl"))
}

/// First sequences of the segments in `directory`, ascending; none when there is no such directory.
///
/// Fails when a `.jsonl` file has another name than a segment.
pub(in super::super) fn segments(directory: &Path) -> io::Result<Vec<u64>> {
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
pub(in super::super) fn create_directory(directory: &Path) -> io::Result<()> {
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
pub(in super::super) fn sync_directory_of(path: &Path) -> io::Result<()> {
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
