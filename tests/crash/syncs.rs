//! Whether what a caller is told was synced before: read from a trace of the system calls.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a trace shows.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    /// Messages that had to wait for a sync.
    pub(super) told: u64,
    /// Syncs of the journal that came back.
    pub(super) synced: u64,
    /// Names of files and directories that were made durable.
    pub(super) named: u64,
}

/// A record that changes an action: event and call.
type Recorded = (String, String);

#[derive(Default)]
struct Reader {
    found: Syncs,
    /// Written and not synced, by file.
    written: BTreeMap<String, BTreeSet<Recorded>>,
    /// Synced, and in which file.
    durable: HashMap<Recorded, String>,
    /// Made, and their directory is not synced since.
    unnamed: BTreeSet<String>,
    made: HashSet<String>,
    /// What a sync will have made durable when it comes back, by thread.
    syncing: HashMap<String, (String, BTreeSet<Recorded>, BTreeSet<String>)>,
    /// Calls that have not come back, by thread.
    unfinished: HashMap<String, String>,
}

/// Reads a trace of `strace -f -y`.
///
/// # Errors
/// Says what was told before it was durable.
pub(super) fn check(trace: &str, ledger: &str) -> Result<Syncs, String> {
    let mut reader = Reader::default();
    for line in trace.lines() {
        let Some((thread, line)) = line.split_once(' ') else { continue };
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("<... ") {
            let Some(begun) = reader.unfinished.remove(thread) else { continue };
            if let Some((_, result)) = rest.rsplit_once(" = ") {
                reader.ended(thread, &begun, result, ledger);
            }
        } else if let Some(begun) = line.strip_suffix(" <unfinished ...>") {
            reader.begun(thread, begun)?;
            reader.unfinished.insert(thread.to_owned(), begun.to_owned());
        } else if let Some((call, result)) = line.rsplit_once(" = ") {
            reader.begun(thread, call)?;
            reader.ended(thread, call, result, ledger);
        }
    }
    Ok(reader.found)
}

/// The file between angle brackets behind the first descriptor.
fn file(call: &str) -> &str {
    call.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(file, _)| file)
}

/// The nth quoted text of a call; ours have no quotes in them but escaped ones.
fn quoted(call: &str, nth: usize) -> &str {
    call.split('"').nth(2 * nth + 1).unwrap_or("")
}

fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!(r#"\"{name}\":\""#);
    text.split_once(begin.as_str())?.1.split_once(r#"\""#).map(|(value, _)| value)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The records of actions in what is written.
fn recorded(call: &str) -> impl Iterator<Item = Recorded> {
    let text = call.split_once('"').map_or("", |(_, text)| text);
    text.split(r#"\"event\":\""#).skip(1).filter_map(|record| {
        let (event, rest) = record.split_once(r#"\""#)?;
        Some((event.to_owned(), member(rest, "call")?.to_owned()))
    })
}

impl Reader {
    fn begun(&mut self, thread: &str, call: &str) -> Result<(), String> {
        if call.starts_with("fdatasync(") || call.starts_with("fsync(") {
            let path = file(call).to_owned();
            let records = self.written.get(&path).cloned().unwrap_or_default();
            let names = self.unnamed.iter().filter(|name| parent(name) == path).cloned().collect();
            self.syncing.insert(thread.to_owned(), (path, records, names));
        }
        match call.starts_with("sendto(").then(|| call.split_once('"')).flatten() {
            Some((_, text)) => self.told(text),
            None => Ok(()),
        }
    }

    fn told(&mut self, text: &str) -> Result<(), String> {
        let mut needs = |event: &str, call: &str| {
            self.found.told += 1;
            match self.durable.get(&(event.to_owned(), call.to_owned())) {
                None => Err(format!("told before `{event}` of {call} was synced: {text:.200}")),
                Some(path) if self.unnamed.contains(path) => Err(format!("{path} has no durable name: {text:.200}")),
                Some(_) => Ok(()),
            }
        };
        if text.starts_with("ready") {
            return match self.unnamed.first() {
                Some(name) => Err(format!("ready, and the name of {name} is not durable")),
                None => Ok(()),
            };
        }
        if let Some(call) = text.strip_prefix("effect ").and_then(|rest| rest.split(' ').next()) {
            return needs("started", call);
        }
        let Some(call) = member(text, "call").filter(|_| text.starts_with("answer ")) else { return Ok(()) };
        if text.contains(r#"\"replayed\":true"#) || text.contains(r#"\"first_call\""#) {
            return Ok(());
        }
        let event = match (member(text, "status"), member(text, "kind")) {
            (Some("ok"), _) | (_, Some("rejected")) => "completed",
            (_, Some("in_doubt")) => "in_doubt",
            (_, Some("transient")) => "failed",
            _ => return Ok(()),
        };
        needs(event, call)
    }

    fn ended(&mut self, thread: &str, call: &str, result: &str, ledger: &str) {
        if result.starts_with('-') {
            return;
        }
        let path = file(call);
        if call.starts_with("write(") && path.ends_with(".jsonl") {
            self.written.entry(path.to_owned()).or_default().extend(recorded(call));
        }
        if call.starts_with("pwritev2(") && call.contains("RWF_DSYNC") {
            self.found.synced += 1;
            let records = recorded(call).map(|record| (record, path.to_owned()));
            self.durable.extend(records);
        }
        if let Some((path, records, names)) = self.syncing.remove(thread) {
            self.found.synced += u64::from(path.ends_with(".jsonl"));
            self.found.named += names.len() as u64;
            self.unnamed.retain(|name| !names.contains(name));
            if let Some(written) = self.written.get_mut(&path) {
                written.retain(|record| !records.contains(record));
            }
            self.durable.extend(records.into_iter().map(|record| (record, path.clone())));
        }
        let renamed = format!("{path}/{}", quoted(call, 1));
        let made = match call.split_once('(').map_or("", |(name, _)| name) {
            "openat" if call.contains("O_CREAT") => quoted(call, 0),
            "mkdir" => quoted(call, 0),
            "rename" => {
                self.unnamed.remove(quoted(call, 0));
                quoted(call, 1)
            }
            "renameat" => renamed.as_str(),
            _ => return,
        };
        // What becomes a segment and the operators' socket hold nothing, and the index may be lost.
        let holds = !made.contains("/index/") && !made.ends_with("next.filled") && !made.ends_with(".sock");
        let counts = made.starts_with(ledger) && holds;
        if counts && self.made.insert(made.to_owned()) {
            self.unnamed.insert(made.to_owned());
        }
    }
}
