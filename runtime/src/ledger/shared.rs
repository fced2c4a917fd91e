//! What the threads of one ledger share: what it still accepts, and its clock.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use std::time::Duration;

use super::error::LedgerError;
use super::record::now_ms;
use super::sync::AtomicU8;
use crate::clock::BootClock;
use crate::clock::ledger::{LedgerClock, Reading};

/// What the ledger still accepts; only ever gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Open = 0,
    Latched = 1,
    Closed = 2,
    Poisoned = 3,
}

impl Status {
    /// Accepts claims.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) fn accepts_claims(self) -> Result<(), LedgerError> {
        match self {
            Status::Open => Ok(()),
            Status::Latched => Err(LedgerError::Latched),
            Status::Closed => Err(LedgerError::Closed),
            Status::Poisoned => Err(LedgerError::Unavailable),
        }
    }
}

/// Shared by the threads of a store.
#[derive(Default)]
pub(super) struct Shared {
    status: AtomicU8,
}

/// The clock of a ledger, read by its threads.
pub(super) struct Clock {
    boot: BootClock,
    clock: Mutex<LedgerClock>,
}

impl Clock {
    /// A clock that says `wall_ms` now, in a ledger whose last record was written at `last_ms`.
    pub(super) fn new(wall_ms: u64, last_ms: u64, distrust: Duration) -> Clock {
        let boot = BootClock::default();
        let clock = LedgerClock::new(wall_ms, boot.now(), last_ms, distrust);
        Clock { boot, clock: Mutex::new(clock) }
    }

    /// The time now, by the clock of this machine.
    pub(super) fn now(&self) -> Reading {
        self.read(now_ms())
    }

    /// The time, by a clock that says `wall_ms` now. Operators are told of a jump.
    pub(super) fn read(&self, wall_ms: u64) -> Reading {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = clock.read(wall_ms, self.boot.now());
        if let Some(jump) = clock.jumped() {
            tracing::error!(
                by_ms = jump.by_ms,
                "the clock of the ledger jumped: no key expires for a while; check the time of this machine"
            );
        }
        reading
    }
}

impl Shared {
    /// Moves the status on to `status`, unless it is there or worse; says whether it moved.
    pub(super) fn worsen(&self, status: Status) -> bool {
        self.status.fetch_max(status as u8, Ordering::SeqCst) < status as u8
    }

    /// The store failed: nothing more is accepted.
    pub(super) fn poison(&self, error: &dyn std::fmt::Display) {
        if self.worsen(Status::Poisoned) {
            tracing::error!(%error, "the ledger failed and accepts nothing more until it is opened again");
        }
    }

    /// Whether claims are accepted; if not, why.
    pub(super) fn accepts_claims(&self) -> Result<(), LedgerError> {
        self.status().accepts_claims()
    }

    /// What the ledger accepts now.
    pub(super) fn status(&self) -> Status {
        match self.status.load(Ordering::SeqCst) {
            status if status == Status::Open as u8 => Status::Open,
            status if status == Status::Latched as u8 => Status::Latched,
            status if status == Status::Closed as u8 => Status::Closed,
            _ => Status::Poisoned,
        }
    }

    /// Whether anything is accepted; a latched ledger still answers and still takes outcomes.
    pub(super) fn works(&self) -> Result<(), LedgerError> {
        match self.accepts_claims() {
            Err(LedgerError::Latched) => Ok(()),
            other => other,
        }
    }

    /// Whether what is queued may still be recorded, which closing does not change.
    pub(super) fn not_poisoned(&self) -> Result<(), LedgerError> {
        match self.accepts_claims() {
            Err(LedgerError::Unavailable) => Err(LedgerError::Unavailable),
            _ => Ok(()),
        }
    }
}
