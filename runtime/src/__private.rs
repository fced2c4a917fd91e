//! What expansions call. Not for anybody else: it changes without notice.

pub use crate::action::{AGAIN_AFTER, CLIENT_KEY};
pub use crate::call::{CallContext, Context};
pub use crate::credential::{Credential, CredentialSpec};
pub use crate::error::{EffectKnown, ErrorCase, ErrorReport, Kind, ToolError, states_effect};
pub use crate::identity::Scope;
pub use crate::input::{
    Decoder, Example, Field, Format, KeyPart, ListRule, NumberRule, PlainNumber, PlainText, Shape, TextRule, ToolInput,
    Variant, Violation, Walk, enum_schema, list, number, object_schema, tagged_schema, text,
};
pub use crate::output::{Page, Reconciled, ToolOutput};
pub use crate::tool::{
    Approve, Arguments, BoxFuture, Descriptor, Effect, Finished, Key, Part, Per, Produced, Rate, Reconciliation,
    Reconciling, Repeat, RunsOn, SafeTool, Target, Undo, UndoArgument, UndoFrom, effect,
};
pub use crate::writer::Writer;
pub use core::time::Duration;
pub use schemars::Schema;
pub use std::borrow::Cow;

/// The answer of a shim whose state is of another type; [`RunsOn`] rules it out.
pub fn no_state() -> Finished {
    Err(stateless())
}

/// The answer of a tool without a `reconcile` function. A default of the trait would be compiled once for every tool, with
/// all that drops what it takes.
pub fn nothing_to_ask(_: Box<dyn Arguments>, _: Context) -> Option<BoxFuture<'static, Reconciling>> {
    None
}

/// The same of a `reconcile` function.
pub fn no_state_to_reconcile() -> Option<BoxFuture<'static, Reconciling>> {
    Some(Box::pin(std::future::ready(Err(stateless()))))
}

fn stateless() -> ErrorReport {
    internal("the state is of another type than the tool's call context")
}

fn internal(detail: &str) -> ErrorReport {
    ErrorReport {
        code: Cow::Borrowed("internal"),
        kind: Kind::Internal,
        message: "the tool failed".to_owned(),
        suggest: None,
        retry_after: None,
        effect: EffectKnown::None,
        stored: false,
        detail: Some(detail.to_owned()),
    }
}

/// What a call's result is made of.
#[diagnostic::on_unimplemented(
    message = "a tool must return `Result<T, E>`, not `{Self}`",
    label = "expected `Result<T, E>`",
    note = "`T` has `#[derive(ToolOutput)]` (or is `Done` or `Page<..>`), `E` has `#[derive(ToolError)]`"
)]
pub trait ToolReturn {
    /// What the body answers with.
    type Output;
    /// What it fails with.
    type Error;
    /// The result that it is.
    fn result(self) -> Result<Self::Output, Self::Error>;
}

impl<T, E> ToolReturn for Result<T, E> {
    type Output = T;
    type Error = E;
    fn result(self) -> Result<T, E> {
        self
    }
}

/// How a tool's output and error are told.
///
/// The traits' functions come as values: bounds here would repeat each error about the user's types.
pub struct Ends<T: 'static, E> {
    /// `ToolOutput::encode`.
    pub encode: fn(&T, &mut Writer<'_>),
    /// `ToolOutput::is_empty`.
    pub is_empty: fn(&T) -> bool,
    /// `ToolOutput::is_truncated`.
    pub is_truncated: fn(&T) -> bool,
    /// `ToolError::report`.
    pub report: fn(&E) -> ErrorReport,
    /// Write what the undo call takes from the output.
    pub undo: &'static [fn(&T, &mut Writer<'_>)],
}

/// Boxes a body, the one time, with what becomes of its answer; `result` makes a `Result` of it.
pub fn run<R: 'static, T, E: 'static>(
    body: impl Future<Output = R> + Send + 'static,
    result: fn(R) -> Result<T, E>,
    ends: Ends<T, E>,
) -> BoxFuture<'static, Finished> {
    Box::pin(async move { ends.finish(result(body.await)) })
}

/// What a tool's `reconcile` function answers with.
#[diagnostic::on_unimplemented(
    message = "the `reconcile` function must return `Result<Reconciled<{T}>, {E}>`",
    label = "returns `{Self}`",
    note = "`Reconciled::Applied` holds what the tool itself would have answered with"
)]
pub trait Reconciles<T, E> {
    /// The result that it is.
    fn result(self) -> Result<Reconciled<T>, E>;
}

impl<T, E> Reconciles<T, E> for Result<Reconciled<T>, E> {
    fn result(self) -> Result<Reconciled<T>, E> {
        self
    }
}

/// What a call of a tool's `reconcile` function is.
#[diagnostic::on_unimplemented(
    message = "the `reconcile` function must be async",
    label = "is not an `async fn`",
    note = "write `async fn`: it asks the backend, which takes time"
)]
pub trait Hook: Future<Output = Self::Answer> {
    /// What it comes to.
    type Answer;
}

// An error about `Future` would say less than the one about `Hook`.
#[diagnostic::do_not_recommend]
impl<F: Future> Hook for F {
    type Answer = F::Output;
}

/// Boxes a `reconcile` function's future with what becomes of its answer.
pub fn reconcile<T, E: 'static, H: Hook<Answer: Reconciles<T, E> + 'static> + Send + 'static>(
    body: H,
    ends: Ends<T, E>,
) -> Option<BoxFuture<'static, Reconciling>> {
    Some(Box::pin(async move {
        match body.await.result() {
            Ok(Reconciled::Applied(output)) => ends.finish(Ok(output)).map(Reconciliation::Applied),
            Ok(Reconciled::NotApplied) => Ok(Reconciliation::NotApplied),
            Ok(Reconciled::Unknown) => Ok(Reconciliation::Unknown),
            Err(error) => Err((ends.report)(&error)),
        }
    }))
}

impl<T, E> Ends<T, E> {
    fn finish(&self, result: Result<T, E>) -> Finished {
        match result {
            Ok(output) => {
                let data = crate::writer::full(|writer| (self.encode)(&output, writer));
                if data.formless {
                    // The body is through, so what it was to change may be changed.
                    let effect = EffectKnown::Unknown;
                    return Err(ErrorReport { effect, ..internal("the result holds a number that is not finite") });
                }
                Ok(Produced {
                    data: data.bytes,
                    empty: (self.is_empty)(&output),
                    truncated: (self.is_truncated)(&output),
                    undo: self.undo.iter().map(|write| plain(|writer| write(&output, writer))).collect(),
                })
            }
            Err(error) => Err((self.report)(&error)),
        }
    }
}

/// Decodes a text under a rule; `from` is `PlainText::from_text`.
pub fn plain_text<T>(decoder: &mut Decoder<'_>, rule: &'static TextRule, from: fn(String) -> T) -> Option<T> {
    text::<String>(decoder, rule).map(from)
}

/// Decodes a number under a rule; `from` is `PlainNumber::from_number`.
pub fn plain_number<T>(
    decoder: &mut Decoder<'_>,
    rule: &'static NumberRule,
    integer: bool,
    from: fn(f64) -> T,
) -> Option<T> {
    // A rule keeps integers within ±(2^53 − 1), which `f64` holds exactly.
    let number = if integer { number::<i64>(decoder, rule)? as f64 } else { number::<f64>(decoder, rule)? };
    Some(from(number))
}

/// The constructor of a text newtype.
///
/// # Errors
/// The first rule that the text breaks.
pub fn parse_text<T>(rule: &TextRule, text: String, from: fn(String) -> T) -> Result<T, Violation> {
    rule.parse(text).map(from)
}

/// The constructor of a number newtype: what the encoding of the number breaks.
///
/// # Errors
/// The bound that the number breaks.
pub fn check_number<T>(
    rule: &'static NumberRule,
    number: &T,
    encode: fn(&T, &mut Writer<'_>),
) -> Result<(), Violation> {
    let text = String::from_utf8(plain(|writer| encode(number, writer))).unwrap_or_default();
    let mut decoder = Decoder::new(&text);
    let decoded = self::number::<f64>(&mut decoder, rule);
    match (decoded, decoder.finish().0.into_iter().next()) {
        (Some(_), None) => Ok(()),
        (_, Some(violation)) => Err(violation),
        (None, None) => Err(Violation {
            path: String::new(),
            rule: "type",
            expected: Cow::Borrowed("a number"),
            example: rule.example.map(Example::Number),
        }),
    }
}

/// A newtype whose constructor enforces the rule that its schema states.
#[diagnostic::on_unimplemented(
    message = "`{Self}` would publish a rule that nothing enforces",
    label = "has no `#[derive(ToolInput)]`",
    note = "write `#[derive(ToolInput, ToolOutput)]`, whose constructor enforces the rule; or remove the rule"
)]
pub trait Ruled {
    /// The schema of the rule.
    fn schema() -> Schema;
}

/// An input type whose fields a key may name.
#[diagnostic::on_unimplemented(
    message = "a key cannot reach into `{Self}`",
    label = "is no struct with `#[derive(ToolInput)]`",
    note = "name the whole argument: `key(argument)`"
)]
pub trait Reachable {
    /// The fields whose values do not name anything exactly: optional, free text, sensitive, or a duration, which has several spellings.
    const INEXACT: &'static [&'static str];
}

impl Reachable for bool {
    const INEXACT: &'static [&'static str] = &[];
}

/// The names of a tool's required arguments.
pub trait RequiredNames {
    /// The names on the wire.
    const NAMES: &'static [&'static str];
}

/// The effect of a tool that undoes another.
#[diagnostic::on_unimplemented(
    message = "the undo of a tool must have `effect = write`",
    label = "this tool has another effect",
    note = "a read tool undoes nothing, and a destroy tool cannot be taken back; otherwise use `undo = by_hand(\"what a person does\")`"
)]
pub trait UndoEffect {
    /// Proves it where it is named.
    const IS: () = ();
}

impl UndoEffect for effect::Write {}

/// A value that an argument of an undo tool takes: one of its type, also where the argument is optional.
#[diagnostic::on_unimplemented(
    message = "this argument of the undo tool takes `{T}`, and `{Self}` is given",
    label = "expected `{T}`",
    note = "an undo call is made of this tool's arguments and of its output as they are"
)]
pub trait Fits<T> {}
impl<T> Fits<T> for T {}
impl<T> Fits<Option<T>> for T {}

/// The argument of an undo call that a value is given for; only for types to be checked against.
#[allow(clippy::unreachable, reason = "only named in functions that are never called")]
pub fn fits<A: Fits<T>, T>(_: &A) -> T {
    unreachable!()
}

/// The arguments of an undo call that are left out; only for types to be checked against.
#[allow(clippy::unreachable, reason = "only named in functions that are never called")]
pub fn rest<T>() -> T {
    unreachable!()
}

const fn same_text(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn holds(list: &[&str], text: &str) -> bool {
    let mut at = 0;
    while at < list.len() {
        if same_text(list[at], text) {
            return true;
        }
        at += 1;
    }
    false
}

/// Refuses a range that its type does not hold, when the tool is compiled.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_range(rule: &NumberRule, least: f64, greatest: f64, integer: bool) {
    assert!(
        rule.min >= least && rule.max <= greatest,
        "the range goes beyond what the type holds\nhelp: keep `min` and `max` within the type, and within ±(2^53 − 1)"
    );
    assert!(
        !integer || (rule.min as i64 as f64 == rule.min && rule.max as i64 as f64 == rule.max),
        "the range of an integer has a fraction\nhelp: use whole numbers for `min` and `max`"
    );
}

/// Refuses a key part inside an argument that does not name anything exactly.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_exact(inexact: &[&str], field: &str) {
    assert!(
        !holds(inexact, field),
        "this field is optional, free text, sensitive or a duration and cannot be part of a key\nhelp: name a field that is required and exact"
    );
}

/// The depth of a type that holds types of these depths, each perhaps in a list.
pub const fn deeper(held: &[u32]) -> u32 {
    let (mut deepest, mut at) = (0, 0);
    while at < held.len() {
        if held[at] > deepest {
            deepest = held[at];
        }
        at += 1;
    }
    deepest + 2
}

/// Refuses a type that no message could hold: gate 0 lets 64 levels through, and the message takes three.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_depth(depth: u32) {
    assert!(depth <= 60, "values of this type are nested more than 60 levels deep\nhelp: flatten it");
}

/// Refuses free text as what an effect hits.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_target(free_text: bool) {
    assert!(
        !free_text,
        "free text cannot be a `target`\nhelp: give the type a pattern or a format, or remove `target`\nnote: policy and limits compare targets exactly"
    );
}

/// Whether one of these is.
pub const fn any(list: &[bool]) -> bool {
    let mut at = 0;
    while at < list.len() {
        if list[at] {
            return true;
        }
        at += 1;
    }
    false
}

/// Refuses what records hide as a part of an undo call, which stands in the answer and so in the ledger.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_shown(hidden: bool) {
    assert!(
        !hidden,
        "`undo` takes an argument whose type holds free text or a sensitive field\nhelp: take an argument that names what is undone, or a field of the output: `name = out.field`\nnote: the answer carries the ready call and the ledger keeps the answer, and neither may hold what is hidden"
    );
}

/// Refuses an undo call without an argument that the undo tool requires.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_undo(required: &[&str], given: &[&str]) {
    let mut at = 0;
    while at < required.len() {
        assert!(
            holds(given, required[at]),
            "`undo` leaves out an argument that the undo tool requires\nhelp: name every required argument: `argument`, `argument = mine` or `argument = out.field`"
        );
        at += 1;
    }
}

/// Refuses an undo tool that runs once for a key: the effect comes back, and could not be undone then.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_undo_repeats(takes_again_after: bool) {
    assert!(
        takes_again_after,
        "the undo tool can run only once for each key, so an effect that is made again could not be undone again\nhelp: add `repeat = explicit` to the undo tool, whose key is then `key(..)` without `every`; or give it `key = natural(\"why a repeat is harmless\")`"
    );
}

/// Refuses an error type that does not say whether the effect may have happened.
#[track_caller]
#[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
pub const fn check_effects(cases: &[ErrorCase]) {
    assert!(
        states_effect(cases),
        "a `transient` or `unavailable` error of a tool that changes something must say whether the effect may have happened\nhelp: add `effect = none` or `effect = unknown` to the variant"
    );
}

/// What an encoding writes, for tests of shims.
pub fn plain(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    crate::writer::plain(write)
}

/// The context of a call outside any server, for tests of shims.
pub fn bare_context<S: Send + Sync + 'static>(state: S, credential: Option<String>) -> Context {
    let facts = crate::call::Facts {
        id: String::new(),
        principal: crate::identity::Principal::agent("test"),
        investigation: None,
        turn: None,
        deadline: std::time::Instant::now(),
        action: None,
    };
    Context {
        state: std::sync::Arc::new(state),
        credential: credential.map(Into::into),
        facts: std::sync::Arc::new(facts),
        blocking: crate::blocking::Blocking::default(),
    }
}
