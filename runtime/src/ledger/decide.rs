//! The state machine of actions: decides on each operation. No I/O, no clock, no randomness.
//!
//! A store passes in the actions at this point of its batch ([`View`]) and the [`Terms`]; the state machine answers, refuses, or
//! says what to write ([`Verdict`]). The store numbers, chains and syncs the records, and answers the callers.

use std::sync::Arc;

use super::Decision;
use super::action::{Action, Approval, ArgumentDigest, Beginning, Moment, PayloadAt, State, Step, Transition, Version};
use super::error::LedgerError;
use super::hash::Hash;
use super::record::{Event, Line};
use super::request::{
    Ask, Asked, Claim, Claimed, Decide, Happened, How, Latest, Outcome, Receipt, Settle, Settled, Standing, Superseded,
};
use super::shared::Status;
use super::subject::{Meeting, Slot, Subject, Touch, touching};

/// The shortest retention of an action that an operator resolved, 90 days: the command line may not know the server's retention.
const OPERATOR_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// The actions as they stand at this point of a batch.
pub(super) trait View {
    /// The action of `key`, expired or not.
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError>;

    /// The actions that meet at `slot`.
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError>;

    /// True while the server of this epoch may still run what it started under a lease until `until_ms`.
    fn may_run(&self, epoch: u64, until_ms: u64) -> bool;

    /// True while the action of `key` is in doubt only because its server was presumed dead, and no call has run it since.
    fn presumed_dead(&self, key: &Hash) -> bool;
}

/// A batch that takes the decided records.
pub(super) trait Batch<'a>: View {
    /// The conditions of this moment.
    fn terms(&self) -> Terms;

    /// Adds the record of `draft` and applies its change, so that the next decision sees it.
    fn write(&mut self, draft: Draft<'a>) -> Result<Landed, LedgerError>;
}

/// The conditions under which an operation is decided.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// The ledger's time, in ms since 1970.
    pub(super) at_ms: u64,
    /// Epoch of the server that decides.
    pub(super) epoch: u64,
    /// Time for which a settled action answers, in ms.
    pub(super) retention_ms: u64,
    /// The clock is trusted: actions may expire by it.
    pub(super) trusted: bool,
    /// The status of the ledger: which operations it accepts.
    pub(super) status: Status,
}

impl Terms {
    /// True while `action` answers for its key.
    fn answers(&self, action: &Action) -> bool {
        !self.trusted || action.answers(self.at_ms)
    }

    /// True once an action that answers until `expires_ms` has expired.
    pub(super) fn past(&self, expires_ms: u64) -> bool {
        self.trusted && self.at_ms >= expires_ms
    }

    /// The bucket of time that `claim` falls in.
    fn bucket(&self, claim: &Claim) -> Option<u64> {
        let every_ms = u64::try_from(claim.every?.as_millis()).unwrap_or(u64::MAX);
        self.at_ms.checked_div(every_ms)
    }
}

/// A record to write, and the change that it makes.
pub(super) struct Draft<'a> {
    /// The action.
    pub(super) key: Hash,
    /// The action as it stood before.
    before: Option<Arc<Action>>,
    change: Change<'a>,
}

enum Change<'a> {
    Begin {
        claim: &'a Claim,
        state: State,
        bucket: Option<u64>,
        until_ms: Option<u64>,
    },
    Decide(&'a Decision),
    Complete {
        settle: &'a Settle,
        how: &'a How,
        completion: Completion<'a>,
    },
    Fail {
        settle: &'a Settle,
        how: &'a How,
        code: &'a str,
        failure: Failure,
    },
    Doubt {
        settle: &'a Settle,
        how: &'a How,
        code: &'a str,
        running: bool,
    },
    PresumeDead {
        running: bool,
    },
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only a shared ledger needs it"))]
    NeverRan(Failure),
}

/// The state of a key after its action ended without effect.
#[derive(Clone, Copy)]
enum Failure {
    /// Nothing began, and no action was there before: the key is free.
    Leaves,
    /// A repeat: the action before it answers again, until this time.
    Restores { expires_ms: Option<u64> },
    /// The failed action is remembered until this time.
    Remembered { expires_ms: u64 },
}

impl Failure {
    fn of(action: &Action, terms: &Terms, how: &How) -> Failure {
        let began = !matches!(action.state, State::AwaitingApproval(_));
        match action.replaced.as_deref().filter(|before| terms.answers(before)) {
            Some(before) => Failure::Restores { expires_ms: before.expires_ms },
            None if began => {
                Failure::Remembered { expires_ms: terms.at_ms.saturating_add(answers_for(terms.retention_ms, how)) }
            }
            None => Failure::Leaves,
        }
    }

    fn expires_ms(self) -> Option<u64> {
        match self {
            Failure::Leaves => None,
            Failure::Restores { expires_ms } => expires_ms,
            Failure::Remembered { expires_ms } => Some(expires_ms),
        }
    }

    fn restores(self) -> bool {
        matches!(self, Failure::Restores { .. })
    }

    fn transition(self) -> Transition {
        match self {
            Failure::Leaves => Transition::Leave,
            Failure::Restores { .. } => Transition::Restore,
            Failure::Remembered { expires_ms } => Transition::Fail { expires_ms: Some(expires_ms) },
        }
    }
}

struct Completion<'a> {
    payload: &'a [u8],
    code: &'a str,
    subjects: &'a [Subject],
    stored_error: bool,
    expires_ms: u64,
}

/// A record as it was added to a batch.
pub(super) struct Landed {
    pub(super) version: Version,
    pub(super) receipt: Receipt,
    /// The action after it.
    pub(super) action: Option<Arc<Action>>,
}

/// The decision on one operation.
pub(super) enum Verdict<'a, T> {
    /// Answer without writing.
    Answer(T),
    /// Refuse without writing: the operation does not apply.
    Refuse(LedgerError),
    /// Write the record, then make the answer from its place.
    Write(Draft<'a>, fn(Landed) -> Result<T, LedgerError>),
}

/// The answer to the caller of an operation.
pub(super) type Reply<T> = Result<T, LedgerError>;

/// Decides on a claim and carries it out.
///
/// # Errors
/// The outer error means that the store failed and the batch is unusable; the inner result is the caller's.
pub(super) fn claim<'a>(batch: &mut impl Batch<'a>, claim: &'a Claim) -> Result<Reply<Claimed>, LedgerError> {
    let verdict = on_claim(batch, &batch.terms(), claim)?;
    carry_out(batch, verdict)
}

/// Decides on a request for an approval and carries it out.
///
/// # Errors
/// As [`claim`].
pub(super) fn ask<'a>(batch: &mut impl Batch<'a>, ask: &'a Ask) -> Result<Reply<Asked>, LedgerError> {
    let verdict = on_ask(batch, &batch.terms(), ask)?;
    carry_out(batch, verdict)
}

/// Decides on an operator's decision and carries it out.
///
/// # Errors
/// As [`claim`].
pub(super) fn decide<'a>(batch: &mut impl Batch<'a>, decide: &'a Decide) -> Result<Reply<Settled>, LedgerError> {
    let verdict = on_decide(batch, &batch.terms(), decide)?;
    carry_out(batch, verdict)
}

/// Decides on an outcome and carries it out.
///
/// # Errors
/// As [`claim`].
pub(super) fn settle<'a>(batch: &mut impl Batch<'a>, settle: &'a Settle) -> Result<Reply<Settled>, LedgerError> {
    let verdict = on_settle(batch, &batch.terms(), settle)?;
    carry_out(batch, verdict)
}

/// Puts a started action of a dead server in doubt. `running`: the server may have lost only its connection, so the body may
/// still run.
///
/// # Errors
/// As [`claim`].
pub(super) fn presume_dead<'a>(
    batch: &mut impl Batch<'a>,
    action: Arc<Action>,
    running: bool,
) -> Result<(), LedgerError> {
    let draft = Draft { key: action.key, before: Some(action), change: Change::PresumeDead { running } };
    batch.write(draft).map(drop)
}

/// Frees the key of a claim whose caller was told that nothing runs, unless the action has changed since.
///
/// # Errors
/// As [`claim`].
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only a shared ledger needs it"))]
pub(super) fn never_ran<'a>(batch: &mut impl Batch<'a>, key: &Hash, version: Version) -> Result<(), LedgerError> {
    let Some(action) = batch.action(key)?.filter(|action| action.intent == version) else { return Ok(()) };
    if action.version != version && !batch.presumed_dead(key) {
        return Ok(());
    }
    let change = Change::NeverRan(Failure::of(&action, &batch.terms(), &How::Call));
    batch.write(Draft { key: *key, before: Some(action), change }).map(drop)
}

/// The settled actions that retention removes.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a local ledger knows by its index what has expired"))]
pub(super) struct Expired {
    pub(super) actions: Vec<Arc<Action>>,
    /// Number of candidates that still answer.
    pub(super) answering: usize,
}

/// Selects, among `candidates` that still have their version, those that no longer answer.
///
/// # Errors
/// As [`claim`].
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a local ledger knows by its index what has expired"))]
pub(super) fn expired(view: &impl View, terms: &Terms, candidates: &[(Hash, Version)]) -> Result<Expired, LedgerError> {
    let mut expired = Expired { actions: Vec::new(), answering: 0 };
    for (key, version) in candidates {
        match view.action(key)?.filter(|action| action.version == *version) {
            Some(action) if !action.is_settled() => {}
            Some(action) if terms.answers(&action) => expired.answering += 1,
            Some(action) => expired.actions.push(action),
            None => {}
        }
    }
    Ok(expired)
}

fn carry_out<'a, T>(batch: &mut impl Batch<'a>, verdict: Verdict<'a, T>) -> Result<Reply<T>, LedgerError> {
    Ok(match verdict {
        Verdict::Answer(answer) => Ok(answer),
        Verdict::Refuse(refused) => Err(refused),
        Verdict::Write(draft, answer) => answer(batch.write(draft)?),
    })
}

/// Judges what the known action means for a call that would make `claim`.
///
/// # Errors
/// [`LedgerError`] when the store cannot be read.
pub(super) fn standing(view: &impl View, terms: &Terms, claim: &Claim) -> Result<Standing, LedgerError> {
    Ok(match judge(view, terms, claim)? {
        Judged::Free(_) => Standing::Free,
        Judged::Known(standing) => standing,
    })
}

/// The judgement of a call.
enum Judged {
    /// It may begin, in place of this action.
    Free(Option<Arc<Action>>),
    Known(Standing),
}

fn judge(view: &impl View, terms: &Terms, claim: &Claim) -> Result<Judged, LedgerError> {
    let stored = view.action(&claim.key)?;
    let Some(known) = stored.clone().filter(|known| terms.answers(known)) else {
        return match &claim.again_after {
            Some(named) => repeat(view, terms, claim, None, stored, named),
            None => Ok(Judged::Free(stored)),
        };
    };
    // While a repeat waits for its approval, other calls are still about the action before it.
    if let (State::AwaitingApproval(_), Some(before)) = (&known.state, known.replaced.as_deref())
        && known.again_after != claim.again_after
        && terms.answers(before)
    {
        return judge_settled(view, terms, claim, Arc::new(before.clone()), known);
    }
    let settled = known.is_settled();
    if !settled && let Some(differs) = differs(&known, claim) {
        return Ok(Judged::Known(differs));
    }
    Ok(Judged::Known(match &known.state {
        State::AwaitingApproval(approval) => {
            let void = approval.expires_ms <= terms.at_ms || moved_since(view, &known, known.moment)?;
            Standing::Awaiting { action: boxed(&known), void }
        }
        State::Started { .. } => Standing::Running { call: known.call.clone() },
        State::InDoubt => {
            let may_run = view.may_run(known.epoch, known.until_ms);
            if claim.natural && !claim.needs_approval && !may_run {
                return Ok(Judged::Free(Some(known)));
            }
            Standing::InDoubt { action: boxed(&known), may_run }
        }
        State::Completed | State::Failed if claim.natural && claim.again_after.is_none() => {
            return Ok(Judged::Free(Some(known)));
        }
        State::Completed | State::Failed => return judge_settled(view, terms, claim, Arc::clone(&known), known),
    }))
}

/// Judges a call whose action `known` has ended; a new action would take the place of `over`.
fn judge_settled(
    view: &impl View,
    terms: &Terms,
    claim: &Claim,
    known: Arc<Action>,
    over: Arc<Action>,
) -> Result<Judged, LedgerError> {
    let owned = known.owner.as_deref() == claim.entry.owner();
    // An action answers in its own bucket of time and in the next.
    let passed = match (terms.bucket(claim), known.bucket) {
        (Some(now), Some(then)) => terms.trusted && now > then.saturating_add(1),
        _ => false,
    };
    // A stored error answers its owner only.
    if passed || (known.stored_error && !owned) {
        return Ok(Judged::Free(Some(over)));
    }
    if let Some(named) = claim.again_after.as_ref().filter(|named| known.again_after.as_ref() != Some(named)) {
        return repeat(view, terms, claim, Some(&known), Some(over), named);
    }
    let completed = known.state == State::Completed;
    if completed && let Some(differs) = differs(&known, claim) {
        return Ok(Judged::Known(differs));
    }
    let others = others(view, &known.subjects, &known.key)?;
    if let Some(running) = first(others.iter().filter(|touch| runs(view, touch))) {
        return Ok(Judged::Known(Standing::Running { call: running.call.clone() }));
    }
    if let Some(by) = latest(others.iter().filter(|touch| touch.ended > Some(known.began))) {
        return Ok(Judged::Known(Standing::Superseded(Box::new(Superseded {
            by: Some(by),
            first_call: Some(known.call.clone()),
            earlier: (owned && completed).then(|| Action::clone(&known)),
            effect: if completed && !known.stored_error { Happened::Before } else { Happened::Never },
        }))));
    }
    Ok(match known.state {
        State::Failed => Judged::Free(Some(over)),
        _ if !owned && !claim.natural => Judged::Known(Standing::DoneForAnother { call: known.call.clone() }),
        _ => Judged::Known(Standing::Replay(boxed(&known))),
    })
}

/// Judges a repeat on purpose, which names another call in `again_after`. `known` is the action if it still answers; a new
/// action would take the place of `over`.
fn repeat(
    view: &impl View,
    terms: &Terms,
    claim: &Claim,
    known: Option<&Action>,
    over: Option<Arc<Action>>,
    named: &str,
) -> Result<Judged, LedgerError> {
    let mut subjects = claim.subjects.clone();
    subjects.extend(known.iter().flat_map(|known| known.subjects.iter().cloned()));
    let touches = touches(view, &subjects)?;
    if let Some(running) = first(touches.iter().filter(|touch| runs(view, touch))) {
        return Ok(Judged::Known(Standing::Running { call: running.call.clone() }));
    }
    if let Some(doubt) = first(touches.iter().filter(|touch| touch.doubt)) {
        return Ok(Judged::Known(Standing::SubjectInDoubt { call: doubt.call.clone() }));
    }
    let by = latest(touches.iter());
    // If no action had an effect on the subject, the known action itself is the latest.
    let own = known.filter(|_| by.is_none()).map(|known| known.call.as_str());
    if by.as_ref().map(|by| by.call.as_str()).or(own) == Some(named) {
        return Ok(Judged::Free(over));
    }
    // Certain that this repeat never ran only if no earlier repeat that named the same call can have expired since.
    let place = touches.iter().find(|touch| touch.call == named);
    let never = match (known, place) {
        (None, Some(place)) => terms.at_ms.saturating_sub(place.at_ms) < terms.retention_ms,
        (Some(known), Some(place)) => place.ended > Some(known.began),
        (_, None) => false,
    };
    Ok(Judged::Known(Standing::Superseded(Box::new(Superseded {
        by,
        first_call: known.map(|known| known.call.clone()),
        earlier: None,
        effect: if never { Happened::Never } else { Happened::Unknown },
    }))))
}

/// The actions that touch an action with `subjects`.
fn touches(view: &impl View, subjects: &[Subject]) -> Result<Vec<Arc<Touch>>, LedgerError> {
    let mut touches = Vec::new();
    for slot in touching(subjects) {
        let Some(meeting) = view.meeting(&slot)? else { continue };
        touches.extend(meeting.open.iter().cloned().chain(meeting.done.iter().cloned().map(Arc::new)));
    }
    Ok(touches)
}

/// The actions that touch an action with `subjects` and have another key.
fn others(view: &impl View, subjects: &[Subject], key: &Hash) -> Result<Vec<Arc<Touch>>, LedgerError> {
    let mut others = touches(view, subjects)?;
    others.retain(|touch| touch.key != *key);
    Ok(others)
}

/// True if an action of another key that touches `action` ended after `moment`.
fn moved_since(view: &impl View, action: &Action, moment: Moment) -> Result<bool, LedgerError> {
    let others = others(view, &action.subjects, &action.key)?;
    Ok(others.iter().any(|touch| touch.ended > Some(moment)))
}

/// True while a server may be running the action.
fn runs(view: &impl View, touch: &Touch) -> bool {
    if touch.doubt { view.may_run(touch.epoch, touch.until_ms) } else { touch.ended.is_none() }
}

/// The action that began first: the answer must not depend on the order of the slots, which differs between ledgers.
fn first<'a>(touches: impl Iterator<Item = &'a Arc<Touch>>) -> Option<&'a Arc<Touch>> {
    touches.min_by_key(|touch| touch.began)
}

fn latest<'a>(touches: impl Iterator<Item = &'a Arc<Touch>>) -> Option<Latest> {
    let touch = touches.max_by_key(|touch| touch.ended)?;
    Some(Latest { call: touch.call.clone(), tool: touch.tool.clone(), at_ms: touch.at_ms })
}

/// The standing of a call whose exact arguments are not those of the action.
fn differs(known: &Action, claim: &Claim) -> Option<Standing> {
    let same =
        |now: &ArgumentDigest| known.arguments.iter().any(|then| then.name == now.name && then.exact == now.exact);
    let arguments: Vec<String> = claim.arguments.iter().filter(|now| !same(now)).map(|now| now.name.clone()).collect();
    (!arguments.is_empty()).then(|| Standing::Differs { call: known.call.clone(), arguments })
}

fn boxed(action: &Arc<Action>) -> Box<Action> {
    Box::new(Action::clone(action))
}

fn on_claim<'a>(view: &impl View, terms: &Terms, claim: &'a Claim) -> Result<Verdict<'a, Claimed>, LedgerError> {
    if let Err(refused) = terms.status.accepts_claims() {
        return Ok(Verdict::Refuse(refused));
    }
    let over = match (judge(view, terms, claim)?, claim.approved) {
        (Judged::Known(Standing::Awaiting { action, void }), Some(version)) => {
            if void || !is_approved(claim, &action, version) {
                return Ok(Verdict::Refuse(LedgerError::Superseded));
            }
            Some(Arc::new(*action))
        }
        (Judged::Known(standing), _) => return Ok(Verdict::Answer(Claimed::Known(standing))),
        // An approval is used once: without the action that awaits it, it was used already.
        (Judged::Free(_), Some(_)) => return Ok(Verdict::Refuse(LedgerError::Superseded)),
        (Judged::Free(over), None) => over,
    };
    let draft = begin(terms, claim, State::Started { epoch: terms.epoch }, over);
    Ok(Verdict::Write(draft, |landed| {
        let action = landed.action.as_deref().ok_or(LedgerError::Superseded)?;
        Ok(Claimed::Won { version: landed.version, effect_key: action.effect_key() })
    }))
}

/// True if exactly this action was approved, for this owner.
fn is_approved(claim: &Claim, action: &Action, version: Version) -> bool {
    let State::AwaitingApproval(approval) = &action.state else { return false };
    let approved = approval.decision.as_ref().is_some_and(|decision| decision.approved);
    approved
        && action.version == version
        && action.digest == claim.digest
        && action.owner.as_deref() == claim.entry.owner()
}

fn on_ask<'a>(view: &impl View, terms: &Terms, ask: &'a Ask) -> Result<Verdict<'a, Asked>, LedgerError> {
    if let Err(refused) = terms.status.accepts_claims() {
        return Ok(Verdict::Refuse(refused));
    }
    let Ask { claim, id, expires_ms } = ask;
    let over = match judge(view, terms, claim)? {
        Judged::Free(over) => over,
        Judged::Known(Standing::Awaiting { action, void: true }) => Some(Arc::new(*action)),
        Judged::Known(standing) => return Ok(Verdict::Answer(Asked::Known(standing))),
    };
    let approval = Approval { id: id.clone(), expires_ms: *expires_ms, decision: None };
    let draft = begin(terms, claim, State::AwaitingApproval(approval), over);
    Ok(Verdict::Write(draft, |landed| {
        let action = landed.action.as_deref().cloned().ok_or(LedgerError::Superseded)?;
        Ok(Asked::Awaits(Box::new(action)))
    }))
}

/// Begins an action in place of `before`.
fn begin<'a>(terms: &Terms, claim: &'a Claim, state: State, before: Option<Arc<Action>>) -> Draft<'a> {
    let lives_ms = u64::try_from(claim.lives.as_millis()).unwrap_or(u64::MAX);
    let until_ms = matches!(state, State::Started { .. }).then(|| terms.at_ms.saturating_add(lives_ms));
    // An approved action keeps the bucket of time in which its approval was asked for.
    let asked = before.as_ref().filter(|_| claim.approved.is_some());
    let bucket = asked.map_or_else(|| terms.bucket(claim), |asked| asked.bucket);
    Draft { key: claim.key, before, change: Change::Begin { claim, state, bucket, until_ms } }
}

fn on_decide<'a>(view: &impl View, terms: &Terms, decide: &'a Decide) -> Result<Verdict<'a, Settled>, LedgerError> {
    let Decide { key, version, decision } = decide;
    let awaits = |action: &Action| match &action.state {
        State::AwaitingApproval(approval) => approval.decision.is_none() && terms.at_ms < approval.expires_ms,
        _ => false,
    };
    let current = view.action(key)?;
    let Some(action) = current.filter(|action| action.version == *version && awaits(action)) else {
        return Ok(Verdict::Refuse(LedgerError::Superseded));
    };
    let draft = Draft { key: *key, before: Some(action), change: Change::Decide(decision) };
    Ok(Verdict::Write(draft, settled))
}

fn on_settle<'a>(view: &impl View, terms: &Terms, settle: &'a Settle) -> Result<Verdict<'a, Settled>, LedgerError> {
    let Settle { entry, key, version, outcome, how } = settle;
    let Some(action) = view.action(key)? else { return Ok(Verdict::Refuse(LedgerError::Superseded)) };
    // Another server presumed this one dead and put the action in doubt, but no call ran it again: its outcome counts.
    let presumed_dead = view.presumed_dead(key);
    // Or this call recorded the doubt itself, and did not learn that it was recorded.
    let own_doubt = *how == How::Late && action.state == State::InDoubt && action.call == entry.call;
    let mistaken = (presumed_dead || own_doubt) && action.intent == *version;
    let open = match action.state {
        State::Started { .. } | State::InDoubt => true,
        // Nothing ran, so it can only fail.
        State::AwaitingApproval(_) => matches!(outcome, Outcome::Failed { .. }),
        State::Completed | State::Failed => false,
    };
    if !open || (action.version != *version && !mistaken) {
        return Ok(Verdict::Refuse(LedgerError::Superseded));
    }
    let how = if mistaken && *how == How::Call { &How::Late } else { how };
    let change = match outcome {
        Outcome::Completed { payload, code, subjects, stored_error } => {
            if payload.contains(&b'\n') {
                return Ok(Verdict::Refuse(LedgerError::Payload { reason: "has a line break" }));
            }
            // The stored answer is that of the last effect: a repeat that ends in an error does not replace it.
            let failure = Failure::of(&action, terms, how);
            if *stored_error && failure.restores() {
                Change::Fail { settle, how, code, failure }
            } else {
                let expires_ms = terms.at_ms.saturating_add(answers_for(terms.retention_ms, how));
                let completion = Completion { payload, code, subjects, stored_error: *stored_error, expires_ms };
                Change::Complete { settle, how, completion }
            }
        }
        Outcome::Failed { code } => Change::Fail { settle, how, code, failure: Failure::of(&action, terms, how) },
        Outcome::InDoubt { code, running } => Change::Doubt { settle, how, code, running: *running },
    };
    Ok(Verdict::Write(Draft { key: *key, before: Some(action), change }, settled))
}

fn settled(landed: Landed) -> Result<Settled, LedgerError> {
    Ok(Settled { receipt: landed.receipt, version: landed.version })
}

/// The retention of a completed action, in ms.
fn answers_for(retention_ms: u64, how: &How) -> u64 {
    match how {
        How::Operator(_) => retention_ms.max(OPERATOR_MS),
        How::Call | How::Late | How::Reconcile => retention_ms,
    }
}

impl<'a> Draft<'a> {
    /// The result to store for replays.
    pub(super) fn payload(&self) -> Option<&'a [u8]> {
        match &self.change {
            Change::Complete { completion, .. } => Some(completion.payload),
            _ => None,
        }
    }

    /// Time until which the action answers from now on, in ms since 1970.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        match &self.change {
            Change::Complete { completion, .. } => Some(completion.expires_ms),
            Change::Fail { failure, .. } | Change::NeverRan(failure) => failure.expires_ms(),
            Change::Begin { .. } | Change::Decide(_) | Change::Doubt { .. } | Change::PresumeDead { .. } => None,
        }
    }

    /// The record, with the hash of the stored result.
    pub(super) fn line(&self, payload: Option<Hash>) -> Line<'_> {
        let supersedes = self.before.as_ref().map(|action| action.version.0);
        let settled = |event, settle: &'a Settle, how| Line {
            key: Some(self.key),
            digest: self.before.as_ref().map(|action| action.digest),
            supersedes,
            ..Line::settled(event, &settle.entry, how)
        };
        // A record about the action that is not written by one of its calls.
        let of_action = |event| {
            let line = Line { key: Some(self.key), supersedes, ..Line::new(event) };
            match self.before.as_deref() {
                None => line,
                Some(action) => Line {
                    call: Some(&action.call),
                    tenant: Some(&action.tenant),
                    tool: Some(&action.tool),
                    digest: Some(action.digest),
                    ..line
                },
            }
        };
        match &self.change {
            Change::Begin { claim, state, bucket, until_ms } => {
                let line = Line {
                    key: Some(self.key),
                    digest: Some(claim.digest),
                    digests: Some(&claim.arguments),
                    subjects: &claim.subjects,
                    bucket: *bucket,
                    again_after: claim.again_after.as_deref(),
                    until: *until_ms,
                    supersedes,
                    ..Line::of(Event::Started, &claim.entry)
                };
                match state {
                    State::AwaitingApproval(approval) => {
                        Line { event: Event::AwaitingApproval, approval: Some(approval), ..line }
                    }
                    State::Started { epoch } => Line { epoch: Some(*epoch), ..line },
                    State::Completed | State::Failed | State::InDoubt => line,
                }
            }
            Change::Decide(decision) => {
                let event = if decision.approved { Event::Approved } else { Event::ApprovalRefused };
                Line { operator: Some(&decision.operator), ..of_action(event) }
            }
            Change::Complete { settle, how, completion } => Line {
                code: Some(completion.code),
                payload,
                subjects: completion.subjects,
                stored_error: completion.stored_error,
                expires: Some(completion.expires_ms),
                ..settled(Event::Completed, settle, how)
            },
            Change::Fail { settle, how, code, failure } => Line {
                code: Some(code),
                expires: failure.expires_ms(),
                restores: failure.restores(),
                ..settled(Event::Failed, settle, how)
            },
            Change::Doubt { settle, how, code, running } => {
                Line { code: Some(code), running: *running, ..settled(Event::InDoubt, settle, how) }
            }
            Change::PresumeDead { running } => {
                Line { code: Some("crashed"), running: *running, ..of_action(Event::InDoubt) }
            }
            Change::NeverRan(failure) => Line {
                code: Some("never_ran"),
                expires: failure.expires_ms(),
                restores: failure.restores(),
                ..of_action(Event::Failed)
            },
        }
    }

    /// The step that the record at `version` makes, and the action before it.
    pub(super) fn step(
        self,
        version: Version,
        moment: Moment,
        at_ms: u64,
        payload: Option<PayloadAt>,
    ) -> (Step, Option<Arc<Action>>) {
        let change = match self.change {
            Change::Begin { claim, state, bucket, until_ms } => Transition::Begin(Box::new(Beginning {
                state,
                digest: claim.digest,
                arguments: claim.arguments.clone(),
                tenant: claim.entry.tenant.clone(),
                tool: claim.entry.tool.clone().into_owned(),
                call: claim.entry.call.clone(),
                owner: claim.entry.owner().map(str::to_owned),
                subjects: claim.subjects.clone(),
                bucket,
                again_after: claim.again_after.clone(),
                until_ms: until_ms.unwrap_or(0),
            })),
            Change::Decide(decision) => Transition::Decide(decision.clone()),
            Change::Complete { completion: Completion { subjects, stored_error, expires_ms, .. }, .. } => {
                let expires_ms = Some(expires_ms);
                Transition::Complete { payload, subjects: subjects.to_vec(), expires_ms, stored_error }
            }
            Change::Doubt { running, .. } | Change::PresumeDead { running } => Transition::Doubt { running },
            Change::Fail { failure, .. } | Change::NeverRan(failure) => failure.transition(),
        };
        (Step { version, moment, at_ms, key: self.key, change }, self.before)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::super::hash::Hash;
    use super::super::shared::Status;
    use super::super::subject::{Meeting, Slot};
    use super::super::tests::claim;
    use super::{
        Action, Approval, Beginning, Claim, Decision, LedgerError, Moment, State, Step, Terms, Transition, Verdict,
        Version, View, on_claim,
    };

    /// The only action that there is.
    struct One(Action);

    impl View for One {
        fn action(&self, _key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
            Ok(Some(Arc::new(self.0.clone())))
        }

        fn meeting(&self, _slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
            Ok(None)
        }

        fn may_run(&self, _epoch: u64, _until_ms: u64) -> bool {
            false
        }

        fn presumed_dead(&self, _key: &Hash) -> bool {
            false
        }
    }

    fn approved(claim: &Claim) -> Action {
        let decision = Some(Decision { approved: true, operator: "olga".to_owned() });
        let approval = Approval { id: "01J".to_owned(), expires_ms: 10, decision };
        let beginning = Beginning {
            state: State::AwaitingApproval(approval),
            digest: claim.digest,
            owner: claim.entry.user.clone(),
            arguments: claim.arguments.clone(),
            ..Beginning::started(0)
        };
        let change = Transition::Begin(Box::new(beginning));
        let step = Step { version: Version(1), moment: Moment(1), at_ms: 0, key: claim.key, change };
        step.apply(None).unwrap().unwrap()
    }

    #[test]
    fn an_approval_starts_once_what_it_was_given_for_and_nothing_when_it_expired() {
        let claim = Claim { approved: Some(Version(1)), ..claim("a", "second") };
        let action = approved(&claim);
        let starts = |claim: &Claim, action: &Action, at_ms| {
            let terms = Terms { at_ms, epoch: 1, retention_ms: 0, trusted: true, status: Status::Open };
            matches!(on_claim(&One(action.clone()), &terms, claim).unwrap(), Verdict::Write(..))
        };
        assert!(starts(&claim, &action, 9));
        assert!(!starts(&claim, &action, 10));
        assert!(!starts(&Claim { digest: Hash::of(b"other"), ..claim.clone() }, &action, 9));
        assert!(!starts(&Claim { approved: None, natural: true, ..claim.clone() }, &action, 9));
        assert!(!starts(&claim, &Action { version: Version(2), ..action.clone() }, 9));
        assert!(!starts(&claim, &Action { owner: Some("bob".to_owned()), ..action }, 9), "for another owner");
    }
}
