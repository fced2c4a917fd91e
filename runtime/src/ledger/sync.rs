//! What the threads of a ledger in this process meet at. All of it is named here and nowhere else, so that a test can run
//! the same code where each order in which the threads may go on is tried out.

pub(super) use std::sync::RwLock;
pub(super) use std::sync::atomic::AtomicU8;
pub(super) use std::sync::mpsc as threads;
pub(super) use std::thread;
pub(super) use tokio::sync::{mpsc as tasks, oneshot};
