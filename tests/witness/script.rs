//! What callers do, the same in every run.
//!
//! What an item is called says how its effect goes: `flaky-` fails once without effect, `lost-` is once not heard of,
//! `never-` is refused for good, and all else succeeds.

use std::str::FromStr;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments as JSON.
    pub arguments: String,
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
}

impl Script {
    /// All of them.
    pub const ALL: [Script; 4] = [Script::Life, Script::Volume, Script::Crowd, Script::Brief];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Script::Life => "life",
            Script::Volume => "volume",
            Script::Crowd => "crowd",
            Script::Brief => "brief",
        }
    }

    /// What is done.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        match self {
            Script::Life => life(),
            Script::Volume => volume(),
            Script::Crowd => crowd(),
            Script::Brief => [put("brief", 9), put("brief", 9), level("brief", 1)].map(|asked| vec![asked]).into(),
        }
    }
}

impl FromStr for Script {
    type Err = ();

    fn from_str(name: &str) -> Result<Script, ()> {
        Script::ALL.into_iter().find(|script| script.name() == name).ok_or(())
    }
}

fn put(id: &str, bytes: u32) -> Asked {
    Asked { tool: "put_item", arguments: format!(r#"{{"id":"{id}","bytes":{bytes}}}"#) }
}

fn discard(id: &str, bytes: u32) -> Asked {
    Asked { tool: "drop_item", arguments: format!(r#"{{"id":"{id}","bytes":{bytes}}}"#) }
}

fn level(id: &str, level: u32) -> Asked {
    Asked { tool: "set_level", arguments: format!(r#"{{"id":"{id}","level":{level}}}"#) }
}

fn life() -> Vec<Step> {
    [
        put("a", 1),
        put("a", 1),
        // Another length is a conflict.
        put("a", 2),
        discard("a", 1),
        put("a", 1),
        put("a", 1),
        discard("a", 1),
        discard("a", 1),
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
    let all = |asked: fn(&str, u32) -> Asked| -> Step {
        let mut step: Step = (0..12_u32).map(|number| asked(&format!("c-{number}"), 500 * (number + 1))).collect();
        step.extend([asked("c-0", 500), asked("c-1", 1_000), asked("flaky-c", 50), asked("lost-c", 50)]);
        step
    };
    vec![all(put), all(put), all(discard), all(put)]
}
