//! How a tool says that it did not do what was asked.
//!
//! An error has layers that do not mix: a closed `kind` that a model acts on, a stable `code` that
//! programs match, a `message` that the model reads, what is known about the `effect`, and a detail
//! that only operators see, under the call's id.

use std::borrow::Cow;
use std::time::Duration;

/// The closed set of kinds. What a gate decides and what a tool answers share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The arguments break the contract.
    InvalidArguments,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not do this.
    Denied,
    /// What is asked for does not exist.
    NotFound,
    /// The backend or a rule of the business refuses it.
    Rejected,
    /// It contradicts what is there already.
    Conflict,
    /// Too many calls; a later one can pass.
    RateLimited,
    /// The investigation has used up its calls.
    BudgetExhausted,
    /// The same action is running.
    InProgress,
    /// Whether the effect happened is not known.
    InDoubt,
    /// It failed for now.
    Transient,
    /// Something that the call needs is out of order.
    Unavailable,
    /// The tool is broken.
    Internal,
}

impl Kind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::InvalidArguments => "invalid_arguments",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Denied => "denied",
            Kind::NotFound => "not_found",
            Kind::Rejected => "rejected",
            Kind::Conflict => "conflict",
            Kind::RateLimited => "rate_limited",
            Kind::BudgetExhausted => "budget_exhausted",
            Kind::InProgress => "in_progress",
            Kind::InDoubt => "in_doubt",
            Kind::Transient => "transient",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }

    /// All kinds, in the order of the contract.
    pub const ALL: [Kind; 13] = [
        Kind::InvalidArguments,
        Kind::Unauthenticated,
        Kind::Denied,
        Kind::NotFound,
        Kind::Rejected,
        Kind::Conflict,
        Kind::RateLimited,
        Kind::BudgetExhausted,
        Kind::InProgress,
        Kind::InDoubt,
        Kind::Transient,
        Kind::Unavailable,
        Kind::Internal,
    ];

    /// Whether repeating exactly this call can help.
    pub const fn retryable(self) -> bool {
        matches!(self, Kind::Transient | Kind::Unavailable | Kind::RateLimited | Kind::InProgress)
    }
}

/// What is known about the world after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKnown {
    /// Nothing changed.
    None,
    /// The effect happened.
    Applied,
    /// It may have happened.
    Unknown,
}

impl EffectKnown {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            EffectKnown::None => "none",
            EffectKnown::Applied => "applied",
            EffectKnown::Unknown => "unknown",
        }
    }
}

/// One variant of a tool's error type, as the contract publishes it.
#[derive(Debug, Clone, Copy)]
pub struct ErrorCase {
    /// The stable code.
    pub code: &'static str,
    /// The kind.
    pub kind: Kind,
    /// What the variant says about the effect; `None` where it says nothing.
    pub effect: Option<EffectKnown>,
    /// The error is the action's answer: it is kept under the key and replayed.
    pub stored: bool,
}

/// One error that a body answered with.
#[derive(Debug)]
pub struct ErrorReport {
    /// The stable code.
    pub code: Cow<'static, str>,
    /// The kind.
    pub kind: Kind,
    /// What the model reads.
    pub message: String,
    /// What the model could do instead.
    pub suggest: Option<&'static str>,
    /// The time after which a repetition makes sense.
    pub retry_after: Option<Duration>,
    /// What is known about the effect.
    pub effect: EffectKnown,
    /// The error is the action's answer: it is kept under the key and replayed. Any other error without effect frees the key.
    pub stored: bool,
    /// For operators only.
    pub detail: Option<String>,
}

/// An error that an agent can act on: derive it.
///
/// ```
/// use safe_tool::prelude::*;
///
/// #[derive(ToolError)]
/// enum RefundError {
///     #[tool_error(not_found, "no order {order} is known", suggest = "find_order")]
///     NoOrder { order: u32 },
///     #[tool_error(rejected, "order {order} was paid back in cash", stored)]
///     PaidInCash { order: u32 },
///     #[tool_error(transient, "the payment service did not answer", effect = none)]
///     Down { #[detail] cause: String },
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool error",
    label = "this error type has no stable code",
    note = "write `#[derive(ToolError)]` on an enum and one line a variant: `#[tool_error(not_found, \"no order `{{order}}` is known\")]`"
)]
pub trait ToolError: Send + 'static {
    /// The variants.
    const CASES: &'static [ErrorCase];
    /// What this value says.
    fn report(&self) -> ErrorReport;
}

/// For tools that cannot fail.
impl ToolError for std::convert::Infallible {
    const CASES: &'static [ErrorCase] = &[];

    fn report(&self) -> ErrorReport {
        match *self {}
    }
}

/// Whether every error that may come after an effect says so; a tool with `effect = write` or `destroy` needs it.
pub const fn states_effect(cases: &[ErrorCase]) -> bool {
    let mut at = 0;
    while at < cases.len() {
        if matches!(cases[at].kind, Kind::Transient | Kind::Unavailable) && cases[at].effect.is_none() {
            return false;
        }
        at += 1;
    }
    true
}
