//! One SQLite file. A change is one transaction, and it is on the disk before it is told.

use super::Shop;
use super::words::OrdersError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use safe_tool::Call;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a transaction waits for another process's. Three of them are shorter than any tool's deadline, so a body ends
/// before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database and its one connection.
pub(super) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens the file, and creates what `schema` says is missing.
    pub(super) fn open(path: &Path, schema: &str) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // With WAL, less than FULL may lose a commit that was acknowledged.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.execute_batch(schema)?;
        Ok(Database(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in a transaction that no other writer runs beside, and commits it. When `work` fails, nothing has happened.
    ///
    /// SQLite blocks, so it runs where it may; through the call, so that the action does not count as ended before it has.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        call: &Call<Shop>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, OrdersError> + Send + 'static,
    ) -> Result<T, OrdersError> {
        let mut connection = self.connection().await;
        call.blocking(move || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            // Only here it is not known what became of it.
            transaction.commit().map_err(OrdersError::lost)?;
            Ok(done)
        })
        .await
    }

    /// Runs `look` on what is committed.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        call: &Call<Shop>,
        look: impl FnOnce(&Connection) -> Result<T, OrdersError> + Send + 'static,
    ) -> Result<T, OrdersError> {
        let connection = self.connection().await;
        call.blocking(move || look(&connection)).await
    }

    /// Waits for the connection where a body can still be cut: no thread is under way yet.
    async fn connection(&self) -> OwnedMutexGuard<Connection> {
        self.0.clone().lock_owned().await
    }
}
