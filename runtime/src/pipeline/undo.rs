//! The call that undoes an effect: ready-made in the answer, and by its key linked to the action in the ledger.

use super::flow::Flow;
use crate::action;
use crate::input::Decoder;
use crate::ledger::Hash;
use crate::tool::{Produced, Undo, UndoFrom};
use crate::writer;

/// What undoes an effect.
#[derive(Debug, Clone)]
pub(super) struct UndoCall {
    /// The ready-made call, as JSON; it stands in the answer and so in the ledger, and the macro lets nothing into it that is
    /// hidden there.
    pub(super) call: Vec<u8>,
    /// Its key, where nothing but its arguments makes it.
    pub(super) key: Option<Hash>,
}

/// The undo of an effect with this result; `None` when there is none.
pub(super) fn call(flow: &Flow, produced: &Produced) -> Option<UndoCall> {
    match &flow.undo {
        Some(known) => Some(known.clone()),
        None => make(flow, &produced.undo),
    }
}

/// The undo, where the arguments alone make it: then it is known before the effect.
pub(super) fn of_arguments(flow: &Flow) -> Option<UndoCall> {
    match &flow.tool().undo {
        Undo::Tool { arguments, .. }
            if arguments.iter().all(|argument| matches!(argument.from, UndoFrom::Argument(_))) =>
        {
            make(flow, &[])
        }
        _ => None,
    }
}

fn make(flow: &Flow, output: &[Vec<u8>]) -> Option<UndoCall> {
    let Undo::Tool { tool, arguments } = &flow.tool().undo else { return None };
    let tool = tool();
    let encoded = &flow.names.as_ref()?.encoded;
    let mut text = b"{".to_vec();
    for argument in *arguments {
        let value = match argument.from {
            UndoFrom::Argument(index) => encoded.get(index)?.as_ref().map(|value| value.bytes.as_slice()),
            UndoFrom::Output(index) => Some(output.get(index)?.as_slice()),
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
