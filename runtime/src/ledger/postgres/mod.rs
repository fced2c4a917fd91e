//! The [`Store`](super::Store) in a Postgres database that several servers share.
//!
//! **Rows and records in one transaction.** Each server has a chain of its own and one connection that writes. For a batch it takes
//! the queued operations, locks their rows, decides, commits the rows, the records and the head of its chain together, and then
//! answers. `open` records and checkpoints name the last records of the other servers' chains, so the others show it when a chain
//! is cut or rewritten.
//!
//! **Locks, not clocks, show that a server lives.** The writing connection holds an advisory lock of its own epoch. A server that
//! finds a started action of another epoch tries that lock: if it gets it, the other server is presumed dead and the action is in
//! doubt. A lost connection loses its lock and its open transaction at once. A server that lost its connection starts nothing until
//! it has another; it keeps the outcomes of running actions and records them then. If it was presumed dead meanwhile, they settle
//! the doubts as late outcomes. Until the lease of such an action has passed, no server reconciles it or runs it again.
//!
//! **Requirements.** A primary with `fsync` and `synchronous_commit` on, reached directly or through a proxy that keeps sessions
//! (one that pools transactions is detected and refused).
//!
//! **Failover.** The URL may name the primary and its standbys; servers look for the one that takes writes and move to it. With a
//! synchronous standby every acknowledged record is there. A failover to a standby that lagged loses records: a running server
//! notices that the end of its chain is missing, and a server that starts notices it by the anchors that are kept outside of the
//! database (see [`LedgerOptions::anchors`](super::LedgerOptions::anchors)). It accepts nothing more and records the loss in the
//! database; that stops the other servers within a second, and none starts until an operator has accepted the loss.
//!
//! **One redaction key.** Hashes of sensitive arguments must be equal on every server, so their key is in the database: a role that
//! can read the table `settings` can guess short values from their hashes.

use std::error::Error as _;
use std::fmt;
use std::io;

use super::LedgerError;

mod anchor_files;
mod batch;
mod commit;
mod committer;
mod hosts;
mod link;
mod operation;
#[cfg(feature = "cli")]
mod reader;
mod schema;
mod session;
mod set_backs;
mod sql;
mod standbys;
mod store;
mod tls;
mod verify;
mod version;

#[cfg(feature = "cli")]
pub(crate) use reader::Database;
pub use set_backs::Loss;
pub(super) use store::open;
pub use verify::{ChainReport, DatabaseReport, VerifyDatabaseError, verify_database};

/// A [`LedgerError::Database`]: the operation that failed, as a verb, and the reason.
fn failed(action: &'static str, reason: impl fmt::Display) -> LedgerError {
    LedgerError::Database { action, reason: reason.to_string() }
}

/// The text of an error of the database or the connection, without the detail, which holds values of rows.
fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(told), _) => format!("{} (SQLSTATE {})", told.message(), told.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

fn random<const N: usize>() -> Result<[u8; N], LedgerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| LedgerError::io("read", "random bytes")(io::Error::other(error)))?;
    Ok(bytes)
}
