//! One file of the journal, written in place: each write is durable when it returns, and needs no allocation where another
//! thread has filled the file with zero bytes before.

use std::fs::{File, OpenOptions};
use std::io;
#[cfg(target_os = "linux")]
use std::io::IoSlice;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::io::{ReadWriteFlags, pwritev2};

use super::WriteError;

/// Bytes that are reserved at once where nothing is filled.
const RESERVE: u64 = 16 * 1024;
/// Bytes that are filled at once: the writer may have to wait for as much.
const CHUNK: u64 = 1024 * 1024;

/// A segment that is written to, or will be.
pub(super) struct SegmentFile {
    /// Written with the flag that lets a write return when it is on the disk.
    file: Arc<File>,
    /// The same file, opened once more: a page that did not reach the disk is told to each opening once, and the filler
    /// must not hear what the writer has to hear.
    filling: File,
    /// Up to here it is filled or written. Moves under the lock only; behind it, nobody writes without the lock.
    ready: AtomicU64,
    growth: Mutex<Growth>,
}

/// What is behind the bytes that are ready.
struct Growth {
    /// Up to here the disk has room for what is written.
    reserved: u64,
    /// Nothing is filled any more.
    sealed: bool,
    /// Bytes behind those that are ready may not be used: see [`SegmentFile::fill`].
    spoiled: bool,
}

impl SegmentFile {
    /// Makes an empty file, in place of what is there.
    pub(super) fn create(path: &Path) -> io::Result<SegmentFile> {
        SegmentFile::with(path, OpenOptions::new().create(true).truncate(true), 0)
    }

    /// Opens the file and cuts it to `length`.
    ///
    /// Zero bytes behind it are cut too, even if they may have been filled: nobody knows whether they reached the disk.
    pub(super) fn open(path: &Path, length: u64) -> io::Result<SegmentFile> {
        let segment = SegmentFile::with(path, &mut OpenOptions::new(), length)?;
        if segment.file.metadata()?.len() != length {
            segment.file.set_len(length)?;
            segment.file.sync_all()?;
        }
        Ok(segment)
    }

    fn with(path: &Path, options: &mut OpenOptions, length: u64) -> io::Result<SegmentFile> {
        let file = options.read(true).write(true).mode(0o600).open(path)?;
        let filling = OpenOptions::new().write(true).open(path)?;
        let growth = Growth { reserved: length, sealed: false, spoiled: false };
        Ok(SegmentFile { file: Arc::new(file), filling, ready: AtomicU64::new(length), growth: Mutex::new(growth) })
    }

    /// The file, for readers.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Up to where it is filled or written.
    pub(super) fn ready(&self) -> u64 {
        self.ready.load(Ordering::Acquire)
    }

    /// Writes `batch` at `offset`, where what was written ends; on return it is durable.
    pub(super) fn write(&self, batch: &[u8], offset: u64) -> Result<(), WriteError> {
        let end = offset.saturating_add(batch.len() as u64);
        if end <= self.ready() {
            return self.write_through(batch, offset);
        }
        let mut growth = self.growth();
        if growth.spoiled {
            let reason = "a part of the segment that could not be filled cannot be given back";
            return Err(WriteError::Broken(io::Error::other(reason)));
        }
        // What is missing then is found out before any byte of the batch is on its way.
        if end > growth.reserved {
            growth.reserved = self.reserve(growth.reserved, end).map_err(WriteError::Refused)?;
        }
        self.write_through(batch, offset)?;
        self.ready.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn write_through(&self, mut batch: &[u8], mut offset: u64) -> Result<(), WriteError> {
        while !batch.is_empty() {
            let written = match pwritev2(&*self.file, &[IoSlice::new(batch)], offset, ReadWriteFlags::DSYNC) {
                Ok(0) => return Err(WriteError::Broken(io::ErrorKind::WriteZero.into())),
                Err(Errno::INTR) => 0,
                other => other.map_err(|error| WriteError::Broken(error.into()))?,
            };
            batch = batch.get(written..).unwrap_or_default();
            offset += written as u64;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn write_through(&self, batch: &[u8], offset: u64) -> Result<(), WriteError> {
        self.file.write_all_at(batch, offset).and_then(|()| self.file.sync_data()).map_err(WriteError::Broken)
    }

    /// Reserves room behind `from`, at least up to `to`, and gives its end.
    fn reserve(&self, from: u64, to: u64) -> io::Result<u64> {
        let to = to.max(from.saturating_add(RESERVE));
        loop {
            // Through the other opening: reserving is no write that has to be durable.
            match fallocate(&self.filling, FallocateFlags::empty(), from, to - from) {
                Ok(()) => return Ok(to),
                Err(Errno::INTR) => {}
                // This file system cannot tell ahead.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(u64::MAX),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fills the file with zero bytes up to `to`, a chunk after the other, until it is sealed.
    ///
    /// After a write that failed, ext4 takes what it had allocated for it as never written, even when the same place is
    /// written well later: once the page cache is gone, zero bytes are there. So what could not be filled is given back.
    pub(super) fn fill(&self, to: u64) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
        loop {
            let mut growth = self.growth();
            let from = self.ready();
            if growth.sealed || from >= to {
                return Ok(());
            }
            let length = usize::try_from(CHUNK.min(to - from)).unwrap_or_default();
            let chunk = zeros.get(..length).unwrap_or_default();
            if let Err(error) = self.filling.write_all_at(chunk, from).and_then(|()| self.filling.sync_data()) {
                growth.sealed = true;
                growth.spoiled = self.filling.set_len(from).is_err();
                growth.reserved = from;
                return Err(error);
            }
            let end = from + length as u64;
            growth.reserved = growth.reserved.max(end);
            self.ready.store(end, Ordering::Release);
        }
    }

    /// Ends a filling that is under way, and any other.
    pub(super) fn seal(&self) {
        self.growth().sealed = true;
    }

    /// Seals it and cuts it to `length`; says whether there was anything to cut.
    pub(super) fn cut(&self, length: u64) -> io::Result<bool> {
        let mut growth = self.growth();
        growth.sealed = true;
        if self.file.metadata()?.len() == length {
            return Ok(false);
        }
        self.file.set_len(length)?;
        growth.reserved = length;
        self.ready.store(length, Ordering::Release);
        Ok(true)
    }

    fn growth(&self) -> MutexGuard<'_, Growth> {
        self.growth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::sync::Arc;

    use super::{CHUNK, RESERVE, SegmentFile};

    #[test]
    fn what_is_written_while_it_is_filled_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("segment");
        let segment = Arc::new(SegmentFile::create(&path).unwrap());
        let filler = {
            let segment = Arc::clone(&segment);
            std::thread::spawn(move || segment.fill(3 * CHUNK + 5))
        };
        let mut expected = Vec::new();
        let mut number = 0_u32;
        while expected.len() < usize::try_from(2 * CHUNK).unwrap() {
            let batch = number.to_le_bytes().repeat(40_000);
            segment.write(&batch, expected.len() as u64).unwrap();
            expected.extend(batch);
            number += 1;
        }
        filler.join().unwrap().unwrap();
        assert!(segment.ready() >= 3 * CHUNK + 5);
        let held = fs::read(&path).unwrap();
        assert!(held[..expected.len()] == expected[..], "the filler wrote over what was there");
        assert!(held[expected.len()..].iter().all(|byte| *byte == 0));
        segment.cut(expected.len() as u64).unwrap();
        assert!(fs::read(&path).unwrap() == expected);
        // Sealed: no more zeros.
        segment.fill(9 * CHUNK).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), expected.len() as u64);
    }

    #[test]
    fn little_is_reserved_where_nothing_is_filled() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("segment");
        let segment = SegmentFile::create(&path).unwrap();
        segment.write(b"line\n", 0).unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= RESERVE);
        drop(segment);
        let segment = SegmentFile::open(&path, 5).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"line\n");
        segment.write(b"next\n", 5).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"line\nnext\n\0"));
    }
}
