//! Settings of a ledger.

use std::path::PathBuf;
use std::time::Duration;

use super::Ledger;
use super::error::LedgerError;
use super::local::open;
use crate::clock::ledger::DISTRUST;

/// Settings of a ledger, made by [`Ledger::options`].
///
/// ```
/// # fn main() -> Result<(), safe_tool::ledger::LedgerError> {
/// use std::time::Duration;
/// let month = Duration::from_secs(30 * 24 * 60 * 60);
/// let ledger = safe_tool::Ledger::options().retention(month).open("memory:")?;
/// assert_eq!(ledger.retention(), month);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    pub(super) retention: Duration,
    pub(super) checkpoint_every: u64,
    pub(super) segment_bytes: u64,
    pub(super) distrust: Duration,
    /// Read with the feature `postgres` only.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(super) anchors: Option<PathBuf>,
}

impl Default for LedgerOptions {
    fn default() -> LedgerOptions {
        LedgerOptions {
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            checkpoint_every: 1_000,
            segment_bytes: 64 * 1024 * 1024,
            distrust: DISTRUST,
            anchors: None,
        }
    }
}

impl LedgerOptions {
    /// Sets the retention: a completed action answers for its key at least this long; 7 days by default. Then its stored result
    /// is removed, and the next call with its key is a new action. Actions in doubt never expire.
    #[must_use]
    pub fn retention(self, retention: Duration) -> LedgerOptions {
        LedgerOptions { retention, ..self }
    }

    /// Sets the number of records after which a signed checkpoint is written; 1,000 by default. While there are new records, one
    /// is also written every minute.
    #[must_use]
    pub fn checkpoint_every(self, records: u64) -> LedgerOptions {
        LedgerOptions { checkpoint_every: records.max(1), ..self }
    }

    /// Sets the bytes at which a segment of the journal ends and the next begins; 64 MiB by default. Retention rewrites, and an
    /// archive copies, whole segments. A segment grows longer while the system cannot make a file for the next one.
    #[must_use]
    pub fn segment_bytes(self, bytes: u64) -> LedgerOptions {
        LedgerOptions { segment_bytes: bytes.max(1), ..self }
    }

    /// Sets the directory in which a ledger in Postgres keeps, outside of the database, the receipt of its newest record; it is
    /// made if it does not exist. Without one, a server that starts after a failover cannot notice that the database has lost
    /// records. Servers may share it; it has to outlive them. Other ledgers ignore it.
    ///
    /// The receipt is written, and synced, within a second of its record, at once when the connection is lost, and when the
    /// ledger is closed. So only records of the last second of a server that crashed together with its database can be lost
    /// unnoticed. [`open`](LedgerOptions::open) fails with [`LedgerError::SetBack`] when the record of a receipt of this ledger is
    /// missing and no operator has accepted the loss.
    #[must_use]
    pub fn anchors(self, directory: impl Into<PathBuf>) -> LedgerOptions {
        LedgerOptions { anchors: Some(directory.into()), ..self }
    }

    /// Sets the time for which nothing expires after an open, and after a jump of the clock; 10 minutes by default. By then a
    /// machine that started with a wrong clock has set it, so no key is freed too early.
    #[must_use]
    pub fn distrust(self, time: Duration) -> LedgerOptions {
        LedgerOptions { distrust: time, ..self }
    }

    /// Opens, or makes, the ledger; see [`Ledger::open`].
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open(&self, location: &str) -> Result<Ledger, LedgerError> {
        open::open(location, self)
    }

    /// The retention in ms.
    pub(super) fn retention_ms(&self) -> u64 {
        u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX)
    }
}
