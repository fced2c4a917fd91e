//! What the journal says, read without any code of the ledger: lines, and what they make of each action.

use safe_tool::ledger::Hash;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where an action stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its intent is recorded.
    Started,
    /// Its outcome is stored.
    Completed(Stored),
    /// It ended without effect.
    Failed {
        /// When it stops answering, in ms since 1970.
        expires_ms: u64,
    },
    /// Nobody knows.
    InDoubt,
}

/// A stored outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bytes; `None` once retention has removed them.
    pub payload: Option<String>,
    /// Their hash, as the record names it.
    pub hash: String,
    /// When it stops answering, in ms since 1970.
    pub expires_ms: u64,
}

impl Stored {
    /// Whether an answer begins with the stored bytes, or with bytes of their hash.
    #[must_use]
    pub fn is_in(&self, answer: &str) -> bool {
        let body = answer.split_once(r#","replayed":"#).map(|(body, _)| format!("{body}}}"));
        body.is_some_and(|body| {
            self.payload.as_ref().is_none_or(|payload| *payload == body)
                && Hash::of(body.as_bytes()).to_string() == self.hash
        })
    }
}

/// An action that answers for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: String,
    /// Where it stands.
    pub standing: Standing,
    /// The call that started it.
    pub call: String,
    /// Sequence of the last record of it.
    pub version: u64,
    /// The call that it named in order to repeat something on purpose.
    pub again_after: Option<String>,
    /// Sequence of the record that began it.
    pub began: u64,
    /// Sequence of the record at which its body ended, once it did.
    pub ended: Option<u64>,
    /// It may have changed its item: it is none that failed, and no stored error.
    pub touches: bool,
    /// What it repeats: back in its place if the repeat has no effect.
    pub replaced: Option<Box<Known>>,
}

impl Known {
    /// An action that a call begins over `before`.
    #[must_use]
    pub fn begun(tool: &str, arguments: &str, call: &str, at: u64, before: Option<Known>) -> Known {
        let again_after = again_of(arguments);
        let completed = |before: &Known| matches!(before.standing, Standing::Completed(_));
        let replaced = match before.filter(|before| again_after.is_some() && !before.is_expired()) {
            Some(before) if completed(&before) => Some(Box::new(before)),
            Some(before) => before.replaced,
            None => None,
        };
        Known {
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
            standing: Standing::Started,
            call: call.to_owned(),
            version: at,
            again_after,
            began: at,
            ended: None,
            touches: true,
            replaced,
        }
    }

    /// The same after its body ended, or after its doubt was resolved.
    #[must_use]
    pub fn ended(self, at: u64, standing: Standing, touches: bool) -> Known {
        // A doubt keeps the moment at which its body ended.
        let ended = self.ended.or(Some(at));
        match (standing, self.replaced) {
            (Standing::Failed { .. }, Some(before)) => Known { version: at, ..*before },
            (Standing::InDoubt, replaced) => {
                Known { standing: Standing::InDoubt, ended, touches, version: at, replaced, ..self }
            }
            (standing, _) => Known { standing, ended, touches, version: at, replaced: None, ..self },
        }
    }

    /// Whether its outcome is known, and answers no longer.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let expires_ms = match &self.standing {
            Standing::Completed(stored) => stored.expires_ms,
            Standing::Failed { expires_ms } => *expires_ms,
            Standing::Started | Standing::InDoubt => return false,
        };
        u128::from(expires_ms) <= now.as_millis()
    }
}

/// The item that a call is about.
#[must_use]
pub fn id_of(arguments: &str) -> String {
    member(arguments, "id").unwrap_or_default()
}

/// The call that a repeat on purpose names.
fn again_of(arguments: &str) -> Option<String> {
    member(arguments, "again_after")
}

fn member(arguments: &str, name: &str) -> Option<String> {
    let read: Value = serde_json::from_str(arguments).ok()?;
    Some(read[name].as_str()?.to_owned())
}

/// Arguments that name a call in order to do the same again on purpose.
#[must_use]
pub fn with_again(arguments: &str, named: Option<&str>) -> String {
    match (named, arguments.strip_suffix('}')) {
        (Some(named), Some(open)) => format!(r#"{open},"again_after":"{named}"}}"#),
        _ => arguments.to_owned(),
    }
}

/// What a call is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It runs.
    Runs,
    /// The stored outcome.
    Replay,
    /// Its item has changed since, or it does not name the latest call.
    Superseded,
    /// Something is running.
    Running,
    /// Nobody knows.
    InDoubt,
}

/// The actions of a journal by key, and the rules by which a call is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions(pub BTreeMap<String, Known>);

impl Actions {
    /// What a call of `tool` is to be answered with that has the arguments of the action of `key`, its own repeat included.
    #[must_use]
    pub fn expected(&self, key: &str, tool: &str, arguments: &str) -> Expected {
        let known = self.0.get(key).filter(|known| !known.is_expired());
        let again = again_of(arguments);
        let natural = tool == "set_level" && again.is_none();
        let Some(known) = known else {
            return again.map_or(Expected::Runs, |named| self.repeat(None, arguments, &named));
        };
        match known.standing {
            Standing::Started => return Expected::Running,
            Standing::InDoubt if !natural => return Expected::InDoubt,
            Standing::InDoubt | Standing::Completed(_) | Standing::Failed { .. } if natural => return Expected::Runs,
            Standing::InDoubt | Standing::Completed(_) | Standing::Failed { .. } => {}
        }
        if let Some(named) = again.filter(|named| known.again_after.as_ref() != Some(named)) {
            return self.repeat(Some(known), arguments, &named);
        }
        let others: Vec<&Known> =
            self.touching(arguments).filter(|(other, _)| other.as_str() != key).map(|(_, other)| other).collect();
        if others.iter().any(|other| other.ended.is_none()) {
            Expected::Running
        } else if others.iter().any(|other| other.ended > Some(known.began)) {
            Expected::Superseded
        } else if matches!(known.standing, Standing::Failed { .. }) {
            Expected::Runs
        } else {
            Expected::Replay
        }
    }

    fn repeat(&self, known: Option<&Known>, arguments: &str, named: &str) -> Expected {
        let touching: Vec<&Known> = self.touching(arguments).map(|(_, known)| known).collect();
        if touching.iter().any(|other| other.ended.is_none()) {
            return Expected::Running;
        }
        if touching.iter().any(|other| other.standing == Standing::InDoubt) {
            return Expected::InDoubt;
        }
        let latest = touching.iter().max_by_key(|other| other.ended).copied().or(known);
        if latest.is_some_and(|latest| latest.call == named) { Expected::Runs } else { Expected::Superseded }
    }

    /// Those that may have changed the item.
    fn touching(&self, arguments: &str) -> impl Iterator<Item = (&String, &Known)> {
        let id = id_of(arguments);
        self.0.iter().filter(move |(_, known)| known.touches && id_of(&known.arguments) == id)
    }
}

/// How a call that started an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a stored outcome.
    Completed {
        /// Its code.
        code: String,
        /// What is stored.
        stored: Stored,
    },
    /// Without effect.
    Failed,
    /// In doubt.
    InDoubt {
        /// Why.
        code: String,
    },
}

/// A whole journal.
#[derive(Debug, Default)]
pub struct Journal {
    /// Its records, in order.
    pub records: Vec<Value>,
    /// Actions by key.
    pub actions: Actions,
    /// What each call that started an action came to; `None` while it is not known.
    pub calls: HashMap<String, Option<Ended>>,
    /// Keys of completed actions whose payload is gone, and who have not expired so far.
    gone: BTreeSet<String>,
    /// Every action that was ever started: tool and arguments by key, the last that were used.
    pub ever: BTreeMap<String, (String, String)>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    payload: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The segments of a ledger, in order.
pub fn segments(ledger: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(ledger.join("journal")) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|name| name == "jsonl")).collect();
    paths.sort();
    paths
}

impl Journal {
    /// Reads the journal of a ledger and follows every action.
    ///
    /// # Errors
    /// Says which record makes no sense where it stands.
    pub fn read(ledger: &Path) -> Result<Journal, String> {
        let mut journal = Journal::default();
        let mut payload = None;
        let segments = segments(ledger);
        for (place, segment) in segments.iter().enumerate() {
            let text = std::fs::read_to_string(segment).map_err(|error| error.to_string())?;
            // Room for what comes is zero bytes, in the last one only.
            let last = place + 1 == segments.len();
            let text = if last { text.trim_end_matches('\0') } else { &text };
            for line in text.split_terminator('\n') {
                if line.starts_with(r#"{"payload""#) {
                    let read: Payload = serde_json::from_str(line).map_err(|error| error.to_string())?;
                    payload = Some((read.payload, read.body.get().to_owned()));
                    continue;
                }
                let record: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
                journal.follow(&record, payload.take()).map_err(|why| format!("{why}: {line:.600}"))?;
                journal.records.push(record);
            }
        }
        match journal.gone.first() {
            Some(key) => Err(format!("the payload of {key} is gone, and it never expired")),
            None => Ok(journal),
        }
    }

    fn follow(&mut self, record: &Value, payload: Option<(String, String)>) -> Result<(), String> {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let sequence = record["seq"].as_u64().unwrap_or_default();
        if sequence != self.records.len() as u64 + 1 {
            return Err("a sequence is missing".to_owned());
        }
        let (key, call, code) = (text("key"), text("call"), text("code"));
        let before = self.actions.0.get(&key).cloned();
        match text("event").as_str() {
            "open" | "close" | "checkpoint" | "refused" | "replayed" => {}
            "started" => {
                let tool = text("tool");
                let arguments = with_again(&record["arguments"].to_string(), record["again_after"].as_str());
                let expected = self.actions.expected(&key, &tool, &arguments);
                if expected != Expected::Runs {
                    return Err(format!("started, where {expected:?} is the answer, over {before:?}"));
                }
                self.ever.insert(key.clone(), (tool.clone(), arguments.clone()));
                if self.calls.insert(call.clone(), None).is_some() {
                    return Err("one call started twice".to_owned());
                }
                self.actions.0.insert(key, Known::begun(&tool, &arguments, &call, sequence, before));
            }
            "expired" => {
                for key in record["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    match self.actions.0.remove(key) {
                        Some(known) if known.is_expired() => self.gone.remove(key),
                        other => return Err(format!("expired, and it is {other:?}")),
                    };
                }
            }
            event @ ("completed" | "failed" | "in_doubt") => {
                let open = |known: &Known| matches!(known.standing, Standing::Started | Standing::InDoubt);
                let Some(known) = before.filter(open) else {
                    return Err(format!("{event}, and it neither runs nor is in doubt"));
                };
                let expires_ms = record["expires"].as_u64().unwrap_or_default();
                let (ended, standing, touches) = match event {
                    "completed" => {
                        let hash = text("payload");
                        if payload.as_ref().is_some_and(|(named, _)| *named != hash) {
                            return Err("the payload is another one".to_owned());
                        }
                        if payload.is_none() {
                            self.gone.insert(key.clone());
                        }
                        let stored = Stored { payload: payload.map(|(_, bytes)| bytes), hash, expires_ms };
                        let applied = code == "ok";
                        if applied == (record["stored_error"] == true) {
                            return Err("a result is no stored error, and nothing else is".to_owned());
                        }
                        (Ended::Completed { code, stored: stored.clone() }, Standing::Completed(stored), applied)
                    }
                    "failed" => (Ended::Failed, Standing::Failed { expires_ms }, false),
                    _ => (Ended::InDoubt { code }, Standing::InDoubt, true),
                };
                self.calls.insert(known.call.clone(), Some(ended));
                self.actions.0.insert(key, known.ended(sequence, standing, touches));
            }
            event => return Err(format!("no script makes a record of `{event}`")),
        }
        Ok(())
    }
}
