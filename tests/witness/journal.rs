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
}

impl Known {
    /// Whether it is completed, and answers no longer.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        matches!(&self.standing, Standing::Completed(stored) if u128::from(stored.expires_ms) <= now.as_millis())
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
    pub actions: BTreeMap<String, Known>,
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
        let before = self.actions.get(&key).cloned();
        match text("event").as_str() {
            "open" | "close" | "checkpoint" | "refused" | "replayed" => {}
            "started" => {
                let tool = text("tool");
                let natural = tool == "set_level";
                match before {
                    None => {}
                    Some(known) if known.is_expired() || (natural && known.standing != Standing::Started) => {}
                    Some(known) => return Err(format!("started over {:?}", known.standing)),
                }
                let arguments = record["arguments"].to_string();
                self.ever.insert(key.clone(), (tool.clone(), arguments.clone()));
                if self.calls.insert(call.clone(), None).is_some() {
                    return Err("one call started twice".to_owned());
                }
                let known = Known { tool, arguments, standing: Standing::Started, call, version: sequence };
                self.actions.insert(key, known);
            }
            "expired" => {
                for key in record["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    match self.actions.remove(key) {
                        Some(known) if known.is_expired() => self.gone.remove(key),
                        other => return Err(format!("expired, and it is {other:?}")),
                    };
                }
            }
            event @ ("completed" | "failed" | "in_doubt") => {
                let Some(known) = before.filter(|known| !matches!(known.standing, Standing::Completed(_))) else {
                    return Err(format!("{event}, and it neither runs nor is in doubt"));
                };
                let ended = match event {
                    "completed" => {
                        let (hash, expires_ms) = (text("payload"), record["expires"].as_u64().unwrap_or_default());
                        if payload.as_ref().is_some_and(|(named, _)| *named != hash) {
                            return Err("the payload is another one".to_owned());
                        }
                        if payload.is_none() {
                            self.gone.insert(key.clone());
                        }
                        let stored = Stored { payload: payload.map(|(_, bytes)| bytes), hash, expires_ms };
                        let completed = Known { standing: Standing::Completed(stored.clone()), ..known.clone() };
                        self.complete(&key, Known { version: sequence, ..completed }, code == "ok", &record["frees"])?;
                        Ended::Completed { code, stored }
                    }
                    "failed" => {
                        self.actions.remove(&key);
                        Ended::Failed
                    }
                    _ => {
                        let doubted = Known { standing: Standing::InDoubt, version: sequence, ..known.clone() };
                        self.actions.insert(key, doubted);
                        Ended::InDoubt { code }
                    }
                };
                self.calls.insert(known.call, Some(ended));
            }
            event => return Err(format!("no script makes a record of `{event}`")),
        }
        Ok(())
    }

    /// An action completes, and what it undoes answers no longer.
    fn complete(&mut self, key: &str, known: Known, applied: bool, frees: &Value) -> Result<(), String> {
        let other = match known.tool.as_str() {
            "put_item" => Some("drop_item"),
            "drop_item" => Some("put_item"),
            _ => None,
        };
        let id = |arguments: &str| {
            serde_json::from_str::<Value>(arguments).map(|read| read["id"].clone()).unwrap_or_default()
        };
        let undone = |other: &Known| {
            matches!(other.standing, Standing::Completed(_)) && id(&other.arguments) == id(&known.arguments)
        };
        let expected: Vec<String> = (self.actions.iter())
            .filter(|(_, action)| Some(action.tool.as_str()) == other && undone(action))
            .map(|(key, _)| key.clone())
            .collect();
        let freed: Vec<String> =
            frees.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        // A final error is completed too, and undoes nothing.
        if applied && freed != expected {
            return Err(format!("frees {freed:?} where {expected:?} are undone"));
        }
        for freed in freed {
            self.actions.remove(&freed);
        }
        self.actions.insert(key.to_owned(), known);
        Ok(())
    }
}
