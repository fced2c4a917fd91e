//! The connection that a server writes on, and that holds the lock by which others see that it lives.

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

/// What is above the number in the id of an advisory lock: they are shared with whatever else uses the database.
pub(super) const LOCKS: i64 = 0x5A_FE70 << 40;
/// The lock under which the schema is made.
pub(super) const SCHEMA_LOCK: i64 = LOCKS;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The id of the lock that the connection of this epoch holds.
pub(super) fn lock_of(epoch: u64) -> i64 {
    LOCKS | to_i64(epoch)
}

/// Where the database is.
#[derive(Clone)]
pub(super) struct Connector {
    hosts: Arc<Hosts>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(hosts: Hosts, tls: Option<MakeRustlsConnect>) -> Connector {
        Connector { hosts: Arc::new(hosts), tls }
    }

    /// A connection to read with.
    pub(super) async fn client(&self) -> Result<Client, LedgerError> {
        let (client, _) = self.connect().await.map_err(|error| failed("reach", said(&error)))?;
        Ok(client)
    }

    /// A connection; the task that drives it ends when it is gone.
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
        // It takes what is left of the caller's time, and its error is the one that is told.
        self.connect_to(last).await.inspect(|_| self.hosts.answered(*place))
    }

    async fn connect_to(&self, config: &Config) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        match &self.tls {
            None => connect(config, NoTls).await,
            Some(tls) => connect(config, tls.clone()).await,
        }
    }
}

/// For the pool of connections that look up.
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
                // The commit is about to be acknowledged although no standby has it. Without the connection it is not, and the
                // next one waits for the standby again.
                Some(Ok(AsyncMessage::Notice(notice))) if notice.routine() == Some("SyncRepWaitForLSN") => {
                    tracing::warn!(notice = notice.message(), "the ledger's database gave up waiting for its standby");
                    return;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(error = %said(&error), "the connection to the ledger's database ended");
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

/// One connection and its epoch. Losing the connection is losing the lock and every write under way.
pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    pid: i32,
    epoch: u64,
    statements: Statements,
}

impl Session {
    /// Connects, checks that a commit is durable here, makes or checks the schema, and takes the lock of a new epoch.
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
                return Err(failed("use", "the lock of a new epoch is taken: its sequence was set back"));
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

    /// Begins a transaction that sees what others have committed meanwhile.
    pub(super) async fn begin(&mut self) -> Result<(Transaction<'_>, &Statements, i32), tokio_postgres::Error> {
        let transaction =
            self.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        Ok((transaction, &self.statements, self.pid))
    }

    /// Resolves when the connection is gone.
    pub(super) async fn lost(&mut self) {
        // A driver that panicked is gone too.
        drop((&mut self.driver).await);
    }

    /// Lets go of the locks: whoever opens the ledger next finds that this server is gone.
    pub(super) async fn end(self) {
        // Without the connection they are gone as well, only some time after this.
        drop(tokio::time::timeout(CONNECT_TIMEOUT, self.client.batch_execute(sql::UNLOCK)).await);
    }
}

/// Takes the locks of earlier epochs of this server again; the answer is those that are this server's again.
///
/// Its actions of then run on. Until now whoever met them could hold them for crashed.
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

/// Of `epochs`, those whose server is dead. They stay so: a connection of that epoch is never made again.
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

/// A database that acknowledges what it may lose is no ledger.
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
