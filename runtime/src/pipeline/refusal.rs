//! A gate's decision to stop a call.

use crate::envelope::{ErrorBody, SupersededBy};
use crate::error::{EffectKnown, Kind};
use crate::input::Violation;
use std::borrow::Cow;

/// The reason for which a gate stopped a call. The model reads its texts; nothing internal goes into them.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) gate: &'static str,
    pub(crate) error: Box<ErrorBody>,
    /// The earlier call that a refusal is about.
    pub(crate) first_call: Option<String>,
}

impl Refusal {
    /// A refusal before any effect; the code is the kind's word until [`code`](Self::code) says another.
    pub(crate) fn new(gate: &'static str, kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            gate,
            error: Box::new(ErrorBody {
                kind,
                code: Cow::Borrowed(kind.as_str()),
                message: message.into(),
                retry_after_ms: None,
                suggested_action: None,
                effect: EffectKnown::None,
                violations: Vec::new(),
                superseded: None,
            }),
            first_call: None,
        }
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.error.code = Cow::Borrowed(code);
        self
    }

    /// Says what superseded the action.
    pub(crate) fn superseded(mut self, superseded: SupersededBy) -> Self {
        self.error.superseded = Some(superseded);
        self
    }

    pub(crate) fn suggest(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.error.suggested_action = Some(action.into());
        self
    }

    pub(crate) fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.error.retry_after_ms = Some(milliseconds);
        self
    }

    pub(crate) fn effect(mut self, effect: EffectKnown) -> Self {
        self.error.effect = effect;
        self
    }

    pub(crate) fn violations(mut self, violations: Vec<Violation>) -> Self {
        self.error.violations = violations;
        self
    }

    pub(crate) fn about(mut self, first_call: impl Into<String>) -> Self {
        self.first_call = Some(first_call.into());
        self
    }
}
