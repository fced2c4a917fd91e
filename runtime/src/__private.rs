//! What expansions call. Not for anybody else: it changes without notice.

pub use crate::action::CLIENT_KEY;
pub use crate::call::{CallContext, Context};
pub use crate::credential::{Credential, CredentialSpec};
pub use crate::error::{EffectKnown, ErrorCase, ErrorReport, Kind, ToolError, states_effect};
pub use crate::identity::Scope;
pub use crate::input::{
    Decoder, Field, Format, KeyPart, ListRule, NumberRule, PlainNumber, PlainText, Shape, TextRule, ToolInput, Variant,
    Violation, Walk, enum_schema, list, number, object_schema, tagged_schema, text,
};
pub use crate::output::{Page, ToolOutput};
pub use crate::tool::{
    Approve, Arguments, BoxFuture, Descriptor, Effect, Finished, Key, Part, Per, Produced, Rate, RunsOn, SafeTool, Undo,
    UndoArgument, UndoFrom, effect,
};
pub use crate::writer::Writer;
pub use core::time::Duration;
pub use schemars::Schema;
pub use std::borrow::Cow;

/// A value of any type that is never made: lets a type check name fields without moving them.
#[allow(clippy::unreachable, reason = "only named in functions that are never called")]
pub fn same<T>(_: &T) -> T {
    unreachable!()
}

/// The answer of a shim whose state is of another type; [`RunsOn`] rules it out.
pub fn no_state() -> Finished {
    Err(internal("the state is of another type than the tool's call context"))
}

fn internal(detail: &str) -> ErrorReport {
    ErrorReport {
        code: Cow::Borrowed("internal"),
        kind: Kind::Internal,
        message: "the tool failed".to_owned(),
        suggest: None,
        retry_after: None,
        effect: EffectKnown::None,
        detail: Some(detail.to_owned()),
    }
}

/// Serialises what a body answered with; `undo` writes what the undo call takes from the output.
pub fn finish<T: ToolOutput, E: ToolError>(result: Result<T, E>, undo: &[fn(&T, &mut Writer<'_>)]) -> Finished {
    match result {
        Ok(output) => Ok(Produced {
            data: crate::writer::plain(|writer| output.encode(writer)),
            empty: output.is_empty(),
            truncated: output.is_truncated(),
            undo: undo.iter().map(|write| crate::writer::plain(|writer| write(&output, writer))).collect(),
        }),
        Err(error) => Err(error.report()),
    }
}

/// A check of a text newtype's constructor.
///
/// # Errors
/// The first rule that the text breaks.
pub fn check_text(rule: &TextRule, text: &str) -> Result<(), Violation> {
    rule.check(text)
}

/// Refuses a range that the type does not hold, when the tool is compiled.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn assert_range<T: PlainNumber>(rule: &NumberRule) {
    assert!(rule.fits::<T>(), "the range does not fit the type, or is empty\nhelp: keep `min` and `max` within the type and within ±(2^53 − 1)");
}

/// Refuses an error type that does not say whether the effect may have happened.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn assert_states_effect<E: ToolError>() {
    assert!(
        states_effect(E::CASES),
        "a `transient` or `unavailable` error of a tool that changes something must say whether the effect may have happened\nhelp: add `effect = none` or `effect = unknown` to the variant"
    );
}
