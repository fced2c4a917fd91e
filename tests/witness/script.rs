//! What callers do, the same in every run.
//!
//! What an item is called says how its effect goes: `flaky-` fails once without effect, `second-` does so the second time,
//! `lost-` is once not heard of, `never-` is refused for good, and all else succeeds.

use super::journal::{id_of, with_again};
use std::collections::HashMap;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments as JSON.
    pub arguments: String,
    /// The call that it names in order to do the same again on purpose.
    pub again: Again,
}

/// A call that a repeat on purpose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// None: it is no repeat.
    No,
    /// The latest one that was answered with a new effect on the item.
    Latest,
    /// The one that the same tool named before, of the same item: a retry of the repeat.
    Same,
}

impl Asked {
    fn again(self, again: Again) -> Asked {
        Asked { again, ..self }
    }
}

/// The calls that a caller knows, for repeats on purpose.
#[derive(Debug, Default)]
pub struct Calls {
    /// The latest effect on an item.
    latest: HashMap<String, String>,
    /// The call that a tool named last for an item.
    named: HashMap<(&'static str, String), String>,
}

impl Calls {
    /// The arguments of a call, with the call that it names.
    pub fn arguments(&mut self, asked: &Asked) -> String {
        let id = id_of(&asked.arguments);
        let key = (asked.tool, id);
        let named = match asked.again {
            Again::No => None,
            Again::Latest => self.latest.get(&key.1).cloned(),
            Again::Same => self.named.get(&key).cloned(),
        };
        let arguments = with_again(&asked.arguments, named.as_deref());
        self.named.extend(named.map(|named| (key, named)));
        arguments
    }

    /// Takes the answer to a call.
    pub fn take(&mut self, asked: &Asked, answer: &str) {
        let Ok(answer) = serde_json::from_str::<serde_json::Value>(answer) else { return };
        if let (Some("ok"), Some(false), Some(call)) =
            (answer["status"].as_str(), answer["replayed"].as_bool(), answer["call"].as_str())
        {
            self.latest.insert(id_of(&asked.arguments), call.to_owned());
        }
    }
}

/// Calls that are made at once; the next come when all of them are answered.
pub type Step = Vec<Asked>;

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// One caller through every state of an action.
    Life,
    /// One caller, results from one byte to 100 KiB: the journal rotates again and again.
    Volume,
    /// Sixteen callers at once, some asking for the same.
    Crowd,
    /// One call and its repeat.
    Brief,
    /// As [`Script::Volume`], with results that expire at once and are swept at the end.
    Sweep,
    /// One caller, results of 12,000 bytes, in segments that are long enough to be filled ahead.
    Long,
    /// Eight callers at once without an end, results of so many bytes.
    Load(u32),
}

impl Script {
    /// What is done.
    #[must_use]
    pub fn steps(self) -> Box<dyn Iterator<Item = Step>> {
        match self {
            Script::Life => Box::new(life().into_iter()),
            Script::Volume | Script::Sweep => Box::new(volume().into_iter()),
            Script::Long => Box::new((0..24).map(|number| vec![put(&format!("g-{number}"), 12_000)])),
            Script::Crowd => Box::new(crowd().into_iter()),
            Script::Brief => {
                Box::new([put("brief", 9), put("brief", 9), level("brief", 1)].into_iter().map(|asked| vec![asked]))
            }
            Script::Load(bytes) => {
                Box::new((0_u64..).map(move |step| (0..8).map(|n| put(&format!("l-{step}-{n}"), bytes)).collect()))
            }
        }
    }
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Script::Life => f.write_str("life"),
            Script::Volume => f.write_str("volume"),
            Script::Crowd => f.write_str("crowd"),
            Script::Brief => f.write_str("brief"),
            Script::Sweep => f.write_str("sweep"),
            Script::Long => f.write_str("long"),
            Script::Load(bytes) => write!(f, "load-{bytes}"),
        }
    }
}

impl FromStr for Script {
    type Err = ();

    fn from_str(name: &str) -> Result<Script, ()> {
        if let Some(bytes) = name.strip_prefix("load-") {
            return bytes.parse().map(Script::Load).map_err(|_| ());
        }
        let named = [Script::Life, Script::Volume, Script::Crowd, Script::Brief, Script::Sweep, Script::Long];
        named.into_iter().find(|script| script.to_string() == name).ok_or(())
    }
}

fn put(id: &str, bytes: u32) -> Asked {
    Asked { tool: "put_item", arguments: format!(r#"{{"id":"{id}","bytes":{bytes}}}"#), again: Again::No }
}

fn discard(id: &str, bytes: u32) -> Asked {
    Asked { tool: "drop_item", arguments: format!(r#"{{"id":"{id}","bytes":{bytes}}}"#), again: Again::No }
}

fn level(id: &str, level: u32) -> Asked {
    Asked { tool: "set_level", arguments: format!(r#"{{"id":"{id}","level":{level}}}"#), again: Again::No }
}

fn life() -> Vec<Step> {
    [
        put("a", 1),
        put("a", 1),
        // Another length is a conflict.
        put("a", 2),
        discard("a", 1),
        // Delayed: it is gone again.
        put("a", 1),
        put("a", 1).again(Again::Latest),
        put("a", 1).again(Again::Same),
        discard("a", 1).again(Again::Latest),
        discard("a", 1).again(Again::Same),
        // Delayed: it names what is not the latest any more.
        put("a", 1).again(Again::Same),
        // A repeat that has no effect leaves what was there, and may be tried again.
        put("second-1", 10),
        put("second-1", 10).again(Again::Latest),
        put("second-1", 10),
        put("second-1", 10).again(Again::Same),
        put("flaky-1", 100),
        put("flaky-1", 100),
        put("lost-1", 64),
        put("lost-1", 64),
        put("never-1", 64),
        put("never-1", 64),
        level("b", 10),
        level("b", 20),
        level("b", 10),
        level("lost-2", 3),
        level("lost-2", 3),
        put("big", 102_400),
        put("big", 102_400),
        discard("big", 102_400),
        put("after", 12_000),
    ]
    .map(|asked| vec![asked])
    .into()
}

fn volume() -> Vec<Step> {
    [1, 700, 4_096, 12_000, 30_000, 65_536, 102_400, 5_000, 1]
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| vec![put(&format!("v-{number}"), bytes)])
        .collect()
}

fn crowd() -> Vec<Step> {
    let all = |asked: fn(&str, u32) -> Asked, again: Again| -> Step {
        let mut step: Step = (0..12_u32).map(|number| asked(&format!("c-{number}"), 500 * (number + 1))).collect();
        step.extend([asked("c-0", 500), asked("c-1", 1_000), asked("flaky-c", 50), asked("lost-c", 50)]);
        step.into_iter().map(|asked| asked.again(again)).collect()
    };
    vec![
        all(put, Again::No),
        all(put, Again::No),
        all(discard, Again::No),
        all(put, Again::No),
        all(put, Again::Latest),
    ]
}
