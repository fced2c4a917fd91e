//! What makes two calls the same action: digests per argument, the digest over all, and the key.
//!
//! Every hash is over length-prefixed parts behind a version, so no two lists of parts read alike. An
//! argument that holds a sensitive value or free text enters as an HMAC under the ledger's key: a plain
//! hash of a value with few possibilities gives the value away.

use crate::input::{TextRule, Violation};
use crate::ledger::{ArgumentDigest, Hash, Redactor, Subject};
use crate::tool::{Arguments, Descriptor, Key, Part};
use crate::writer::{self, Encoded};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The key that a caller supplies (`key = client`).
pub static CLIENT_KEY: TextRule = TextRule::new(
    Some("^[A-Za-z0-9_.:=+/-]{8,255}$"),
    None,
    false,
    None,
    None,
    Some("3f0c1b9e-7d5a-4a53-9c1e-0d6f7a2b8c11"),
);

/// The id of an earlier call, a ULID, after which the same is to be done again (`repeat = explicit`, `key = natural(..)`).
pub static AGAIN_AFTER: TextRule =
    TextRule::new(Some("^[0-9A-HJKMNP-TV-Z]{26}$"), None, false, None, None, Some("01KAJ6Q0M3Z5T8W2V9C4X7B1RD"));

/// What the call says about its intent beside its arguments.
#[derive(Debug, Default)]
pub(crate) struct Intent<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) principal: String,
    pub(crate) turn: Option<&'a str>,
    pub(crate) investigation: Option<&'a str>,
    pub(crate) client_key: Option<&'a str>,
    /// The call that it names in order to do the same again on purpose.
    pub(crate) again_after: Option<&'a str>,
}

/// The names of an action.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Names the action exactly.
    pub(crate) digest: Hash,
    /// Names the intent.
    pub(crate) key: Hash,
    pub(crate) arguments: Vec<ArgumentDigest>,
    /// The encoding of each argument that is present, in the tool's order: the undo call is made of them.
    pub(crate) encoded: Vec<Option<Encoded>>,
    /// What the action is about.
    pub(crate) subjects: Vec<Subject>,
}

struct Feed(Sha256);

impl Feed {
    fn new(what: &str) -> Self {
        let mut feed = Feed(Sha256::new());
        feed.part(what.as_bytes());
        feed
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn hash(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// Names the action that decoded arguments ask for.
///
/// # Errors
/// What the key needs from `_meta` and did not find.
pub(crate) fn names(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    intent: &Intent<'_>,
    redactor: &Redactor,
) -> Result<Names, Vec<Violation>> {
    let (digests, encoded) = digests_of(tool, arguments, redactor);
    let key = intent_of(tool, arguments, &digests, intent)?;
    let mut feed = Feed::new("safe_tool/digest/v1");
    feed.part(intent.tenant.as_bytes());
    feed.part(tool.name.as_bytes());
    for digest in &digests {
        feed.part(digest.name.as_bytes());
        feed.part(&digest.full.0);
    }
    if let Some(call) = intent.again_after {
        feed.part(b"again_after");
        feed.part(call.as_bytes());
    }
    let subjects = subjects(tool, &encoded, intent.tenant, redactor);
    Ok(Names { digest: feed.hash(), key, arguments: digests, encoded, subjects })
}

/// The subjects of a call: its present targets as pairs, one subject for each item of a list.
fn subjects(tool: &Descriptor, encoded: &[Option<Encoded>], tenant: &str, redactor: &Redactor) -> Vec<Subject> {
    let (mut pairs, mut items) = (Vec::new(), Vec::new());
    for target in tool.targets {
        let Some(value) = encoded.get(target.argument).and_then(Option::as_ref) else { continue };
        match serde_json::from_slice::<Vec<&RawValue>>(&value.bytes) {
            Ok(list) => {
                items.extend(list.iter().map(|item| redactor.pair(tenant, target.thing, item.get().as_bytes())))
            }
            Err(_) => pairs.push(redactor.pair(tenant, target.thing, &value.bytes)),
        }
    }
    let mut subjects: Vec<Subject> = if items.is_empty() {
        Subject::new(pairs).into_iter().collect()
    } else {
        items.iter().filter_map(|item| Subject::new(pairs.iter().chain([item]).copied().collect())).collect()
    };
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

/// The subjects of the undo call that these arguments make.
pub(crate) fn subjects_of(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    tenant: &str,
    redactor: &Redactor,
) -> Vec<Subject> {
    subjects(tool, &digests_of(tool, arguments, redactor).1, tenant, redactor)
}

/// The digests of each argument in the tool's order, with the encoding of those that are present.
pub(crate) fn digests_of(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    redactor: &Redactor,
) -> (Vec<ArgumentDigest>, Vec<Option<Encoded>>) {
    digests(tool, arguments, redactor).unzip()
}

fn intent_of(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    digests: &[ArgumentDigest],
    intent: &Intent<'_>,
) -> Result<Hash, Vec<Violation>> {
    let mut feed = Feed::new("safe_tool/key/v1");
    feed.part(intent.tenant.as_bytes());
    feed.part(tool.name.as_bytes());
    let mut missing = Vec::new();
    match &tool.key {
        Key::None => {}
        Key::Client => match intent.client_key {
            // Two callers who choose the same key mean two things.
            Some(key) => [&intent.principal, key].into_iter().for_each(|part| feed.part(part.as_bytes())),
            None => missing.push(needed("idempotency-key", "a key of the caller's, the same for every retry")),
        },
        Key::Natural(_) => {
            // Setting the same value on the same thing is the same intent: all arguments name it.
            for digest in digests {
                feed.part(&digest.exact.0);
            }
        }
        Key::Parts { parts, .. } => {
            for part in *parts {
                match part {
                    Part::Argument(place, _) => feed.part(&writer::plain(|writer| arguments.part(*place, writer))),
                    Part::Principal => feed.part(intent.principal.as_bytes()),
                    Part::Turn => match intent.turn {
                        Some(turn) => feed.part(turn.as_bytes()),
                        None => missing.push(needed("turn", "the id of the agent's turn")),
                    },
                    Part::Investigation => match intent.investigation {
                        Some(investigation) => feed.part(investigation.as_bytes()),
                        None => missing.push(needed("investigation", "the id of the investigation")),
                    },
                }
            }
        }
    }
    if missing.is_empty() { Ok(feed.hash()) } else { Err(missing) }
}

fn needed(name: &str, expected: &'static str) -> Violation {
    // `~1` is how a JSON pointer writes a slash.
    Violation {
        path: format!("/_meta/dev.safe-tool~1{name}"),
        rule: "required",
        expected: Cow::Borrowed(expected),
        example: None,
    }
}

/// The digests of each argument, with its encoding where it is present.
fn digests<'a>(
    tool: &'a Descriptor,
    arguments: &'a dyn Arguments,
    redactor: &'a Redactor,
) -> impl Iterator<Item = (ArgumentDigest, Option<Encoded>)> + 'a {
    tool.arguments.iter().enumerate().map(move |(index, field)| {
        let hash = |encoded: &Encoded| {
            if encoded.hid {
                redactor.hash(tool.name, field.name, &encoded.bytes)
            } else {
                let mut feed = Feed::new("safe_tool/argument/v1");
                feed.part(&encoded.bytes);
                feed.hash()
            }
        };
        let mut present = false;
        let encoded = writer::full(|writer| present = arguments.encode(index, writer));
        let full = hash(&encoded);
        let exact = if encoded.reworded {
            hash(&writer::exact(|writer| {
                arguments.encode(index, writer);
            }))
        } else {
            full
        };
        (
            ArgumentDigest { name: field.name.to_owned(), exact: exact.into(), full: full.into() },
            present.then_some(encoded),
        )
    })
}
