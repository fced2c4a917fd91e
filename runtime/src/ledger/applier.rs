//! The thread that brings the index up to date with what is durable.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use super::changes::Changes;
use super::index::{Head, Index};
use super::shared::Shared;

/// The changes of one durable batch, and the head they lead to.
pub(super) struct Applied {
    pub(super) changes: Changes,
    pub(super) head: Head,
}

/// Applies batches until there are no more to come, then flushes. The first failure poisons the ledger and ends it.
pub(super) fn run(batches: &Receiver<Applied>, index: &Arc<dyn Index>, shared: &Shared) {
    while let Ok(Applied { changes, head }) = batches.recv() {
        if let Err(error) = index.apply(&changes, &head) {
            return shared.poison(&error);
        }
        shared.overlay.write().unwrap_or_else(PoisonError::into_inner).forget(&changes);
    }
    if let Err(error) = index.flush() {
        shared.poison(&error);
    }
}
