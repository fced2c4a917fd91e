//! The [`Store`] whose committer writes to a database.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use super::super::action::{Action, State, Version};
use super::super::checkpoint::{self, Signer};
use super::super::decide::{self, Terms, View};
use super::super::error::LedgerError;
use super::super::front::{self, Front};
use super::super::hash::Hash;
use super::super::record::read_intent;
use super::super::redact::Redactor;
use super::super::shared::Shared;
use super::super::subject::{Meeting, Slot, touching};
use super::super::sync::thread;
use super::super::{
    Ask, Asked, Claim, Claimed, Decide, Entry, Intent, Ledger, LedgerOptions, Listed, NoteEvent, Settle, Settled,
    Standing, Store,
};
use super::batch::reached;
use super::commit::{meetings, read, to_i64, unsigned};
use super::committer::Committer;
use super::hosts::Hosts;
use super::link::Link;
use super::operation::{Operation, Own};
use super::session::{Connector, LOCKS, lock_of};
use super::version::place;
use super::{failed, random, said, sql, tls};

/// Connections for look-ups.
const READERS: usize = 8;
/// Timeout of a look-up.
const PATIENCE: Duration = Duration::from_secs(10);

/// An owned parameter: a query runs on, in another task, when its caller is cancelled.
type Parameter = Box<dyn ToSql + Sync + Send>;

/// The committer's thread, and connections for look-ups.
struct PostgresStore {
    front: Front<Own>,
    /// The runtime of the committer's thread, which drives every connection.
    runtime: Handle,
    readers: Pool,
    link: Arc<Link>,
    redactor: Redactor,
    retention: Duration,
}

/// Opens the ledger at a URL of a database; see [`Ledger::open`].
///
/// # Errors
/// As [`Ledger::open`].
pub(in super::super) fn open(url: &str, options: &LedgerOptions) -> Result<Ledger, LedgerError> {
    let connector = connector_to(url, Hosts::writable)?;
    let readers = readers(&connector)?;
    let signer = Signer::new(&random::<{ checkpoint::KEY_BYTES }>()?)
        .ok_or_else(|| failed("sign checkpoints in", "the key has another length"))?;
    let link = Arc::new(Link::default());
    let (queue, operations) = front::queue();
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
                        drop(opened.send(Ok((Handle::current(), redactor))));
                        // Unwind safe: after a panic the committer's state is only dropped.
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
    let (runtime, redactor) = opening.recv().unwrap_or(Err(LedgerError::Unavailable))?;
    let store = PostgresStore {
        front: Front::new(queue, committer, Arc::clone(&link.shared)),
        runtime,
        readers,
        link,
        redactor,
        retention: options.retention,
    };
    Ok(Ledger::with(Arc::new(store)))
}

/// The connector for a URL; connects to nothing yet.
///
/// # Errors
/// [`LedgerError::Database`] when the URL cannot be read or encryption cannot be set up.
pub(super) fn connector(url: &str) -> Result<Connector, LedgerError> {
    connector_to(url, |hosts| hosts)
}

fn connector_to(url: &str, which: impl FnOnce(Hosts) -> Hosts) -> Result<Connector, LedgerError> {
    // The parser's error may contain a part of the password.
    let unreadable = "its URL cannot be read; it is postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters \
                      percent-encoded (%40 for @)";
    let mut config: Config = url.parse().map_err(|_| failed("reach", unreadable))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    config.keepalives_idle(Duration::from_secs(15));
    config.tcp_user_timeout(Duration::from_secs(30));
    let mut hosts = which(Hosts::of(&config));
    let tls = tls::tls(config.get_ssl_mode(), hosts.each())?;
    if tls.is_some() {
        // By default the driver falls back to plain text if the server refuses encryption.
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

/// Runs a query on any of the connections; on another one when the first turns out to be dead.
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
            // The database has closed this connection since its last use: the pool does not hand it out again.
            Ok(Err(_)) if reader.is_closed() => {}
            Ok(Err(error)) => return Err(failed("read", said(&error))),
            Err(_) => {
                // The answer may still arrive, so the connection must not be used again.
                drop(Object::take(reader));
                return Err(failed("read", format_args!("no answer within {} s", PATIENCE.as_secs())));
            }
        }
    }
}

impl PostgresStore {
    fn shared(&self) -> &Shared {
        self.front.shared()
    }

    async fn read(&self, statement: &'static str, parameters: Vec<Parameter>) -> Result<Vec<Row>, LedgerError> {
        self.shared().works()?;
        let asked = self.runtime.spawn(query(self.readers.clone(), statement, parameters)).await;
        asked
            .unwrap_or_else(|_| Err(self.front.ended()))
            .inspect_err(|error| tracing::warn!(error = error.to_string(), "a look-up in the ledger's database failed"))
    }

    /// The row of an action. A started action of a dead server is put in doubt first.
    async fn row(&self, key: Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        let rows = self.read(sql::LOOKUP, vec![Box::new(key.0.to_vec())]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut found = Some(read(row.get(0))?);
        if let Some(Action { state: State::Started { epoch }, .. }) = &found
            && !self.link.mine().contains(epoch)
        {
            // The committer checks whether that server is dead.
            found = self.front.ask(|answer| Operation::Own(Own::Examine(key, Some(answer)))).await?;
        }
        Ok(found.map(Arc::new))
    }

    async fn known(&self, key: Hash) -> Result<Option<Action>, LedgerError> {
        let Some(known) = self.row(key).await? else { return Ok(None) };
        let rows = self.read(sql::NOW, Vec::new()).await?;
        let at_ms = rows.first().map_or(0, |row| unsigned(row.get(0)));
        Ok(Some(Arc::unwrap_or_clone(known)).filter(|known| !self.link.trusted() || known.answers(at_ms)))
    }

    async fn stored(&self, action: Action) -> Result<Vec<u8>, LedgerError> {
        let (State::Completed, Some(at)) = (&action.state, &action.payload) else {
            return Err(LedgerError::Payload { reason: "is not kept" });
        };
        let rows = self.read(sql::PAYLOAD, vec![Box::new(action.key.0.to_vec())]).await?;
        let not_kept = LedgerError::Payload { reason: "is not kept" };
        let Some(row) = rows.first() else { return Err(not_kept) };
        // While a repeat waits or runs, the row still has the result of the action before it. Compared here and not in SQL: the
        // JSON operators of Postgres fail on the character \u0000.
        let known = read(row.get(1))?;
        let same = |known: &Action| known.version == action.version;
        if !same(&known) && !known.replaced.as_deref().is_some_and(same) {
            return Err(not_kept);
        }
        let Some(body) = row.get::<_, Option<Vec<u8>>>(0) else { return Err(not_kept) };
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
            self.front.ask(|answer| Operation::Own(Own::PresumeDead(answer))).await?;
        }
        let after = after.map_or_else(Vec::new, |after| after.0.to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.read(sql::LIST, vec![Box::new(state), Box::new(after), Box::new(limit)]).await?;
        rows.iter().map(|row| read(row.get(0))).collect()
    }

    async fn told(&self, version: Version) -> Result<Intent, LedgerError> {
        let (chain, sequence) = place(version);
        let rows = self.read(sql::INTENT, vec![Box::new(to_i64(chain)), Box::new(to_i64(sequence))]).await?;
        let row = rows.first().ok_or(LedgerError::Payload { reason: "has no record of its intent" })?;
        read_intent(row.get(0)).map_err(|reason| LedgerError::Payload { reason })
    }

    /// True if the lock of the action's server is free and the lease has passed: the lock belongs to the connection, and a server
    /// that has lost its connection still runs its bodies.
    async fn over(&self, epoch: u64, until_ms: u64) -> Result<bool, LedgerError> {
        if epoch == 0 || self.link.mine().contains(&epoch) {
            return Ok(epoch == 0);
        }
        let rows = self.read(sql::OVER, vec![Box::new(lock_of(epoch)), Box::new(to_i64(until_ms))]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

impl PostgresStore {
    /// Judges a call by the present rows, unlocked. A claim is judged again with its rows locked.
    async fn stands(&self, claim: Claim) -> Result<Standing, LedgerError> {
        let known = self.row(claim.key).await?;
        let mut slots = touching(&claim.subjects);
        slots.extend(known.iter().flat_map(|known| reached(known)));
        slots.sort_unstable();
        slots.dedup();
        let slots: Vec<Vec<u8>> = slots.iter().map(|slot| slot.0.to_vec()).collect();
        let rows = self.read(sql::MEETINGS, vec![Box::new(slots)]).await?;
        let meetings: HashMap<Slot, Arc<Meeting>> =
            meetings(&rows)?.into_iter().map(|(slot, meeting)| (slot, Arc::new(meeting))).collect();
        let mine = self.link.mine();
        let open = meetings.values().flat_map(|meeting| meeting.open.iter().map(|touch| touch.epoch));
        let epochs: BTreeSet<u64> = known
            .iter()
            .map(|known| known.epoch)
            .chain(open)
            .filter(|epoch| *epoch != 0 && !mine.contains(epoch))
            .collect();
        let mut dead = BTreeSet::new();
        if !epochs.is_empty() {
            let epochs: Vec<i64> = epochs.iter().map(|epoch| to_i64(*epoch)).collect();
            let rows = self.read(sql::FREE, vec![Box::new(epochs), Box::new(LOCKS)]).await?;
            dead.extend(rows.iter().map(|row| unsigned(row.get(0))));
        }
        let rows = self.read(sql::NOW, Vec::new()).await?;
        let at_ms = rows.first().map_or(0, |row| unsigned(row.get(0)));
        let terms = Terms {
            at_ms,
            epoch: 0,
            retention_ms: u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX),
            trusted: self.link.trusted(),
            status: self.shared().status(),
        };
        decide::standing(&Snapshot { known, meetings, dead, at_ms }, &terms, &claim)
    }
}

/// The rows of a call, read without locks.
struct Snapshot {
    known: Option<Arc<Action>>,
    meetings: HashMap<Slot, Arc<Meeting>>,
    /// Epochs whose lock is free.
    dead: BTreeSet<u64>,
    at_ms: u64,
}

impl View for Snapshot {
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        Ok(self.known.clone().filter(|known| known.key == *key))
    }

    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        Ok(self.meetings.get(slot).cloned())
    }

    fn may_run(&self, epoch: u64, until_ms: u64) -> bool {
        epoch != 0 && (!self.dead.contains(&epoch) || self.at_ms <= until_ms)
    }

    fn presumed_dead(&self, _key: &Hash) -> bool {
        false
    }
}

impl Store for PostgresStore {
    fn standing(&self, claim: Claim) -> BoxFuture<'_, Result<Standing, LedgerError>> {
        Box::pin(self.stands(claim))
    }

    fn lookup(&self, key: &Hash) -> BoxFuture<'_, Result<Option<Action>, LedgerError>> {
        Box::pin(self.known(*key))
    }

    fn payload(&self, action: &Action) -> BoxFuture<'_, Result<Vec<u8>, LedgerError>> {
        Box::pin(self.stored(action.clone()))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.front.ask(|answer| Operation::Claim(Box::new(claim), answer)))
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Asked, LedgerError>> {
        Box::pin(self.front.ask(|answer| Operation::Ask(Box::new(ask), answer)))
    }

    fn decide(&self, decide: Decide) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        Box::pin(self.front.ask(|answer| Operation::Decide(Box::new(decide), answer)))
    }

    fn settle(&self, settle: Settle) -> BoxFuture<'_, Result<Settled, LedgerError>> {
        Box::pin(self.front.ask(|answer| Operation::Settle(Box::new(settle), Some(answer))))
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
        self.link.connected()?;
        self.front.note(entry, event)
    }

    fn record(&self, entry: Entry, event: NoteEvent) -> BoxFuture<'_, Result<(), LedgerError>> {
        match self.link.connected() {
            Ok(()) => Box::pin(self.front.record(entry, event)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn tick(&self) {
        self.front.tick();
    }

    fn health(&self) -> Result<(), LedgerError> {
        self.link.health()
    }

    fn latch(&self) {
        self.front.latch();
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
        Box::pin(self.front.ask(Operation::Close))
    }
}
