//! The state that the threads of one ledger share: its status and its clock.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use std::time::Duration;

use super::error::LedgerError;
use super::record::now_ms;
use super::sync::AtomicU8;
use crate::clock::BootClock;
use crate::clock::ledger::{LedgerClock, Reading};

/// The status of a ledger: which operations it accepts. It only ever gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Open = 0,
    Latched = 1,
    Closed = 2,
    Poisoned = 3,
}

impl Status {
    /// Checks that claims are accepted.
    ///
    /// # Errors
    /// [`LedgerError::Latched`], [`LedgerError::Closed`] or, when poisoned, [`LedgerError::Unavailable`].
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
    /// A clock that reads `wall_ms` now, in a ledger whose last record was written at `last_ms`.
    pub(super) fn new(wall_ms: u64, last_ms: u64, distrust: Duration) -> Clock {
        let boot = BootClock::default();
        let clock = LedgerClock::new(wall_ms, boot.now(), last_ms, distrust);
        Clock { boot, clock: Mutex::new(clock) }
    }

    /// The time now, by the clock of this machine.
    pub(super) fn now(&self) -> Reading {
        self.read(now_ms())
    }

    /// The time, by a clock that reads `wall_ms` now. A jump is logged.
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
    /// Sets the status to `status` unless it is as bad already; true if it changed.
    pub(super) fn worsen(&self, status: Status) -> bool {
        self.status.fetch_max(status as u8, Ordering::SeqCst) < status as u8
    }

    /// Poisons the ledger after a failure of the store: nothing more is accepted.
    pub(super) fn poison(&self, error: &dyn std::fmt::Display) {
        if self.worsen(Status::Poisoned) {
            let error = error.to_string();
            tracing::error!(error, "the ledger failed and accepts nothing more until it is opened again");
        }
    }

    /// Checks that claims are accepted.
    ///
    /// # Errors
    /// As [`Status::accepts_claims`].
    pub(super) fn accepts_claims(&self) -> Result<(), LedgerError> {
        self.status().accepts_claims()
    }

    /// The present status.
    pub(super) fn status(&self) -> Status {
        match self.status.load(Ordering::SeqCst) {
            status if status == Status::Open as u8 => Status::Open,
            status if status == Status::Latched as u8 => Status::Latched,
            status if status == Status::Closed as u8 => Status::Closed,
            _ => Status::Poisoned,
        }
    }

    /// Checks that the ledger can be read and takes outcomes, which a latched one still does.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] or, when poisoned, [`LedgerError::Unavailable`].
    pub(super) fn works(&self) -> Result<(), LedgerError> {
        match self.accepts_claims() {
            Err(LedgerError::Latched) => Ok(()),
            other => other,
        }
    }

    /// Checks that queued operations may still be recorded, which a closed ledger still does.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`] when poisoned.
    pub(super) fn not_poisoned(&self) -> Result<(), LedgerError> {
        match self.accepts_claims() {
            Err(LedgerError::Unavailable) => Err(LedgerError::Unavailable),
            _ => Ok(()),
        }
    }
}
