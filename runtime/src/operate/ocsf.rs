//! Records as events of the Open Cybersecurity Schema Framework 1.9.0, class 6003 API Activity.
//!
//! Every record becomes an event, those about the ledger itself too, so that the sequence stays dense. Each event carries
//! an attestation (profile `record_integrity`): its fingerprint is SHA-256 over the event as RFC 8785 writes it, without
//! the fingerprint, and it names the event before, so that a gap in what reached the SIEM shows. The journal's own chain is
//! in `unmapped.safe_tool`.

use super::meaning::{Control, Ended, Gravity, Meaning};
use super::row::Row;
use crate::ledger::Hash;
use serde_json::{Map, Value, json};

const VERSION: &str = "1.9.0";

/// Makes events of all records of one journal, in order; what depends on earlier ones is kept here.
#[derive(Default)]
pub(super) struct Exporter {
    log: String,
    signer: Option<String>,
    /// Id, type and fingerprint of the event before.
    before: Option<Value>,
}

impl Exporter {
    /// The event of the next record. Must be given every record, wanted or not: events are chained.
    pub(super) fn event(&mut self, row: &Row<'_>) -> Result<Value, serde_json::Error> {
        if let Some(log) = &row.log {
            log.clone_into(&mut self.log);
            self.signer.clone_from(&row.signer);
        }
        let mut event = event(row, &self.log);
        let mut attestation = Map::new();
        attestation.insert("chain_uid".to_owned(), self.log.as_str().into());
        if let Some(signer) = &self.signer {
            attestation.insert("authority_uid".to_owned(), signer.as_str().into());
        }
        if let Some(before) = self.before.take() {
            attestation.insert("prev_event".to_owned(), before);
        }
        event.insert("attestation_list".to_owned(), json!([attestation]));
        let fingerprint = json!({
            "algorithm_id": 3,
            "algorithm": "SHA-256",
            "encoding_id": 1,
            "encoding": "Hex",
            "serialization_id": 2,
            "serialization": "JCS",
            "value": Hash::of(&serde_json_canonicalizer::to_vec(&event)?).to_string(),
        });
        self.before =
            Some(json!({ "uid": uid(row, &self.log), "type_uid": event.get("type_uid"), "fingerprint": fingerprint }));
        attestation.insert("fingerprint".to_owned(), fingerprint);
        event.insert("attestation_list".to_owned(), json!([attestation]));
        Ok(event.into())
    }
}

fn uid(row: &Row<'_>, log: &str) -> String {
    format!("{log}:{}", row.seq)
}

fn event(row: &Row<'_>, log: &str) -> Map<String, Value> {
    let meaning = Meaning::of(row);
    let (activity_id, activity_name) = match row.event.as_str() {
        _ if meaning.control == Control::Logged => (99, row.event.as_str()),
        "read" => (2, "Read"),
        // Which of create, update and delete an action is, a record does not say; that it changes something, it does.
        "refused" => (0, "Unknown"),
        _ => (3, "Update"),
    };
    let (severity_id, severity) = match meaning.gravity {
        Gravity::Informational => (1, "Informational"),
        Gravity::Low => (2, "Low"),
        Gravity::Medium => (3, "Medium"),
        Gravity::High => (4, "High"),
    };
    let (status_id, status) = match meaning.ended {
        Ended::Success => (1, "Success"),
        Ended::Failure => (2, "Failure"),
        Ended::Unknown => (0, "Unknown"),
        Ended::Not => (99, row.event.as_str()),
    };
    let (action_id, action, disposition_id, disposition) = match meaning.control {
        Control::Allowed => (1, "Allowed", 1, "Allowed"),
        Control::Denied => (2, "Denied", 2, "Blocked"),
        Control::Unauthorized => (2, "Denied", 26, "Unauthorized"),
        Control::Delayed => (1, "Allowed", 14, "Delayed"),
        Control::Approved => (1, "Allowed", 8, "Approved"),
        Control::Rejected => (2, "Denied", 25, "Rejected"),
        Control::NoAction => (1, "Allowed", 16, "No Action"),
        Control::Corrected => (4, "Modified", 11, "Corrected"),
        Control::Error => (1, "Allowed", 27, "Error"),
        Control::Logged => (3, "Observed", 17, "Logged"),
    };
    let tool = row.tool.as_deref().filter(|tool| !tool.is_empty());
    let operation = tool.map_or_else(|| format!("ledger.{}", row.event), str::to_owned);
    let event = json!({
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "activity_id": activity_id,
        "activity_name": activity_name,
        "type_uid": 600_300 + activity_id,
        "type_name": format!("API Activity: {activity_name}"),
        "time": row.at.as_millisecond(),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": row.code,
        "action_id": action_id,
        "action": action,
        "disposition_id": disposition_id,
        "disposition": disposition,
        "count": row.times,
        "message": message(row, tool),
        "metadata": {
            "version": VERSION,
            "profiles": ["ai_operation", "record_integrity", "security_control"],
            "product": { "name": "safe-tool", "vendor_name": "safe_tool", "version": env!("CARGO_PKG_VERSION") },
            "uid": uid(row, log),
            "sequence": row.seq,
            "log_name": log,
            "event_code": row.event,
            "correlation_uid": row.investigation,
            "tenant_uid": row.tenant.as_deref().filter(|tenant| !tenant.is_empty()),
        },
        "actor": actor(row),
        "ai_agent": row.agent().map(|agent| json!({ "uid": agent, "name": agent })),
        "api": {
            "operation": operation,
            "request": row.call.as_ref().map(|call| json!({ "uid": call })),
            "response": row.code.as_ref().map(|code| json!({
                "message": code,
                "error": row.is_error().then_some(code),
            })),
        },
        "src_endpoint": { "name": row.agent().unwrap_or("safe-tool") },
        "policy": row.gate.as_ref().map(|gate| json!({ "name": gate, "type": "gate" })),
        "unmapped": { "safe_tool": own(row) },
    });
    match present(event) {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

/// Who acted: an operator where one decided, else the user that the agent acted for.
fn actor(row: &Row<'_>) -> Value {
    let name = row.operator.as_ref().or(row.user.as_ref());
    json!({
        "app_name": row.agent().unwrap_or("safe-tool"),
        "user": name.map(|name| json!({ "name": name, "type_id": 1, "type": "User" })),
    })
}

fn message(row: &Row<'_>, tool: Option<&str>) -> String {
    let mut message = tool.map_or_else(|| "the ledger".to_owned(), str::to_owned);
    message.push_str(": ");
    message.push_str(&row.event);
    if let Some(code) = &row.code {
        message.push_str(", ");
        message.push_str(code);
    }
    message
}

/// What has no place in the schema.
fn own(row: &Row<'_>) -> Value {
    json!({
        "hash": row.hash,
        "prev": row.prev,
        "key": row.key,
        "digest": row.digest,
        "arguments": row.arguments.and_then(|arguments| serde_json::from_str::<Value>(arguments.get()).ok()),
        "first_call": row.first_call,
        "late": row.late.then_some(true),
        "resolved_by": row.by,
        "outcome": row.outcome,
        "approval": row.approval.as_ref().map(|approval| json!({ "id": approval.id, "expires_ms": approval.expires_ms })),
        "epoch": row.epoch,
        "clean_end": row.tail.as_ref().map(|tail| tail.clean),
        "cut_bytes": row.tail.as_ref().map(|tail| tail.cut),
        "frees": (!row.frees.is_empty()).then_some(&row.frees),
        "expired": (!row.keys.is_empty()).then_some(&row.keys),
        "swept": row.swept,
        "signer": row.signer,
    })
}

/// Without the members that are `null`, outside of a caller's arguments.
fn present(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| {
                    let value = if name == "arguments" { value } else { present(value) };
                    (name, value)
                })
                .collect(),
            )
        }
        other => other,
    }
}
