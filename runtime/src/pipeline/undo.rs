//! The call that undoes an effect, ready-made in the answer. It names the call that it undoes, so each effect is undone once.

use super::flow::Flow;
use crate::action;
use crate::input::Decoder;
use crate::ledger::Subject;
use crate::tool::{Produced, Undo, UndoFrom};
use crate::writer;

/// The call that undoes an effect.
#[derive(Debug, Clone)]
pub(super) struct UndoCall {
    /// The call as JSON. It goes into the answer and with it into the ledger; the macro refuses sensitive values in it.
    pub(super) call: Vec<u8>,
    /// The subjects of that call.
    pub(super) subjects: Vec<Subject>,
}

/// The undo of the effect of `call` with this result; `None` when there is none.
pub(super) fn of(flow: &Flow, call: &str, produced: &Produced) -> Option<UndoCall> {
    let Undo::Tool { tool, arguments } = &flow.tool().undo else { return None };
    let tool = tool();
    let encoded = &flow.names.as_ref()?.encoded;
    let mut text = b"{".to_vec();
    let mut put = |name: &str, value: &[u8]| {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(&writer::plain(|writer| writer.str(name)));
        text.push(b':');
        text.extend_from_slice(value);
    };
    for argument in *arguments {
        let value = match argument.from {
            UndoFrom::Argument(index) => encoded.get(index)?.as_ref().map(|value| value.bytes.as_slice()),
            UndoFrom::Output(index) => Some(produced.undo.get(index)?.as_slice()),
        };
        if let Some(value) = value {
            put(argument.name, value);
        }
    }
    // Without a subject the ledger cannot tell whether the named call is the latest.
    if tool.takes_again_after() && !tool.targets.is_empty() {
        put("again_after", &writer::plain(|writer| writer.str(call)));
    }
    text.push(b'}');
    let text = String::from_utf8(text).ok()?;
    let tenant = flow.principal.as_ref()?.tenant();
    let mut decoder = Decoder::new(&text);
    let decoded = (tool.decode)(&mut decoder);
    let (violations, _) = decoder.finish();
    let Some(arguments) = decoded.filter(|_| violations.is_empty()) else {
        // An undo call that would be refused is of no use.
        tracing::error!(
            call,
            tool = flow.tool().name,
            undo = tool.name,
            ?violations,
            "the undo call breaks the contract of its tool; the answer goes without it"
        );
        return None;
    };
    let subjects = action::subjects_of(tool, arguments.as_ref(), tenant, flow.pipeline.ledger.redactor());
    let mut call = b"{\"tool\":".to_vec();
    call.extend_from_slice(&writer::plain(|writer| writer.str(tool.name)));
    call.extend_from_slice(b",\"arguments\":");
    call.extend_from_slice(text.as_bytes());
    call.push(b'}');
    Some(UndoCall { call, subjects })
}
