//! Versions of actions in a shared ledger: each names one record of one chain, and is never used twice.

use super::super::action::Version;

/// Bits that hold the sequence; the chain's number is above them.
const SEQUENCE_BITS: u32 = 40;

/// The record `sequence` of the chain with this number.
pub(super) fn version(chain: u64, sequence: u64) -> Version {
    Version((chain << SEQUENCE_BITS) | sequence)
}

/// The number of the chain, and the sequence in it.
pub(super) fn place(Version(version): Version) -> (u64, u64) {
    (version >> SEQUENCE_BITS, version & ((1 << SEQUENCE_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::{place, version};

    #[test]
    fn a_version_names_its_chain_and_its_record() {
        // The largest number that the database gives out: a version must fit its signed 64 bits.
        let (chain, sequence) = (8_388_607, (1 << 40) - 1);
        assert!(i64::try_from(version(chain, sequence).0).is_ok());
        assert_eq!(place(version(chain, sequence)), (chain, sequence));
    }
}
