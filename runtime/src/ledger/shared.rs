//! What the threads of one ledger share: whether it still accepts, and what the index does not hold yet.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::action::Action;
use super::changes::Changes;
use super::error::LedgerError;
use super::hash::Hash;
use super::local::index::Index;
use super::subject::{Meeting, Slot};
use super::sync::{AtomicU8, RwLock};

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

/// Shared by the store, the committer and the applier.
#[derive(Default)]
pub(super) struct Shared {
    status: AtomicU8,
    /// Durable changes on their way into the index.
    pub(super) overlay: RwLock<Changes>,
}

impl Shared {
    /// Moves the status on to `status`, unless it is there or worse; says whether it moved.
    pub(super) fn worsen(&self, status: Status) -> bool {
        self.status.fetch_max(status as u8, Ordering::SeqCst) < status as u8
    }

    /// The index or the journal failed: nothing more is accepted.
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

    /// The durable state of an action.
    pub(super) fn lookup(&self, index: &dyn Index, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        // The overlay first: a change leaves it only after it is in the index.
        let waiting = self.overlay.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        match waiting {
            Some(change) => Ok(change.action),
            None => Ok(index.get(key)?.map(Arc::new)),
        }
    }

    /// The durable meeting at a slot.
    pub(super) fn meeting(&self, index: &dyn Index, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        let waiting = self.overlay.read().unwrap_or_else(PoisonError::into_inner).meeting(slot).cloned();
        match waiting {
            Some(meeting) => Ok(Some(meeting)),
            None => Ok(index.meeting(slot)?.map(Arc::new)),
        }
    }
}
