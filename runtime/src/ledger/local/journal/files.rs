//! The segments that readers have open: a stored result costs one read, and no descriptor that may be lacking.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::super::super::action::PayloadAt;
use super::file::segment_path;
use super::{Found, Near, Reader, seek};

/// Segments that stay open beside the one that is written to.
const MOST: usize = 16;

/// The reading side of the segments in one directory.
pub(in crate::ledger) struct OpenFiles {
    directory: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    /// First sequences of all segments, ascending.
    firsts: Vec<u64>,
    /// The one that is written to, which always stays; `None` while none is.
    live: Option<Arc<Reading>>,
    /// The others; the last is the one that was used last.
    others: VecDeque<Arc<Reading>>,
}

struct Reading {
    segment: u64,
    file: Arc<File>,
    /// Its length when it was looked at last; it may have grown.
    length: AtomicU64,
}

impl Reading {
    fn of(segment: u64, file: Arc<File>) -> Arc<Reading> {
        Arc::new(Reading { segment, file, length: AtomicU64::new(0) })
    }

    /// Whether the file has a byte before `end`.
    fn reaches(&self, end: u64) -> io::Result<bool> {
        if end <= self.length.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let length = self.file.metadata()?.len();
        self.length.store(length, Ordering::Relaxed);
        Ok(end <= length)
    }
}

impl OpenFiles {
    /// For the segments in `directory` that begin with `firsts`, ascending; nobody writes to them.
    pub(in crate::ledger) fn new(directory: PathBuf, firsts: Vec<u64>) -> OpenFiles {
        let open = Open { firsts, live: None, others: VecDeque::new() };
        OpenFiles { directory, open: Mutex::new(open) }
    }

    /// This segment, the last one, is written to from now on.
    pub(super) fn rotated(&self, segment: u64, file: Arc<File>) {
        let mut open = self.open();
        if open.firsts.last().is_none_or(|last| *last < segment) {
            open.firsts.push(segment);
        }
        if let Some(before) = open.live.replace(Reading::of(segment, file)) {
            open.keep(Reading::of(before.segment, Arc::clone(&before.file)));
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a segment. Opened under the lock, so that a segment that is written anew is not kept as it was before.
    fn get(&self, segment: u64) -> io::Result<Arc<Reading>> {
        let mut open = self.open();
        if let Some(live) = open.live.as_ref().filter(|live| live.segment == segment) {
            return Ok(Arc::clone(live));
        }
        let held = open.others.iter().position(|reading| reading.segment == segment);
        let reading = match held.and_then(|place| open.others.remove(place)) {
            Some(reading) => reading,
            None => {
                let path = segment_path(&self.directory, segment);
                let file = loop {
                    match File::open(&path) {
                        // One of those that are open gives its descriptor.
                        Err(error)
                            if Errno::from_io_error(&error) == Some(Errno::MFILE)
                                && open.others.pop_front().is_some() => {}
                        other => break other?,
                    }
                };
                Reading::of(segment, Arc::new(file))
            }
        };
        open.keep(Arc::clone(&reading));
        Ok(reading)
    }
}

impl Open {
    fn keep(&mut self, reading: Arc<Reading>) {
        while self.others.len() >= MOST {
            self.others.pop_front();
        }
        self.others.push_back(reading);
    }
}

impl Reader for OpenFiles {
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>> {
        let reading = self.get(at.segment)?;
        // A length that the file cannot have must not become an allocation.
        let end = at.offset.checked_add(at.length).ok_or(io::ErrorKind::UnexpectedEof)?;
        if !reading.reaches(end)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut body = vec![0; usize::try_from(at.length).map_err(|_| io::ErrorKind::InvalidData)?];
        reading.file.read_exact_at(&mut body, at.offset)?;
        Ok(body)
    }

    fn find(&self, sequence: u64, near: Near) -> io::Result<Found> {
        let (first, before) = {
            let open = self.open();
            let place = open.firsts.partition_point(|first| *first <= sequence);
            let first = place.checked_sub(1).and_then(|place| open.firsts.get(place)).ok_or(io::ErrorKind::NotFound)?;
            let next = open.firsts.get(place);
            (*first, near.before.filter(|(later, _)| next.is_none_or(|next| later < next)))
        };
        seek::find(&self.get(first)?.file, first, sequence, Near { before, ..near })
    }

    fn rewritten(&self, segment: u64) {
        self.open().others.retain(|reading| reading.segment != segment);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File};
    use std::sync::Arc;

    use super::super::super::super::hash::Hash;
    use super::{MOST, OpenFiles, PayloadAt, Reader, segment_path};

    #[test]
    fn open_segments_are_few_and_never_stale() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |segment| segment_path(scratch.path(), segment);
        let all = 1..=2 * MOST as u64;
        for segment in all.clone() {
            fs::write(path(segment), format!("{segment:08}")).unwrap();
        }
        let live = Arc::new(File::open(path(*all.end())).unwrap());
        let files = OpenFiles::new(scratch.path().to_owned(), all.clone().collect());
        files.rotated(*all.end(), live);
        let read = |segment| {
            let body = files.payload(&PayloadAt { segment, offset: 0, length: 8, hash: Hash::ZERO });
            body.map(|body| String::from_utf8(body).unwrap())
        };
        for segment in all.clone().chain(all.clone().rev()) {
            assert_eq!(read(segment).unwrap(), format!("{segment:08}"));
            assert!(files.open().others.len() <= MOST);
        }
        // The name now has another file, and who has it open still reads the one before.
        fs::rename(path(2), path(1)).unwrap();
        assert_eq!(read(1).unwrap(), "00000001");
        files.rewritten(1);
        assert_eq!(read(1).unwrap(), "00000002");
        // One that grows is not taken for short.
        let mut grown = PayloadAt { segment: 1, offset: 0, length: 9, hash: Hash::ZERO };
        assert!(files.payload(&grown).is_err());
        fs::write(path(1), "123456789").unwrap();
        assert_eq!(files.payload(&grown).unwrap(), b"123456789");
        grown.length = u64::MAX;
        assert!(files.payload(&grown).is_err());
    }
}
