//! The one writer of a server: commits the queued operations in batches, answers them, and reconnects after a lost connection.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep_until, timeout};

use super::super::action::Version;
use super::super::checkpoint::{Signer, due};
use super::super::error::LedgerError;
use super::super::front::{Answer, BATCH_BYTES, BATCH_OPERATIONS, reply};
use super::super::hash::Hash;
use super::super::record::{Tail, TailFound, now_ms};
use super::super::redact::Redactor;
use super::super::shared::Status;
use super::super::sync::tasks;
use super::super::{Claimed, LedgerOptions};
use super::anchor_files::{Anchors, Keeper};
use super::batch::{Batch, Conditions, Own};
use super::commit::{Beside, Failed, Written, anchors, store, time, to_i64, unsigned, write};
use super::link::Link;
use super::operation::{Decided, Operation, Own as OwnOperation, answer, is_held, refuse};
use super::session::{Connector, Session, keep};
use super::set_backs::SetBack;
use super::{random, schema, sql};

/// Most attempts to commit a batch while other servers change the same rows.
const ATTEMPTS: usize = 8;
/// Waits between these attempts: the first, and the longest.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(200));
/// Timeout of the database for a batch, and for its commit.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for which a caller waits for its outcome to be recorded while there is no connection.
const OUTAGE: Duration = Duration::from_secs(30);
/// Waits between attempts to connect: the first, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

const PLAIN: Beside<'static> = Beside { checkpoint: None, expire: false, close: false };

/// An operation that waits to be committed.
struct Held {
    operation: Operation,
    /// The time at which its caller is answered with an error; `None` while there is a connection.
    until: Option<Instant>,
}

/// A commit that got no answer, so that it is not known whether it took place.
struct Unanswered {
    /// The last record of the chain, if it took place.
    tail: Tail,
    /// Claims in it, whose callers were told that nothing runs.
    claims: Vec<(Hash, Version)>,
    /// Operations to answer if it took place, and to commit again if not.
    waiting: Vec<(Held, Decided)>,
}

/// Owns the connection and the chain.
pub(super) struct Committer {
    connector: Connector,
    link: Arc<Link>,
    signer: Signer,
    options: LedgerOptions,
    own: Own,
    session: Option<Session>,
    held: VecDeque<Held>,
    unanswered: Option<Unanswered>,
    /// `open` records of new connections whose commit got no answer: the last record, and `true` if the unanswered commit is
    /// in the chain before it.
    begun: Vec<(Tail, bool)>,
    /// Keeps the anchor of the chain outside of the database.
    anchor: Option<Keeper>,
    /// Sequence and time of the last checkpoint.
    signed: (u64, Instant),
    closing: Option<Answer<()>>,
}

impl Committer {
    /// Connects, begins a chain, and puts the started actions of dead servers in doubt.
    ///
    /// # Errors
    /// [`LedgerError::SetBack`] when acknowledged records are missing; [`LedgerError::Io`] when an anchor file cannot be used;
    /// any other when the database cannot be used.
    pub(super) async fn open(
        connector: Connector,
        link: Arc<Link>,
        signer: Signer,
        options: LedgerOptions,
    ) -> Result<(Committer, Redactor), LedgerError> {
        let session = Session::connect(&connector).await?;
        let redactor = schema::redactor(session.client()).await?;
        link.set_distrust(options.distrust);
        let own = Own { log: hex::encode(random::<16>()?), chain: 0, tail: Tail::GENESIS, epoch: session.epoch() };
        let anchors = match &options.anchors {
            Some(directory) => Some(Anchors::check(directory, &own.log, session.client()).await?),
            None => None,
        };
        let mut committer = Committer {
            connector,
            link,
            signer,
            options,
            own,
            session: None,
            held: VecDeque::new(),
            unanswered: None,
            begun: Vec::new(),
            anchor: None,
            signed: (0, Instant::now()),
            closing: None,
        };
        let unusable = |failed| match failed {
            Failed::Lost(reason) => super::failed("begin a chain in", reason),
            Failed::SetBack(set_back) => set_back.into(),
            Failed::Again => {
                super::failed("begin a chain in", "another server changed it at the same time; start again")
            }
        };
        committer.begin(session).await.map_err(unusable)?;
        let tail = committer.own.tail;
        committer.anchor = anchors.map(|anchors| anchors.keep(tail)).transpose()?;
        committer.presume_dead().await?;
        committer.commit(Vec::new(), false, true).await;
        committer.link.connected()?;
        Ok((committer, redactor))
    }

    /// Takes operations until the queue has no sender left, or the ledger is closed.
    pub(super) async fn run(mut self, mut queue: tasks::Receiver<Operation>) {
        while self.link.shared.not_poisoned().is_ok() {
            let Some(session) = &mut self.session else {
                if self.reconnect(&mut queue).await { continue } else { break }
            };
            if self.held.is_empty() {
                tokio::select! {
                    biased;
                    () = session.lost() => {
                        self.lose(Vec::new(), None, "the connection ended");
                        continue;
                    }
                    next = queue.recv() => match next {
                        Some(operation) => self.held.push_back(Held { operation, until: None }),
                        None => break,
                    }
                }
            }
            while self.held.len() < BATCH_OPERATIONS
                && let Ok(operation) = queue.try_recv()
            {
                self.held.push_back(Held { operation, until: None });
            }
            self.take(&mut queue).await;
        }
        let closed = self.finish().await;
        // A closed queue still holds the operations of callers that were just sending.
        queue.close();
        while let Some(operation) = queue.recv().await {
            refuse(operation, closed_or(&self.link));
        }
        for Held { operation, .. } in self.held.drain(..) {
            refuse(operation, LedgerError::Unavailable);
        }
        for (Held { operation, .. }, _) in self.unanswered.take().into_iter().flat_map(|unanswered| unanswered.waiting)
        {
            refuse(operation, LedgerError::Unavailable);
        }
        if let Some(answer) = self.closing.take() {
            reply(answer, closed);
        }
    }

    /// Commits one batch of the held operations.
    async fn take(&mut self, queue: &mut tasks::Receiver<Operation>) {
        let (mut operations, mut presumptions) = (Vec::new(), Vec::new());
        let (mut bytes, mut ticked) = (0, false);
        while operations.len() < BATCH_OPERATIONS
            && bytes < BATCH_BYTES
            && let Some(Held { operation, .. }) = self.held.pop_front()
        {
            match operation {
                Operation::Tick => ticked = true,
                Operation::Own(OwnOperation::PresumeDead(answer)) => presumptions.push(answer),
                Operation::Close(answer) if self.closing.is_some() => reply(answer, Err(LedgerError::Closed)),
                Operation::Close(answer) => {
                    self.link.shared.worsen(Status::Closed);
                    queue.close();
                    self.closing = Some(answer);
                }
                operation => {
                    bytes += operation.size();
                    operations.push(operation);
                }
            }
        }
        if ticked || !operations.is_empty() {
            self.commit(operations, ticked, false).await;
        }
        if ticked {
            self.listen().await;
        }
        for answer in presumptions {
            let presumed = self.presume_dead().await;
            reply(answer, presumed);
        }
    }

    /// Makes a batch durable, then answers.
    async fn commit(&mut self, operations: Vec<Operation>, ticked: bool, checkpoint: bool) {
        let checkpoint = (checkpoint || self.checkpoint_due(ticked)).then_some(&self.signer);
        let beside = Beside { checkpoint, expire: ticked, ..PLAIN };
        let mine = self.link.mine();
        // Each server waits for another time, so that one of them goes first.
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(BETWEEN.0)
            .with_max_delay(BETWEEN.1)
            .with_jitter()
            .with_max_times(ATTEMPTS)
            .build();
        while let Some(session) = &mut self.session {
            let conditions = Conditions { link: &self.link, retention_ms: self.options.retention_ms() };
            match attempt(session, &self.own, &mine, conditions, &operations, beside).await {
                Attempt::Committed { replies, tail, signed } => {
                    if let Some(tail) = tail {
                        self.durable(tail);
                    }
                    if let Some(sequence) = signed {
                        self.signed = (sequence, Instant::now());
                    }
                    return operations
                        .into_iter()
                        .zip(replies)
                        .for_each(|(operation, decided)| answer(operation, decided));
                }
                Attempt::Again => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => break,
                },
                Attempt::Lost { written, reason } => return self.lose(operations, written, &reason),
            }
        }
        self.lose(operations, None, "other servers changed the same rows during every attempt to commit");
    }

    /// Sets the last durable record of the chain.
    fn durable(&mut self, tail: Tail) {
        self.own.tail = tail;
        if let Some(anchor) = &self.anchor {
            anchor.durable(tail);
        }
    }

    fn checkpoint_due(&self, ticked: bool) -> bool {
        let (sequence, at) = self.signed;
        let new = self.own.tail.sequence.saturating_sub(sequence);
        new >= self.options.checkpoint_every || (ticked && due(new, at.elapsed()))
    }

    /// Puts the started actions of dead servers in doubt.
    async fn presume_dead(&mut self) -> Result<(), LedgerError> {
        let mut after = Vec::new();
        loop {
            self.link.connected()?;
            let Some(session) = &self.session else { return Err(LedgerError::Unavailable) };
            let mine: Vec<i64> = self.link.mine().into_iter().map(to_i64).collect();
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&mine, &after];
            let asking = session.client().query(sql::STARTED_ELSEWHERE, &parameters);
            let asked = timeout(PATIENCE, asking).await.map_err(|_| silent()).and_then(|asked| Ok(asked?));
            let rows = match asked {
                Ok(rows) => rows,
                Err(failed) => {
                    self.lose(Vec::new(), None, &failed.to_string());
                    return Err(LedgerError::Unavailable);
                }
            };
            let keys: Vec<Hash> =
                rows.iter().filter_map(|row| row.get::<_, &[u8]>(0).try_into().ok().map(Hash)).collect();
            let Some(last) = keys.last() else { return Ok(()) };
            after = last.0.to_vec();
            self.commit(
                keys.iter().map(|key| Operation::Own(OwnOperation::Examine(*key, None))).collect(),
                false,
                false,
            )
            .await;
        }
    }

    /// Gives the connection up: refuses operations that would start something, and holds those that must be recorded.
    ///
    /// `written` is the result of a commit that got no answer, if it took place.
    fn lose(&mut self, operations: Vec<Operation>, written: Option<(Tail, Vec<Decided>)>, reason: &str) {
        self.link.set_connected(false);
        self.session = None;
        if let Some(anchor) = &self.anchor {
            anchor.hurry();
        }
        tracing::error!(
            reason,
            "the connection to the ledger's database is lost: no action starts until there is another; it is tried again by itself"
        );
        let (tail, replies) = written.map_or((None, Vec::new()), |(tail, replies)| (Some(tail), replies));
        let mut replies = replies.into_iter();
        let (mut claims, mut waiting) = (Vec::new(), Vec::new());
        for operation in operations {
            let decided = replies.next().unwrap_or(Decided::Nothing);
            match operation {
                operation if is_held(&operation) => {
                    waiting.push((Held { operation, until: Some(Instant::now() + OUTAGE) }, decided));
                }
                operation => {
                    if let (Operation::Claim(claim, _), Decided::Claimed(Ok(Claimed::Won { version, .. }))) =
                        (&operation, &decided)
                    {
                        claims.push((claim.key, *version));
                    }
                    refuse(operation, LedgerError::Unavailable);
                }
            }
        }
        match tail {
            Some(tail) => self.unanswered = Some(Unanswered { tail, claims, waiting }),
            None => waiting.into_iter().rev().for_each(|(held, _)| self.held.push_front(held)),
        }
        let held = std::mem::take(&mut self.held);
        held.into_iter().for_each(|Held { operation, until }| self.hold(operation, until));
    }

    /// Takes an operation while there is no connection.
    fn hold(&mut self, operation: Operation, until: Option<Instant>) {
        match operation {
            operation if is_held(&operation) => {
                let until = Some(until.unwrap_or_else(|| Instant::now() + OUTAGE));
                self.held.push_back(Held { operation, until });
            }
            Operation::Close(answer) if self.closing.is_none() => {
                self.link.shared.worsen(Status::Closed);
                self.closing = Some(answer);
            }
            operation => refuse(operation, LedgerError::Unavailable),
        }
    }

    /// Answers callers whose wait has timed out. Their outcomes are recorded all the same once there is a connection.
    fn tell(&mut self) {
        let now = Instant::now();
        let waiting = self.unanswered.iter_mut().flat_map(|unanswered| &mut unanswered.waiting);
        for held in self.held.iter_mut().chain(waiting.map(|(held, _)| held)) {
            if let Operation::Settle(_, answer) = &mut held.operation
                && held.until.is_some_and(|until| until <= now)
                && let Some(answer) = answer.take()
            {
                reply(answer, Err(LedgerError::Unavailable));
            }
        }
    }

    /// Connects again, without a time limit; `false` when the ledger is closed or dropped, or must stop.
    async fn reconnect(&mut self, queue: &mut tasks::Receiver<Operation>) -> bool {
        let mut wait = WAITS.0;
        let gives_up = Instant::now() + OUTAGE;
        let mut asked = true;
        loop {
            let (connector, after) = (self.connector.clone(), wait);
            let mut connecting = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                Session::connect(&connector).await
            });
            let connected = loop {
                let second = Instant::now() + Duration::from_secs(1);
                tokio::select! {
                    connected = &mut connecting => break connected,
                    next = queue.recv(), if asked => match next {
                        Some(operation) => self.hold(operation, None),
                        None => asked = false,
                    },
                    () = sleep_until(second) => {}
                }
                self.tell();
                if self.closing.is_some() {
                    queue.close();
                }
                if !asked && (self.closing.is_none() || gives_up <= Instant::now()) {
                    connecting.abort();
                    return false;
                }
            };
            let begun = match connected {
                Ok(Ok(session)) => self.begin(session).await,
                Ok(Err(error)) => Err(Failed::Lost(error.to_string())),
                Err(error) => Err(Failed::Lost(error.to_string())),
            };
            match begun {
                Ok(()) => {
                    tracing::info!(epoch = self.own.epoch, "connected to the ledger's database again");
                    return true;
                }
                Err(Failed::SetBack(set_back)) => {
                    self.stop(set_back).await;
                    return false;
                }
                Err(failed) => {
                    let reason = failed.to_string();
                    tracing::warn!(reason, "the ledger's database cannot be reached yet; it is tried again by itself");
                }
            }
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// Begins an epoch on a new connection, and finds out whether a commit that got no answer took place.
    async fn begin(&mut self, mut session: Session) -> Result<(), Failed> {
        timeout(PATIENCE, self.begin_on(&mut session)).await.unwrap_or_else(|_| Err(silent()))?;
        self.session = Some(session);
        self.link.set_connected(true);
        Ok(())
    }

    async fn begin_on(&mut self, session: &mut Session) -> Result<(), Failed> {
        let mut own = Own { epoch: session.epoch(), ..self.own.clone() };
        let mut mine = BTreeSet::from([own.epoch]);
        let (transaction, statements, pid) = session.begin().await?;
        if let Some(set_back) = SetBack::heard(&transaction).await? {
            return Err(Failed::SetBack(set_back));
        }
        let (mut found, mut committed) = (None, false);
        if own.chain == 0 {
            let (epoch, at_ms) = (to_i64(own.epoch), to_i64(now_ms()));
            let row =
                transaction.query_one(sql::CHAIN, &[&own.log, &epoch, &own.tail.hash.0.as_slice(), &at_ms]).await?;
            own.chain = unsigned(row.get(0));
        } else {
            let row = transaction.query_opt(sql::OWN_HEAD, &[&own.log]).await?.ok_or_else(|| self.set_back())?;
            let hash = row.get::<_, &[u8]>(1).try_into().map_err(|_| self.set_back())?;
            let tail = Tail { sequence: unsigned(row.get(0)), hash: Hash(hash) };
            committed = self.ends_at(tail).ok_or_else(|| self.set_back())?;
            if !committed {
                // This transaction has locked the head: a commit that is not in the chain now never will be.
                self.resolve(false);
            }
            own.tail = tail;
            mine.extend(keep(&transaction, &self.link.mine()).await?);
            found = Some(TailFound { sequence: tail.sequence, hash: tail.hash, clean: false, cut: 0 });
        }
        let conditions = Conditions { link: &self.link, retention_ms: self.options.retention_ms() };
        let mut batch = Batch::new(own.clone(), conditions);
        batch.begin(time(&transaction, statements, &self.link).await?);
        batch.open(&self.signer, found, &anchors(&transaction, &own.log).await?)?;
        store(&transaction, statements, pid, own.tail, &batch, false).await?;
        let tail = batch.own.tail;
        self.begun.push((tail, committed));
        transaction.commit().await?;
        // A commit can be visible before the synchronous standby has it, and then be lost with the primary. Now the standby has it.
        self.resolve(committed);
        self.begun.clear();
        self.own = own;
        self.durable(tail);
        self.link.set_mine(mine);
        Ok(())
    }

    /// True if the commit that got no answer took place, for a chain that ends at `tail`; `None` when it cannot end there.
    fn ends_at(&self, tail: Tail) -> Option<bool> {
        if tail == self.own.tail {
            return Some(false);
        }
        let unanswered = self.unanswered.iter().map(|unanswered| (unanswered.tail, true));
        unanswered.chain(self.begun.iter().copied()).find(|(end, _)| *end == tail).map(|(_, committed)| committed)
    }

    /// Answers the operations of a commit that got no answer if it took place, or holds them again if not.
    fn resolve(&mut self, committed: bool) {
        // Keeps only those `open` records that agree with it.
        self.begun.retain(|(_, below)| *below == committed);
        let Some(Unanswered { claims, waiting, .. }) = self.unanswered.take() else { return };
        if committed {
            for (key, version) in claims {
                self.held
                    .push_front(Held { operation: Operation::Own(OwnOperation::NeverRan(key, version)), until: None });
            }
            waiting.into_iter().for_each(|(held, decided)| answer(held.operation, decided));
        } else {
            waiting.into_iter().rev().for_each(|(held, _)| self.held.push_front(held));
        }
    }

    /// The failure for a database that has lost the newest record of this chain.
    fn set_back(&self) -> Failed {
        Failed::SetBack(SetBack { log: self.own.log.clone(), sequence: self.own.tail.sequence })
    }

    /// Stops the ledger, and records the loss in the database, so that the other servers stop too.
    async fn stop(&mut self, set_back: SetBack) {
        self.link.set_back(set_back.clone());
        // Dropping the keeper writes the newest receipt into its file.
        self.anchor = None;
        let leaving = async { set_back.leave_word(&self.connector.client().await?).await };
        if let Err(error) = timeout(PATIENCE, leaving).await.unwrap_or(Err(LedgerError::Unavailable)) {
            let error = error.to_string();
            tracing::warn!(
                error,
                "the loss of records could not be recorded in the database: other servers may still run; stop them"
            );
        }
    }

    /// Checks whether another server has recorded a loss.
    async fn listen(&mut self) {
        let Some(session) = &self.session else { return };
        match timeout(PATIENCE, SetBack::heard(session.client())).await.unwrap_or_else(|_| Err(silent())) {
            Ok(None) => {}
            Ok(Some(set_back)) => self.link.set_back(set_back),
            Err(failed) => self.lose(Vec::new(), None, &failed.to_string()),
        }
    }

    /// Ends the chain if the ledger is closed, and releases the lock.
    async fn finish(&mut self) -> Result<(), LedgerError> {
        let Some(mut session) = self.session.take() else { return Err(LedgerError::Unavailable) };
        self.link.set_connected(false);
        if self.closing.is_some() {
            let beside = Beside { checkpoint: Some(&self.signer), close: true, ..PLAIN };
            let conditions = Conditions { link: &self.link, retention_ms: self.options.retention_ms() };
            let closing = async {
                let Written { transaction, tail, .. } =
                    write(&mut session, &self.own, &self.link.mine(), conditions, &[], beside).await?;
                transaction.commit().await?;
                Ok(tail)
            };
            match timeout(PATIENCE, closing).await.unwrap_or_else(|_| Err(silent())) {
                Ok(tail) => self.durable(tail.unwrap_or(self.own.tail)),
                Err(failed) => {
                    let reason = failed.to_string();
                    tracing::error!(
                        reason,
                        "the ledger's chain was not ended with a `close` record; its records before that are safe"
                    );
                    return Err(LedgerError::Unavailable);
                }
            }
        }
        session.end().await;
        Ok(())
    }
}

/// The result of an attempt to commit a batch.
enum Attempt {
    Committed {
        replies: Vec<Decided>,
        tail: Option<Tail>,
        /// The sequence of the checkpoint in it.
        signed: Option<u64>,
    },
    Again,
    Lost {
        /// The last record and the replies, if it is not known whether the batch was committed.
        written: Option<(Tail, Vec<Decided>)>,
        reason: String,
    },
}

async fn attempt(
    session: &mut Session,
    own: &Own,
    mine: &BTreeSet<u64>,
    conditions: Conditions<'_>,
    operations: &[Operation],
    beside: Beside<'_>,
) -> Attempt {
    let writing = write(session, own, mine, conditions, operations, beside);
    match timeout(PATIENCE, writing).await.unwrap_or_else(|_| Err(silent())) {
        Ok(Written { transaction, replies, tail, signed }) => {
            let committed = timeout(PATIENCE, transaction.commit()).await;
            match committed.map_err(|_| silent()).and_then(|committed| Ok(committed?)) {
                Ok(()) => Attempt::Committed { replies, tail, signed },
                Err(failed) => Attempt::Lost { written: tail.map(|tail| (tail, replies)), reason: failed.to_string() },
            }
        }
        Err(Failed::Again) => Attempt::Again,
        Err(failed) => Attempt::Lost { written: None, reason: failed.to_string() },
    }
}

fn silent() -> Failed {
    Failed::Lost(format!("no answer within {} s", PATIENCE.as_secs()))
}

/// The error for operations after the end.
fn closed_or(link: &Link) -> LedgerError {
    link.shared.accepts_claims().err().unwrap_or(LedgerError::Unavailable)
}
