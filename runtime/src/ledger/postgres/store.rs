//! The [`Store`] whose committer writes to a database.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use super::super::action::{Action, State};
use super::super::checkpoint::{self, Signer};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::local::committer::Answer;
use super::super::record::{now_ms, read_intent};
use super::super::redact::Redactor;
use super::super::shared::Status;
use super::super::sync::oneshot;
use super::super::{
    Ask, Claim, Claimed, Decide, Entry, Intent, Ledger, LedgerOptions, Listed, NoteEvent, Receipt, Settle, Store,
};
use super::commit::{read, signed};
use super::committer::Committer;
use super::hosts::Hosts;
use super::link::Link;
use super::operation::Operation;
use super::session::{Connector, lock_of};
use super::version::{meant, place};
use super::{failed, random, said, sql, tls};

/// Operations that may wait for the committer.
const QUEUE: usize = 4096;
/// Connections that look up.
const READERS: usize = 8;
/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A parameter of a query that outlives its caller.
type Parameter = Box<dyn ToSql + Sync + Send>;

/// The committer's thread, and connections to look up with.
struct PostgresStore {
    /// Taken when dropped: the committer ends when nobody can ask any more.
    queue: Option<mpsc::Sender<Operation>>,
    committer: Option<JoinHandle<()>>,
    /// Of the committer's thread: every connection is driven there.
    runtime: Handle,
    readers: Pool,
    link: Arc<Link>,
    redactor: Redactor,
    /// The number of this server's chain.
    chain: u64,
    retention: Duration,
}

/// Opens the ledger at a URL of a database; see [`Ledger::open`].
pub(in super::super) fn open(url: &str, options: &LedgerOptions) -> Result<Ledger, LedgerError> {
    let connector = connector_to(url, Hosts::writable)?;
    let readers = readers(&connector)?;
    let signer = Signer::new(&random::<{ checkpoint::KEY_BYTES }>()?)
        .ok_or_else(|| failed("sign checkpoints in", "the key has another length"))?;
    let link = Arc::new(Link::default());
    let (queue, operations) = mpsc::channel(QUEUE);
    let (opened, opening) = sync_channel(1);
    let committer = {
        let (link, options) = (Arc::clone(&link), options.clone());
        let work = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(LedgerError::io("start", "a thread of the ledger")(error)))),
            };
            runtime.block_on(async move {
                match Committer::open(connector, Arc::clone(&link), signer, options).await {
                    Ok((committer, redactor)) => {
                        drop(opened.send(Ok((Handle::current(), redactor, committer.chain()))));
                        // After a panic the committer's state is only dropped.
                        if AssertUnwindSafe(committer.run(operations)).catch_unwind().await.is_err() {
                            link.shared.poison(&"the committer panicked");
                        }
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        };
        thread::Builder::new().name("ledger".to_owned()).spawn(work)
    };
    let committer = committer.map_err(LedgerError::io("start", "a thread of the ledger"))?;
    let (runtime, redactor, chain) = opening.recv().unwrap_or(Err(LedgerError::Unavailable))?;
    let store = PostgresStore {
        queue: Some(queue),
        committer: Some(committer),
        runtime,
        readers,
        link,
        redactor,
        chain,
        retention: options.retention,
    };
    Ok(Ledger::with(Arc::new(store)))
}

/// Where a URL leads, without trying it.
pub(super) fn connector(url: &str) -> Result<Connector, LedgerError> {
    connector_to(url, |hosts| hosts)
}

fn connector_to(url: &str, which: impl FnOnce(Hosts) -> Hosts) -> Result<Connector, LedgerError> {
    // What the parser says may hold a part of the password.
    let unreadable = "its URL cannot be read; it is postgres://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in a \
                      URL written as %40 for @ and so on";
    let mut config: Config = url.parse().map_err(|_| failed("reach", unreadable))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    config.keepalives_idle(Duration::from_secs(15));
    config.tcp_user_timeout(Duration::from_secs(30));
    let mut hosts = which(Hosts::of(&config));
    let tls = tls::tls(config.get_ssl_mode(), hosts.each())?;
    if tls.is_some() {
        // By default a server that says no to encryption would be spoken to in the clear.
        hosts.encrypted();
    }
    Ok(Connector::new(hosts, tls))
}

fn readers(connector: &Connector) -> Result<Pool, LedgerError> {
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(Config::new(), connector.clone(), fast);
    Pool::builder(manager)
        .max_size(READERS)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) })
        .build()
        .map_err(|error| failed("reach", error))
}

/// One query on any of the connections; on another one when the first turns out to be dead.
async fn query(readers: Pool, statement: &'static str, parameters: Vec<Parameter>) -> Result<Vec<Row>, LedgerError> {
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|parameter| &**parameter as _).collect();
    loop {
        let reader = readers.get().await.map_err(|error| failed("reach", error))?;
        let asking = async {
            let statement = reader.prepare_cached(statement).await?;
            reader.query(&statement, &parameters).await
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(rows)) => return Ok(rows),
            // One that the database has ended since it was last used: the pool does not give it again.
            Ok(Err(_)) if reader.is_closed() => {}
            Ok(Err(error)) => return Err(failed("read", said(&error))),
            Err(_) => {
                // Its answer is still to come.
                drop(Object::take(reader));
                return Err(failed("read", format_args!("no answer within {} s", PATIENCE.as_secs())));
            }
        }
    }
}

impl PostgresStore {
    async fn read(&self, statement: &'static str, parameters: Vec<Parameter>) -> Result<Vec<Row>, LedgerError> {
        self.link.shared.works()?;
        let asked = self.runtime.spawn(query(self.readers.clone(), statement, parameters)).await;
        asked.unwrap_or_else(|_| Err(self.gone())).inspect_err(|error| tracing::warn!(%error, "a look-up failed"))
    }

    async fn known(&self, key: Hash) -> Result<Option<Action>, LedgerError> {
        let rows = self.read(sql::LOOKUP, vec![Box::new(key.0.to_vec())]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut found = Some(read(row.get(0))?);
        if let Some(Action { state: State::Started { epoch }, .. }) = &found
            && !self.link.mine().contains(epoch)
        {
            // Whether its server lives is the committer's to find out.
            found = self.ask_committer(|answer| Operation::Examine(key, Some(answer))).await?;
        }
        Ok(found.filter(|action| action.answers(now_ms())))
    }

    async fn stored(&self, action: Action) -> Result<Vec<u8>, LedgerError> {
        let (State::Completed, Some(at)) = (&action.state, &action.payload) else {
            return Err(LedgerError::Payload { reason: "is not kept" });
        };
        let parameters: Vec<Parameter> = vec![Box::new(action.key.0.to_vec()), Box::new(signed(action.version))];
        let rows = self.read(sql::PAYLOAD, parameters).await?;
        let body: Option<Vec<u8>> = rows.first().and_then(|row| row.get(0));
        let body = body.ok_or(LedgerError::Payload { reason: "is not kept" })?;
        if Hash::of(&body) != at.hash {
            return Err(LedgerError::Payload { reason: "is not what was stored" });
        }
        Ok(body)
    }

    async fn listed(&self, which: Listed, after: Option<Hash>, limit: usize) -> Result<Vec<Action>, LedgerError> {
        let state = match which {
            Listed::InDoubt => "in_doubt",
            Listed::AwaitingApproval => "awaiting_approval",
        };
        if which == Listed::InDoubt {
            self.ask_committer(Operation::Sweep).await?;
        }
        let after = after.map_or_else(Vec::new, |after| after.0.to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.read(sql::LIST, vec![Box::new(state), Box::new(after), Box::new(limit)]).await?;
        rows.iter().map(|row| read(row.get(0))).collect()
    }

    async fn told(&self, version: u64) -> Result<Intent, LedgerError> {
        let (chain, sequence) = place(version);
        let rows = self.read(sql::INTENT, vec![Box::new(signed(chain)), Box::new(signed(sequence))]).await?;
        let row = rows.first().ok_or(LedgerError::Payload { reason: "has no record of its intent" })?;
        read_intent(row.get(0)).map_err(|reason| LedgerError::Payload { reason })
    }

    /// Whether nobody holds the lock of the action's server, and its body has ended for certain: the lock is the connection's,
    /// and a server that has lost its connection still runs what it runs. The clock only ever makes it later.
    async fn over(&self, epoch: u64, until_ms: u64) -> Result<bool, LedgerError> {
        if epoch == 0 || self.link.mine().contains(&epoch) {
            return Ok(epoch == 0);
        }
        let rows = self.read(sql::OVER, vec![Box::new(lock_of(epoch)), Box::new(signed(until_ms))]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Hands an operation to the committer and waits for its answer.
    async fn ask_committer<T>(&self, operation: impl FnOnce(Answer<T>) -> Operation) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        if queue.send(operation(answer)).await.is_err() {
            return Err(self.gone());
        }
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// The committer is gone without an answer: closed, or failed.
    fn gone(&self) -> LedgerError {
        match self.link.shared.works() {
            Err(error) => error,
            Ok(()) => {
                self.link.shared.poison(&"the committer ended");
                LedgerError::Unavailable
            }
        }
    }
}

impl Store for PostgresStore {
    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>> {
        Box::pin(self.known(*key))
    }

    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>> {
        Box::pin(self.stored(action.clone()))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        let claim = Claim { approved: claim.approved.map(|version| meant(version, self.chain)), ..claim };
        Box::pin(self.ask_committer(|answer| Operation::Claim(Box::new(claim), answer)))
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Action, LedgerError>> {
        Box::pin(self.ask_committer(|answer| Operation::Ask(Box::new(ask), answer)))
    }

    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Receipt, LedgerError>> {
        let decide = Decide { version: meant(decide.version, self.chain), ..decide };
        Box::pin(self.ask_committer(|answer| Operation::Decide(Box::new(decide), answer)))
    }

    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Receipt, LedgerError>> {
        let settle = Settle { version: meant(settle.version, self.chain), ..settle };
        Box::pin(self.ask_committer(|answer| Operation::Settle(Box::new(settle), Some(answer))))
    }

    fn list(
        &self,
        which: Listed,
        after: Option<Hash>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Action>, LedgerError>> {
        Box::pin(self.listed(which, after, limit))
    }

    fn ended(&self, action: &Action) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(self.over(action.epoch, action.until_ms))
    }

    fn intent(&self, action: &Action) -> BoxFuture<'_, Result<Intent, LedgerError>> {
        Box::pin(self.told(action.intent))
    }

    fn note(&self, entry: Entry, event: NoteEvent) -> Result<(), LedgerError> {
        self.link.shared.works()?;
        self.link.connected()?;
        let queue = self.queue.as_ref().ok_or(LedgerError::Closed)?;
        queue.try_send(Operation::Note(Box::new(entry), event)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => LedgerError::Busy,
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        })
    }

    fn tick(&self) {
        if self.queue.as_ref().is_some_and(|queue| queue.try_send(Operation::Tick).is_err()) {
            tracing::debug!("the ledger is too busy for this tick");
        }
    }

    fn health(&self) -> Result<(), LedgerError> {
        self.link.health()
    }

    fn latch(&self) {
        if self.link.shared.worsen(Status::Latched) {
            tracing::error!(
                "an outcome could not be recorded: the ledger accepts no more claims until it is opened again"
            );
        }
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn retention(&self) -> Duration {
        self.retention
    }

    fn directory(&self) -> Option<&Path> {
        None
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.ask_committer(Operation::Close))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.queue = None;
        if self.committer.take().is_some_and(|committer| committer.join().is_err()) {
            self.link.shared.poison(&"the committer panicked");
        }
    }
}
