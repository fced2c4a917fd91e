//! What a disk may hold of a batch that was written and not synced.

use safe_tool_tests::witness::journal::segments;
use serde_json::Value;
use std::path::Path;

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tear {
    /// Nothing.
    All,
    /// The first half.
    Half,
    /// All but the last byte.
    OneByte,
    /// All, with zeros in place of its first bytes: a later page reached the disk before an earlier one.
    Front,
}

impl Tear {
    /// All of them.
    pub(super) const ALL: [Tear; 4] = [Tear::All, Tear::Half, Tear::OneByte, Tear::Front];

    /// Tears the unsynced end of a journal; `false` when there is none.
    pub(super) fn tear(self, ledger: &Path) -> std::io::Result<bool> {
        let Some(path) = segments(ledger).pop() else { return Ok(false) };
        let mut bytes = std::fs::read(&path)?;
        let synced = synced(&bytes);
        let unsynced = bytes.len() - synced;
        if unsynced == 0 {
            return Ok(false);
        }
        match self {
            Tear::All => bytes.truncate(synced),
            Tear::Half => bytes.truncate(synced + unsynced / 2),
            Tear::OneByte => bytes.truncate(bytes.len() - 1),
            Tear::Front => {
                let front = (unsynced / 2).min(4096);
                bytes.iter_mut().skip(synced).take(front).for_each(|byte| *byte = 0);
            }
        }
        std::fs::write(&path, bytes)?;
        Ok(true)
    }
}

/// Bytes up to the end of the record that the last one knew to be synced.
fn synced(bytes: &[u8]) -> usize {
    let mut durable = 0;
    let mut ends = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if let Ok(record) = serde_json::from_slice::<Value>(line)
            && let (Some(sequence), Some(known)) = (record["seq"].as_u64(), record["durable"].as_u64())
        {
            ends.push((sequence, at));
            durable = known;
        }
    }
    ends.iter().rev().find(|(sequence, _)| *sequence <= durable).map_or(0, |(_, at)| *at)
}
