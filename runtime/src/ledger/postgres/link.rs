//! The state that the store and its committer share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::super::error::LedgerError;
use super::super::shared::{Clock, Shared};
use super::set_backs::SetBack;
use crate::clock::ledger::DISTRUST;

/// A reading of the database's clock that took longer is not compared with earlier ones.
const SLOW: Duration = Duration::from_secs(2);

/// The status of the ledger, of its connection and of its clock, and the epochs of this server.
#[derive(Default)]
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    connected: AtomicBool,
    trusted: AtomicBool,
    clock: OnceLock<Clock>,
    distrust: OnceLock<Duration>,
    mine: RwLock<BTreeSet<u64>>,
    set_back: OnceLock<SetBack>,
}

impl Link {
    /// Poisons the ledger because the database has lost records; [`health`](Link::health) says so from then on.
    pub(super) fn set_back(&self, set_back: SetBack) {
        let error = LedgerError::from(self.set_back.get_or_init(|| set_back).clone());
        self.shared.poison(&error);
    }

    /// Checks that claims are accepted.
    ///
    /// # Errors
    /// [`LedgerError::SetBack`], [`LedgerError::Latched`], [`LedgerError::Closed`], or [`LedgerError::Unavailable`] when it failed
    /// or has no connection.
    pub(super) fn health(&self) -> Result<(), LedgerError> {
        match self.set_back.get() {
            Some(set_back) => Err(set_back.clone().into()),
            None => self.shared.accepts_claims().and_then(|()| self.connected()),
        }
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::SeqCst);
    }

    /// Checks that there is a connection to write on.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`] when there is none.
    pub(super) fn connected(&self) -> Result<(), LedgerError> {
        if self.connected.load(Ordering::SeqCst) { Ok(()) } else { Err(LedgerError::Unavailable) }
    }

    /// True if the database's clock is trusted; see `LedgerClock`.
    pub(super) fn trusted(&self) -> bool {
        self.trusted.load(Ordering::SeqCst)
    }

    /// Takes a reading of the database's clock; the query took `took`.
    pub(super) fn read_clock(&self, at_ms: u64, took: Duration) {
        let clock = self.clock.get_or_init(|| Clock::new(at_ms, 0, self.distrust.get().copied().unwrap_or(DISTRUST)));
        // A reading that took long shows a slow database, not a jump of its clock.
        let trusted = took < SLOW && clock.read(at_ms).trusted;
        self.trusted.store(trusted, Ordering::SeqCst);
    }

    /// Sets the time for which nothing expires after the first reading and after each jump.
    pub(super) fn set_distrust(&self, distrust: Duration) {
        self.distrust.get_or_init(|| distrust);
    }

    /// Epochs of the connections whose actions this server runs.
    pub(super) fn mine(&self) -> BTreeSet<u64> {
        self.mine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_mine(&self, epochs: BTreeSet<u64>) {
        *self.mine.write().unwrap_or_else(PoisonError::into_inner) = epochs;
    }
}
