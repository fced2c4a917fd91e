//! What a record means to who watches: how grave it is, how it ended, what the gates did.

use super::row::Row;

/// How grave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gravity {
    Informational,
    Low,
    Medium,
    High,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Success,
    Failure,
    /// Whether it happened is not known.
    Unknown,
    /// It has not ended.
    Not,
}

/// What the gates did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Allowed,
    Denied,
    Unauthorized,
    Delayed,
    Approved,
    Rejected,
    NoAction,
    Corrected,
    Error,
    /// It is no call: something about the ledger itself.
    Logged,
}

/// What a record means.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) gravity: Gravity,
    pub(super) ended: Ended,
    pub(super) control: Control,
}

impl Meaning {
    pub(super) fn of(row: &Row<'_>) -> Meaning {
        let unclean = row.tail.as_ref().is_some_and(|tail| !tail.clean);
        let code = row.code.as_deref().unwrap_or_default();
        let (gravity, ended, control) = match row.event.as_str() {
            "open" if unclean => (Gravity::Medium, Ended::Success, Control::Logged),
            "awaiting_approval" => (Gravity::Low, Ended::Not, Control::Delayed),
            "approved" => (Gravity::Low, Ended::Success, Control::Approved),
            "approval_refused" => (Gravity::Low, Ended::Success, Control::Rejected),
            "started" => (Gravity::Informational, Ended::Not, Control::Allowed),
            "completed" | "read" if row.is_error() => (Gravity::Low, Ended::Failure, Control::Error),
            "completed" | "read" => (Gravity::Informational, Ended::Success, Control::Allowed),
            "failed" => (Gravity::Low, Ended::Failure, Control::Error),
            "in_doubt" => (Gravity::High, Ended::Unknown, Control::Error),
            "resolved" if row.outcome.as_deref() == Some("completed") => {
                (Gravity::Medium, Ended::Success, Control::Corrected)
            }
            "resolved" => (Gravity::Medium, Ended::Failure, Control::Corrected),
            "replayed" => (Gravity::Informational, Ended::Success, Control::NoAction),
            "refused" if code == "unauthenticated" => (Gravity::Medium, Ended::Failure, Control::Unauthorized),
            "refused" if row.gate.as_deref() == Some("scope") || row.gate.as_deref() == Some("policy") => {
                (Gravity::Medium, Ended::Failure, Control::Denied)
            }
            "refused" => (Gravity::Low, Ended::Failure, Control::Denied),
            _ => (Gravity::Informational, Ended::Success, Control::Logged),
        };
        Meaning { gravity, ended, control }
    }
}
