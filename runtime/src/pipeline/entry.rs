//! The caller and the request, as the ledger's records hold them.

use super::flow::Flow;
use crate::ledger::Entry;
use std::borrow::Cow;

/// The entry of every record of this call.
pub(super) fn entry(flow: &Flow) -> Entry {
    let principal = flow.principal.as_ref();
    Entry {
        call: flow.id.clone(),
        tenant: principal.map_or_else(String::new, |principal| principal.tenant().to_owned()),
        agent: principal.map_or_else(String::new, |principal| principal.agent_name().to_owned()),
        user: principal.and_then(|principal| principal.user().map(str::to_owned)),
        investigation: flow.request.investigation.clone(),
        tool: Cow::Borrowed(flow.tool().name),
        key: flow.names.as_ref().map(|names| names.key),
        digest: flow.names.as_ref().map(|names| names.digest),
        arguments: flow.redacted.clone(),
    }
}

/// The entry of a request from an unknown sender: nothing of the request gets into the ledger.
pub(super) fn of_nobody() -> Entry {
    Entry {
        call: ulid::Ulid::generate().to_string(),
        tenant: String::new(),
        agent: String::new(),
        user: None,
        investigation: None,
        tool: Cow::Borrowed(""),
        key: None,
        digest: None,
        arguments: None,
    }
}
