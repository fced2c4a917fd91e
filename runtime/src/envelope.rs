//! The one JSON that every call is answered with: four shapes, and their schema.
//!
//! What a replay must repeat byte for byte (the *body*: status, data or error, source, undo) is built
//! once and stored; what belongs to the single call is put behind it.

use crate::error::{EffectKnown, Kind};
use crate::input::Violation;
use crate::tool::{Descriptor, Produced};
use crate::writer;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The part of an envelope that a replay repeats; JSON text without its closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    text: Vec<u8>,
    pub(crate) is_error: bool,
}

const OK: &[u8] = b"{\"status\":\"ok\",\"data\":";
const EMPTY: &[u8] = b"{\"status\":\"empty\",\"data\":";
/// How the body of an error begins, and no other body does.
const ERROR: &[u8] = b"{\"status\":\"error\",\"error\":";

/// An error as the envelope says it.
#[derive(Debug, Clone)]
pub(crate) struct ErrorBody {
    pub(crate) kind: Kind,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) suggested_action: Option<Cow<'static, str>>,
    pub(crate) effect: EffectKnown,
    pub(crate) violations: Vec<Violation>,
    /// What superseded the action, where something did.
    pub(crate) superseded: Option<SupersededBy>,
}

/// The reason why an earlier answer no longer holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct SupersededBy {
    /// Call, tool and time (ms since 1970) of the latest action on the subject.
    pub(crate) by: Option<(String, String, u64)>,
    /// The stored answer, for its owner.
    pub(crate) earlier: Option<Vec<u8>>,
}

/// When a call that waits for an approval should ask again.
const ASK_AGAIN_MS: u64 = 5_000;

/// The envelope of a call that waits for an approval, until `expires_ms` (since 1970).
pub(crate) fn pending(id: &str, asks: &str, expires_ms: u64, call: &str) -> String {
    let approval = json!({ "id": id, "asks": asks, "expires_at": time(expires_ms) });
    json!({ "status": "pending", "approval": approval, "retry_after_ms": ASK_AGAIN_MS, "call": call }).to_string()
}

/// A time in ms since 1970 as RFC 3339.
fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
}

/// What is said of the single call.
#[derive(Debug, Default)]
pub(crate) struct Stamp<'a> {
    pub(crate) call: &'a str,
    /// The answer is that of an earlier call, given again.
    pub(crate) replayed: bool,
    /// The earlier call that the answer repeats or is about.
    pub(crate) first_call: Option<&'a str>,
    /// Time at which that call began, in ms since 1970.
    pub(crate) first_at_ms: Option<u64>,
    /// Arguments of free text that differ from the first call's.
    pub(crate) differs: Vec<&'a str>,
}

impl Body {
    /// The body of a success; `undo` is the ready-made undo call as JSON.
    pub(crate) fn success(produced: &Produced, source: &str, undo: Option<&[u8]>) -> Body {
        let mut text = Vec::with_capacity(produced.data.len() + 96);
        text.extend_from_slice(if produced.empty { EMPTY } else { OK });
        text.extend_from_slice(&produced.data);
        text.extend_from_slice(if produced.truncated { b",\"truncated\":true" } else { b",\"truncated\":false" });
        text.extend_from_slice(b",\"source\":");
        text.extend_from_slice(&writer::plain(|writer| writer.str(source)));
        if let Some(undo) = undo {
            text.extend_from_slice(b",\"undo\":");
            text.extend_from_slice(undo);
        }
        Body { text, is_error: false }
    }

    /// The body of an error.
    pub(crate) fn error(error: &ErrorBody, source: &str) -> Body {
        let mut inner = Map::new();
        let mut put = |key: &str, value: Value| {
            inner.insert(key.to_owned(), value);
        };
        put("kind", error.kind.as_str().into());
        put("code", error.code.as_ref().into());
        put("message", error.message.as_ref().into());
        put("retryable", error.kind.retryable().into());
        put("retry_after_ms", error.retry_after_ms.into());
        put("suggested_action", error.suggested_action.as_deref().into());
        put("effect", error.effect.as_str().into());
        if !error.violations.is_empty() {
            put("violations", error.violations.iter().map(violation).collect());
        }
        if let Some((call, tool, at_ms)) = error.superseded.as_ref().and_then(|superseded| superseded.by.as_ref()) {
            put("superseded_by", json!({ "call": call, "tool": tool, "at": time(*at_ms) }));
        }
        let earlier = error.superseded.as_ref().and_then(|superseded| superseded.earlier.as_ref());
        if let Some(earlier) = earlier.and_then(|stored| serde_json::from_slice(stored).ok()) {
            put("earlier", earlier);
        }
        let mut text = ERROR.to_vec();
        text.extend_from_slice(Value::Object(inner).to_string().as_bytes());
        text.extend_from_slice(b",\"source\":");
        text.extend_from_slice(&writer::plain(|writer| writer.str(source)));
        Body { text, is_error: true }
    }

    /// What the ledger stores: the body as a JSON object.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let mut text = self.text.clone();
        text.push(b'}');
        text
    }

    /// What the ledger stored; `None` when it is no body.
    pub(crate) fn from_stored(mut text: Vec<u8>) -> Option<Body> {
        let is_error = text.starts_with(ERROR);
        if text.pop() != Some(b'}') {
            return None;
        }
        Some(Body { text, is_error })
    }

    /// The code that records give to the body: `ok`, `empty`, or the error's.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        if self.text.starts_with(EMPTY) {
            return Cow::Borrowed("empty");
        }
        if !self.is_error {
            return Cow::Borrowed("ok");
        }
        let code = serde_json::from_slice::<Value>(&self.stored())
            .ok()
            .and_then(|value| value.pointer("/error/code").and_then(Value::as_str).map(str::to_owned));
        code.map_or(Cow::Borrowed("internal"), Cow::Owned)
    }

    /// The envelope of one call.
    pub(crate) fn envelope(&self, stamp: &Stamp<'_>) -> String {
        let mut text = self.text.clone();
        text.extend_from_slice(if stamp.replayed { b",\"replayed\":true" } else { b",\"replayed\":false" });
        let mut put = |name: &str, value: &[u8]| {
            text.extend_from_slice(b",\"");
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"\":");
            text.extend_from_slice(value);
        };
        put("call", &writer::plain(|writer| writer.str(stamp.call)));
        if let Some(first) = stamp.first_call {
            put("first_call", &writer::plain(|writer| writer.str(first)));
        }
        if let Some(ms) = stamp.first_at_ms {
            put("first_at", &writer::plain(|writer| writer.str(&time(ms))));
        }
        if !stamp.differs.is_empty() {
            let list = writer::plain(|writer| {
                writer.begin_list();
                for name in &stamp.differs {
                    writer.str(name);
                }
                writer.end_list();
            });
            put("differs", &list);
        }
        text.push(b'}');
        // Every piece was written as JSON, which is UTF-8.
        String::from_utf8(text).unwrap_or_default()
    }
}

fn violation(violation: &Violation) -> Value {
    let mut out = json!({ "path": violation.path, "rule": violation.rule, "expected": violation.expected });
    if let (Some(example), Some(object)) = (violation.example, out.as_object_mut()) {
        object.insert("example".to_owned(), example.into());
    }
    out
}

/// The output schema of a tool: it admits all four shapes, so that a client that validates errors too accepts them.
pub(crate) fn schema(tool: &Descriptor) -> Map<String, Value> {
    let mut data = (tool.output)();
    if data.get("description").is_none() {
        data.insert("description".to_owned(), "What the tool answers with.".into());
    }
    let call = json!({ "type": "string", "description": "Id of this call; operators find it in the ledger." });
    let source = json!({ "type": "string", "description": "Where the answer comes from." });
    let replayed = json!({ "type": "boolean", "description": "True when this repeats the answer of an earlier call; nothing ran again." });
    let first_call = json!({ "type": "string", "description": "Id of the call that is repeated." });
    let first_at = json!({ "type": "string", "description": "Time at which the repeated call began." });
    let differs = json!({ "type": "array", "items": { "type": "string" }, "description": "Free-text arguments that differ from the repeated call's." });
    let mut done = json!({
        "type": "object",
        "properties": {
            "status": {},
            "data": data,
            "truncated": { "type": "boolean", "description": "True when there was more than `data` holds." },
            "source": source, "replayed": replayed, "call": call, "first_call": first_call, "first_at": first_at, "differs": differs,
        },
        "required": ["status", "data", "truncated", "source", "replayed", "call"],
        "additionalProperties": false,
    });
    if let Some(properties) = done.pointer_mut("/properties").and_then(Value::as_object_mut)
        && matches!(tool.undo, crate::tool::Undo::Tool { .. })
    {
        properties.insert(
            "undo".to_owned(),
            json!({
                "type": "object",
                "description": "The call that undoes this one.",
                "properties": {
                    "tool": { "type": "string", "description": "The tool to call." },
                    "arguments": { "type": "object", "description": "What to call it with." },
                },
                "required": ["tool", "arguments"],
                "additionalProperties": false,
            }),
        );
    }
    // `ok` and `empty` differ in one word; two branches keep the four shapes apart for a reader of the schema.
    let status = |word: &str, means: &str| json!({ "const": word, "description": means });
    let shape = |word: &str, means: &str| {
        let mut shape = done.clone();
        if let Some(place) = shape.pointer_mut("/properties/status") {
            *place = status(word, means);
        }
        shape
    };
    let ok = shape("ok", "It worked.");
    let empty = shape("empty", "It worked and found nothing.");
    let pending = json!({
        "type": "object",
        "properties": {
            "status": status("pending", "Nothing has happened yet; somebody must agree first."),
            "approval": {
                "type": "object",
                "description": "Who is asked for what.",
                "properties": {
                    "id": { "type": "string", "description": "Id of the approval." },
                    "asks": { "type": "string", "description": "What is asked." },
                    "expires_at": { "type": "string", "description": "Until when it can be given." },
                },
                "required": ["id", "asks", "expires_at"],
                "additionalProperties": false,
            },
            "retry_after_ms": { "type": "integer", "description": "When to call again with the same arguments." },
            "call": call,
        },
        "required": ["status", "approval", "retry_after_ms", "call"],
        "additionalProperties": false,
    });
    let error = json!({
        "type": "object",
        "properties": {
            "status": status("error", "It was not done, or not known to be; never a finding."),
            "error": error(),
            "source": source, "replayed": replayed, "call": call, "first_call": first_call, "first_at": first_at, "differs": differs,
        },
        "required": ["status", "error", "source", "replayed", "call"],
        "additionalProperties": false,
    });
    Map::from_iter([("type".to_owned(), json!("object")), ("oneOf".to_owned(), json!([ok, empty, pending, error]))])
}

/// The schema of what an error says.
fn error() -> Value {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let effects = [EffectKnown::None, EffectKnown::Applied, EffectKnown::Unknown].map(EffectKnown::as_str);
    json!({
        "type": "object",
        "description": "What went wrong, and what is known of the effect.",
        "properties": {
            "kind": { "enum": kinds, "description": "What sort of error it is." },
            "code": { "type": "string", "description": "The stable code." },
            "message": { "type": "string", "description": "What happened." },
            "retryable": { "type": "boolean", "description": "Repeating exactly this call can help." },
            "retry_after_ms": { "type": ["integer", "null"], "description": "When a repetition makes sense." },
            "suggested_action": { "type": ["string", "null"], "description": "What to do instead." },
            "effect": { "enum": effects, "description": "What is known of the world after this answer." },
            "violations": {
                "type": "array",
                "description": "Every way in which the arguments break the contract.",
                "items": {
                    "type": "object",
                    "properties": {
                        "path": { "type": "string", "description": "JSON pointer into the arguments." },
                        "rule": { "type": "string", "description": "The rule that is broken." },
                        "expected": { "type": "string", "description": "The expected form." },
                        "example": { "description": "A value that passes." },
                    },
                    "required": ["path", "rule", "expected"],
                    "additionalProperties": false,
                },
            },
            "superseded_by": {
                "type": "object",
                "description": "The latest call on the same target; name it in `again_after` to act again on purpose.",
                "properties": {
                    "call": { "type": "string", "description": "Its id." },
                    "tool": { "type": "string", "description": "Its tool." },
                    "at": { "type": "string", "description": "Time of the last news of it." },
                },
                "required": ["call", "tool", "at"],
                "additionalProperties": false,
            },
            "earlier": { "type": "object", "description": "The answer of this very call's action when it was done." },
        },
        "required": ["kind", "code", "message", "retryable", "retry_after_ms", "suggested_action", "effect"],
        "additionalProperties": false,
    })
}
