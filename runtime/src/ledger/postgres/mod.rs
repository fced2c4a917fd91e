//! The [`Store`](super::Store) in a Postgres database that several servers share.
//!
//! **Rows and records in one transaction.** Each server has a chain of its own and one connection that writes: it takes
//! whatever queued, locks the rows, decides, and commits rows, records and the head of its chain together, then answers. Open
//! records and checkpoints name how far the chains of the other servers have come, so no chain can be cut or rewritten
//! without the others showing it.
//!
//! **Whether a server lives is the database's word, never a clock's.** The writing connection holds an advisory lock of its
//! own epoch. Who meets a started action of another epoch tries that lock: to get it is to know that its server is gone, and
//! the action is in doubt. Losing the connection loses the lock and every write under way at once. A server that lost it
//! starts nothing until it has another, keeps the outcomes of what runs, and records them then; where somebody held it for
//! gone meanwhile, they settle the doubt as late outcomes; until the longest time that a body may take is over, nobody asks
//! about such a doubt or runs it again.
//!
//! **What this asks of the database.** A primary with `fsync` and `synchronous_commit` on, reached directly or through a proxy that
//! keeps sessions (one that pools transactions is noticed and refused).
//!
//! **Behind a failover.** The URL may name the primary and its standbys; servers look for the one that takes writes and go on there
//! by themselves. With a synchronous standby everything that was acknowledged is there. After a failover to a standby that was
//! behind, what it had not seen is gone: a server that ran notices that its chain was set back, and a server that starts notices it
//! by the anchors that were kept outside of the database (see [`LedgerOptions::anchors`](super::LedgerOptions::anchors)). It accepts
//! nothing more and leaves word in the database, which stops the others within a second and lets none start until an operator
//! has accepted the loss.
//!
//! **One key for all.** Hashes of sensitive arguments name the same value on every server, so their key is in the
//! database: whoever reads the table `settings` can guess short values from their hashes.

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

/// For operators: what was tried on the database, and what came of it.
fn failed(action: &'static str, reason: impl fmt::Display) -> LedgerError {
    LedgerError::Database { action, reason: reason.to_string() }
}

/// What the database, or the way to it, said. Never its detail, which holds values of rows.
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
