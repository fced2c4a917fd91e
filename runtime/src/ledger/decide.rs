//! The state machine of an action: what an operation does to it. No I/O, no clock, no randomness.
//!
//! A store shows the core the actions as they stand at this point of its batch ([`View`]) and the [`Terms`]; the core
//! answers, refuses, or says what to write ([`Verdict`]). Stores only number, chain, place, sync and answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::action::{Action, Approval, Beginning, State, Step, Transition};
use super::action::{PayloadAt, Version};
use super::error::LedgerError;
use super::hash::Hash;
use super::record::{Event, Line};
use super::shared::Status;
use super::{Ask, Claim, Claimed, Decide, Decision, How, Outcome, Receipt, Settle, Settled};

/// An operator's word answers for at least 90 days: it is often said where the retention of the server is not known.
const OPERATOR_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// The actions as they stand at this point of a batch.
pub(super) trait View {
    /// The action of `key`, expired or not.
    fn action(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError>;

    /// Keys of the actions that `key` undoes; perhaps others too.
    fn undone_by(&self, key: &Hash) -> Result<BTreeSet<Hash>, LedgerError>;

    /// True while the action of `key` is in doubt only because its server was presumed dead, and nobody has run it since.
    fn presumed_dead(&self, key: &Hash) -> bool;
}

/// A batch that takes what was decided.
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
    /// Time for which a completed action answers, in ms.
    pub(super) retention_ms: u64,
    /// What the ledger still accepts.
    pub(super) status: Status,
}

/// One record to write, and the change that it makes.
pub(super) struct Draft<'a> {
    /// The action.
    pub(super) key: Hash,
    /// The action as it stood before.
    before: Option<Arc<Action>>,
    change: Change<'a>,
}

enum Change<'a> {
    Begin { claim: &'a Claim, state: State, until_ms: Option<u64> },
    Decide(&'a Decision),
    Complete { settle: &'a Settle, how: &'a How, completion: Completion<'a> },
    Fail { settle: &'a Settle, how: &'a How, code: &'a str },
    Doubt { settle: &'a Settle, how: &'a How, code: &'a str, running: bool },
    PresumeDead { running: bool },
    NeverRan,
}

struct Completion<'a> {
    payload: &'a [u8],
    code: &'a str,
    undo: Option<Hash>,
    frees: Vec<Hash>,
    expires_ms: u64,
}

/// The place where a record landed in a batch.
pub(super) struct Landed {
    pub(super) version: Version,
    pub(super) receipt: Receipt,
    /// The action after it.
    pub(super) action: Option<Arc<Action>>,
}

/// The decision on one operation.
pub(super) enum Verdict<'a, T> {
    /// Nothing to write.
    Answer(T),
    /// Nothing to write: the operation does not apply.
    Refuse(LedgerError),
    /// Write it, then answer with where it landed.
    Write(Draft<'a>, fn(Landed) -> Result<T, LedgerError>),
}

/// What the caller of an operation gets.
pub(super) type Reply<T> = Result<T, LedgerError>;

/// Decides on a claim and carries it out.
///
/// # Errors
/// The store failed: the batch is of no use. What the caller gets is inside.
pub(super) fn claim<'a>(batch: &mut impl Batch<'a>, claim: &'a Claim) -> Result<Reply<Claimed>, LedgerError> {
    let verdict = on_claim(batch, &batch.terms(), claim)?;
    carry_out(batch, verdict)
}

/// Decides on the request of an approval and carries it out.
///
/// # Errors
/// As [`claim`].
pub(super) fn ask<'a>(batch: &mut impl Batch<'a>, ask: &'a Ask) -> Result<Reply<Action>, LedgerError> {
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

/// Puts a started action in doubt whose server is dead. `running`: it may have lost only its connection, so the body may
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

/// Frees the key of a claim whose caller was told that nothing runs, unless somebody did so already.
///
/// # Errors
/// As [`claim`].
pub(super) fn never_ran<'a>(batch: &mut impl Batch<'a>, key: &Hash, version: Version) -> Result<(), LedgerError> {
    let Some(action) = batch.action(key)?.filter(|action| action.intent == version) else { return Ok(()) };
    if action.version != version && !batch.presumed_dead(key) {
        return Ok(());
    }
    batch.write(Draft { key: *key, before: Some(action), change: Change::NeverRan }).map(drop)
}

/// Completed actions that retention removes.
pub(super) struct Expired {
    pub(super) actions: Vec<Arc<Action>>,
    /// How many of the candidates still answer.
    pub(super) answering: usize,
}

/// Chooses, among `candidates` that still have that version, those that answer no longer.
///
/// # Errors
/// As [`claim`].
pub(super) fn expired(view: &impl View, terms: &Terms, candidates: &[(Hash, Version)]) -> Result<Expired, LedgerError> {
    let mut expired = Expired { actions: Vec::new(), answering: 0 };
    for (key, version) in candidates {
        match view.action(key)?.filter(|action| action.version == *version) {
            Some(action) if action.answers(terms.at_ms) => expired.answering += 1,
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

fn on_claim<'a>(view: &impl View, terms: &Terms, claim: &'a Claim) -> Result<Verdict<'a, Claimed>, LedgerError> {
    if let Err(refused) = terms.status.accepts_claims() {
        return Ok(Verdict::Refuse(refused));
    }
    let current = view.action(&claim.key)?;
    match &current {
        Some(action) if starts_over(claim, action, terms.at_ms) => {}
        Some(action) if action.answers(terms.at_ms) => {
            return Ok(Verdict::Answer(Claimed::Exists(Box::new(Action::clone(action)))));
        }
        // Its approval was used up, or has expired.
        _ if claim.approved.is_some() => return Ok(Verdict::Refuse(LedgerError::Superseded)),
        _ => {}
    }
    let draft = begin(terms, claim, State::Started { epoch: terms.epoch }, current);
    Ok(Verdict::Write(draft, |landed| Ok(Claimed::Won { version: landed.version })))
}

fn on_ask<'a>(view: &impl View, terms: &Terms, ask: &'a Ask) -> Result<Verdict<'a, Action>, LedgerError> {
    if let Err(refused) = terms.status.accepts_claims() {
        return Ok(Verdict::Refuse(refused));
    }
    let Ask { claim, id, expires_ms } = ask;
    let current = view.action(&claim.key)?;
    if let Some(action) = &current {
        let over = match &action.state {
            State::AwaitingApproval(approval) => approval.expires_ms <= terms.at_ms,
            State::Completed => claim.natural || !action.answers(terms.at_ms),
            // Not even a natural one: if nobody agrees, the doubt would be lost with the approval.
            State::InDoubt | State::Started { .. } => false,
        };
        if !over {
            return Ok(Verdict::Answer(Action::clone(action)));
        }
    }
    let approval = Approval { id: id.clone(), expires_ms: *expires_ms, decision: None };
    let draft = begin(terms, claim, State::AwaitingApproval(approval), current);
    Ok(Verdict::Write(draft, |landed| landed.action.as_deref().cloned().ok_or(LedgerError::Superseded)))
}

/// Begins an action over whatever was there.
fn begin<'a>(terms: &Terms, claim: &'a Claim, state: State, before: Option<Arc<Action>>) -> Draft<'a> {
    let lives_ms = u64::try_from(claim.lives.as_millis()).unwrap_or(u64::MAX);
    let until_ms = matches!(state, State::Started { .. }).then(|| terms.at_ms.saturating_add(lives_ms));
    Draft { key: claim.key, before, change: Change::Begin { claim, state, until_ms } }
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
    // Another server presumed this one dead and put the action in doubt, but nobody ran it again: its outcome counts.
    let presumed_dead = view.presumed_dead(key);
    // Or the doubt that this very call left was recorded after the call had given up on that.
    let own_doubt = *how == How::Late && action.state == State::InDoubt && action.call == entry.call;
    let mistaken = (presumed_dead || own_doubt) && action.intent == *version;
    let open = match action.state {
        State::Started { .. } | State::InDoubt => true,
        // Nothing ran, so nothing but its end can be told.
        State::AwaitingApproval(_) => matches!(outcome, Outcome::Failed { .. }),
        State::Completed => false,
    };
    if !open || (action.version != *version && !mistaken) {
        return Ok(Verdict::Refuse(LedgerError::Superseded));
    }
    let how = if mistaken && *how == How::Call { &How::Late } else { how };
    let change = match outcome {
        Outcome::Completed { payload, code, undo } => {
            if payload.contains(&b'\n') {
                return Ok(Verdict::Refuse(LedgerError::Payload { reason: "has a line break" }));
            }
            let undo = undo.or(action.undo);
            let frees = frees(view, key, undo.as_ref())?;
            let expires_ms = terms.at_ms.saturating_add(answers_for(terms.retention_ms, how));
            Change::Complete { settle, how, completion: Completion { payload, code, undo, frees, expires_ms } }
        }
        Outcome::Failed { code } => Change::Fail { settle, how, code },
        Outcome::InDoubt { code, running } => Change::Doubt { settle, how, code, running: *running },
    };
    Ok(Verdict::Write(Draft { key: *key, before: Some(action), change }, settled))
}

fn settled(landed: Landed) -> Result<Settled, LedgerError> {
    Ok(Settled { receipt: landed.receipt, version: landed.version })
}

/// Keys that answer no longer once `key`, which `undo` undoes, is completed: the completed actions that it undid, and the
/// earlier completion of its own undo. The next call with such a key is a new generation.
fn frees(view: &impl View, key: &Hash, undo: Option<&Hash>) -> Result<Vec<Hash>, LedgerError> {
    let mut frees = Vec::new();
    for other in view.undone_by(key)?.into_iter().chain(undo.copied()) {
        if frees.contains(&other) {
            continue;
        }
        let Some(action) = view.action(&other)? else { continue };
        if action.state == State::Completed && (action.undo == Some(*key) || Some(&other) == undo) {
            frees.push(other);
        }
    }
    Ok(frees)
}

/// Time for which a completed action answers, in ms.
fn answers_for(retention_ms: u64, how: &How) -> u64 {
    match how {
        How::Operator(_) => retention_ms.max(OPERATOR_MS),
        How::Call | How::Late | How::Reconcile => retention_ms,
    }
}

/// True if `claim` may start where `action` stands. One that uses up an approval starts over that very approval only.
fn starts_over(claim: &Claim, action: &Action, now_ms: u64) -> bool {
    match &action.state {
        State::AwaitingApproval(approval) => {
            let approved = approval.decision.as_ref().is_some_and(|decision| decision.approved);
            let asked = claim.approved == Some(action.version) && claim.digest == action.digest;
            approved && asked && now_ms < approval.expires_ms
        }
        _ if claim.approved.is_some() => false,
        State::Started { .. } => false,
        State::Completed => claim.natural || !action.answers(now_ms),
        State::InDoubt => claim.natural,
    }
}

impl<'a> Draft<'a> {
    /// The result that a replay needs.
    pub(super) fn payload(&self) -> Option<&'a [u8]> {
        match &self.change {
            Change::Complete { completion, .. } => Some(completion.payload),
            _ => None,
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
        // A record about the action that none of its calls writes.
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
            Change::Begin { claim, state, until_ms } => {
                let line = Line {
                    key: Some(self.key),
                    digest: Some(claim.digest),
                    digests: Some(&claim.arguments),
                    undo: claim.undo,
                    until: *until_ms,
                    supersedes,
                    ..Line::of(Event::Started, &claim.entry)
                };
                match state {
                    State::AwaitingApproval(approval) => {
                        Line { event: Event::AwaitingApproval, approval: Some(approval), ..line }
                    }
                    State::Started { epoch } => Line { epoch: Some(*epoch), ..line },
                    State::Completed | State::InDoubt => line,
                }
            }
            Change::Decide(decision) => {
                let event = if decision.approved { Event::Approved } else { Event::ApprovalRefused };
                Line { operator: Some(&decision.operator), ..of_action(event) }
            }
            Change::Complete { settle, how, completion } => Line {
                code: Some(completion.code),
                payload,
                undo: completion.undo,
                frees: &completion.frees,
                expires: Some(completion.expires_ms),
                ..settled(Event::Completed, settle, how)
            },
            Change::Fail { settle, how, code } => Line { code: Some(code), ..settled(Event::Failed, settle, how) },
            Change::Doubt { settle, how, code, running } => {
                Line { code: Some(code), running: *running, ..settled(Event::InDoubt, settle, how) }
            }
            Change::PresumeDead { running } => {
                Line { code: Some("crashed"), running: *running, ..of_action(Event::InDoubt) }
            }
            Change::NeverRan => Line { code: Some("never_ran"), ..of_action(Event::Failed) },
        }
    }

    /// The change of the action, by the record that landed at `version`; with the action before it.
    pub(super) fn step(self, version: Version, at_ms: u64, payload: Option<PayloadAt>) -> (Step, Option<Arc<Action>>) {
        let change = match self.change {
            Change::Begin { claim, state, until_ms } => Transition::Begin(Box::new(Beginning {
                state,
                digest: claim.digest,
                arguments: claim.arguments.clone(),
                tenant: claim.entry.tenant.clone(),
                tool: claim.entry.tool.clone().into_owned(),
                call: claim.entry.call.clone(),
                undo: claim.undo,
                until_ms: until_ms.unwrap_or(0),
            })),
            Change::Decide(decision) => Transition::Decide(decision.clone()),
            Change::Complete { completion: Completion { undo, frees, expires_ms, .. }, .. } => {
                Transition::Complete { payload, undo, frees, expires_ms: Some(expires_ms) }
            }
            Change::Doubt { running, .. } | Change::PresumeDead { running } => Transition::Doubt { running },
            Change::Fail { .. } | Change::NeverRan => Transition::Leave,
        };
        (Step { version, at_ms, key: self.key, change }, self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Hash;
    use super::super::tests::claim;
    use super::{Action, Approval, Claim, Decision, State, Version, starts_over};

    fn approved(claim: &Claim, version: Version) -> Action {
        let decision = Some(Decision { approved: true, operator: "olga".to_owned() });
        let approval = Approval { id: "01J".to_owned(), expires_ms: 10, decision };
        Action {
            key: claim.key,
            digest: claim.digest,
            arguments: claim.arguments.clone(),
            tenant: claim.entry.tenant.clone(),
            tool: claim.entry.tool.clone().into_owned(),
            state: State::AwaitingApproval(approval),
            epoch: 0,
            until_ms: 0,
            version,
            intent: version,
            call: claim.entry.call.clone(),
            payload: None,
            undo: None,
            at_ms: 0,
            expires_ms: None,
        }
    }

    #[test]
    fn an_approval_starts_once_what_it_was_given_for_and_nothing_when_it_expired() {
        let claim = Claim { approved: Some(Version(1)), ..claim("a", "second") };
        let action = approved(&claim, Version(1));
        assert!(starts_over(&claim, &action, 9));
        assert!(!starts_over(&claim, &action, 10));
        assert!(!starts_over(&Claim { digest: Hash::of(b"other"), ..claim.clone() }, &action, 9));
        assert!(!starts_over(&Claim { approved: None, natural: true, ..claim.clone() }, &action, 9));
        assert!(!starts_over(&claim, &Action { version: Version(2), ..action }, 9));
    }
}
