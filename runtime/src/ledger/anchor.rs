//! Anchors: checkpoints that were copied elsewhere, and receipts of answers.
//!
//! A journal alone cannot show that its end was cut off, or that it was rewritten as a whole. Compared with an anchor, it does.

use std::{error, fmt};

use super::Receipt;
use super::checkpoint::Checkpoint;
use super::hash::Hash;

/// A record that a journal must still hold unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// A signed checkpoint, as `safe-tool audit checkpoint` prints it.
    Checkpoint(Checkpoint),
    /// A receipt, as answers carry it in `_meta["dev.safe-tool/receipt"]`.
    Receipt(Receipt),
}

impl Anchor {
    /// Reads one anchor a line; empty lines are skipped.
    ///
    /// # Errors
    /// [`AnchorError`] when a line is no anchor, a checkpoint is not signed by its signer, or there is no anchor at all.
    pub fn read(text: &str) -> Result<Vec<Anchor>, AnchorError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let anchors = lines
            .map(|(place, line)| Anchor::line(line).map_err(|reason| AnchorError { line: place as u64 + 1, reason }))
            .collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() {
            return Err(AnchorError { line: 0, reason: "there is no anchor in it" });
        }
        Ok(anchors)
    }

    fn line(line: &str) -> Result<Anchor, &'static str> {
        if let Ok(checkpoint) = serde_json::from_str::<Checkpoint>(line) {
            if !checkpoint.is_signed() {
                return Err("the checkpoint is not signed by the signer that it names");
            }
            return Ok(Anchor::Checkpoint(checkpoint));
        }
        serde_json::from_str(line).map(Anchor::Receipt).map_err(|_| "it is neither a checkpoint nor a receipt")
    }

    /// Id of the journal.
    #[must_use]
    pub fn log(&self) -> &str {
        match self {
            Anchor::Checkpoint(checkpoint) => &checkpoint.log,
            Anchor::Receipt(receipt) => &receipt.log,
        }
    }

    /// Sequence of the record.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.sequence,
            Anchor::Receipt(receipt) => receipt.sequence,
        }
    }

    /// Hash of the record.
    #[must_use]
    pub fn hash(&self) -> Hash {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.hash,
            Anchor::Receipt(receipt) => receipt.hash,
        }
    }

    /// Time and key of the signature; `None` for a receipt.
    #[must_use]
    pub fn signed(&self) -> Option<(&str, &str)> {
        match self {
            Anchor::Checkpoint(checkpoint) => Some((&checkpoint.at, &checkpoint.signer)),
            Anchor::Receipt(_) => None,
        }
    }
}

/// The reason why a file of anchors cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for AnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.reason),
            line => write!(f, "line {line}: {}", self.reason),
        }
    }
}

impl error::Error for AnchorError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::checkpoint::{KEY_BYTES, Signer};
    use super::super::hash::Hash;
    use super::super::record::Tail;
    use super::Anchor;

    #[test]
    fn checkpoints_and_receipts_are_read_and_nothing_else() {
        let tail = Tail { sequence: 7, hash: Hash([9; 32]) };
        let signer = Signer::new(&[7; KEY_BYTES]).unwrap();
        let checkpoint = serde_json::to_string(&signer.sign("log", tail, "2026-11-20T00:00:00.000Z")).unwrap();
        let receipt = format!("{{\"log\":\"log\",\"sequence\":7,\"hash\":\"{}\"}}", tail.hash);
        let read = Anchor::read(&format!("{checkpoint}\n\n{receipt}\n")).unwrap();
        assert_eq!(read.len(), 2);
        for anchor in &read {
            assert_eq!((anchor.log(), anchor.sequence(), anchor.hash()), ("log", 7, tail.hash));
        }
        assert_eq!(read[0].signed(), Some(("2026-11-20T00:00:00.000Z", signer.public().as_str())));
        assert_eq!(read[1].signed(), None);

        assert_eq!(Anchor::read("\n").unwrap_err().line, 0);
        // A checkpoint that lost its signature must not pass as a receipt.
        let cut = checkpoint.replace(",\"signature\":", ",\"sig\":");
        let forged = checkpoint.replace("\"sequence\":7", "\"sequence\":8");
        for wrong in [cut.as_str(), forged.as_str(), "{}", "7", "log"] {
            assert_eq!(Anchor::read(&format!("{receipt}\n{wrong}")).unwrap_err().line, 2, "{wrong}");
        }
    }
}
