//! Gate 11: the outcome is durable before it is answered.

use super::execute::{Ended, had_no_effect};
use super::flight::Lead;
use super::flow::{Answer, Flow, Stop};
use super::intent::unavailable;
use super::refusal::Refusal;
use crate::action;
use crate::envelope::{Body, ErrorBody};
use crate::error::{EffectKnown, ErrorReport, Kind};
use crate::input::Decoder;
use crate::ledger::{Hash, LedgerError, NoteEvent, Outcome, Receipt, Settle};
use crate::tool::{Produced, Undo, UndoFrom};
use crate::writer;
use std::borrow::Cow;

/// What a read came to; its record rides in the next batch.
pub(super) fn read(flow: &Flow, ended: Ended) -> Result<Answer, Stop> {
    let (body, code) = match ended {
        Ended::Finished(Ok(produced)) => {
            (Body::success(&produced, flow.source(), None), Cow::Borrowed(status(&produced)))
        }
        Ended::Finished(Err(error)) => {
            let code = error.code.clone();
            // Whatever went wrong: a read has no effect.
            (Body::error(&said(ErrorReport { effect: EffectKnown::None, ..error }), flow.source()), code)
        }
        Ended::Panicked => (Body::error(&internal(EffectKnown::None), flow.source()), Cow::Borrowed("internal")),
    };
    match flow.pipeline.ledger.note(flow.entry(), NoteEvent::Read { code }) {
        Ok(()) => Ok(flow.answer(&body, None)),
        Err(error) => {
            tracing::error!(call = flow.id, %error, "a read was not recorded, so its result is withheld");
            Err(unavailable("outcome").into())
        }
    }
}

/// What a write came to.
pub(super) async fn write(flow: &Flow, lead: &Lead, version: u64, ended: Ended) -> Answer {
    let (body, outcome) = judged(flow, ended);
    settle(flow, version, outcome, false).await.map_or_else(
        |_| {
            let body = Body::error(&unrecorded().error, flow.source());
            lead.land(&body, &flow.id);
            flow.answer(&body, None)
        },
        |receipt| {
            lead.land(&body, &flow.id);
            flow.answer(&body, Some(receipt))
        },
    )
}

/// The answer of a write whose deadline passed, and the version that a late outcome settles.
pub(super) struct Doubt {
    pub(super) answer: Answer,
    pub(super) version: Option<u64>,
}

/// The deadline passed while the body runs.
pub(super) async fn timed_out(flow: &Flow, lead: &Lead, version: u64) -> Doubt {
    let error = in_doubt(
        Cow::Borrowed("timeout"),
        format!(
            "no answer within {} ms; whether the effect happened is not known yet",
            flow.tool().timeout.as_millis()
        ),
    );
    let settled = settle(flow, version, Outcome::InDoubt { code: Cow::Borrowed("timeout") }, false).await;
    let error = if settled.is_ok() { error } else { *unrecorded().error };
    let body = Body::error(&error, flow.source());
    lead.land(&body, &flow.id);
    let version = settled.as_ref().ok().map(|receipt| receipt.sequence);
    Doubt { answer: flow.answer(&body, settled.ok()), version }
}

/// A body ended after its caller was told that it is in doubt.
pub(super) async fn late(flow: &Flow, version: u64, ended: Ended) {
    let (_, outcome) = judged(flow, ended);
    if !matches!(outcome, Outcome::InDoubt { .. }) && settle(flow, version, outcome, true).await.is_ok() {
        tracing::info!(call = flow.id, tool = flow.tool().name, "a late outcome settled the doubt");
    }
}

/// Something stopped the call between its intent and its body.
pub(super) async fn nothing_ran(flow: &Flow, version: u64, refusal: Refusal) -> Answer {
    let code = refusal.error.code.clone();
    match settle(flow, version, Outcome::Failed { code }, false).await {
        Ok(receipt) => flow.answer(&Body::error(&refusal.error, flow.source()), Some(receipt)),
        Err(_) => flow.answer(&Body::error(&unrecorded().error, flow.source()), None),
    }
}

/// What a caller is told, and what the ledger holds, of how a body ended.
fn judged(flow: &Flow, ended: Ended) -> (Body, Outcome) {
    let source = flow.source();
    match ended {
        Ended::Finished(Ok(produced)) => {
            let undo = undo(flow, &produced);
            let body = Body::success(&produced, source, undo.as_ref().map(|undo| undo.call.as_slice()));
            let outcome = Outcome::Completed {
                payload: body.stored(),
                code: Cow::Borrowed(status(&produced)),
                undo: undo.and_then(|undo| undo.key),
            };
            (body, outcome)
        }
        Ended::Finished(Err(error)) if error.effect == EffectKnown::Unknown => {
            let code = error.code.clone();
            (Body::error(&in_doubt(error.code, error.message), source), Outcome::InDoubt { code })
        }
        Ended::Finished(Err(error)) if had_no_effect(&error) => {
            let code = error.code.clone();
            (Body::error(&said(error), source), Outcome::Failed { code })
        }
        Ended::Finished(Err(error)) => {
            let code = error.code.clone();
            let body = Body::error(&said(error), source);
            let outcome = Outcome::Completed { payload: body.stored(), code, undo: None };
            (body, outcome)
        }
        Ended::Panicked => {
            let error = in_doubt(
                Cow::Borrowed("internal"),
                "the tool broke down; whether the effect happened is not known".to_owned(),
            );
            (Body::error(&error, source), Outcome::InDoubt { code: Cow::Borrowed("internal") })
        }
    }
}

/// Records an outcome; when that fails after an effect may have happened, the ledger closes for good.
async fn settle(flow: &Flow, version: u64, outcome: Outcome, late: bool) -> Result<Receipt, LedgerError> {
    let Some(names) = &flow.names else { return Err(LedgerError::Unavailable) };
    let settle = Settle { entry: flow.entry(), key: names.key, version, outcome, late };
    let settled = flow.pipeline.ledger.settle(settle).await;
    match &settled {
        Ok(_) => {}
        // Somebody resolved the doubt in the meantime: theirs stands.
        Err(LedgerError::Superseded) if late => {
            tracing::warn!(call = flow.id, tool = flow.tool().name, "a late outcome came after the doubt was resolved");
        }
        Err(error) => {
            tracing::error!(call = flow.id, tool = flow.tool().name, %error, "an outcome was not recorded; the server accepts no further changes");
            flow.pipeline.ledger.latch();
        }
    }
    settled
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

/// What undoes an effect.
struct UndoCall {
    /// The ready-made call, as JSON; it stands in the answer and so in the ledger, and the macro lets nothing into it that is
    /// hidden there.
    call: Vec<u8>,
    /// Its key, where nothing but its arguments makes it.
    key: Option<Hash>,
}

fn undo(flow: &Flow, produced: &Produced) -> Option<UndoCall> {
    let Undo::Tool { tool, arguments } = &flow.tool().undo else { return None };
    let tool = tool();
    let encoded = &flow.names.as_ref()?.encoded;
    let mut text = b"{".to_vec();
    for argument in *arguments {
        let value = match argument.from {
            UndoFrom::Argument(index) => encoded.get(index)?.as_ref().map(|value| value.bytes.as_slice()),
            UndoFrom::Output(index) => Some(produced.undo.get(index)?.as_slice()),
        };
        if let Some(value) = value {
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(&writer::plain(|writer| writer.str(argument.name)));
            text.push(b':');
            text.extend_from_slice(value);
        }
    }
    text.push(b'}');
    let text = String::from_utf8(text).ok()?;
    let tenant = flow.principal.as_ref()?.tenant();
    let mut decoder = Decoder::new(&text);
    let decoded = (tool.decode)(&mut decoder);
    let (violations, _) = decoder.finish();
    let Some(arguments) = decoded.filter(|_| violations.is_empty()) else {
        // A ready call that would be refused helps nobody.
        tracing::error!(
            call = flow.id,
            tool = flow.tool().name,
            undo = tool.name,
            ?violations,
            "the undo call breaks its tool's contract"
        );
        return None;
    };
    let key = action::key_of_arguments(tool, arguments.as_ref(), tenant, flow.pipeline.ledger.redactor());
    let mut call = b"{\"tool\":".to_vec();
    call.extend_from_slice(&writer::plain(|writer| writer.str(tool.name)));
    call.extend_from_slice(b",\"arguments\":");
    call.extend_from_slice(text.as_bytes());
    call.push(b'}');
    Some(UndoCall { call, key })
}
