//! Versions of actions that several servers change: each names one record of one chain, and never recurs.

/// Bits that hold the sequence; the chain's number is above them.
const SEQUENCE_BITS: u32 = 40;

/// The record `sequence` of the chain with this number.
pub(super) fn version(chain: u64, sequence: u64) -> u64 {
    (chain << SEQUENCE_BITS) | sequence
}

/// The number of the chain, and the sequence in it.
pub(super) fn place(version: u64) -> (u64, u64) {
    (version >> SEQUENCE_BITS, version & ((1 << SEQUENCE_BITS) - 1))
}

/// The version that a caller means: a receipt says only the sequence in the chain of its own server.
pub(super) fn meant(version_or_sequence: u64, own_chain: u64) -> u64 {
    match place(version_or_sequence) {
        (0, sequence) => version(own_chain, sequence),
        _ => version_or_sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::{meant, place, version};

    #[test]
    fn a_version_names_its_chain_and_its_record() {
        // The largest number that the database gives out: a version must fit its signed 64 bits.
        let (chain, sequence) = (8_388_607, (1 << 40) - 1);
        assert!(i64::try_from(version(chain, sequence)).is_ok());
        assert_eq!(place(version(chain, sequence)), (chain, sequence));
        assert_eq!(meant(version(2, 7), 9), version(2, 7));
        assert_eq!(meant(7, 9), version(9, 7));
    }
}
