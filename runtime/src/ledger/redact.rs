//! Keyed hashes, as which sensitive arguments appear in the ledger: they show that two values are equal, never the value.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::hash::Hash;
use super::subject::Pair;

/// Bytes of the key in `redact.key`.
pub(super) const KEY_BYTES: usize = 32;

/// HMAC-SHA256 with the key of this ledger.
///
/// A plain hash of a short value (a PIN, a name) can be guessed; without the key this one cannot. Has no `Debug`:
/// it holds the key.
pub struct Redactor(Hmac<Sha256>);

impl Redactor {
    /// `None` when the key is not [`KEY_BYTES`] long.
    pub(super) fn new(key: &[u8]) -> Option<Redactor> {
        if key.len() != KEY_BYTES {
            return None;
        }
        Hmac::new_from_slice(key).ok().map(Redactor)
    }

    /// The keyed hash of `value` as argument `field` of `tool`.
    ///
    /// Each part goes in after its length, so equal values of different fields or tools do not show as equal and no
    /// part can lend bytes to its neighbour.
    #[must_use]
    pub fn hash(&self, tool: &str, field: &str, value: &[u8]) -> Hash {
        let mut mac = self.0.clone();
        for part in [tool.as_bytes(), field.as_bytes(), value] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Hash(mac.finalize().into_bytes().into())
    }
}

impl Redactor {
    /// The pair of a thing and its canonical value in a tenant, the same for every tool.
    #[must_use]
    pub fn pair(&self, tenant: &str, thing: &str, value: &[u8]) -> Pair {
        let mut mac = self.0.clone();
        for part in [b"subject", tenant.as_bytes(), thing.as_bytes(), value] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut pair = [0; 16];
        pair.copy_from_slice(mac.finalize().into_bytes().get(..16).unwrap_or(&[0; 16]));
        Pair(pair)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{KEY_BYTES, Redactor};

    #[test]
    fn tool_field_value_and_key_all_separate() {
        let redactor = Redactor::new(&[7; KEY_BYTES]).unwrap();
        let hash = redactor.hash("tool", "field", b"value");
        assert_eq!(hash, redactor.hash("tool", "field", b"value"));
        assert_ne!(hash, redactor.hash("other", "field", b"value"));
        assert_ne!(hash, redactor.hash("tool", "other", b"value"));
        assert_ne!(hash, redactor.hash("tool", "field", b"other"));
        assert_ne!(hash, redactor.hash("tool", "fieldv", b"alue"));
        assert_ne!(hash, redactor.hash("toolf", "ield", b"value"));
        assert_ne!(hash, Redactor::new(&[8; KEY_BYTES]).unwrap().hash("tool", "field", b"value"));
        assert!(Redactor::new(&[7; KEY_BYTES - 1]).is_none());
    }
}
