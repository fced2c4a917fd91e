//! What must hold after whatever happened.

use super::history::{Here, History, Seen};
use super::journal::{Actions, Ended, Expected, Journal, Known, Standing, Stored, segments};
use super::server::{self, serve};
use super::{PATIENCE, Verdict, World};
use safe_tool::ledger::{Action, Hash, State, verify};
use safe_tool::{InProcess, Ledger, LedgerError};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What is compared of an envelope.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    replayed: bool,
    call: String,
    first_call: Option<String>,
}

/// Opens the ledger twice, compares, calls everything once more, and holds what the witness saw against the journal.
///
/// # Errors
/// Says which promise is broken.
pub async fn holds(ledger: &Path, history: History) -> Result<(), String> {
    let before: Vec<_> = segments(ledger).iter().map(|path| std::fs::read(path).unwrap_or_default()).collect();
    let first = open(ledger)?;
    let found = read(ledger, &history)?;
    compare(&first, &found).await?;
    drop(first);
    appended_to(&before, ledger)?;
    let second = open(ledger)?;
    let again = read(ledger, &history)?;
    if again.actions != found.actions {
        return Err(format!("the second open found {:?}, the first {:?}", again.actions, found.actions));
    }
    compare(&second, &again).await?;
    let history = Arc::new(Mutex::new(history));
    let server = serve(World::new(Here(Arc::clone(&history))), second).await.map_err(|error| error.to_string())?;
    history.lock().unwrap_or_else(PoisonError::into_inner).seen.push(Seen::Started);
    let called = everything_again(&server, &again, &history).await;
    server.close().await.map_err(|error| format!("it does not close: {error}"))?;
    called?;
    let history = history.lock().unwrap_or_else(PoisonError::into_inner);
    read(ledger, &history)?;
    let report = verify(ledger).map_err(|error| error.to_string())?;
    if report.clean_close { Ok(()) } else { Err("closed, and it does not verify as closed".to_owned()) }
}

fn open(ledger: &Path) -> Result<Ledger, String> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match server::open(ledger) {
            // Another thread that just starts a server holds all our files for a moment, and so does a process that dies.
            Err(LedgerError::Locked { .. }) if Instant::now() < patience => std::thread::yield_now(),
            other => return other.map_err(|error| format!("the ledger does not open: {error}")),
        }
    }
}

/// The journal, which verifies and agrees with the witness.
fn read(ledger: &Path, history: &History) -> Result<Journal, String> {
    verify(ledger).map_err(|error| format!("does not verify: {error}"))?;
    let journal = Journal::read(ledger)?;
    agree(&journal, history)?;
    Ok(journal)
}

/// Opening changes nothing that stands: it cuts behind the last whole record, and adds.
fn appended_to(before: &[Vec<u8>], ledger: &Path) -> Result<(), String> {
    let after: Vec<_> = segments(ledger).iter().map(|path| std::fs::read(path).unwrap_or_default()).collect();
    for (place, was) in before.iter().enumerate() {
        let stands = if place + 1 == before.len() { was.get(..whole(was)).unwrap_or_default() } else { was };
        if !after.get(place).is_some_and(|is| is.starts_with(stands)) {
            return Err(format!("opening changed segment {place}"));
        }
    }
    Ok(())
}

/// Bytes of a segment up to the last record before the first line that is none.
fn whole(segment: &[u8]) -> usize {
    let mut end = 0;
    let mut at = 0;
    for line in segment.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if !line.ends_with(b"\n") || serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err() {
            break;
        }
        if line.starts_with(br#"{"hash""#) {
            end = at;
        }
    }
    end
}

/// The index says of every action what the journal says.
async fn compare(ledger: &Ledger, journal: &Journal) -> Result<(), String> {
    for key in journal.ever.keys() {
        let hash = Hash::parse(key).ok_or("not a key")?;
        let action = ledger.lookup(&hash).await.map_err(|error| error.to_string())?;
        let known = journal.actions.0.get(key).filter(|known| !known.is_expired());
        let same = match (&action, known) {
            (None, None) => true,
            (Some(action), Some(known)) => same(ledger, action, known).await?,
            _ => false,
        };
        if !same {
            return Err(format!("the index holds {action:?} where the journal says {known:?}"));
        }
    }
    Ok(())
}

async fn same(ledger: &Ledger, action: &Action, known: &Known) -> Result<bool, String> {
    // A version is made by a ledger only; as it is written, that of a local one is the sequence of the record.
    let version = serde_json::to_value(action.version).map_err(|error| error.to_string())?;
    let names = version == known.version && (&action.call, &action.tool) == (&known.call, &known.tool);
    Ok(names
        && match (&action.state, &known.standing) {
            (State::InDoubt, Standing::InDoubt) | (State::Failed, Standing::Failed { .. }) => true,
            (State::Completed, Standing::Completed(stored)) => {
                let payload = ledger.payload(action).await.map_err(|error| error.to_string())?;
                stored.payload.as_ref().is_some_and(|stored| payload == stored.as_bytes())
            }
            // Nothing runs here, so nothing is started.
            _ => false,
        })
}

/// Calls every action that was ever started once more: what is known is answered, what is free runs.
async fn everything_again(server: &InProcess, journal: &Journal, history: &Mutex<History>) -> Result<(), String> {
    let mut actions = journal.actions.clone();
    // Later than every record so far.
    let mut now = journal.records.len() as u64;
    for (key, (tool, arguments)) in &journal.ever {
        let expected = actions.expected(key, tool, arguments);
        let known = actions.0.get(key).cloned();
        let effects = history.lock().unwrap_or_else(PoisonError::into_inner).seen.len();
        let answer = server.call(tool, arguments).await.ok_or("no such tool")?;
        let verdict = {
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = match history.seen.get(effects) {
                Some(Seen::Effect { verdict, .. }) => Some(*verdict),
                _ => None,
            };
            history.seen.push(Seen::Answer(answer.clone()));
            verdict
        };
        let read: Envelope = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        let right = match (expected, &known) {
            (Expected::Runs, _) => verdict.is_some() && !read.replayed,
            (Expected::Replay, Some(Known { standing: Standing::Completed(stored), .. })) => {
                verdict.is_none() && read.replayed && stored.is_in(&answer)
            }
            (Expected::Superseded, known) => verdict.is_none() && superseded(&read, known.as_ref()),
            (Expected::InDoubt, _) => verdict.is_none() && read.error["kind"] == "in_doubt",
            // Nothing runs here.
            (Expected::Replay | Expected::Running, _) => false,
        };
        if !right {
            return Err(format!("asked again ({tool} {arguments}), where {expected:?}, {known:?}: {answer:.900}"));
        }
        if let Some(verdict) = verdict {
            now += 2;
            took(&mut actions, key, now, Known::begun(tool, arguments, &read.call, now - 1, known), verdict, &answer);
        }
    }
    Ok(())
}

/// Whether the answer says what the caller may know of an action that has been superseded.
fn superseded(read: &Envelope, known: Option<&Known>) -> bool {
    let earlier = &read.error["earlier"]["data"];
    let stored = match known.map(|known| &known.standing) {
        Some(Standing::Completed(stored)) => stored.payload.as_deref().unwrap_or_default(),
        _ => "",
    };
    let data = serde_json::from_str::<Value>(stored).map(|stored| stored["data"].clone()).unwrap_or_default();
    read.error["code"] == "superseded" && !read.replayed && (earlier.is_null() || *earlier == data)
}

/// What the effect of a call in this loop makes of the actions.
fn took(actions: &mut Actions, key: &str, now: u64, begun: Known, verdict: Verdict, answer: &str) {
    let body = answer.split_once(r#","replayed":"#).map_or_else(String::new, |(body, _)| format!("{body}}}"));
    let hash = Hash::of(body.as_bytes()).to_string();
    let stored = Standing::Completed(Stored { payload: Some(body), hash, expires_ms: u64::MAX });
    let (standing, touches) = match verdict {
        Verdict::Done(_) => (stored, true),
        Verdict::Refused => (stored, false),
        Verdict::NotNow => (Standing::Failed { expires_ms: u64::MAX }, false),
        Verdict::Lost => (Standing::InDoubt, true),
    };
    actions.0.insert(key.to_owned(), begun.ended(now, standing, touches));
}

/// Every effect has its intent, every answer its record, and the other way round.
fn agree(journal: &Journal, history: &History) -> Result<(), String> {
    let mut effects: HashMap<&str, Verdict> = HashMap::new();
    let mut troubled = false;
    for seen in &history.seen {
        match seen {
            Seen::Started => troubled = false,
            Seen::Effect { call, tool, id, verdict } => {
                if !journal.calls.contains_key(call) {
                    return Err(format!("{tool} of {id} in call {call} has no intent"));
                }
                if effects.insert(call, *verdict).is_some() {
                    return Err(format!("{tool} of {id} was done twice by call {call}"));
                }
                if troubled {
                    return Err(format!("{tool} of {id} in call {call} came after the ledger had failed"));
                }
            }
            Seen::Answer(answer) => troubled |= answered(journal, &effects, answer, history.lacked_room)?,
        }
    }
    for (call, ended) in &journal.calls {
        let effect = effects.get(call.as_str());
        let right = match ended {
            Some(Ended::Completed { code, stored }) if code == "ok" => {
                let tells = |serial: &u64| {
                    let payload = stored.payload.as_deref().unwrap_or_default();
                    [',', '}'].iter().any(|end| payload.contains(&format!("\"serial\":{serial}{end}")))
                };
                matches!(effect, Some(Verdict::Done(serial)) if stored.payload.is_none() || tells(serial))
            }
            Some(Ended::Completed { .. }) => effect == Some(&Verdict::Refused),
            Some(Ended::Failed) => effect == Some(&Verdict::NotNow),
            Some(Ended::InDoubt { code }) if code == "LOST" => effect == Some(&Verdict::Lost) || effect.is_none(),
            Some(Ended::InDoubt { .. }) | None => true,
        };
        if !right {
            return Err(format!("call {call} ended with {ended:?}, and its effect was {effect:?}"));
        }
    }
    Ok(())
}

/// Whether an answer was true; gives whether it tells that the ledger failed.
fn answered(
    journal: &Journal,
    effects: &HashMap<&str, Verdict>,
    answer: &str,
    lacked_room: bool,
) -> Result<bool, String> {
    let read: Envelope = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let wrong = |why: &str| Err(format!("{why}: {answer:.600}"));
    let stored = |call: &str| match journal.calls.get(call) {
        Some(Some(Ended::Completed { stored, .. })) => stored.is_in(answer),
        _ => false,
    };
    let effect = effects.get(read.call.as_str());
    let (kind, code) = (read.error["kind"].as_str().unwrap_or(&read.status), read.error["code"].as_str());
    if read.replayed && matches!(kind, "ok" | "rejected") {
        return match read.first_call.as_deref().is_some_and(stored) && effect.is_none() {
            true => Ok(false),
            false => wrong("a replay of what is not stored"),
        };
    }
    match (kind, code) {
        ("ok" | "rejected", _) if stored(&read.call) => Ok(false),
        ("ok" | "rejected", _) => wrong("an acknowledged result is lost"),
        ("transient", _) if matches!(effect, Some(Verdict::NotNow)) || read.replayed => Ok(false),
        ("conflict", _) if effect.is_none() => Ok(false),
        ("in_doubt", Some("LOST")) if matches!(effect, Some(Verdict::Lost)) || read.replayed => Ok(false),
        // The first call is known, and is not known to have ended well.
        ("in_doubt", Some("in_doubt")) if effect.is_none() && read.first_call.is_some() => Ok(false),
        ("in_doubt", Some("outcome_unrecorded")) if effect.is_some() || read.replayed => Ok(true),
        // It was done before, and the stored answer cannot be read.
        ("unavailable", Some("ledger_unavailable")) if read.error["effect"] == "applied" => Ok(false),
        ("unavailable", Some("ledger_unavailable")) if effect.is_none() => Ok(!lacked_room),
        // Its outcome found no room: until a restart nobody can tell it from one that runs.
        ("in_progress", _) if lacked_room && effect.is_none() && unrecorded(&read, journal, effects) => Ok(false),
        _ => wrong("an answer that cannot be"),
    }
}

/// Whether the first call of this one had its effect, and its outcome was not recorded by the server that did it.
fn unrecorded(read: &Envelope, journal: &Journal, effects: &HashMap<&str, Verdict>) -> bool {
    let first = read.first_call.as_deref().unwrap_or_default();
    let ended = journal.calls.get(first);
    effects.contains_key(first) && matches!(ended, Some(None | Some(Ended::InDoubt { .. })))
}
