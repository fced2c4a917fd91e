//! Time since the machine booted, its suspensions included.
//!
//! `Instant` and the timers of tokio stand still while a laptop sleeps or a virtual machine is paused; other servers do not.
//! A lease, on which other servers rely, is therefore measured by [`BootClock`].

pub(crate) mod ledger;

use std::time::Duration;

/// A moment, as time since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boot(Duration);

impl Boot {
    /// The moment `ms` milliseconds after boot.
    #[cfg(test)]
    pub(crate) const fn from_ms(ms: u64) -> Boot {
        Boot(Duration::from_millis(ms))
    }

    /// The moment `time` later.
    pub(crate) fn plus(self, time: Duration) -> Boot {
        Boot(self.0.saturating_add(time))
    }

    /// Time from `earlier` to this moment; zero when `earlier` is later.
    pub(crate) fn since(self, earlier: Boot) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The source of [`Boot`] moments: the machine, or a test.
#[derive(Debug, Clone, Default)]
pub(crate) enum BootClock {
    /// The clock of the machine.
    #[default]
    Machine,
    /// Stands where the test sets it, in ms.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::atomic::AtomicU64>),
}

impl BootClock {
    /// The present moment.
    pub(crate) fn now(&self) -> Boot {
        match self {
            BootClock::Machine => machine(),
            #[cfg(test)]
            BootClock::Set(ms) => Boot::from_ms(ms.load(std::sync::atomic::Ordering::SeqCst)),
        }
    }

    /// A clock that stands at 0 until the test moves it.
    #[cfg(test)]
    pub(crate) fn set() -> (BootClock, std::sync::Arc<std::sync::atomic::AtomicU64>) {
        let ms = std::sync::Arc::default();
        (BootClock::Set(std::sync::Arc::clone(&ms)), ms)
    }
}

fn machine() -> Boot {
    use rustix::time::{ClockId, clock_gettime};
    // Elsewhere (macOS) the monotonic clock goes on while the machine sleeps.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    // Never negative, and the nanoseconds are less than a second.
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0));
    Boot(Duration::new(seconds, nanos))
}

/// A lease, in boot time: no step of the work under it begins after its end.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    clock: BootClock,
    end: Boot,
}

impl Lease {
    /// A lease of this length that begins now.
    pub(crate) fn of(clock: &BootClock, length: Duration) -> Lease {
        Lease { clock: clock.clone(), end: clock.now().plus(length) }
    }

    /// True once the lease has ended.
    pub(crate) fn over(&self) -> bool {
        self.clock.now() >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_machines_clock_never_goes_back() {
        let clock = BootClock::default();
        let (first, second) = (clock.now(), clock.now());
        assert!(first > Boot::from_ms(0) && second >= first);
    }

    #[test]
    fn a_lease_is_over_at_its_end_and_not_before() {
        let (clock, ms) = BootClock::set();
        ms.store(7, Ordering::SeqCst);
        let lease = Lease::of(&clock, Duration::from_millis(10));
        for (at, over) in [(7, false), (16, false), (17, true), (90_000, true)] {
            ms.store(at, Ordering::SeqCst);
            assert_eq!(lease.over(), over, "{at}");
        }
    }
}
