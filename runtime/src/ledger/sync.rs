//! The synchronization primitives of a ledger's threads. They are named here and nowhere else, so that a test can run the same
//! code with primitives that try out every order of the threads.

#[cfg(not(shuttle))]
mod real {
    pub(in crate::ledger) use std::sync::atomic::AtomicU8;
    pub(in crate::ledger) use std::sync::mpsc as threads;
    pub(in crate::ledger) use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
    pub(in crate::ledger) use std::thread;
    pub(in crate::ledger) use tokio::sync::{mpsc as tasks, oneshot};
}

#[cfg(shuttle)]
use super::tests::handoff::sync as real;

pub(super) use real::*;
