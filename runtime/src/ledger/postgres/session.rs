//! The connection that a server writes on. It holds the advisory lock that shows other servers that this one lives.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, IsolationLevel, NoTls, Socket, Statement, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::error::LedgerError;
use super::commit::{to_i64, unsigned};
use super::hosts::Hosts;
use super::{failed, said, schema, sql, standbys};

/// The upper bits of the ids of our advisory locks: other programs in the database use advisory locks too.
pub(super) const LOCKS: i64 = 0x5A_FE70 << 40;
/// The lock under which the schema is made.
pub(super) const SCHEMA_LOCK: i64 = LOCKS;

/// Timeout for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The id of the lock that the connection of this epoch holds.
pub(super) fn lock_of(epoch: u64) -> i64 {
    LOCKS | to_i64(epoch)
}

/// The machines of the database, and the means to connect to them.
#[derive(Clone)]
pub(super) struct Connector {
    hosts: Arc<Hosts>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(hosts: Hosts, tls: Option<MakeRustlsConnect>) -> Connector {
        Connector { hosts: Arc::new(hosts), tls }
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when no machine can be reached.
    pub(super) async fn client(&self) -> Result<Client, LedgerError> {
        let (client, _) = self.connect().await.map_err(|error| failed("reach", said(&error)))?;
        Ok(client)
    }

    /// A connection, and the task that drives it, which ends with the connection.
    async fn connect(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let order: Vec<_> = self.hosts.in_order().collect();
        let Some(((place, last), others)) = order.split_last() else {
            return connect(&Config::new(), NoTls).await;
        };
        for (place, config) in others {
            let share = self.hosts.share(CONNECT_TIMEOUT);
            let reason = match tokio::time::timeout(share, self.connect_to(config)).await {
                Ok(Ok(connected)) => {
                    self.hosts.answered(*place);
                    return Ok(connected);
                }
                Ok(Err(error)) => said(&error),
                Err(_) => "no answer".to_owned(),
            };
            tracing::debug!(place, reason, "the ledger's database is not on this machine of its URL");
        }
        // The last machine takes the rest of the caller's time, and its error is reported.
        self.connect_to(last).await.inspect(|_| self.hosts.answered(*place))
    }

    async fn connect_to(&self, config: &Config) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        match &self.tls {
            None => connect(config, NoTls).await,
            Some(tls) => connect(config, tls.clone()).await,
        }
    }
}

/// Used by the pool of connections for look-ups.
impl deadpool_postgres::Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(self.connect())
    }
}

async fn connect<T>(config: &Config, tls: T) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    let driver = tokio::spawn(async move {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                // The database stopped waiting for its standby and is about to acknowledge the commit. Dropping the connection
                // prevents that, and the next connection waits for the standby again.
                Some(Ok(AsyncMessage::Notice(notice))) if notice.routine() == Some("SyncRepWaitForLSN") => {
                    tracing::warn!(
                        notice = notice.message(),
                        "the ledger's database stopped waiting for its synchronous standby; the connection is opened again"
                    );
                    return;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(error = said(&error), "the connection to the ledger's database ended");
                    return;
                }
                None => return,
            }
        }
    });
    Ok((client, driver))
}

/// The statements of a batch.
pub(super) struct Statements {
    pub(super) lock_keys: Statement,
    pub(super) lock_slots: Statement,
    pub(super) slots: Statement,
    pub(super) time: Statement,
    pub(super) lock_expired: Statement,
    pub(super) probe: Statement,
    pub(super) insert: Statement,
    pub(super) update: Statement,
    pub(super) delete: Statement,
    pub(super) records: Statement,
    pub(super) head: Statement,
}

/// One connection and its epoch. A lost connection loses the lock and the open transaction.
pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    pid: i32,
    epoch: u64,
    statements: Statements,
}

impl Session {
    /// Connects, checks that commits are durable, makes or checks the schema, and takes the lock of a new epoch.
    ///
    /// # Errors
    /// [`LedgerError::Undurable`] for a database that may lose commits; [`LedgerError::Format`] for tables of a later version;
    /// [`LedgerError::Database`] when it cannot be reached or used.
    pub(super) async fn connect(connector: &Connector) -> Result<Session, LedgerError> {
        let connecting = async {
            let (mut client, driver) = connector.connect().await.map_err(|error| failed("reach", said(&error)))?;
            let ask = |error| failed("use", said(&error));
            client.batch_execute(sql::SETTINGS).await.map_err(ask)?;
            durable(&client).await?;
            standbys::warn(&client).await;
            schema::make(&mut client).await?;
            let row = client.query_one(sql::EPOCH, &[]).await.map_err(ask)?;
            let epoch = unsigned(row.get(0));
            let row = client.query_one(sql::LOCK, &[&lock_of(epoch)]).await.map_err(ask)?;
            let (locked, pid): (bool, i32) = (row.get(0), row.get(1));
            if !locked {
                return Err(failed(
                    "use",
                    "the lock of a new epoch is taken: the sequence `safe_tool.epochs` was set back",
                ));
            }
            let statements = prepare(&client).await.map_err(ask)?;
            Ok(Session { client, driver, pid, epoch, statements })
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(failed("reach", format_args!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Begins a transaction that sees later commits of other servers (read committed).
    ///
    /// # Errors
    /// The error of the connection.
    pub(super) async fn begin(&mut self) -> Result<(Transaction<'_>, &Statements, i32), tokio_postgres::Error> {
        let transaction =
            self.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        Ok((transaction, &self.statements, self.pid))
    }

    /// Resolves when the connection has ended.
    pub(super) async fn lost(&mut self) {
        // A driver that panicked has ended too.
        drop((&mut self.driver).await);
    }

    /// Releases the locks, so that other servers see at once that this one has ended.
    pub(super) async fn end(self) {
        // If this fails, the database releases them when it notices that the connection has ended.
        drop(tokio::time::timeout(CONNECT_TIMEOUT, self.client.batch_execute(sql::UNLOCK)).await);
    }
}

/// Takes the locks of earlier epochs of this server again, and returns the epochs whose lock it got.
///
/// Their actions still run. While the locks were free, other servers could presume them crashed.
///
/// # Errors
/// The error of the connection.
pub(super) async fn keep(
    transaction: &Transaction<'_>,
    earlier: &BTreeSet<u64>,
) -> Result<BTreeSet<u64>, tokio_postgres::Error> {
    let earlier: Vec<i64> = earlier.iter().map(|epoch| to_i64(*epoch)).collect();
    if earlier.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = transaction.query(sql::KEEP, &[&earlier, &LOCKS]).await?;
    Ok(rows.iter().map(|row| unsigned(row.get(0))).collect())
}

/// Of `epochs`, those whose server is presumed dead, because their lock is free.
///
/// # Errors
/// The error of the connection.
pub(super) async fn dead(
    transaction: &Transaction<'_>,
    statements: &Statements,
    epochs: &BTreeSet<u64>,
) -> Result<BTreeSet<u64>, tokio_postgres::Error> {
    let epochs: Vec<i64> = epochs.iter().map(|epoch| to_i64(*epoch)).collect();
    if epochs.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = transaction.query(&statements.probe, &[&epochs, &LOCKS]).await?;
    Ok(rows.iter().map(|row| unsigned(row.get(0))).collect())
}

/// Refuses a database that may lose acknowledged commits.
async fn durable(client: &Client) -> Result<(), LedgerError> {
    let row = client.query_one(sql::DURABLE, &[]).await.map_err(|error| failed("use", said(&error)))?;
    for (place, setting) in ["fsync", "synchronous_commit", "full_page_writes"].into_iter().enumerate() {
        let value: &str = row.get(place);
        if value == "off" {
            return Err(LedgerError::Undurable { setting });
        }
    }
    Ok(())
}

async fn prepare(client: &Client) -> Result<Statements, tokio_postgres::Error> {
    Ok(Statements {
        lock_keys: client.prepare(sql::LOCK_KEYS).await?,
        lock_slots: client.prepare(sql::LOCK_SLOTS).await?,
        slots: client.prepare(sql::SLOTS).await?,
        time: client.prepare(sql::TIME).await?,
        lock_expired: client.prepare(sql::LOCK_EXPIRED).await?,
        probe: client.prepare(sql::PROBE).await?,
        insert: client.prepare(sql::INSERT).await?,
        update: client.prepare(sql::UPDATE).await?,
        delete: client.prepare(sql::DELETE).await?,
        records: client.prepare(sql::RECORDS).await?,
        head: client.prepare(sql::HEAD).await?,
    })
}
