//! Checkpoints: signed statements of a journal's last record. A copy that is kept elsewhere shows that the journal was cut or
//! rewritten.
//!
//! The signature is Ed25519 over five lines, each ended by a line break:
//!
//! ```text
//! safe-tool checkpoint v1
//! <log>
//! <sequence of the record that is signed>
//! <hash of that record>
//! <time>
//! ```

use std::time::Duration;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::record::Tail;

/// Bytes of the key in `signing.key`.
pub(super) const KEY_BYTES: usize = ed25519_dalek::SECRET_KEY_LENGTH;

/// Time from one checkpoint to the next when there are new records.
const WHEN_NEW: Duration = Duration::from_secs(60);
/// Time from one checkpoint to the next when there are none: it signs that nothing was written.
const WHEN_SILENT: Duration = Duration::from_secs(600);

/// True when a checkpoint is due, with `new` records after the last one, which was signed `age` ago.
pub(super) fn due(new: u64, age: Duration) -> bool {
    age >= if new == 0 { WHEN_SILENT } else { WHEN_NEW }
}

/// One checkpoint, as it is copied elsewhere: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Id of the journal.
    pub log: String,
    /// Sequence of the last record that it covers.
    pub sequence: u64,
    /// Hash of that record.
    pub hash: Hash,
    /// Time of the signature, as RFC 3339.
    pub at: String,
    /// The public key, as 64 hex digits.
    pub signer: String,
    /// The signature, as 128 hex digits.
    pub signature: String,
}

impl Checkpoint {
    /// True when the signature is valid for the public key in `signer`. Trust in that key must come from elsewhere.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        let text = text(&self.log, Tail { sequence: self.sequence, hash: self.hash }, &self.at);
        let checked = || {
            let mut key = [0; ed25519_dalek::PUBLIC_KEY_LENGTH];
            hex::decode_to_slice(&self.signer, &mut key).ok()?;
            let mut signature = [0; ed25519_dalek::SIGNATURE_LENGTH];
            hex::decode_to_slice(&self.signature, &mut signature).ok()?;
            let key = VerifyingKey::from_bytes(&key).ok()?;
            key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature)).ok()
        };
        checked().is_some()
    }
}

/// Signs checkpoints with the key of this ledger. Has no `Debug`: it holds the key.
pub(super) struct Signer(SigningKey);

impl Signer {
    /// `None` when the key is not [`KEY_BYTES`] long.
    pub(super) fn new(key: &[u8]) -> Option<Signer> {
        Some(Signer(SigningKey::from_bytes(key.try_into().ok()?)))
    }

    /// The public key, as hex.
    pub(super) fn public(&self) -> String {
        hex::encode(self.0.verifying_key().as_bytes())
    }

    /// Signs that `log` has come to `tail`.
    pub(super) fn sign(&self, log: &str, tail: Tail, at: &str) -> Checkpoint {
        let signature = self.0.sign(text(log, tail, at).as_bytes());
        Checkpoint {
            log: log.to_owned(),
            sequence: tail.sequence,
            hash: tail.hash,
            at: at.to_owned(),
            signer: self.public(),
            signature: hex::encode(signature.to_bytes()),
        }
    }
}

fn text(log: &str, tail: Tail, at: &str) -> String {
    format!("safe-tool checkpoint v1\n{log}\n{}\n{}\n{at}\n", tail.sequence, tail.hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::hash::Hash;
    use super::super::record::Tail;
    use super::{Checkpoint, Duration, KEY_BYTES, Signer, due};

    const AT: &str = "2026-11-20T00:00:00.000Z";

    fn signed() -> Checkpoint {
        let tail = Tail { sequence: 7, hash: Hash([9; 32]) };
        Signer::new(&[7; KEY_BYTES]).unwrap().sign("log", tail, AT)
    }

    #[test]
    fn every_member_is_signed() {
        let checkpoint = signed();
        assert!(checkpoint.is_signed());
        let other = Signer::new(&[8; KEY_BYTES]).unwrap().public();
        for forged in [
            Checkpoint { log: "gol".to_owned(), ..signed() },
            Checkpoint { sequence: 8, ..signed() },
            Checkpoint { hash: Hash::ZERO, ..signed() },
            Checkpoint { at: "2026-11-21T00:00:00.000Z".to_owned(), ..signed() },
            Checkpoint { signer: other, ..signed() },
            Checkpoint { signature: "00".repeat(64), ..signed() },
            Checkpoint { signature: String::new(), ..signed() },
        ] {
            assert!(!forged.is_signed(), "{forged:?}");
        }
    }

    #[test]
    fn silence_is_signed_too_but_less_often() {
        let seconds = Duration::from_secs;
        assert_eq!([59, 60].map(|age| due(1, seconds(age))), [false, true]);
        assert_eq!([60, 599, 600].map(|age| due(0, seconds(age))), [false, false, true]);
    }

    #[test]
    fn a_key_of_another_length_signs_nothing() {
        assert!(Signer::new(&[7; KEY_BYTES - 1]).is_none());
    }
}
