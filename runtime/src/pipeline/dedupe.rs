//! Gate 5: replays the answer of an action that is known already; nothing runs then.

use super::flight::{Landed, Lead};
use super::flow::{Flow, Replay, Stop};
use super::intent::{claim, unavailable};
use super::reconcile::{self, Goes};
use super::refusal::Refusal;
use crate::envelope::{Body, SupersededBy};
use crate::error::{EffectKnown, Kind};
use crate::input::Violation;
use crate::ledger::{Action, ArgumentDigest, Happened, Standing, Superseded};
use crate::tool::{Key, Repeat};
use std::borrow::Cow;

/// The result of gate 5 for a call that goes on.
pub(super) struct Passed {
    /// The right to run the intent.
    pub(super) lead: Lead,
    /// The action, when it awaits approval.
    pub(super) awaiting: Option<Awaiting>,
}

/// An action that awaits approval.
pub(super) struct Awaiting {
    pub(super) action: Action,
    /// The approval has expired, or its subject has changed since.
    pub(super) void: bool,
}

pub(super) async fn pass(flow: &Flow) -> Result<Passed, Stop> {
    let lead = lead(flow).await?;
    let standing = standing(flow).await?;
    let awaiting = known(flow, standing).await?;
    Ok(Passed { lead, awaiting })
}

/// Takes the lead of the intent (single-flight), or waits for the call in this server that has it.
async fn lead(flow: &Flow) -> Result<Lead, Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("dedupe").into()) };
    let deadline = tokio::time::Instant::now() + flow.tool().timeout;
    loop {
        let flying = match flow.pipeline.flights.board(names, &flow.id, flow.owner(), flow.again_after.as_deref()) {
            Ok(lead) => return Ok(lead),
            Err(flying) => flying,
        };
        let call = flying.call.clone();
        let differ = differing(&flying.arguments, &names.arguments);
        if !differ.is_empty() {
            return Err(differs(flow, &call, &differ).into());
        }
        // Wait only for an answer that this call may get: of the same owner and the same repeat and, with a natural key,
        // to the same words.
        let natural = matches!(flow.tool().key, Key::Natural(_));
        let same = flying.digest == names.digest || (!natural && flying.again_after == flow.again_after);
        if !same || flying.owner.as_deref() != flow.owner() {
            return Err(in_progress(call).into());
        }
        match tokio::time::timeout_at(deadline, flying.landed()).await {
            Ok(Some(landed)) => {
                return Err(match &*landed {
                    Landed::Answered { body, call } => answered(flow, &flying.arguments, body, call).await,
                    // `reconcile` is not asked: the body still runs and may have its effect later.
                    Landed::Late => in_doubt(call).into(),
                });
            }
            // The other call was stopped before its effect: this one tries to take the lead.
            Ok(None) => {}
            Err(_) => return Err(in_progress(call).into()),
        }
    }
}

/// The answer of the call that was waited for, judged again: another action may have changed its subject while it ran.
async fn answered(flow: &Flow, then: &[ArgumentDigest], body: &Body, call: &str) -> Stop {
    let first_at_ms = match standing(flow).await {
        Ok(Standing::Superseded(superseded)) => return self::superseded(flow, *superseded).await.into(),
        Ok(Standing::Running { call: running }) if running != call => return in_progress(running).into(),
        Ok(Standing::Replay(action)) => Some(action.began_ms),
        // An error without effect, a doubt, or a ledger that cannot be read: the answer of that call still holds.
        Ok(_) | Err(_) => None,
    };
    let differs = flow.names.as_ref().map(|names| reworded(then, &names.arguments)).unwrap_or_default();
    let (body, first_call) = (body.clone(), call.to_owned());
    Stop::Replayed(Box::new(Replay { body, first_call, first_at_ms, differs }))
}

async fn standing(flow: &Flow) -> Result<Standing, Refusal> {
    flow.pipeline.ledger.standing(claim(flow)?).await.map_err(|error| {
        tracing::error!(call = flow.id, error = error.to_string(), "the ledger cannot be read");
        unavailable("dedupe")
    })
}

/// Lets the call go on unless the ledger's judgement forbids it. For a doubt, `reconcile` is asked first, and the result is
/// judged by the same rules.
pub(super) async fn known(flow: &Flow, standing: Standing) -> Result<Option<Awaiting>, Stop> {
    let standing = match standing {
        Standing::InDoubt { action, may_run: false } if action.owner.as_deref() == flow.owner() => {
            match reconcile::pass(flow, &action, Goes::On).await {
                true => self::standing(flow).await?,
                false => Standing::InDoubt { action, may_run: false },
            }
        }
        standing => standing,
    };
    match standing {
        Standing::Free => Ok(None),
        Standing::Awaiting { action, void } => Ok(Some(Awaiting { action: *action, void })),
        Standing::Running { call } => Err(in_progress(call).into()),
        Standing::InDoubt { action, .. } => Err(in_doubt(action.call).into()),
        Standing::SubjectInDoubt { call } => Err(subject_in_doubt(call).into()),
        Standing::Replay(action) => Err(replay(flow, *action).await),
        Standing::Differs { call, arguments } => Err(differs(flow, &call, &arguments).into()),
        Standing::Superseded(superseded) => Err(self::superseded(flow, *superseded).await.into()),
        Standing::DoneForAnother { call } => Err(done_for_another(call).into()),
    }
}

async fn replay(flow: &Flow, action: Action) -> Stop {
    let Some(body) = stored(flow, &action).await else {
        let message = "it was done before, but the stored answer cannot be read; nothing ran again";
        return Refusal::new("dedupe", Kind::Unavailable, message)
            .code("ledger_unavailable")
            .effect(EffectKnown::Applied)
            .about(&action.call)
            .into();
    };
    let differs = flow.names.as_ref().map(|names| reworded(&action.arguments, &names.arguments)).unwrap_or_default();
    let first_at_ms = Some(action.began_ms);
    Stop::Replayed(Box::new(Replay { body, first_call: action.call, first_at_ms, differs }))
}

async fn stored(flow: &Flow, action: &Action) -> Option<Body> {
    match flow.pipeline.ledger.payload(action).await {
        Ok(payload) => Body::from_stored(payload),
        Err(error) => {
            let (first_call, error) = (&action.call, error.to_string());
            tracing::error!(call = flow.id, first_call, error, "a stored answer cannot be read");
            None
        }
    }
}

/// The refusal when a later action has changed the subject.
async fn superseded(flow: &Flow, superseded: Superseded) -> Refusal {
    let earlier = match &superseded.earlier {
        Some(action) => stored(flow, action).await,
        None => None,
    };
    let effect = match superseded.effect {
        Happened::Never => EffectKnown::None,
        Happened::Before => EffectKnown::Applied,
        Happened::Unknown => EffectKnown::Unknown,
    };
    let message = match (superseded.effect, &superseded.by) {
        (Happened::Before, _) => "it was done before, and its target has changed since; it was not done again",
        (_, Some(_)) => "its target has changed since; nothing ran",
        (_, None) => "`again_after` names no call that is known; nothing ran",
    };
    let suggest = match (flow.tool().repeat, flow.tool().takes_again_after()) {
        (Repeat::Explicit, _) | (_, true) => {
            "read the state of the target; to do it again on purpose, give `again_after` the call of `superseded_by`"
        }
        _ => "read the state of the target; this is done once only, and a person decides about more",
    };
    let by = superseded.by.map(|latest| (latest.call, latest.tool, latest.at_ms));
    let refusal = Refusal::new("dedupe", Kind::Conflict, message)
        .code("superseded")
        .suggest(suggest)
        .effect(effect)
        .superseded(SupersededBy { by, earlier: earlier.map(|body| body.stored()) });
    match superseded.first_call {
        Some(call) => refusal.about(call),
        None => refusal,
    }
}

fn done_for_another(first_call: String) -> Refusal {
    Refusal::new("dedupe", Kind::Conflict, "it is done already, for somebody else; nothing ran again")
        .code("done_for_another")
        .suggest("go on as if it had been done; read its state where you need it")
        .effect(EffectKnown::Applied)
        .about(first_call)
}

/// The refusal when a key names an action with other arguments. Sensitive arguments are not named: that would help to guess them.
fn differs(flow: &Flow, first_call: &str, arguments: &[String]) -> Refusal {
    let hidden = |name: &str| {
        let tool = flow.tool();
        let place = tool.arguments.iter().position(|field| field.name == name);
        let encoded = flow.names.as_ref().zip(place).and_then(|(names, place)| names.encoded.get(place)?.as_ref());
        encoded.is_some_and(|encoded| encoded.hid)
    };
    let named = arguments.iter().filter(|name| !hidden(name));
    let violations = named.map(|name| Violation {
        path: format!("/{name}"),
        rule: "differs",
        expected: Cow::Borrowed("the value that the first call of this key had"),
        example: None,
    });
    Refusal::new("dedupe", Kind::Conflict, "an earlier call asked for the same thing with other arguments; nothing ran")
        .suggest("repeat the first call's arguments, or ask for something else")
        .violations(violations.collect())
        .about(first_call)
}

/// The arguments whose exact values differ.
fn differing(then: &[ArgumentDigest], now: &[ArgumentDigest]) -> Vec<String> {
    let same = |now: &ArgumentDigest| then.iter().any(|then| then.name == now.name && then.exact == now.exact);
    now.iter().filter(|now| !same(now)).map(|now| now.name.clone()).collect()
}

/// The free-text arguments whose words differ.
fn reworded(then: &[ArgumentDigest], now: &[ArgumentDigest]) -> Vec<String> {
    let same = |now: &ArgumentDigest| then.iter().any(|then| then.name == now.name && then.full == now.full);
    now.iter().filter(|now| !same(now)).map(|now| now.name.clone()).collect()
}

pub(super) fn in_progress(first_call: String) -> Refusal {
    Refusal::new(
        "dedupe",
        Kind::InProgress,
        "an action on the same target is still in progress; nothing was started again",
    )
    .suggest("call again with the same arguments to get its answer")
    .retry_after_ms(1_000)
    .effect(EffectKnown::Unknown)
    .about(first_call)
}

fn in_doubt(first_call: String) -> Refusal {
    Refusal::new(
        "dedupe",
        Kind::InDoubt,
        "this was started before, and it is not known whether it happened; it was not run again",
    )
    .suggest("look at the target with a read tool, or ask an operator to resolve the doubt; in doubt is not failed")
    .effect(EffectKnown::Unknown)
    .about(first_call)
}

fn subject_in_doubt(call: String) -> Refusal {
    Refusal::new(
        "dedupe",
        Kind::InDoubt,
        "it is not known whether an earlier call on the same target happened, so nothing on it is repeated",
    )
    .code("subject_in_doubt")
    .suggest("ask an operator to resolve the doubt; in doubt is not failed")
    .effect(EffectKnown::Unknown)
    .about(call)
}
