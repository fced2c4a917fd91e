//! The losses that servers have noticed, recorded in the database.
//!
//! A server notices a loss when its own records are missing. The other servers miss none of theirs, and would do the lost actions
//! a second time: so no server goes on or starts until an operator has accepted the loss.

use serde::Serialize;
use tokio_postgres::GenericClient;

use super::super::error::LedgerError;
use super::commit::{Failed, to_i64, unsigned};
use super::{failed, said};

const LEAVE: &str = "
    INSERT INTO safe_tool.set_backs AS known (log, sequence) VALUES ($1, $2)
    ON CONFLICT (log) DO UPDATE SET sequence = greatest(known.sequence, excluded.sequence) RETURNING accepted";

const ALL: &str = "
    SELECT log, sequence, to_char(noticed AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), accepted
    FROM safe_tool.set_backs ORDER BY noticed, log";

const HEAR: &str = "SELECT log, sequence FROM safe_tool.set_backs WHERE NOT accepted ORDER BY noticed LIMIT 1";

/// The record that the database should hold and does not; as in [`LedgerError::SetBack`].
#[derive(Clone, Debug)]
pub(super) struct SetBack {
    pub(super) log: String,
    pub(super) sequence: u64,
}

impl SetBack {
    /// Records the loss for every other server; `true` if an operator has accepted it already.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when it cannot be recorded.
    pub(super) async fn leave_word(&self, client: &impl GenericClient) -> Result<bool, LedgerError> {
        let row = client.query_one(LEAVE, &[&self.log, &to_i64(self.sequence)]).await;
        Ok(row.map_err(|error| failed("record a loss of records in", said(&error)))?.get(0))
    }

    /// The first loss that a server has recorded and no operator has accepted.
    ///
    /// # Errors
    /// [`Failed`] when the query fails.
    pub(super) async fn heard(client: &impl GenericClient) -> Result<Option<SetBack>, Failed> {
        let row = client.query_opt(HEAR, &[]).await?;
        Ok(row.map(|row| SetBack { log: row.get(0), sequence: unsigned(row.get(1)) }))
    }
}

impl From<SetBack> for LedgerError {
    fn from(SetBack { log, sequence }: SetBack) -> LedgerError {
        LedgerError::SetBack { log, sequence }
    }
}

/// Acknowledged records that a server found missing, after a failover to a standby that lagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Id of the chain.
    pub log: String,
    /// Sequence of the newest record that is known to be missing.
    pub sequence: u64,
    /// Time at which it was noticed, as RFC 3339.
    pub noticed: String,
    /// An operator has accepted it; until then servers start nothing.
    pub accepted: bool,
}

impl Loss {
    /// All losses, in the order in which they were noticed.
    ///
    /// # Errors
    /// The error of the connection.
    pub(super) async fn all(client: &impl GenericClient) -> Result<Vec<Loss>, tokio_postgres::Error> {
        let rows = client.query(ALL, &[]).await?;
        let loss = |row: &tokio_postgres::Row| Loss {
            log: row.get(0),
            sequence: unsigned(row.get(1)),
            noticed: row.get(2),
            accepted: row.get(3),
        };
        Ok(rows.iter().map(loss).collect())
    }
}
