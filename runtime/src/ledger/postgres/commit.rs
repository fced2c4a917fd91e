//! Makes a batch durable: one transaction locks its rows, decides, writes, and commits.
//!
//! Rows that exist are locked before anything is decided on them. A row that does not exist cannot be locked: if two servers
//! insert the same key, the slower one decides its batch again.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use tokio_postgres::{Row as Found, Transaction};

use super::super::action::{Action, State, Version};
use super::super::checkpoint::Signer;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{Anchor, Tail};
use super::super::subject::{Meeting, Slot};
use super::batch::{Batch, Conditions, Own, Row, Time, reached};
use super::link::Link;
use super::operation::{Decided, Operation, keys as keys_of, slots as slots_of};
use super::session::{Session, Statements, dead};
use super::set_backs::SetBack;
use super::{said, sql};

/// The reason why a batch was not committed.
#[derive(Debug)]
pub(super) enum Failed {
    /// Another server changed the same rows (serialization failure, deadlock): the batch is decided again.
    Again,
    /// The connection or the database failed: the connection is given up.
    Lost(String),
    /// Acknowledged records of this or another server are missing.
    SetBack(SetBack),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Again => f.write_str("other servers changed the same rows at the same time"),
            Failed::Lost(reason) => f.write_str(reason),
            Failed::SetBack(_) => f.write_str("the database has lost acknowledged records"),
        }
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Failed {
        use tokio_postgres::error::SqlState;
        match error.code() {
            Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
                Failed::Again
            }
            _ => Failed::Lost(said(&error)),
        }
    }
}

impl From<LedgerError> for Failed {
    fn from(error: LedgerError) -> Failed {
        Failed::Lost(error.to_string())
    }
}

/// The records that are written beside those of the operations.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// Write a checkpoint, signed by this signer.
    pub(super) checkpoint: Option<&'a Signer>,
    /// Remove a slice of the expired actions.
    pub(super) expire: bool,
    /// End the chain with a `close` record.
    pub(super) close: bool,
}

/// A batch that is written and not committed yet.
pub(super) struct Written<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) replies: Vec<Decided>,
    /// The last record, if there is a new one.
    pub(super) tail: Option<Tail>,
    /// The sequence of the checkpoint in it.
    pub(super) signed: Option<u64>,
}

/// Decides on `operations` and writes the results.
///
/// # Errors
/// [`Failed`]; nothing is committed then.
pub(super) async fn write<'a>(
    session: &'a mut Session,
    own: &Own,
    mine: &BTreeSet<u64>,
    conditions: Conditions<'_>,
    operations: &[Operation],
    beside: Beside<'_>,
) -> Result<Written<'a>, Failed> {
    let (transaction, statements, pid) = session.begin().await?;
    let (mut batch, expired) = load(&transaction, statements, (own, mine, conditions), operations, beside).await?;
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        replies.push(batch.take(operation)?);
    }
    batch.expire(&expired)?;
    if beside.expire && conditions.link.trusted() {
        forget_slots(&transaction).await?;
    }
    let mut signed = None;
    if let Some(signer) = beside.checkpoint {
        batch.checkpoint(signer, &anchors(&transaction, &own.log).await?)?;
        signed = Some(batch.own.tail.sequence);
    }
    if beside.close {
        batch.close()?;
    }
    let tail = (!batch.lines.is_empty()).then_some(batch.own.tail);
    if tail.is_some() {
        store(&transaction, statements, pid, own.tail, &batch, beside.close).await?;
    }
    Ok(Written { transaction, replies, tail, signed })
}

/// Locks and reads the rows of the operations, and a slice of the expired ones: keys before slots, each in ascending order.
async fn load<'a>(
    transaction: &Transaction<'_>,
    statements: &Statements,
    (own, mine, conditions): (&Own, &BTreeSet<u64>, Conditions<'a>),
    operations: &[Operation],
    beside: Beside<'_>,
) -> Result<(Batch<'a>, Vec<(Hash, Version)>), Failed> {
    let (mut keys, mut slots) = (Vec::new(), Vec::new());
    for operation in operations {
        keys_of(operation, &mut keys);
        slots_of(operation, &mut slots);
    }
    let (mut found, mut expired) = (Vec::new(), Vec::new());
    if !keys.is_empty() {
        found = rows(&transaction.query(&statements.lock_keys, &[&bytes(&keys)]).await?)?;
    }
    if beside.expire {
        let over = rows(&transaction.query(&statements.lock_expired, &[]).await?)?;
        expired.extend(over.iter().map(|row| (row.action.key, row.action.version)));
        found.extend(over);
    }
    let mut batch = Batch::new(own.clone(), conditions);
    batch.load(found);
    slots.extend(batch.slots());
    slots.sort_unstable();
    slots.dedup();
    if !slots.is_empty() {
        let slots: Vec<&[u8]> = slots.iter().map(|slot| slot.0.as_slice()).collect();
        batch.meet(meetings(&transaction.query(&statements.lock_slots, &[&slots]).await?)?);
    }
    // Only with all rows locked: every earlier batch on them has committed, at an earlier time and place in the order.
    batch.begin(time(transaction, statements, conditions.link).await?);
    let others: BTreeSet<u64> = batch.epochs().difference(mine).copied().collect();
    batch.dead(dead(transaction, statements, &others).await?);
    Ok((batch, expired))
}

/// Removes a slice of the slots for which no action answers any more. Slots of open actions stay, even old ones.
async fn forget_slots(transaction: &Transaction<'_>) -> Result<(), Failed> {
    let mut open: Vec<Vec<u8>> = Vec::new();
    for row in transaction.query(sql::OPEN, &[]).await? {
        open.extend(reached(&read(row.get(0))?).iter().map(|slot| slot.0.to_vec()));
    }
    transaction.execute(sql::FORGET_SLOTS, &[&open]).await?;
    Ok(())
}

/// The time of the database and the next place in the order of the ledger.
///
/// # Errors
/// [`Failed`] when the query fails.
pub(super) async fn time(transaction: &Transaction<'_>, statements: &Statements, link: &Link) -> Result<Time, Failed> {
    let asked = Instant::now();
    let row = transaction.query_one(&statements.time, &[]).await?;
    link.read_clock(unsigned(row.get(0)), asked.elapsed());
    Ok(Time { at_ms: unsigned(row.get(0)), order: unsigned(row.get(1)), longest_ms: unsigned(row.get(2)) })
}

/// The meetings in the rows of a query.
///
/// # Errors
/// [`LedgerError::Index`] when a row cannot be read.
pub(super) fn meetings(found: &[Found]) -> Result<Vec<(Slot, Meeting)>, LedgerError> {
    let unreadable = |_| LedgerError::Index { reason: "a row of the subjects cannot be read".to_owned() };
    let meeting = |row: &Found| {
        let slot = row.get::<_, &[u8]>(0).try_into().unwrap_or([0; 16]);
        Ok((Slot(slot), serde_json::from_str(row.get(1)).map_err(unreadable)?))
    };
    found.iter().map(meeting).collect()
}

/// Writes rows, records and the head of the chain.
///
/// # Errors
/// [`Failed::Again`] when a row changed meanwhile; [`Failed::Lost`] when the head is not where this server left it, or the
/// database fails.
pub(super) async fn store(
    transaction: &Transaction<'_>,
    statements: &Statements,
    pid: i32,
    before: Tail,
    batch: &Batch<'_>,
    close: bool,
) -> Result<(), Failed> {
    let (mut inserted, mut updated, mut deleted) = (Columns::default(), Columns::default(), Columns::default());
    for (key, write) in &batch.writes() {
        let columns = match (write.replaces, write.action) {
            (None, _) => &mut inserted,
            (Some(_), Some(_)) => &mut updated,
            (Some(_), None) => &mut deleted,
        };
        columns.key.push(key.0.to_vec());
        columns.replaces.push(write.replaces.map_or(0, of_version));
        let Some(action) = write.action else { continue };
        columns.version.push(of_version(action.version));
        columns.intent.push(of_version(action.intent));
        let (state, epoch) = state(action);
        columns.state.push(state);
        columns.epoch.push(epoch);
        columns.crashed.push(write.crashed);
        columns.expires_ms.push(action.expires_ms.map(to_i64));
        columns
            .action
            .push(serde_json::to_string(action).map_err(|_| Failed::Lost("an action cannot be encoded".into()))?);
        columns.payload.push(write.payload);
        columns.keeps.push(write.keeps);
    }
    let head = async {
        let Tail { sequence, hash } = batch.own.tail;
        let (epoch, sequence, at_ms) = (to_i64(batch.own.epoch), to_i64(sequence), to_i64(batch.at_ms));
        let (before, hash) = (to_i64(before.sequence), hash.0.as_slice());
        let log = &batch.own.log;
        let written = transaction
            .execute(&statements.head, &[log, &epoch, &sequence, &hash, &at_ms, &close, &before, &pid])
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(Failed::Lost(
                "the head of this server's chain was changed, or the connection has another backend".into(),
            ))
        }
    };
    let records = async {
        let sequences: Vec<i64> = batch.lines.iter().map(|(sequence, _)| to_i64(*sequence)).collect();
        let lines: Vec<&[u8]> = batch.lines.iter().map(|(_, line)| line.as_slice()).collect();
        transaction.execute(&statements.records, &[&batch.own.log, &sequences, &lines]).await?;
        Ok(())
    };
    let slots = write_slots(transaction, statements, batch);
    // All statements are pipelined. The head comes first: it fails if another connection has written this chain.
    let rows = async {
        tokio::try_join!(
            inserted.insert(transaction, statements),
            updated.update(transaction, statements),
            deleted.delete(transaction, statements)
        )
    };
    tokio::try_join!(head, rows, slots, records).map(drop)
}

/// Writes the meetings at the slots that changed.
async fn write_slots(transaction: &Transaction<'_>, statements: &Statements, batch: &Batch<'_>) -> Result<(), Failed> {
    let (mut slots, mut until_ms, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let mut new = 0;
    for (slot, meeting) in batch.changed_slots() {
        new += u64::from(!batch.holds(slot));
        slots.push(slot.0.to_vec());
        until_ms.push(to_i64(meeting.until_ms));
        texts.push(serde_json::to_string(meeting).map_err(|_| Failed::Lost("a subject cannot be encoded".into()))?);
    }
    if slots.is_empty() {
        return Ok(());
    }
    let held: Vec<bool> = batch.changed_slots().map(|(slot, _)| batch.holds(slot)).collect();
    // A missing row could not be locked: if another server has inserted it meanwhile, the batch is decided again.
    let row = transaction.query_one(&statements.slots, &[&slots, &until_ms, &texts, &held]).await?;
    if unsigned(row.get(0)) == new { Ok(()) } else { Err(Failed::Again) }
}

/// The rows to insert, to update or to delete, column by column.
#[derive(Default)]
struct Columns<'a> {
    key: Vec<Vec<u8>>,
    version: Vec<i64>,
    intent: Vec<i64>,
    state: Vec<&'static str>,
    epoch: Vec<Option<i64>>,
    crashed: Vec<bool>,
    expires_ms: Vec<Option<i64>>,
    action: Vec<String>,
    payload: Vec<Option<&'a [u8]>>,
    keeps: Vec<bool>,
    replaces: Vec<i64>,
}

impl Columns<'_> {
    async fn insert(&self, transaction: &Transaction<'_>, statements: &Statements) -> Result<(), Failed> {
        if self.key.is_empty() {
            return Ok(());
        }
        let Columns { key, version, intent, state, epoch, crashed, expires_ms, action, payload, .. } = self;
        let written = transaction
            .execute(&statements.insert, &[key, version, intent, state, epoch, crashed, expires_ms, action, payload])
            .await?;
        self.all(written)
    }

    async fn update(&self, transaction: &Transaction<'_>, statements: &Statements) -> Result<(), Failed> {
        if self.key.is_empty() {
            return Ok(());
        }
        let Columns { key, version, intent, state, epoch, crashed, expires_ms, action, payload, keeps, replaces } =
            self;
        let written = transaction
            .execute(
                &statements.update,
                &[key, version, intent, state, epoch, crashed, expires_ms, action, payload, replaces, keeps],
            )
            .await?;
        self.all(written)
    }

    async fn delete(&self, transaction: &Transaction<'_>, statements: &Statements) -> Result<(), Failed> {
        if self.key.is_empty() {
            return Ok(());
        }
        let written = transaction.execute(&statements.delete, &[&self.key, &self.replaces]).await?;
        self.all(written)
    }

    /// Checks that every row still had the version that was decided on; otherwise the batch is decided again.
    fn all(&self, written: u64) -> Result<(), Failed> {
        if written == self.key.len() as u64 { Ok(()) } else { Err(Failed::Again) }
    }
}

/// The last records of other servers' chains; of the 64 chains that were written to last.
///
/// # Errors
/// [`Failed`] when the query fails.
pub(super) async fn anchors(transaction: &Transaction<'_>, log: &str) -> Result<Vec<Anchor>, Failed> {
    let found = transaction.query(sql::OTHER_HEADS, &[&log]).await?;
    let anchor = |row: &Found| {
        let hash = row.get::<_, &[u8]>(2).try_into().ok()?;
        Some(Anchor { log: row.get(0), sequence: unsigned(row.get(1)), hash: Hash(hash) })
    };
    Ok(found.iter().filter_map(anchor).collect())
}

fn rows(found: &[Found]) -> Result<Vec<Row>, LedgerError> {
    found.iter().map(|row| Ok(Row { crashed: row.get(0), action: read(row.get(1))? })).collect()
}

/// Reads an action from its JSON in the table.
///
/// # Errors
/// [`LedgerError::Index`] when it cannot be read.
pub(super) fn read(text: &str) -> Result<Action, LedgerError> {
    serde_json::from_str(text)
        .map_err(|_| LedgerError::Index { reason: "a row of the actions cannot be read".to_owned() })
}

pub(super) fn bytes(keys: &[Hash]) -> Vec<&[u8]> {
    keys.iter().map(|key| key.0.as_slice()).collect()
}

fn of_version(version: Version) -> i64 {
    to_i64(version.0)
}

/// All numbers of the ledger stay below 2^63: see [`super::version`].
pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The values of the columns `state` and `epoch`.
pub(super) fn state(action: &Action) -> (&'static str, Option<i64>) {
    match action.state {
        State::AwaitingApproval(_) => ("awaiting_approval", None),
        State::Started { epoch } => ("started", Some(to_i64(epoch))),
        State::Completed => ("completed", None),
        State::Failed => ("failed", None),
        State::InDoubt => ("in_doubt", None),
    }
}
