//! Gate 11: the outcome is durable before it is answered.

use super::execute::Ended;
use super::flight::Lead;
use super::flow::{Answer, Flow, Stop};
use super::intent::unavailable;
use super::lease;
use super::refusal::Refusal;
use super::undo;
use crate::envelope::{Body, ErrorBody};
use crate::error::{EffectKnown, ErrorReport, Kind};
use crate::ledger::{How, LedgerError, NoteEvent, Outcome, Settle, Settled, Version};
use crate::tool::Produced;
use std::borrow::Cow;

/// Records and answers the end of a read; the record is written with the next batch.
pub(super) async fn read(flow: &Flow, ended: Ended) -> Result<Answer, Stop> {
    let (body, code) = match ended {
        Ended::Finished(Ok(produced)) => {
            (Body::success(&produced, flow.source(), None), Cow::Borrowed(status(&produced)))
        }
        Ended::Finished(Err(error)) => {
            let code = error.code.clone();
            // A read has no effect, whatever its error says.
            (Body::error(&said(ErrorReport { effect: EffectKnown::None, ..error }), flow.source()), code)
        }
        // Only a panic gets here: a read has no lease, and its deadline has ended it before.
        Ended::Panicked | Ended::LeaseOver(_) | Ended::Cut => {
            (Body::error(&internal(EffectKnown::None), flow.source()), Cow::Borrowed("internal"))
        }
    };
    match flow.pipeline.ledger.record(flow.entry(), NoteEvent::Read { code }).await {
        Ok(()) => Ok(flow.answer(&body, None)),
        Err(error) => {
            tracing::error!(
                call = flow.id,
                error = error.to_string(),
                "a read was not recorded, so its result is withheld"
            );
            Err(unavailable("outcome").into())
        }
    }
}

/// Records and answers the end of a write.
pub(super) async fn write(flow: &Flow, lead: &Lead, version: Version, ended: Ended) -> Answer {
    let (body, outcome) = judged(flow, ended);
    let (body, receipt) = match settle(flow, version, outcome, How::Call).await {
        Ok(settled) => (body, Some(settled.receipt)),
        Err(refusal) => (Body::error(&refusal.error, flow.source()), None),
    };
    lead.land(&body, &flow.id);
    flow.answer(&body, receipt)
}

/// The answer of a write whose deadline passed, and the version that a late outcome settles.
pub(super) struct Doubt {
    pub(super) answer: Answer,
    pub(super) version: Option<Version>,
}

/// Records and answers a write whose deadline passed while its body runs.
pub(super) async fn timed_out(flow: &Flow, lead: &Lead, version: Version) -> Doubt {
    let error = in_doubt(
        Cow::Borrowed("timeout"),
        format!(
            "no answer within {} ms; whether the effect happened is not known yet",
            flow.tool().timeout.as_millis()
        ),
    );
    let settled =
        settle(flow, version, Outcome::InDoubt { code: Cow::Borrowed("timeout"), running: true }, How::Call).await;
    let body = match &settled {
        Ok(_) => Body::error(&error, flow.source()),
        Err(refusal) => Body::error(&refusal.error, flow.source()),
    };
    lead.late();
    let settled = settled.ok();
    let version = settled.as_ref().map(|settled| settled.version);
    Doubt { answer: flow.answer(&body, settled.map(|settled| settled.receipt)), version }
}

/// Records the end of a body whose caller was told that the action is in doubt.
pub(super) async fn late(flow: &Flow, version: Version, ended: Ended) {
    let outcome = judged(flow, ended).1;
    let settles = !matches!(outcome, Outcome::InDoubt { .. });
    if settle(flow, version, outcome, How::Late).await.is_ok() {
        tracing::info!(call = flow.id, tool = flow.tool().name, settles, "a body ended after its deadline");
    }
}

/// Records and answers a call that was stopped between its intent and its body.
pub(super) async fn nothing_ran(flow: &Flow, version: Version, refusal: Refusal) -> Answer {
    let code = refusal.error.code.clone();
    match settle(flow, version, Outcome::Failed { code }, How::Call).await {
        Ok(settled) => flow.answer(&Body::error(&refusal.error, flow.source()), Some(settled.receipt)),
        Err(refusal) => flow.answer(&Body::error(&refusal.error, flow.source()), None),
    }
}

/// The answer and the outcome of an effect that happened, in the action that `call` began.
pub(super) fn done(flow: &Flow, call: &str, produced: &Produced) -> (Body, Outcome) {
    let undo = undo::of(flow, call, produced);
    let body = Body::success(produced, flow.source(), undo.as_ref().map(|undo| undo.call.as_slice()));
    let outcome = Outcome::Completed {
        payload: body.stored(),
        code: Cow::Borrowed(status(produced)),
        subjects: undo.map(|undo| undo.subjects).unwrap_or_default(),
        stored_error: false,
    };
    (body, outcome)
}

/// The answer and the outcome for the end of a body.
fn judged(flow: &Flow, ended: Ended) -> (Body, Outcome) {
    let source = flow.source();
    match ended {
        Ended::Finished(Ok(produced)) => done(flow, &flow.id, &produced),
        Ended::Finished(Err(error)) if error.effect == EffectKnown::Unknown => {
            let code = error.code.clone();
            (Body::error(&in_doubt(error.code, error.message), source), Outcome::InDoubt { code, running: false })
        }
        Ended::Finished(Err(error)) => {
            let (code, stored, effect) = (error.code.clone(), error.stored, error.effect);
            let body = Body::error(&said(error), source);
            let outcome = if stored || effect == EffectKnown::Applied {
                let stored_error = effect == EffectKnown::None;
                Outcome::Completed { payload: body.stored(), code, subjects: Vec::new(), stored_error }
            } else {
                Outcome::Failed { code }
            };
            (body, outcome)
        }
        Ended::Panicked => {
            let error = in_doubt(
                Cow::Borrowed("internal"),
                "the tool broke down; whether the effect happened is not known".to_owned(),
            );
            (Body::error(&error, source), Outcome::InDoubt { code: Cow::Borrowed("internal"), running: false })
        }
        Ended::LeaseOver(over) => lease_over(flow, over),
        Ended::Cut => {
            let error = in_doubt(
                Cow::Borrowed("timeout"),
                "it did not end in time; whether the effect happened is not known".to_owned(),
            );
            (Body::error(&error, source), Outcome::InDoubt { code: Cow::Borrowed("timeout"), running: false })
        }
    }
}

/// Ends an action whose lease passed while the machine or the process stood still: other servers may presume it dead.
fn lease_over(flow: &Flow, over: lease::Over) -> (Body, Outcome) {
    let code = Cow::Borrowed("lease_over");
    let (call, tool) = (&flow.id, flow.tool().name);
    if over.begun {
        tracing::error!(
            call,
            tool,
            "the server stood still while a body ran, for longer than its action's lease; the body was stopped where it \
             was, and the action is in doubt: look at the target before you resolve it"
        );
        let message = "the server stood still while it ran and did not go on; whether the effect happened is not known";
        let error = in_doubt(code.clone(), message.to_owned());
        return (Body::error(&error, flow.source()), Outcome::InDoubt { code, running: false });
    }
    tracing::warn!(call, tool, "the server stood still before a body began, so it never began; nothing ran");
    let message = "the server stood still before it began; nothing ran";
    let refusal = Refusal::new("execute", Kind::Transient, message).code("lease_over");
    (Body::error(&refusal.error, flow.source()), Outcome::Failed { code })
}

/// Records an outcome. When that fails, an effect may be unrecorded, so the ledger is latched.
async fn settle(flow: &Flow, version: Version, outcome: Outcome, how: How) -> Result<Settled, Refusal> {
    let Some(names) = &flow.names else { return Err(unrecorded()) };
    let settle = Settle { entry: flow.entry(), key: names.key, version, outcome, how };
    flow.pipeline.ledger.settle(settle).await.map_err(|error| match error {
        LedgerError::Superseded => {
            tracing::warn!(call = flow.id, tool = flow.tool().name, "an outcome came after the doubt was resolved");
            overtaken()
        }
        error => {
            tracing::error!(
                call = flow.id,
                tool = flow.tool().name,
                error = error.to_string(),
                "an outcome was not recorded; the server accepts no further changes"
            );
            flow.pipeline.ledger.latch();
            unrecorded()
        }
    })
}

/// The answer when this server was presumed dead while the body ran, and the doubt was resolved: the resolution stands.
fn overtaken() -> Refusal {
    Refusal::new(
        "outcome",
        Kind::InDoubt,
        "the server was presumed dead while this ran, and the doubt was resolved without it; that resolution stands",
    )
    .suggest("call again with the same arguments to get the recorded answer, and tell an operator")
    .effect(EffectKnown::Unknown)
}

/// The answer when an effect may have happened and could not be recorded.
pub(super) fn unrecorded() -> Refusal {
    Refusal::new(
        "outcome",
        Kind::InDoubt,
        "the effect may have happened, but its outcome could not be recorded; the server accepts no further changes",
    )
    .code("outcome_unrecorded")
    .suggest("do not repeat it; tell an operator")
    .effect(EffectKnown::Unknown)
}

fn status(produced: &Produced) -> &'static str {
    if produced.empty { "empty" } else { "ok" }
}

fn said(error: ErrorReport) -> ErrorBody {
    ErrorBody {
        kind: error.kind,
        code: error.code,
        message: error.message.into(),
        retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        suggested_action: error.suggest.map(Cow::Borrowed),
        effect: error.effect,
        violations: Vec::new(),
        superseded: None,
    }
}

fn in_doubt(code: Cow<'static, str>, message: String) -> ErrorBody {
    let refusal = Refusal::new("outcome", Kind::InDoubt, message)
        .suggest("do not take it for failed: look at the target with a read tool, or ask an operator")
        .effect(EffectKnown::Unknown);
    ErrorBody { code, ..*refusal.error }
}

fn internal(effect: EffectKnown) -> ErrorBody {
    *Refusal::new("execute", Kind::Internal, "the tool broke down").effect(effect).error
}
