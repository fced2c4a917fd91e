//! One record, as it is shown and exported.

use crate::ledger::Hash;
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What records tell of.
pub(super) const EVENTS: [&str; 15] = [
    "open",
    "close",
    "checkpoint",
    "awaiting_approval",
    "approved",
    "approval_refused",
    "started",
    "completed",
    "failed",
    "in_doubt",
    "resolved",
    "expired",
    "refused",
    "read",
    "replayed",
];

/// A record's members; those that say nothing to a reader are left out.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    pub(super) hash: Hash,
    pub(super) seq: u64,
    pub(super) prev: Hash,
    #[serde(deserialize_with = "rfc_3339")]
    pub(super) at: Timestamp,
    pub(super) event: String,
    pub(super) log: Option<String>,
    pub(super) epoch: Option<u64>,
    pub(super) tail: Option<Tail>,
    pub(super) call: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) user: Option<String>,
    pub(super) investigation: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) key: Option<Hash>,
    pub(super) digest: Option<Hash>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    pub(super) code: Option<String>,
    pub(super) gate: Option<String>,
    pub(super) first_call: Option<String>,
    pub(super) times: Option<u64>,
    #[serde(default)]
    pub(super) late: bool,
    pub(super) by: Option<String>,
    pub(super) operator: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) approval: Option<Approval>,
    #[serde(default)]
    pub(super) frees: Vec<Hash>,
    #[serde(default)]
    pub(super) keys: Vec<Hash>,
    pub(super) swept: Option<u64>,
    pub(super) signer: Option<String>,
}

fn rfc_3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("not a time"))
}

/// The end that an `open` found.
#[derive(Deserialize)]
pub(super) struct Tail {
    pub(super) clean: bool,
    pub(super) cut: u64,
}

/// The approval that was asked for.
#[derive(Deserialize)]
pub(super) struct Approval {
    pub(super) id: String,
    pub(super) expires_ms: u64,
}

impl Row<'_> {
    /// `None` when the text is no record of a known form.
    pub(super) fn read(text: &str) -> Option<Row<'_>> {
        serde_json::from_str(text).ok()
    }

    /// The tool's code says that something was not done as asked.
    pub(super) fn is_error(&self) -> bool {
        self.code.as_deref().is_some_and(|code| !matches!(code, "ok" | "empty"))
    }

    /// Who called; empty strings stand for nobody known.
    pub(super) fn agent(&self) -> Option<&str> {
        self.agent.as_deref().filter(|agent| !agent.is_empty())
    }
}
