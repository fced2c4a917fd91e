//! The time of a ledger on this machine: the wall clock, as far as it can be trusted.
//!
//! Retention removes actions by this time, and a removed action may run again. So this time is never earlier than that of the
//! last record, and for a while after an open or a jump of the wall clock nothing expires by it.

use super::Boot;
use std::time::Duration;

/// Time for which nothing expires after an open or a jump, unless the ledger's options say otherwise: a machine that boots with a
/// wrong clock has set it by then.
pub(crate) const DISTRUST: Duration = Duration::from_secs(10 * 60);

/// The most that the wall clock may gain or lose against the boot-time clock between two readings. Slewing stays far below it.
const LARGEST_STEP_MS: u64 = 5_000;

/// The time that a record gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// In ms since 1970; never less than in any reading or record before.
    pub(crate) at_ms: u64,
    /// True when actions may expire by this time.
    pub(crate) trusted: bool,
}

/// A step of the wall clock that the boot-time clock did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jump {
    /// In ms; negative when the wall clock was put back.
    pub(crate) by_ms: i64,
}

/// The clock of one open ledger. Pure: callers pass in the readings of the machine's two clocks.
#[derive(Debug)]
pub(crate) struct LedgerClock {
    wall_ms: u64,
    boot: Boot,
    given_ms: u64,
    trusted_from: Boot,
    distrust: Duration,
    jumped: Option<Jump>,
}

impl LedgerClock {
    /// A clock for a ledger that is opened now and whose last record was written at `last_record_ms` (0 without a record).
    /// Nothing expires for the time of `distrust` after the open and after each jump.
    pub(crate) fn new(wall_ms: u64, boot: Boot, last_record_ms: u64, distrust: Duration) -> LedgerClock {
        let trusted_from = boot.plus(distrust);
        LedgerClock { wall_ms, boot, given_ms: last_record_ms, trusted_from, distrust, jumped: None }
    }

    /// The ledger's time, from the wall clock in ms since 1970 and the boot-time clock, read together.
    pub(crate) fn read(&mut self, wall_ms: u64, boot: Boot) -> Reading {
        let by_ms = difference(wall_ms, self.wall_ms) - i128::try_from(boot.since(self.boot).as_millis()).unwrap_or(0);
        if by_ms.unsigned_abs() > u128::from(LARGEST_STEP_MS) {
            let by_ms = i64::try_from(by_ms).unwrap_or(if by_ms < 0 { i64::MIN } else { i64::MAX });
            // Only the last of several unreported jumps is kept: each starts the distrust again anyway.
            self.jumped = Some(Jump { by_ms });
            self.trusted_from = boot.plus(self.distrust);
        }
        (self.wall_ms, self.boot) = (wall_ms, boot);
        self.given_ms = self.given_ms.max(wall_ms);
        Reading { at_ms: self.given_ms, trusted: boot >= self.trusted_from }
    }

    /// The last jump that was not reported yet; it is returned once.
    pub(crate) fn jumped(&mut self) -> Option<Jump> {
        self.jumped.take()
    }
}

fn difference(later: u64, earlier: u64) -> i128 {
    i128::from(later) - i128::from(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;
    const YEAR: u64 = 365 * 24 * 60 * MINUTE;
    const NOW: u64 = 1_795_000_000_000;

    fn boot(ms: u64) -> Boot {
        Boot::from_ms(ms)
    }

    #[test]
    fn nothing_expires_in_the_first_ten_minutes() {
        let mut clock = LedgerClock::new(NOW, boot(5), 0, DISTRUST);
        for (after, trusted) in [(0, false), (MINUTE, false), (10 * MINUTE - 1, false), (10 * MINUTE, true)] {
            assert_eq!(clock.read(NOW + after, boot(5 + after)), Reading { at_ms: NOW + after, trusted });
        }
        assert_eq!(clock.jumped(), None);
    }

    #[test]
    fn a_suspension_is_no_jump() {
        let mut clock = LedgerClock::new(NOW, boot(0), 0, DISTRUST);
        assert!(clock.read(NOW + YEAR, boot(YEAR)).trusted);
        assert_eq!(clock.jumped(), None);
    }

    /// F5: a wrong clock that is put right, or a right one that is put wrong, frees nothing.
    #[test]
    fn a_jump_is_told_once_and_begins_the_distrust_anew() {
        for (wall, by_ms) in [(NOW + YEAR, YEAR.cast_signed()), (NOW - YEAR, -YEAR.cast_signed())] {
            let mut clock = LedgerClock::new(NOW, boot(0), 0, DISTRUST);
            assert!(clock.read(NOW + 20 * MINUTE, boot(20 * MINUTE)).trusted);
            assert!(!clock.read(wall + 20 * MINUTE, boot(20 * MINUTE)).trusted);
            assert_eq!((clock.jumped(), clock.jumped()), (Some(Jump { by_ms }), None));
            assert!(!clock.read(wall + 29 * MINUTE, boot(29 * MINUTE)).trusted);
            assert!(clock.read(wall + 30 * MINUTE, boot(30 * MINUTE)).trusted);
            assert_eq!(clock.jumped(), None);
        }
    }

    #[test]
    fn five_seconds_between_two_readings_are_no_jump_and_more_are() {
        for (step, jumped) in [(5_000, None), (5_001, Some(Jump { by_ms: 5_001 }))] {
            let mut clock = LedgerClock::new(NOW, boot(0), 0, DISTRUST);
            clock.read(NOW + 1_000 + step, boot(1_000));
            assert_eq!(clock.jumped(), jumped);
            let mut clock = LedgerClock::new(NOW, boot(0), 0, DISTRUST);
            clock.read(NOW + 1_000 - step, boot(1_000));
            assert_eq!(clock.jumped(), jumped.map(|_| Jump { by_ms: -5_001 }));
        }
    }

    #[test]
    fn it_begins_no_earlier_than_the_last_record() {
        let mut clock = LedgerClock::new(NOW, boot(0), NOW + YEAR, DISTRUST);
        assert_eq!(clock.read(NOW, boot(0)).at_ms, NOW + YEAR);
    }

    proptest! {
        /// Whatever the wall clock does: time never goes back, is never earlier than the wall clock, and is trusted only when
        /// the clocks agreed over all readings of the last ten minutes.
        #[test]
        fn time_never_goes_back_and_is_trusted_only_in_peace(
            last_record in 0..2 * NOW,
            steps in prop::collection::vec((0..12 * MINUTE, prop_oneof![3 => Just(0), 1 => -20_000..20_000_i64]), 1..40),
        ) {
            let (mut wall, mut since_boot, mut peace, mut last) = (NOW, 0, 0, last_record);
            let mut clock = LedgerClock::new(wall, boot(0), last_record, DISTRUST);
            for (passed, step) in steps {
                since_boot += passed;
                wall = (wall + passed).checked_add_signed(step).unwrap_or(0);
                let jumped = step.unsigned_abs() > LARGEST_STEP_MS;
                peace = if jumped { 0 } else { peace + passed };
                let reading = clock.read(wall, boot(since_boot));
                prop_assert!(reading.at_ms >= last && reading.at_ms >= wall);
                prop_assert!(reading.at_ms == last || reading.at_ms == wall);
                prop_assert_eq!(reading.trusted, peace >= 10 * MINUTE);
                prop_assert_eq!(clock.jumped().map(|jump| jump.by_ms), jumped.then_some(step));
                last = reading.at_ms;
            }
        }
    }
}
