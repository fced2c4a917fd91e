//! The tables: created by the first server, checked by every other.

use tokio_postgres::{Client, GenericClient};

use super::super::error::LedgerError;
use super::super::redact::{KEY_BYTES, Redactor};
use super::commit::to_i64;
use super::session::SCHEMA_LOCK;
use super::{failed, random, said};

/// The migrations: each step makes the next format from the one before.
const STEPS: &[&str] = &[include_str!("schema/0001.sql")];

/// The format that this version reads and writes.
const FORMAT: u64 = STEPS.len() as u64;

/// Brings the tables to this version's format.
///
/// # Errors
/// [`LedgerError::Format`] when a later version has written them; [`LedgerError::Database`] or [`LedgerError::Io`] when they
/// cannot be read or made.
pub(super) async fn make(client: &mut Client) -> Result<(), LedgerError> {
    let found = format(client).await?;
    if found == FORMAT {
        return Ok(());
    }
    if found > FORMAT {
        return Err(LedgerError::Format { found });
    }
    upgrade(client).await
}

/// Checks that the tables are there, in this version's format.
///
/// # Errors
/// [`LedgerError::Database`] when there is no ledger; [`LedgerError::Format`] for one of another version.
pub(super) async fn check(client: &Client) -> Result<(), LedgerError> {
    match format(client).await? {
        0 => Err(failed("read the tables of", "it holds no ledger")),
        FORMAT => Ok(()),
        found => Err(LedgerError::Format { found }),
    }
}

/// The format of the tables; 0 if there are none.
async fn format(client: &impl GenericClient) -> Result<u64, LedgerError> {
    let ask = |error| failed("read the tables of", said(&error));
    let row = client.query_one("SELECT to_regclass('safe_tool.settings') IS NOT NULL", &[]).await.map_err(ask)?;
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_one("SELECT format FROM safe_tool.settings", &[]).await.map_err(ask)?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(u64::MAX))
}

/// Runs the missing steps, in one transaction and on one server at a time.
async fn upgrade(client: &mut Client) -> Result<(), LedgerError> {
    let ask = |error| failed("make the tables of", said(&error));
    let key = random::<{ KEY_BYTES }>()?;
    let transaction = client.transaction().await.map_err(ask)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK]).await.map_err(ask)?;
    let found = format(&transaction).await?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.batch_execute(step).await.map_err(ask)?;
    }
    let settings = "INSERT INTO safe_tool.settings (format, redact_key) VALUES ($1, $2)
        ON CONFLICT (one) DO UPDATE SET format = excluded.format";
    transaction.execute(settings, &[&to_i64(FORMAT), &key.as_slice()]).await.map_err(ask)?;
    transaction.commit().await.map_err(ask)
}

/// The key with which all servers of this database hash sensitive arguments.
///
/// A role that can read this table can guess short values from their hashes; one that can read only the records cannot.
///
/// # Errors
/// [`LedgerError::Database`] when the key cannot be read or has another length.
pub(super) async fn redactor(client: &Client) -> Result<Redactor, LedgerError> {
    let row = client.query_one("SELECT redact_key FROM safe_tool.settings", &[]).await;
    let row = row.map_err(|error| failed("read the key in", said(&error)))?;
    Redactor::new(row.get(0)).ok_or_else(|| failed("read the key in", "it is not 32 bytes long"))
}
