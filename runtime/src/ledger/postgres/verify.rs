//! Verification of a ledger in a database: each chain, the chains against each other, and the actions against the chains.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;
use tokio::runtime::Builder;
use tokio_postgres::{IsolationLevel, Transaction};

use super::super::action::{Action, Beginning, State, Transition, Version};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{Event, Parsed, Record, Tail, parse};
use super::super::verify::{self, Report, Rung, Verification, VerifyError, Wrong};
use super::batch::kept;
use super::commit::{read, to_i64, unsigned};
use super::set_backs::Loss;
use super::store::connector;
use super::version::{place, version};
use super::{failed, said, schema, sql};

/// Records read at a time.
const PAGE: i64 = 2000;

/// The contents of a database that verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseReport {
    /// One for each server that has ever written, by the id of its chain.
    pub chains: Vec<ChainReport>,
    /// Number of actions; each agrees with its last record.
    pub actions: u64,
    /// Number of stored results; each matches the hash in its record.
    pub payloads: u64,
    /// Losses that servers have noticed: the remaining records verify without the lost ones.
    pub losses: Vec<Loss>,
}

/// The result for one server's chain. Its text says how much was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Id of the chain.
    pub log: String,
    /// The extent of the proof.
    #[serde(flatten)]
    pub rung: Rung,
    /// Number of records.
    pub records: u64,
    /// Hash of the last record.
    pub last_hash: Hash,
    /// Time of the last record, as RFC 3339.
    pub last_at: String,
    /// The last record is a `close`. Otherwise the server runs, or ended without one.
    pub clean_close: bool,
    /// Times that the server lost its connection and opened another.
    pub reconnected: u64,
    /// Number of checkpoints; the signature of each was checked.
    pub checkpoints: u64,
    /// Sequence of the last record that a checkpoint signs; 0 when there is no checkpoint.
    pub signed_up_to: u64,
    /// The keys that signed, in order of appearance, as hex.
    pub signers: Vec<String>,
    /// Records that are dated earlier than a checkpoint before them: the clock was set back, or old records were inserted.
    pub backdated: u64,
    /// Sequence of the first of them.
    pub first_backdated: Option<u64>,
    /// Sequence of the last record that another chain names; 0 when none does. A change before it would have needed a change of
    /// the other chains too; whoever can write to the database can make both.
    pub anchored: u64,
}

impl ChainReport {
    fn of(report: Report) -> ChainReport {
        ChainReport {
            log: report.log,
            rung: report.rung,
            records: report.records,
            last_hash: report.last_hash,
            last_at: report.last_at,
            clean_close: report.clean_close,
            reconnected: report.unclean_ends,
            checkpoints: report.checkpoints,
            signed_up_to: report.signed_up_to,
            signers: report.signers,
            backdated: report.backdated,
            first_backdated: report.first_backdated,
            anchored: 0,
        }
    }
}

impl fmt::Display for ChainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rung.fmt(f)?;
        match self.anchored {
            0 => f.write_str("; no other chain of the database names it"),
            up_to => write!(f, "; inside the same database, other chains name it up to record {up_to}"),
        }
    }
}

/// The reason why a database does not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyDatabaseError {
    /// It could not be read.
    #[error(transparent)]
    Unreadable(#[from] LedgerError),
    /// The first place of a chain that is not as it was written.
    #[error("chain {log} is broken at record {sequence}: {reason}")]
    Chain {
        /// Id of the chain.
        log: String,
        /// Sequence of the record that should stand there.
        sequence: u64,
        /// The reason.
        reason: &'static str,
    },
    /// An action that does not agree with its records.
    #[error("the action {key} {reason}")]
    Action {
        /// Its key.
        key: Hash,
        /// The reason, as the end of a sentence that begins with the action.
        reason: &'static str,
    },
    /// A chain that contradicts an anchor.
    #[error("chain {log}: {contradiction}")]
    Anchor {
        /// Id of the chain.
        log: String,
        /// The contradiction.
        #[source]
        contradiction: VerifyError,
    },
    /// The chain of an anchor is missing.
    #[error(
        "there is no chain {log}, and its record {anchor} was anchored: it was removed, an older copy of the \
        database was put in its place, or the anchor is of another ledger"
    )]
    Gone {
        /// Id of the chain.
        log: String,
        /// Sequence of the anchored record.
        anchor: u64,
    },
}

impl VerifyDatabaseError {
    /// True if the database contradicts an anchor, even if it is consistent by itself.
    #[must_use]
    pub fn contradicts_anchor(&self) -> bool {
        matches!(self, VerifyDatabaseError::Anchor { .. } | VerifyDatabaseError::Gone { .. })
    }
}

impl From<tokio_postgres::Error> for VerifyDatabaseError {
    fn from(error: tokio_postgres::Error) -> VerifyDatabaseError {
        failed("read", said(&error)).into()
    }
}

/// Verifies the ledger in the database at `url` by itself; see [`Verification::run_database`].
///
/// # Errors
/// As [`Verification::run_database`], without anchors.
pub fn verify_database(url: &str) -> Result<DatabaseReport, VerifyDatabaseError> {
    Verification::default().run_database(url, &mut |_, _| {})
}

impl Verification {
    /// Verifies every chain of the ledger in the database at `url`, the chains against each other, and the actions; calls
    /// `progress` with the number of records read and the total.
    ///
    /// Each anchor is compared with the chain that it names. Changes nothing, takes no lock, and reads one snapshot of the
    /// database, so servers may write meanwhile. Blocks. An older copy of a database, or one that was rewritten as a whole, is
    /// consistent: only an anchor shows the difference.
    ///
    /// # Errors
    /// [`VerifyDatabaseError::Chain`] or [`VerifyDatabaseError::Action`] for the first record or action that is not as it was
    /// written; [`VerifyDatabaseError::Anchor`] or [`VerifyDatabaseError::Gone`] for the first anchor that is contradicted;
    /// [`VerifyDatabaseError::Unreadable`] when the database cannot be read.
    pub fn run_database(
        &self,
        url: &str,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<DatabaseReport, VerifyDatabaseError> {
        let connector = connector(url)?;
        // On a thread of its own: the caller may be inside a runtime already.
        let walk = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(LedgerError::io("start", "a thread of the ledger"))?;
            runtime.block_on(async {
                let mut client = connector.client().await?;
                schema::check(&client).await?;
                let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
                Walk::default().all(&moment.start().await?, self, progress).await
            })
        };
        let walked = std::thread::scope(|scope| scope.spawn(walk).join());
        walked.unwrap_or_else(|_| Err(LedgerError::Unavailable.into()))
    }

    /// The anchors and signers for one chain.
    fn of_chain(&self, log: &str) -> Verification {
        let anchors = self.anchors.iter().filter(|anchor| anchor.log() == log).cloned().collect();
        Verification { anchors, signers: self.signers.clone() }
    }
}

/// The state of a verification: what was read from the chains so far.
#[derive(Default)]
struct Walk {
    /// Number and head of every chain.
    heads: BTreeMap<String, Head>,
    /// Records that other chains name: chain and sequence, and the hash that the record must have.
    anchors: HashMap<(String, u64), Hash>,
    /// Versions that no record has replaced yet, with the keys of their actions.
    standing: HashMap<Version, Hash>,
    /// Versions whose replacing record was read before their own.
    replaced: HashSet<Version>,
    /// Removals of each action by records that name only its key.
    removed: HashMap<Hash, u64>,
}

struct Head {
    chain: u64,
    tail: Tail,
}

impl Walk {
    async fn all(
        mut self,
        moment: &Transaction<'_>,
        asked: &Verification,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<DatabaseReport, VerifyDatabaseError> {
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
        let gone = asked.anchors.iter().find(|anchor| !self.heads.contains_key(anchor.log()));
        if let Some(anchor) = gone {
            return Err(VerifyDatabaseError::Gone { log: anchor.log().to_owned(), anchor: anchor.sequence() });
        }
        let total = self.heads.values().map(|head| head.tail.sequence).sum();
        let logs: Vec<String> = self.heads.keys().cloned().collect();
        let mut chains = Vec::with_capacity(logs.len());
        let mut before = 0;
        for log in &logs {
            let chain = self.chain(moment, log, asked, &mut |read| progress(before + read, total)).await?;
            before += chain.records;
            chains.push(chain);
        }
        self.anchors(moment, &mut chains).await?;
        let (actions, payloads) = self.actions(moment).await?;
        let losses = Loss::all(moment).await?;
        Ok(DatabaseReport { chains, actions, payloads, losses })
    }

    /// Verifies one chain, from its first record to its head.
    async fn chain(
        &mut self,
        moment: &Transaction<'_>,
        log: &str,
        asked: &Verification,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<ChainReport, VerifyDatabaseError> {
        let Some(Head { chain: number, tail: head }) = self.heads.get(log) else {
            return Err(broken(log, 1, "the chain has no head"));
        };
        let (number, head) = (*number, *head);
        let asked = asked.of_chain(log);
        let mut walk = verify::Walk::new(&asked, log);
        let contradicts = |contradiction| VerifyDatabaseError::Anchor { log: log.to_owned(), contradiction };
        loop {
            let rows = moment.query(sql::LINES, &[&log, &to_i64(walk.tail().sequence), &PAGE]).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let next = walk.next_sequence();
                let broken = |reason| broken(log, next, reason);
                if unsigned(row.get(0)) != next {
                    return Err(broken("the record is missing"));
                }
                let taken = walk.take(0, 0, row.get(1)).map_err(|wrong| match wrong {
                    Wrong::Broken(reason) => broken(reason),
                    Wrong::Anchor(contradiction) => contradicts(contradiction),
                })?;
                let record = taken.ok_or_else(|| broken("not a record"))?;
                self.told(number, *record).map_err(broken)?;
            }
            progress(walk.tail().sequence);
        }
        // A chain and its first record are written at once.
        if walk.tail() != head || head == Tail::GENESIS {
            return Err(broken(log, walk.next_sequence(), "the chain does not end where its head says"));
        }
        Ok(ChainReport::of(walk.end().map_err(contradicts)?))
    }

    /// Takes the statements of a record about other chains and about actions.
    fn told(&mut self, chain: u64, mut record: Record) -> Result<(), &'static str> {
        for anchor in std::mem::take(&mut record.anchors) {
            let named = self.anchors.entry((anchor.log, anchor.sequence)).or_insert(anchor.hash);
            if *named != anchor.hash {
                return Err("two records name different hashes of one record of another chain");
            }
        }
        let version = version(chain, record.seq);
        if let Some(replaced) = record.supersedes.map(Version)
            && self.standing.remove(&replaced).is_none()
        {
            self.replaced.insert(replaced);
        }
        let expired = record.event == Event::Expired;
        for step in record.into_steps(None)? {
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

    /// Checks that every record that another chain names has the hash that it names.
    async fn anchors(&self, moment: &Transaction<'_>, chains: &mut [ChainReport]) -> Result<(), VerifyDatabaseError> {
        for ((log, sequence), hash) in &self.anchors {
            let row = moment.query_opt(sql::LINE, &[log, &to_i64(*sequence)]).await?;
            let found = row.and_then(|row| match parse(row.get(0)) {
                Ok(Parsed::Record(_, hash)) => Some(hash),
                _ => None,
            });
            if found != Some(*hash) {
                return Err(broken(log, *sequence, "the record does not have the hash that another chain names"));
            }
            if let Some(chain) = chains.iter_mut().find(|chain| chain.log == *log) {
                chain.anchored = chain.anchored.max(*sequence);
            }
        }
        Ok(())
    }

    /// Checks that every action agrees with its last record; returns the number of actions and of stored results.
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
                let (stored, state) = (Version(unsigned(row.get(1))), row.get::<_, &str>(2));
                let epoch: Option<i64> = row.get(8);
                let (intent, expires_ms): (i64, Option<i64>) = (row.get(7), row.get(9));
                // Servers look actions up by these columns.
                let agrees = action.key == key
                    && action.version == stored
                    && super::commit::state(&action) == (state, epoch)
                    && action.intent == Version(unsigned(intent))
                    && action.expires_ms.map(to_i64) == expires_ms;
                if !agrees {
                    return Err(wrong("is not what its columns say"));
                }
                if self.standing.remove(&action.version) != Some(key) {
                    return Err(wrong("has a version that no record gave it, or that another record replaced"));
                }
                let (ended, began): (Option<&[u8]>, Option<&[u8]>) = (row.get(5), row.get(6));
                if let Some(replaced) = matches(&action, ended, began).map_err(wrong)? {
                    let completed = restored(moment, Some(replaced), &key).await?;
                    if !completed.is_some_and(|completed| completes(&completed, &action)) {
                        return Err(wrong("was restored after a repeat, but was never completed"));
                    }
                }
                let payload: Option<&[u8]> = row.get(4);
                if payload.map(Hash::of) != kept(&action).map(|at| at.hash) {
                    return Err(wrong("has another result than its record names"));
                }
                actions += 1;
                payloads += u64::from(payload.is_some());
            }
        }
        // An action that still has a version and has no row was removed by a record that names only its key, or by hand.
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

/// The record that completed the action of `key` that a repeat without effect restored; `None` if there is none. `replaced` is the
/// version that the end of the repeat replaced.
async fn restored(
    moment: &Transaction<'_>,
    mut replaced: Option<Version>,
    key: &Hash,
) -> Result<Option<Told>, VerifyDatabaseError> {
    let wrong = |reason| VerifyDatabaseError::Action { key: *key, reason };
    while let Some(version) = replaced {
        let (chain, sequence) = place(version);
        let row = moment.query_opt(sql::INTENT, &[&to_i64(chain), &to_i64(sequence)]).await?;
        let told = told(key, row.as_ref().map(|row| row.get(0))).map_err(wrong)?;
        match &told.change {
            Transition::Complete { .. } => return Ok(Some(told)),
            // Only a repeat on purpose keeps the action that it replaced.
            Transition::Begin(beginning) if beginning.again_after.is_none() => return Ok(None),
            _ => replaced = told.supersedes,
        }
    }
    Ok(None)
}

/// True if the record is the completion of `action`.
fn completes(told: &Told, action: &Action) -> bool {
    let Transition::Complete { expires_ms, stored_error, subjects, .. } = &told.change else { return false };
    *expires_ms == action.expires_ms
        && *stored_error == action.stored_error
        && subjects.iter().all(|subject| action.subjects.contains(subject))
        && told.payload == action.payload.as_ref().map(|at| at.hash)
}

/// Compares `action` with its last record `ended` and its first record `began`. Returns the version that `ended` replaced if that
/// was the end of a repeat without effect, which restored the action.
fn matches(action: &Action, ended: Option<&[u8]>, began: Option<&[u8]>) -> Result<Option<Version>, &'static str> {
    let ended = told(&action.key, ended)?;
    let mut back = None;
    let agrees = match (&ended.change, &action.state) {
        (Transition::Begin(beginning), state) => beginning.state == *state,
        (Transition::Decide(decision), State::AwaitingApproval(approval)) => {
            approval.decision.as_ref() == Some(decision)
        }
        (Transition::Complete { .. }, State::Completed) => completes(&ended, action),
        (Transition::Fail { expires_ms }, State::Failed) => *expires_ms == action.expires_ms,
        // A repeat ended without effect: the action before it was restored.
        (Transition::Restore, State::Completed) => {
            back = ended.supersedes;
            back.is_some()
        }
        (Transition::Doubt { running }, State::InDoubt) => *running || action.epoch == 0,
        _ => false,
    };
    if !agrees {
        return Err("does not stand where its last record left it");
    }
    let Transition::Begin(beginning) = told(&action.key, began)?.change else {
        return Err("was not begun by the record that it names");
    };
    let Beginning { digest, arguments, tenant, tool, call, owner, subjects, bucket, again_after, until_ms, .. } =
        *beginning;
    let begun = (digest, &arguments, &tenant, &tool, &call, until_ms);
    let stands = (action.digest, &action.arguments, &action.tenant, &action.tool, &action.call, action.until_ms);
    let asked = (&owner, bucket, &again_after) == (&action.owner, action.bucket, &action.again_after);
    // A completion may have added subjects.
    let about = subjects.iter().all(|subject| action.subjects.contains(subject));
    if begun != stands || !asked || !about {
        return Err("is not what the record says that began it");
    }
    Ok(back)
}

/// The statement of a record about one action.
struct Told {
    change: Transition,
    /// The result that it names.
    payload: Option<Hash>,
    /// The version that it replaced.
    supersedes: Option<Version>,
}

/// Reads the statement of the record in `line` about the action of `key`.
fn told(key: &Hash, line: Option<&[u8]>) -> Result<Told, &'static str> {
    let Parsed::Record(record, _) = parse(line.ok_or("names a record that is not there")?)? else {
        return Err("names a line that is no record");
    };
    let (payload, supersedes) = (record.payload, record.supersedes.map(Version));
    let step = record.into_steps(None)?.into_iter().find(|step| step.key == *key);
    Ok(Told { change: step.ok_or("names a record of another action")?.change, payload, supersedes })
}
