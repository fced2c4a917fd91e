//! One call on its way through the gates.

use super::refusal::Refusal;
use super::{Pipeline, Served, entry, guesses, throttle};
use crate::action::Names;
use crate::blocking::Blocking;
use crate::call::{Context, Facts};
use crate::envelope::{self, Body, Stamp};
use crate::error::{EffectKnown, Kind};
use crate::identity::Principal;
use crate::input::{TextRule, Violation};
use crate::ledger::{Approval, Entry, Hash, Receipt};
use crate::tool::{Arguments, Descriptor};
use secrecy::SecretString;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// One `tools/call`, free of any transport.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) tool: String,
    /// The arguments as JSON text.
    pub(crate) arguments: String,
    pub(crate) bearer: Option<String>,
    pub(crate) investigation: Option<String>,
    pub(crate) turn: Option<String>,
    /// The keys the caller gave, from `_meta` and from the header.
    pub(crate) client_keys: Vec<String>,
    /// Violations found in the fields above; gate 3 reports them.
    pub(crate) violations: Vec<Violation>,
}

impl Request {
    /// Reads the call's `_meta`. Its values go into records and keys, so only short printable text is accepted.
    pub(crate) fn facts(&mut self, meta: &Map<String, Value>) {
        self.investigation = self.fact(meta, "investigation");
        self.turn = self.fact(meta, "turn");
        let key = self.fact(meta, "idempotency-key");
        self.client_keys.extend(key);
    }

    fn fact(&mut self, meta: &Map<String, Value>, name: &str) -> Option<String> {
        let value = meta.get(&format!("dev.safe-tool/{name}"))?;
        let (rule, expected) = match value.as_str().map(|text| (text, FACT.broken(text))) {
            Some((text, None)) => return Some(text.to_owned()),
            Some((_, Some(broken))) => broken,
            None => ("type", "a string".into()),
        };
        // `~1` is how a JSON pointer writes a slash.
        let path = format!("/_meta/dev.safe-tool~1{name}");
        self.violations.push(Violation { path, rule, expected, example: None });
        None
    }
}

/// The rule for the values in `_meta`: investigation, turn and idempotency key.
static FACT: TextRule = TextRule::new(Some("^[!-~]{1,255}$"), None, false, None, None, None);

/// The answer to one call.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The envelope as JSON text.
    pub(crate) envelope: String,
    pub(crate) is_error: bool,
    pub(crate) receipt: Option<Receipt>,
}

/// The end of a call whose body did not run.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Replayed(Box<Replay>),
    Pending(Pending),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

/// A call that awaits an approval.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) approval: Approval,
    /// True for the call that asked for the approval, false for a later one that finds it pending.
    pub(crate) asked: bool,
}

/// An earlier answer that is replayed.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) body: Body,
    pub(crate) first_call: String,
    /// Time at which the first call began, in ms since 1970.
    pub(crate) first_at_ms: Option<u64>,
    pub(crate) differs: Vec<String>,
}

pub(crate) struct Flow {
    pub(super) pipeline: Arc<Pipeline>,
    place: usize,
    pub(super) id: String,
    pub(super) request: Request,
    /// After gate 1.
    pub(super) principal: Option<Principal>,
    /// After gate 3, until the body takes them.
    pub(super) arguments: Option<Box<dyn Arguments>>,
    /// After gate 3: the arguments as the ledger may hold them.
    pub(super) redacted: Option<Box<RawValue>>,
    /// After gate 3, for write and destroy tools.
    pub(super) names: Option<Names>,
    /// After gate 3, for a repeat on purpose: the call that it names.
    pub(super) again_after: Option<String>,
}

impl Flow {
    /// `None` when the server has no such tool.
    pub(super) fn new(pipeline: &Arc<Pipeline>, request: Request) -> Option<Self> {
        let place = pipeline.tools.iter().position(|served| served.descriptor.name == request.tool)?;
        Some(Flow {
            pipeline: pipeline.clone(),
            place,
            id: ulid::Ulid::generate().to_string(),
            request,
            principal: None,
            arguments: None,
            redacted: None,
            names: None,
            again_after: None,
        })
    }

    pub(super) fn served(&self) -> &Served {
        // The place was found in this very list, which never changes.
        &self.pipeline.tools[self.place]
    }

    pub(super) fn tool(&self) -> &'static Descriptor {
        self.served().descriptor
    }

    pub(super) fn source(&self) -> &str {
        self.tool().source.unwrap_or(&self.pipeline.server)
    }

    /// The call context of a body or a `reconcile` function; `action` is the action's key for the backend.
    pub(super) fn context(
        &self,
        credential: Option<SecretString>,
        action: Option<Hash>,
        blocking: Blocking,
    ) -> Option<Context> {
        let facts = Facts {
            id: self.id.clone(),
            principal: self.principal.clone()?,
            investigation: self.request.investigation.clone(),
            turn: self.request.turn.clone(),
            deadline: Instant::now() + self.tool().timeout,
            action,
        };
        Some(Context { state: self.pipeline.state.clone(), credential, facts: Arc::new(facts), blocking })
    }

    /// The owner of an action that this call begins: the user it acts for, if any.
    pub(super) fn owner(&self) -> Option<&str> {
        self.principal.as_ref().and_then(Principal::user)
    }

    /// The caller and the request, as every record of the call holds them.
    pub(super) fn entry(&self) -> Entry {
        entry::entry(self)
    }

    /// The answer with `body`, stamped with the id of this call.
    pub(super) fn answer(&self, body: &Body, receipt: Option<Receipt>) -> Answer {
        let stamp = Stamp { call: &self.id, ..Stamp::default() };
        Answer { envelope: body.envelope(&stamp), is_error: body.is_error, receipt }
    }

    /// Records and answers a call whose body did not run.
    pub(super) fn stopped(&self, stop: Stop) -> Answer {
        match stop {
            Stop::Replayed(replay) => {
                throttle::replayed(self, &replay);
                let stamp = Stamp {
                    call: &self.id,
                    replayed: true,
                    first_call: Some(&replay.first_call),
                    first_at_ms: replay.first_at_ms,
                    differs: replay.differs.iter().map(String::as_str).collect(),
                };
                Answer { envelope: replay.body.envelope(&stamp), is_error: replay.body.is_error, receipt: None }
            }
            Stop::Pending(Pending { approval, asked }) => {
                if !asked {
                    throttle::asked_after(self);
                }
                let asks = format!("an operator's agreement to `{}` with these arguments", self.tool().name);
                let envelope = envelope::pending(&approval.id, &asks, approval.expires_ms, &self.id);
                Answer { envelope, is_error: false, receipt: None }
            }
            Stop::Refused(refusal) => {
                throttle::refused(self, &refusal);
                guesses::refused(self, &refusal);
                let stamp = Stamp { call: &self.id, first_call: refusal.first_call.as_deref(), ..Stamp::default() };
                let body = Body::error(&refusal.error, self.source());
                Answer { envelope: body.envelope(&stamp), is_error: true, receipt: None }
            }
        }
    }

    /// The answer to give if the task that runs the effect dies.
    pub(super) fn lost(&self) -> Lost {
        Lost { pipeline: self.pipeline.clone(), id: self.id.clone(), source: self.source().to_owned() }
    }
}

/// The answer for an effect whose task died; that is a bug in safe_tool.
pub(super) struct Lost {
    pipeline: Arc<Pipeline>,
    id: String,
    source: String,
}

impl Lost {
    pub(super) fn answer(self) -> Answer {
        self.pipeline.ledger.latch();
        tracing::error!(call = self.id, "the task of an effect died; the server accepts no further changes");
        let refusal = super::outcome::unrecorded();
        let body = Body::error(&refusal.error, &self.source);
        let stamp = Stamp { call: &self.id, ..Stamp::default() };
        debug_assert!(refusal.error.kind == Kind::InDoubt && refusal.error.effect == EffectKnown::Unknown);
        Answer { envelope: body.envelope(&stamp), is_error: true, receipt: None }
    }
}
