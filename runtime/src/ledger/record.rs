//! The lines of the journal.
//!
//! ```text
//! {"hash":"<64 hex>","seq":7,"prev":"<64 hex>","at":"2026-11-20T10:00:00.000Z","durable":6,"event":"started",…}
//! {"payload":"<64 hex>","body":<the stored result>}
//! ```
//!
//! A record's hash covers the bytes between its hash member and the line break, so it is checked on the stored bytes. A
//! payload line stands right before the record that names it and is not part of the chain: a result can be removed later and
//! the chain still verifies.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::action::{
    Approval, ArgumentDigest, Beginning, Decision, Moment, PayloadAt, State, Step, Transition, Version,
};
use super::hash::Hash;
use super::subject::Subject;
use super::{Entry, How, Intent, NoteEvent};

/// Format of the journal, written in every `open` record.
pub(super) const FORMAT: u64 = 1;

const RECORD_OPEN: &[u8] = br#"{"hash":""#;
const RECORD_CLOSE: &[u8] = br#"","#;
const PAYLOAD_OPEN: &[u8] = br#"{"payload":""#;
const PAYLOAD_CLOSE: &[u8] = br#"","body":"#;
const HEX: usize = 64;
/// Bytes of a payload line before its body.
const PAYLOAD_PREFIX: usize = PAYLOAD_OPEN.len() + HEX + PAYLOAD_CLOSE.len();

/// The event that a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Open,
    Close,
    Checkpoint,
    AwaitingApproval,
    Approved,
    ApprovalRefused,
    Started,
    Completed,
    Failed,
    InDoubt,
    Resolved,
    Expired,
    Refused,
    Read,
    Replayed,
}

/// The end of a chain: the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Its sequence; 0 before the first record.
    pub(super) sequence: u64,
    /// Its hash; [`Hash::ZERO`] before the first record.
    pub(super) hash: Hash,
}

impl Tail {
    /// The tail of a chain without records.
    pub(super) const GENESIS: Tail = Tail { sequence: 0, hash: Hash::ZERO };
}

/// The tail that an `open` record found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TailFound {
    pub(super) sequence: u64,
    pub(super) hash: Hash,
    /// The last record was a `close`, and nothing was cut.
    pub(super) clean: bool,
    /// Bytes of a torn tail that were cut.
    pub(super) cut: u64,
}

/// The last record of another server's chain, as seen by the server that writes the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub(super) log: String,
    pub(super) sequence: u64,
    pub(super) hash: Hash,
}

/// A record to be written. The chain's own members are set by [`write_record`].
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) at: &'a str,
    pub(super) durable: u64,
    pub(super) event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<TailFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) investigation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_call: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) late: bool,
    /// The body of an action in doubt still runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) running: bool,
    /// The resolver of a doubt: `reconcile` or `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<&'a str>,
    /// The outcome to which a doubt was resolved: `completed` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approval: Option<&'a Approval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u64>,
    /// Sequence of the record whose state this one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supersedes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digests: Option<&'a [ArgumentDigest]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Hash>,
    /// The subjects of the action; in the record of a completion, those of its undo call.
    #[serde(skip_serializing_if = "<[Subject]>::is_empty")]
    pub(super) subjects: &'a [Subject],
    /// Number of its bucket of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bucket: Option<u64>,
    /// The call that it was asked to repeat on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) again_after: Option<&'a str>,
    /// The completion is an error without effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stored_error: bool,
    /// A repeat failed: the action before it answers again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) restores: bool,
    /// Place in the order of a ledger with several chains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) moment: Option<u64>,
    /// End of the lease of a started action, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    /// Time until which a settled action answers for its key, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u64>,
    /// Actions that retention removed.
    #[serde(skip_serializing_if = "<[Hash]>::is_empty")]
    pub(super) keys: &'a [Hash],
    /// First sequence of the segment up to which retention has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) swept: Option<u64>,
    /// The last records of other servers' chains.
    #[serde(skip_serializing_if = "<[Anchor]>::is_empty")]
    pub(super) anchors: &'a [Anchor],
    /// The public key that signs checkpoints, as hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signer: Option<&'a str>,
    /// The signature of a checkpoint, as hex; see [`super::checkpoint`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// A record of `event` without any other member.
    pub(super) fn new(event: Event) -> Line<'a> {
        Line {
            seq: 0,
            prev: Hash::ZERO,
            at: "",
            durable: 0,
            event,
            log: None,
            format: None,
            tail: None,
            call: None,
            tenant: None,
            agent: None,
            user: None,
            investigation: None,
            tool: None,
            key: None,
            digest: None,
            arguments: None,
            code: None,
            gate: None,
            first_call: None,
            times: None,
            late: false,
            running: false,
            by: None,
            operator: None,
            outcome: None,
            approval: None,
            epoch: None,
            supersedes: None,
            digests: None,
            payload: None,
            subjects: &[],
            bucket: None,
            again_after: None,
            stored_error: false,
            restores: false,
            moment: None,
            until: None,
            expires: None,
            keys: &[],
            swept: None,
            anchors: &[],
            signer: None,
            signature: None,
        }
    }

    /// A record of how an action ended: `event` is one of `completed`, `failed`, `in_doubt`.
    pub(super) fn settled(event: Event, entry: &'a Entry, how: &'a How) -> Line<'a> {
        let line = Line::of(event, entry);
        match how {
            How::Call => line,
            How::Late => Line { late: true, ..line },
            How::Reconcile => Line { event: Event::Resolved, outcome: Some(event), by: Some("reconcile"), ..line },
            How::Operator(name) => Line {
                event: Event::Resolved,
                outcome: Some(event),
                by: Some("operator"),
                operator: Some(name),
                ..line
            },
        }
    }

    /// A record of `event` in the call of `entry`.
    pub(super) fn of(event: Event, entry: &'a Entry) -> Line<'a> {
        Line {
            call: Some(&entry.call),
            tenant: Some(&entry.tenant),
            agent: Some(&entry.agent),
            user: entry.user.as_deref(),
            investigation: entry.investigation.as_deref(),
            tool: Some(&entry.tool),
            key: entry.key,
            digest: entry.digest,
            arguments: entry.arguments.as_deref(),
            ..Line::new(event)
        }
    }

    /// A record of what happened to a call that changes no action.
    pub(super) fn note(entry: &'a Entry, event: &'a NoteEvent) -> Line<'a> {
        match event {
            NoteEvent::Refused { code, gate, times } => {
                Line { code: Some(code), gate: Some(gate), times: Some(*times), ..Line::of(Event::Refused, entry) }
            }
            NoteEvent::Read { code } => Line { code: Some(code), ..Line::of(Event::Read, entry) },
            NoteEvent::Replayed { first_call, code, times } => Line {
                code: Some(code),
                first_call: Some(first_call.as_str()).filter(|call| !call.is_empty()),
                times: Some(*times),
                ..Line::of(Event::Replayed, entry)
            },
        }
    }
}

/// Appends `line` to `bytes` as the record after `tail`, and returns the new tail.
///
/// `durable` is the highest sequence known to be synced, `at` the time as RFC 3339.
///
/// # Errors
/// The error of the JSON encoder.
pub(super) fn write_record<'a>(
    bytes: &mut Vec<u8>,
    tail: Tail,
    durable: u64,
    at: &'a str,
    mut line: Line<'a>,
) -> Result<Tail, serde_json::Error> {
    line.seq = tail.sequence.saturating_add(1);
    line.prev = tail.hash;
    line.durable = durable;
    line.at = at;
    let start = bytes.len();
    let prefix = RECORD_OPEN.len() + HEX + RECORD_CLOSE.len();
    // The brace that opens the members lands where the prefix ends, and is then overwritten by the prefix's comma.
    bytes.resize(start + prefix - 1, b' ');
    serde_json::to_writer(&mut *bytes, &line)?;
    // A raw line break can only be white space inside the caller's `arguments`: JSON escapes it everywhere else.
    for byte in bytes.iter_mut().skip(start + prefix) {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
    let hash = Hash::of(bytes.get(start + prefix..).unwrap_or_default());
    let written = [RECORD_OPEN, hash.to_string().as_bytes(), RECORD_CLOSE].concat();
    if let Some(place) = bytes.get_mut(start..start + prefix) {
        place.copy_from_slice(&written);
    }
    bytes.push(b'\n');
    Ok(Tail { sequence: line.seq, hash })
}

/// Appends a payload line to `bytes`, which will be written at `offset` of `segment`, and returns the place of the body.
pub(super) fn write_payload(bytes: &mut Vec<u8>, segment: u64, offset: u64, body: &[u8]) -> PayloadAt {
    let hash = Hash::of(body);
    bytes.extend_from_slice(PAYLOAD_OPEN);
    bytes.extend_from_slice(hash.to_string().as_bytes());
    bytes.extend_from_slice(PAYLOAD_CLOSE);
    let offset = offset + bytes.len() as u64;
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"}\n");
    PayloadAt { segment, offset, length: body.len() as u64, hash }
}

/// A record as read back: the members that rebuild the index and continue the chain.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) at: String,
    pub(super) durable: u64,
    pub(super) event: Event,
    pub(super) log: Option<String>,
    pub(super) format: Option<u64>,
    pub(super) tail: Option<TailFound>,
    call: Option<String>,
    tenant: Option<String>,
    tool: Option<String>,
    key: Option<Hash>,
    digest: Option<Hash>,
    #[serde(default)]
    running: bool,
    operator: Option<String>,
    outcome: Option<Event>,
    approval: Option<Approval>,
    pub(super) epoch: Option<u64>,
    #[serde(default)]
    digests: Vec<ArgumentDigest>,
    pub(super) payload: Option<Hash>,
    user: Option<String>,
    #[serde(default)]
    subjects: Vec<Subject>,
    bucket: Option<u64>,
    again_after: Option<String>,
    #[serde(default)]
    stored_error: bool,
    #[serde(default)]
    restores: bool,
    moment: Option<u64>,
    until: Option<u64>,
    pub(super) expires: Option<u64>,
    #[serde(default)]
    keys: Vec<Hash>,
    pub(super) swept: Option<u64>,
    pub(super) supersedes: Option<u64>,
    #[cfg(feature = "postgres")]
    #[serde(default)]
    pub(super) anchors: Vec<Anchor>,
    pub(super) signer: Option<String>,
    pub(super) signature: Option<String>,
}

const INCOMPLETE: &str = "a member that the event needs is missing";

impl Record {
    /// The changes of actions that this record tells of.
    ///
    /// # Errors
    /// A reason, when a member that the event needs is missing or the time cannot be read.
    pub(super) fn into_steps(mut self, payload: Option<PayloadAt>) -> Result<Vec<Step>, &'static str> {
        let (sequence, keys) = (self.seq, std::mem::take(&mut self.keys));
        let at_ms = self.at_ms()?;
        let moment = Moment(self.moment.unwrap_or(sequence));
        let event = match self.event {
            Event::Resolved => self.outcome.ok_or(INCOMPLETE)?,
            event => event,
        };
        let change = match event {
            Event::Expired => {
                let leave = |key| Step { version: Version(sequence), moment, at_ms, key, change: Transition::Leave };
                return Ok(keys.into_iter().map(leave).collect());
            }
            Event::Open
            | Event::Close
            | Event::Checkpoint
            | Event::Refused
            | Event::Read
            | Event::Replayed
            | Event::Resolved => return Ok(Vec::new()),
            Event::AwaitingApproval => {
                let approval = self.approval.take().ok_or(INCOMPLETE)?;
                return Ok(vec![self.begin(moment, at_ms, State::AwaitingApproval(approval))?]);
            }
            Event::Started => {
                let epoch = self.epoch.ok_or(INCOMPLETE)?;
                return Ok(vec![self.begin(moment, at_ms, State::Started { epoch })?]);
            }
            Event::Approved | Event::ApprovalRefused => Transition::Decide(Decision {
                approved: event == Event::Approved,
                operator: self.operator.ok_or(INCOMPLETE)?,
            }),
            Event::Completed => Transition::Complete {
                payload,
                subjects: self.subjects,
                expires_ms: self.expires,
                stored_error: self.stored_error,
            },
            Event::Failed if self.restores => Transition::Restore,
            Event::Failed if self.expires.is_none() => Transition::Leave,
            Event::Failed => Transition::Fail { expires_ms: self.expires },
            Event::InDoubt => Transition::Doubt { running: self.running },
        };
        Ok(vec![Step { version: Version(sequence), moment, at_ms, key: self.key.ok_or(INCOMPLETE)?, change }])
    }

    /// Its time, in ms since 1970.
    ///
    /// # Errors
    /// A reason, when the time cannot be read.
    pub(super) fn at_ms(&self) -> Result<u64, &'static str> {
        let at: Timestamp = self.at.parse().map_err(|_| "the time cannot be read")?;
        Ok(u64::try_from(at.as_millisecond()).unwrap_or(0))
    }

    /// The action that this record settles, and the time at which it expires, in ms since 1970.
    pub(super) fn settled(&self) -> Option<(Hash, u64)> {
        let event = if self.event == Event::Resolved { self.outcome? } else { self.event };
        matches!(event, Event::Completed | Event::Failed).then(|| self.key.zip(self.expires)).flatten()
    }

    fn begin(self, moment: Moment, at_ms: u64, state: State) -> Result<Step, &'static str> {
        let beginning = Beginning {
            state,
            digest: self.digest.ok_or(INCOMPLETE)?,
            arguments: self.digests,
            tenant: self.tenant.ok_or(INCOMPLETE)?,
            tool: self.tool.ok_or(INCOMPLETE)?,
            call: self.call.ok_or(INCOMPLETE)?,
            owner: self.user,
            subjects: self.subjects,
            bucket: self.bucket,
            again_after: self.again_after,
            until_ms: self.until.unwrap_or(0),
        };
        let key = self.key.ok_or(INCOMPLETE)?;
        Ok(Step { version: Version(self.seq), moment, at_ms, key, change: Transition::Begin(Box::new(beginning)) })
    }
}

/// Reads the intent, with the caller and the arguments, from the record in `line`.
///
/// # Errors
/// A reason, when the line is no valid record or lacks a member.
pub(super) fn read_intent(line: &[u8]) -> Result<Intent, &'static str> {
    #[derive(Deserialize)]
    struct Asked {
        seq: u64,
        at: String,
        call: String,
        tenant: String,
        agent: String,
        user: Option<String>,
        investigation: Option<String>,
        tool: String,
        key: Option<Hash>,
        digest: Option<Hash>,
        arguments: Option<Box<RawValue>>,
    }
    let Parsed::Record(..) = parse(line)? else { return Err("not a record") };
    let asked: Asked = serde_json::from_slice(line).map_err(|_| INCOMPLETE)?;
    let Asked { seq, at, call, tenant, agent, user, investigation, tool, key, digest, arguments } = asked;
    let tool = tool.into();
    let entry = Entry { call, tenant, agent, user, investigation, tool, key, digest, arguments };
    Ok(Intent { sequence: seq, at, entry })
}

/// True if `line` claims to be the record `sequence`; [`parse`] checks its hash.
pub(super) fn is_record(line: &[u8], sequence: u64) -> bool {
    let member = format!("\"seq\":{sequence},");
    line.strip_prefix(RECORD_OPEN)
        .and_then(|rest| rest.get(HEX + RECORD_CLOSE.len()..))
        .is_some_and(|rest| rest.starts_with(member.as_bytes()))
}

/// The sequence that `line` claims; `None` for a line that is no record.
pub(super) fn sequence_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(RECORD_OPEN)?.get(HEX + RECORD_CLOSE.len()..)?.strip_prefix(b"\"seq\":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

/// True if `line` claims to be a payload line.
pub(super) fn is_payload(line: &[u8]) -> bool {
    line.starts_with(PAYLOAD_OPEN)
}

/// The hash that a payload line names, the first byte of the body in the line, and the body's length; `None` for any other
/// line. [`parse`] checks the hash of the body.
pub(super) fn payload_named(line: &[u8]) -> Option<(Hash, u64, u64)> {
    let (hash, rest) = split(line.strip_prefix(PAYLOAD_OPEN)?, PAYLOAD_CLOSE).ok()?;
    let body = rest.strip_suffix(b"}")?;
    Some((hash, PAYLOAD_PREFIX as u64, body.len() as u64))
}

/// The first byte of the payload line whose body is at `at`.
pub(super) fn payload_line(at: &PayloadAt) -> u64 {
    at.offset.saturating_sub(PAYLOAD_PREFIX as u64)
}

/// A line taken apart.
pub(super) enum Parsed<'a> {
    /// A record whose bytes match its hash.
    Record(Box<Record>, Hash),
    /// A payload whose bytes match its hash; the body starts this many bytes into the line.
    Payload(Hash, usize, &'a [u8]),
}

/// Parses a line (without its line break) and checks its own hash, not its place in the chain.
///
/// # Errors
/// A reason, when the line cannot be read or does not match its hash.
pub(super) fn parse(line: &[u8]) -> Result<Parsed<'_>, &'static str> {
    if let Some(rest) = line.strip_prefix(RECORD_OPEN) {
        let (named, rest) = split(rest, RECORD_CLOSE)?;
        let hash = Hash::of(rest);
        if named != hash {
            return Err("the record does not match its hash");
        }
        let members = [b"{", rest].concat();
        let record = serde_json::from_slice(&members).map_err(|_| "the record cannot be read")?;
        return Ok(Parsed::Record(Box::new(record), hash));
    }
    let rest = line.strip_prefix(PAYLOAD_OPEN).ok_or("neither a record nor a payload")?;
    let (named, rest) = split(rest, PAYLOAD_CLOSE)?;
    let body = rest.strip_suffix(b"}").ok_or("the payload has no end")?;
    if named != Hash::of(body) {
        return Err("the payload does not match its hash");
    }
    Ok(Parsed::Payload(named, PAYLOAD_PREFIX, body))
}

fn split<'a>(rest: &'a [u8], close: &[u8]) -> Result<(Hash, &'a [u8]), &'static str> {
    let (digits, rest) = rest.split_at_checked(HEX).ok_or("the line is too short")?;
    let hash = std::str::from_utf8(digits).ok().and_then(Hash::parse).ok_or("the hash cannot be read")?;
    Ok((hash, rest.strip_prefix(close).ok_or("the hash has no end")?))
}

/// Now, in ms since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// A time in ms since 1970 as RFC 3339 with ms.
pub(super) fn time_text(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(Timestamp::UNIX_EPOCH))
}
