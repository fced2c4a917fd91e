//! What a disk may hold of a batch whose write did not come back.

use safe_tool_tests::witness::journal::segments;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tear {
    /// All.
    Whole,
    /// The first half.
    Half,
    /// All but the last byte.
    OneByte,
    /// All but its first bytes: a later page reached the disk before an earlier one.
    Front,
}

impl Tear {
    /// All of them.
    pub(super) const ALL: [Tear; 4] = [Tear::Whole, Tear::Half, Tear::OneByte, Tear::Front];

    /// Puts on the disk a part of what a server was writing when it was killed; `trace` says what that was.
    pub(super) fn tear(self, ledger: &Path, trace: &str) -> std::io::Result<()> {
        let path = segments(ledger).pop().ok_or(ErrorKind::NotFound)?;
        let (batch, offset) = writing(trace).ok_or_else(|| Error::other("the trace does not show a write"))?;
        let half = batch.len() / 2;
        let (from, to) = match self {
            Tear::Whole => (0, batch.len()),
            Tear::Half => (0, half),
            Tear::OneByte => (0, batch.len() - 1),
            Tear::Front => (half.min(4096), batch.len()),
        };
        OpenOptions::new().write(true).open(path)?.write_all_at(&batch[from..to], offset + from as u64)
    }
}

/// The bytes and the offset of the write that did not come back.
fn writing(trace: &str) -> Option<(Vec<u8>, u64)> {
    let call = trace.lines().rev().find(|line| line.contains("pwritev2(") && line.ends_with("= ?"))?;
    let mut parts = call.split('"');
    let bytes = parts.nth(1)?.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().ok()?;
    // Behind the bytes: their number, the number of slices, the offset, the flags.
    let offset = parts.next()?.split(", ").nth(3)?;
    Some((bytes, offset.parse().ok()?)).filter(|(bytes, _)| !bytes.is_empty())
}
