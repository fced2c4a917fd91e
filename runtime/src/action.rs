//! What makes two calls the same action: digests per argument, the digest over all, and the key.
//!
//! Every hash is over length-prefixed parts behind a version, so no two lists of parts read alike. An
//! argument that holds a sensitive value or free text enters as an HMAC under the ledger's key: a plain
//! hash of a value with few possibilities gives the value away.

use crate::input::{TextRule, Violation};
use crate::ledger::{ArgumentDigest, Hash, Redactor};
use crate::tool::{Arguments, Descriptor, Key, Part};
use crate::writer::{self, Encoded};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::time::Duration;

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
    /// Milliseconds since the epoch.
    pub(crate) now_ms: u64,
}

/// The names of an action.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Names the action exactly.
    pub(crate) digest: Hash,
    /// Names the intent.
    pub(crate) key: Hash,
    /// The keys in the buckets of time beside, where the key has buckets: the one before for a retry across the boundary, the
    /// one after for a clock that goes ahead of this one.
    pub(crate) beside: [Option<Hash>; 2],
    /// Names the intent whatever the bucket: what runs at once in this server.
    pub(crate) flight: Hash,
    pub(crate) arguments: Vec<ArgumentDigest>,
    /// The encoding of each argument that is present, in the tool's order: the undo call is made of them.
    pub(crate) encoded: Vec<Option<Encoded>>,
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
    let (flight, every) = intent_of(tool, arguments, &digests, intent)?;
    let mut feed = Feed::new("safe_tool/digest/v1");
    feed.part(intent.tenant.as_bytes());
    feed.part(tool.name.as_bytes());
    for digest in &digests {
        feed.part(digest.name.as_bytes());
        feed.part(&digest.full.0);
    }
    let bucket =
        every.and_then(|every| intent.now_ms.checked_div(u64::try_from(every.as_millis()).unwrap_or(u64::MAX)));
    let (key, beside) = match bucket {
        Some(bucket) => {
            let beside = [bucket.checked_sub(1), bucket.checked_add(1)];
            (bucketed(flight, bucket), beside.map(|bucket| bucket.map(|bucket| bucketed(flight, bucket))))
        }
        None => (flight, [None; 2]),
    };
    Ok(Names { digest: feed.hash(), key, beside, flight, arguments: digests, encoded })
}

/// The digests of each argument in the tool's order, with the encoding of those that are present.
pub(crate) fn digests_of(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    redactor: &Redactor,
) -> (Vec<ArgumentDigest>, Vec<Option<Encoded>>) {
    digests(tool, arguments, redactor).unzip()
}

/// The key of a call whose key needs nothing but arguments; `None` for any other.
pub(crate) fn key_of_arguments(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    tenant: &str,
    redactor: &Redactor,
) -> Option<Hash> {
    let digests: Vec<ArgumentDigest> = digests(tool, arguments, redactor).map(|(digest, _)| digest).collect();
    match intent_of(tool, arguments, &digests, &Intent { tenant, ..Intent::default() }) {
        Ok((key, None)) if !needs_principal(tool) => Some(key),
        _ => None,
    }
}

fn needs_principal(tool: &Descriptor) -> bool {
    matches!(tool.key, Key::Parts { parts, .. } if parts.contains(&Part::Principal))
}

fn bucketed(flight: Hash, bucket: u64) -> Hash {
    let mut feed = Feed::new("safe_tool/bucket/v1");
    feed.part(&flight.0);
    feed.part(&bucket.to_be_bytes());
    feed.hash()
}

fn intent_of(
    tool: &Descriptor,
    arguments: &dyn Arguments,
    digests: &[ArgumentDigest],
    intent: &Intent<'_>,
) -> Result<(Hash, Option<Duration>), Vec<Violation>> {
    let mut feed = Feed::new("safe_tool/key/v1");
    feed.part(intent.tenant.as_bytes());
    feed.part(tool.name.as_bytes());
    let mut missing = Vec::new();
    let mut every = None;
    match &tool.key {
        Key::None => {}
        Key::Client => match intent.client_key {
            Some(key) => feed.part(key.as_bytes()),
            None => missing.push(needed("idempotency-key", "a key of the caller's, the same for every retry")),
        },
        Key::Natural(_) => {
            // Setting the same value on the same thing is the same intent: all arguments name it.
            for digest in digests {
                feed.part(&digest.exact.0);
            }
        }
        Key::Parts { parts, every: bucket } => {
            every = *bucket;
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
    if missing.is_empty() { Ok((feed.hash(), every)) } else { Err(missing) }
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
        (ArgumentDigest { name: field.name.to_owned(), exact, full }, present.then_some(encoded))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Intent, names};
    use crate::identity::Scope;
    use crate::ledger::Ledger;
    use crate::tool::{Approve, Arguments, BoxFuture, Descriptor, Effect, Finished, Key, Reconciling, Repeat, Undo};
    use crate::writer::Writer;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);
    static SCOPE: Scope = Scope::new("lab:write");
    static HOURLY: Descriptor = Descriptor {
        name: "hourly",
        title: None,
        description: "",
        effect: Effect::Write,
        scope: &SCOPE,
        arguments: &[],
        targets: &[],
        key: Key::Parts { parts: &[], every: Some(HOUR) },
        repeat: Repeat::Never,
        undo: Undo::ByHand("none"),
        approve: Approve::None(""),
        reconcile: false,
        timeout: HOUR,
        retry: 0,
        rates: &[],
        source: None,
        output: schemars::Schema::default,
        errors: &[],
        credential: None,
        decode: |_| None,
    };

    struct Nothing;

    impl Arguments for Nothing {
        fn encode(&self, _: usize, _: &mut Writer<'_>) -> bool {
            false
        }
        fn part(&self, _: usize, _: &mut Writer<'_>) {}
        fn run(self: Box<Self>, _: crate::call::Context) -> BoxFuture<'static, Finished> {
            Box::pin(std::future::ready(crate::__private::no_state()))
        }
        fn reconcile(self: Box<Self>, _: crate::call::Context) -> Option<BoxFuture<'static, Reconciling>> {
            None
        }
    }

    /// Whichever of two clocks is ahead, each finds what the other did on the other side of a boundary.
    #[test]
    fn the_buckets_on_both_sides_are_looked_at() {
        let ledger = Ledger::open("memory:").unwrap();
        let at = |hour: u64| {
            let now_ms = hour * u64::try_from(HOUR.as_millis()).unwrap();
            let intent = Intent { tenant: "acme", now_ms, ..Intent::default() };
            names(&HOURLY, &Nothing, &intent, ledger.redactor()).unwrap()
        };
        let (first, second, third) = (at(7), at(8), at(9));
        assert!(second.beside.contains(&Some(first.key)) && second.beside.contains(&Some(third.key)));
        assert!(first.beside.contains(&Some(second.key)) && !first.beside.contains(&Some(third.key)));
        assert_ne!(first.key, second.key);
        assert_eq!(first.flight, third.flight);
    }
}
