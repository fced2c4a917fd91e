//! Where the content of a segment ends: the one that is written to has zero bytes behind its last line.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes looked at in one step, from the end of the file backwards.
const BLOCK: u64 = 64 * 1024;

/// What `bytes` are without the zero bytes at their end.
pub(in crate::ledger) fn content(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Reads a file up to the zero bytes at its end, as they are when it begins.
///
/// A server may be writing: batches are whole one after the other, so all that stands before the end found is whole but for
/// the last batch.
pub(in crate::ledger) struct Content<F> {
    file: F,
    at: u64,
    end: u64,
}

impl<F: Borrow<File>> Content<F> {
    /// From the first byte of `file` on.
    pub(in crate::ledger) fn of(file: F) -> io::Result<Content<F>> {
        let end = content_end(file.borrow())?;
        Ok(Content { file, at: 0, end })
    }
}

impl<F: Borrow<File>> Read for Content<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = into.len().min(left);
        let read = self.file.borrow().read_at(into.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn content_end(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    // The last byte alone tells of a segment that is complete, which most are.
    let mut step = 1;
    while end > 0 {
        let begin = end.saturating_sub(step);
        block.resize(usize::try_from(end - begin).unwrap_or_default(), 0);
        match file.read_exact_at(&mut block, begin) {
            // It was cut to its content meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => end = end.min(file.metadata()?.len()),
            other => {
                other?;
                match content(&block).len() {
                    0 => end = begin,
                    length => return Ok(begin + length as u64),
                }
            }
        }
        step = BLOCK;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;
    use std::io::Read;

    use super::{BLOCK, Content, content};

    #[test]
    fn zeros_at_the_end_are_no_content_and_others_are() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("segment");
        let block = usize::try_from(BLOCK).unwrap();
        for (text, zeros) in
            [(0, 0), (0, 1), (0, 3 * block), (1, 0), (1, block), (block, 1), (block + 7, 2 * block - 7)]
        {
            let mut bytes = vec![0; text / 2];
            bytes.resize(text, b'x');
            bytes.resize(text + zeros, 0);
            std::fs::write(&path, &bytes).unwrap();
            let mut read = Vec::new();
            Content::of(File::open(&path).unwrap()).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read.len(), text, "{text} {zeros}");
            assert_eq!(read, content(&bytes));
        }
    }
}
