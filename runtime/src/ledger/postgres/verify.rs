//! Whether the chains in a database are the ones that were written, and the actions what the chains tell: as far as they
//! show it among themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::{error, fmt};

use tokio::runtime::Builder;
use tokio_postgres::{IsolationLevel, Transaction};

use super::super::action::{Action, Beginning, State, Transition};
use super::super::chain::Chain;
use super::super::checkpoint::Checkpoint;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{Event, FORMAT, Parsed, Record, Tail, parse};
use super::commit::{read, signed, unsigned};
use super::store::connector;
use super::version::version;
use super::{failed, said, schema, sql};

/// What a database without a break holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReport {
    /// One for each server that has ever written, by the id of its chain.
    pub chains: Vec<ChainReport>,
    /// Actions, each as its last record left it.
    pub actions: u64,
    /// Stored results, each as its record names it.
    pub payloads: u64,
}

/// One server's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Id of the chain.
    pub log: String,
    /// Records.
    pub records: u64,
    /// Hash of the last record: compare it with a receipt held elsewhere.
    pub last_hash: Hash,
    /// The last record is a `close`. Otherwise the server runs, or ended without one.
    pub clean_close: bool,
    /// Up to this record other chains name this one: who cut or rewrote it before would have had to rewrite them too.
    pub anchored: u64,
}

/// Why a database does not verify.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyDatabaseError {
    /// It could not be read.
    Unreadable(LedgerError),
    /// The first place of a chain that is not as it was written.
    Chain {
        /// Id of the chain.
        log: String,
        /// Sequence of the record that should stand there.
        sequence: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// An action that is not as the records left it.
    Action {
        /// Its key.
        key: Hash,
        /// What is wrong.
        reason: &'static str,
    },
}

impl fmt::Display for VerifyDatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyDatabaseError::Unreadable(error) => error.fmt(f),
            VerifyDatabaseError::Chain { log, sequence, reason } => {
                write!(f, "chain {log} is broken at record {sequence}: {reason}")
            }
            VerifyDatabaseError::Action { key, reason } => write!(f, "the action {key} {reason}"),
        }
    }
}

impl error::Error for VerifyDatabaseError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            VerifyDatabaseError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LedgerError> for VerifyDatabaseError {
    fn from(error: LedgerError) -> VerifyDatabaseError {
        VerifyDatabaseError::Unreadable(error)
    }
}

impl From<tokio_postgres::Error> for VerifyDatabaseError {
    fn from(error: tokio_postgres::Error) -> VerifyDatabaseError {
        failed("read", said(&error)).into()
    }
}

/// Walks every chain of the ledger in the database at `url`, what the chains say of one another, and the actions.
///
/// Changes nothing, takes no lock, and sees one moment of a database that servers write to. Blocks.
///
/// # Errors
/// The first thing that is not as it was written. A database that was set back as a whole, or rewritten as a whole, looks
/// like one that was not: only a receipt or a checkpoint held elsewhere tells.
pub fn verify_database(url: &str) -> Result<DatabaseReport, VerifyDatabaseError> {
    let connector = connector(url)?;
    // On a thread of its own, whoever calls may be driving a runtime.
    let walk = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LedgerError::io("start", "a thread of the ledger"))?;
        runtime.block_on(async {
            let mut client = connector.client().await?;
            schema::check(&client).await?;
            let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
            Walk::default().all(&moment.start().await?).await
        })
    };
    let walked = std::thread::scope(|scope| scope.spawn(walk).join());
    walked.unwrap_or_else(|_| Err(LedgerError::Unavailable.into()))
}

/// What the chains have told so far.
#[derive(Default)]
struct Walk {
    /// Number and head of every chain.
    heads: BTreeMap<String, Head>,
    /// What other chains name: chain and sequence, and what its hash is to be.
    anchors: HashMap<(String, u64), Hash>,
    /// Versions that no record has replaced yet, and the actions that have them.
    standing: HashMap<u64, Hash>,
    /// Versions that were replaced by records met before theirs.
    replaced: HashSet<u64>,
    /// How often an action was removed by a record that does not name its version.
    removed: HashMap<Hash, u64>,
}

struct Head {
    chain: u64,
    tail: Tail,
}

impl Walk {
    async fn all(mut self, moment: &Transaction<'_>) -> Result<DatabaseReport, VerifyDatabaseError> {
        for row in moment.query(sql::ALL_HEADS, &[]).await? {
            let hash = row.get::<_, &[u8]>(3).try_into().map(Hash).unwrap_or(Hash::ZERO);
            let head = Head { chain: unsigned(row.get(1)), tail: Tail { sequence: unsigned(row.get(2)), hash } };
            self.heads.insert(row.get(0), head);
        }
        for row in moment.query(sql::ALL_LOGS, &[]).await? {
            let log: String = row.get(0);
            if !self.heads.contains_key(&log) {
                return Err(broken(&log, 1, "the chain has records and no head"));
            }
        }
        let logs: Vec<String> = self.heads.keys().cloned().collect();
        let mut chains = Vec::with_capacity(logs.len());
        for log in &logs {
            chains.push(self.chain(moment, log).await?);
        }
        self.anchors(moment, &mut chains).await?;
        let (actions, payloads) = self.actions(moment).await?;
        Ok(DatabaseReport { chains, actions, payloads })
    }

    /// One chain, from its first record to its head.
    async fn chain(&mut self, moment: &Transaction<'_>, log: &str) -> Result<ChainReport, VerifyDatabaseError> {
        let Some(Head { chain: number, tail: head }) = self.heads.get(log) else {
            return Err(broken(log, 1, "the chain has no head"));
        };
        let (number, head) = (*number, *head);
        let mut chain = Chain::from(1);
        let mut report =
            ChainReport { log: log.to_owned(), records: 0, last_hash: Hash::ZERO, clean_close: false, anchored: 0 };
        let mut signer = None;
        loop {
            let rows = moment.query(sql::LINES, &[&log, &signed(report.records)]).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let next = chain.next_sequence();
                let broken = |reason| broken(log, next, reason);
                if unsigned(row.get(0)) != next {
                    return Err(broken("the record is missing"));
                }
                let linked = chain.take(0, 0, row.get(1)).map_err(broken)?.ok_or_else(|| broken("not a record"))?;
                let record = linked.record;
                if record.format.is_some_and(|format| format != FORMAT) {
                    return Err(broken("the format is unknown"));
                }
                match record.event {
                    Event::Open if record.log.as_deref() != Some(log) => {
                        return Err(broken("it belongs to another chain"));
                    }
                    Event::Open => signer.clone_from(&record.signer),
                    Event::Checkpoint if !is_signed(log, &record, signer.as_deref()) => {
                        return Err(broken("the checkpoint is not signed by this server"));
                    }
                    _ => {}
                }
                report.records = next;
                report.last_hash = linked.tail.hash;
                report.clean_close = record.event == Event::Close;
                self.told(number, *record).map_err(broken)?;
            }
        }
        if (Tail { sequence: report.records, hash: report.last_hash }) != head {
            return Err(broken(log, report.records + 1, "the chain does not end where its head says"));
        }
        Ok(report)
    }

    /// What a record says of other chains and of actions.
    fn told(&mut self, chain: u64, mut record: Record) -> Result<(), &'static str> {
        for anchor in std::mem::take(&mut record.anchors) {
            let named = self.anchors.entry((anchor.log, anchor.sequence)).or_insert(anchor.hash);
            if *named != anchor.hash {
                return Err("two records name two hashes of one record of another chain");
            }
        }
        let version = version(chain, record.seq);
        if let Some(replaced) = record.supersedes
            && self.standing.remove(&replaced).is_none()
        {
            self.replaced.insert(replaced);
        }
        let expired = record.event == Event::Expired;
        for step in record.into_steps(None)? {
            for freed in step.frees() {
                *self.removed.entry(*freed).or_default() += 1;
            }
            match step.change {
                Transition::Leave if expired => *self.removed.entry(step.key).or_default() += 1,
                Transition::Leave => {}
                _ if self.replaced.remove(&version) => {}
                _ => {
                    self.standing.insert(version, step.key);
                }
            }
        }
        Ok(())
    }

    /// Every record that another chain names is the one it names.
    async fn anchors(&self, moment: &Transaction<'_>, chains: &mut [ChainReport]) -> Result<(), VerifyDatabaseError> {
        for ((log, sequence), hash) in &self.anchors {
            let row = moment.query_opt(sql::LINE, &[log, &signed(*sequence)]).await?;
            let found = row.and_then(|row| match parse(row.get(0)) {
                Ok(Parsed::Record(_, hash)) => Some(hash),
                _ => None,
            });
            if found != Some(*hash) {
                return Err(broken(log, *sequence, "another chain names another record here"));
            }
            if let Some(chain) = chains.iter_mut().find(|chain| chain.log == *log) {
                chain.anchored = chain.anchored.max(*sequence);
            }
        }
        Ok(())
    }

    /// Every action stands where its last record left it; the answer is how many actions and results there are.
    async fn actions(mut self, moment: &Transaction<'_>) -> Result<(u64, u64), VerifyDatabaseError> {
        let (mut actions, mut payloads) = (0, 0);
        let mut after: Vec<u8> = Vec::new();
        loop {
            let rows = moment.query(sql::ALL_ACTIONS, &[&after]).await?;
            let Some(last) = rows.last() else { break };
            after = last.get(0);
            for row in rows {
                let key = row.get::<_, &[u8]>(0).try_into().map(Hash).unwrap_or(Hash::ZERO);
                let wrong = |reason| VerifyDatabaseError::Action { key, reason };
                let action = read(row.get(3)).map_err(|_| wrong("cannot be read"))?;
                let (stored, state): (u64, &str) = (unsigned(row.get(1)), row.get(2));
                if action.key != key || action.version != stored || super::commit::state(&action).0 != state {
                    return Err(wrong("is not what its columns say"));
                }
                if self.standing.remove(&action.version) != Some(key) {
                    return Err(wrong("has a version that no record gave it, or that another record replaced"));
                }
                let (ended, began): (Option<&[u8]>, Option<&[u8]>) = (row.get(5), row.get(6));
                matches(&action, ended, began).map_err(wrong)?;
                let payload: Option<&[u8]> = row.get(4);
                if payload.map(Hash::of) != action.payload.as_ref().map(|at| at.hash) {
                    return Err(wrong("has another result than its record names"));
                }
                actions += 1;
                payloads += u64::from(payload.is_some());
            }
        }
        // What still stands and has no row was removed by a record that names only its key, or by hand.
        for (_, key) in self.standing {
            match self.removed.get_mut(&key) {
                Some(times) if *times > 0 => *times -= 1,
                _ => return Err(VerifyDatabaseError::Action { key, reason: "is gone, and no record says why" }),
            }
        }
        Ok((actions, payloads))
    }
}

fn broken(log: &str, sequence: u64, reason: &'static str) -> VerifyDatabaseError {
    VerifyDatabaseError::Chain { log: log.to_owned(), sequence, reason }
}

/// Whether a checkpoint is signed by who began the chain, and signs the record before it.
fn is_signed(log: &str, record: &Record, signer: Option<&str>) -> bool {
    let Record { at, signer: Some(by), signature: Some(signature), prev, seq, .. } = record else { return false };
    let checkpoint = Checkpoint {
        log: log.to_owned(),
        sequence: seq.saturating_sub(1),
        hash: *prev,
        at: at.clone(),
        signer: by.clone(),
        signature: signature.clone(),
    };
    signer == Some(by) && checkpoint.is_signed()
}

/// Whether the records `ended` and `began` made `action` what it is.
fn matches(action: &Action, ended: Option<&[u8]>, began: Option<&[u8]>) -> Result<(), &'static str> {
    let (change, payload) = change_of(action, ended)?;
    let agrees = match (change, &action.state) {
        (Transition::Begin(beginning), state) => beginning.state == *state,
        (Transition::Decide(decision), State::AwaitingApproval(approval)) => approval.decision == Some(decision),
        (Transition::Complete { undo, expires_ms, .. }, State::Completed) => {
            undo == action.undo
                && expires_ms == action.expires_ms
                && payload == action.payload.as_ref().map(|at| at.hash)
        }
        (Transition::Doubt { running }, State::InDoubt) => running || action.epoch == 0,
        _ => false,
    };
    if !agrees {
        return Err("does not stand where its last record left it");
    }
    let (Transition::Begin(beginning), _) = change_of(action, began)? else {
        return Err("was not begun by the record that it names");
    };
    let Beginning { digest, arguments, tenant, tool, call, .. } = *beginning;
    let begun = (digest, &arguments, &tenant, &tool, &call);
    if begun != (action.digest, &action.arguments, &action.tenant, &action.tool, &action.call) {
        return Err("is not what the record says that began it");
    }
    Ok(())
}

/// What the record in `line` does to `action`, and the result it names.
fn change_of(action: &Action, line: Option<&[u8]>) -> Result<(Transition, Option<Hash>), &'static str> {
    let Parsed::Record(record, _) = parse(line.ok_or("names a record that is not there")?)? else {
        return Err("names a line that is no record");
    };
    let payload = record.payload;
    let step = record.into_steps(None)?.into_iter().find(|step| step.key == action.key);
    Ok((step.ok_or("names a record of another action")?.change, payload))
}
