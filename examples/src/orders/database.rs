//! One SQLite file. A change is one transaction, and it is on the disk before it is told.

use super::words::OrdersError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a transaction waits for another process's. Three of them are shorter than any tool's deadline, so a body never runs
/// behind it.
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
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, OrdersError> + Send + 'static,
    ) -> Result<T, OrdersError> {
        let mut connection = self.connection().await;
        blocking(move || {
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
        look: impl FnOnce(&Connection) -> Result<T, OrdersError> + Send + 'static,
    ) -> Result<T, OrdersError> {
        let connection = self.connection().await;
        blocking(move || look(&connection)).await
    }

    /// Waits for the connection where a body can still be cut: no thread is under way yet.
    async fn connection(&self) -> OwnedMutexGuard<Connection> {
        self.0.clone().lock_owned().await
    }
}

/// SQLite blocks, and the runtime's own threads must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OrdersError> + Send + 'static,
) -> Result<T, OrdersError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(OrdersError::lost(died)))
}
