//! What broke in others, as tests of ours: one for every row of the list, in this file or where [`ROWS`] says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use safe_tool::ledger::{
    Action, Claim, Claimed, Entry, Hash, How, Listed, Outcome, Settle, Settled, Standing, State, Version,
};
use safe_tool::{InProcess, Ledger, LedgerError};
use safe_tool_examples::soc::stage::Stage;
use safe_tool_tests::witness::World;
use safe_tool_tests::witness::history::{Here, History, Seen};
use safe_tool_tests::witness::server::serve;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where it broke, what broke, the file of our test and its name.
const ROWS: [(&str, &str, &str, &str); 13] = [
    (
        "powertools-py #8386, powertools-ts #5678",
        "a call without a deadline was taken for abandoned, and both ran",
        "tests/known_bugs.rs",
        "what_runs_is_never_handed_out_again",
    ),
    (
        "powertools-ts #5714",
        "recovery overwrote a record that was completed meanwhile",
        "tests/known_bugs.rs",
        "whoever_comes_late_changes_nothing",
    ),
    (
        "powertools-py #8049",
        "a call that timed out was paid again by the next one",
        "tests/soc.rs",
        "killed_in_the_middle_of_an_effect_it_is_in_doubt_and_not_run_again",
    ),
    (
        "powertools-py #4759",
        "a remaining time of zero stored no expiry: stuck for ever",
        "tests/known_bugs.rs",
        "no_retention_and_endless_retention_are_what_they_say",
    ),
    (
        "powertools-java #1281",
        "seconds were compared with milliseconds",
        "tests/known_bugs.rs",
        "a_result_is_kept_as_long_as_it_was_said_to_the_millisecond",
    ),
    (
        "powertools-py #1038, powertools #53",
        "what a time-out left behind blocked until it expired, and nobody could list it",
        "tests/known_bugs.rs",
        "a_doubt_is_listed_and_resolved_and_the_key_is_free",
    ),
    ("dbos-py #544", "at once, all calls of one id ran", "runtime/tests/gates.rs", "sixty_four_at_once_are_one"),
    (
        "dbos-java #491",
        "recovery adopted a call that began in the same millisecond",
        "tests/known_bugs.rs",
        "only_what_an_earlier_epoch_began_is_in_doubt",
    ),
    (
        "dbos-py #769",
        "expiry in two databases: a used id found the steps of an old run",
        "tests/crash/main.rs",
        "at_every_point_the_story_is_one",
    ),
    (
        "dbos-py #770",
        "a write inside a step that was tried again was doubled",
        "runtime/tests/gates.rs",
        "errors_without_effect_are_tried_again_and_not_stored",
    ),
    (
        "dbos-ts #725",
        "an id that was used for another function broke the first",
        "tests/known_bugs.rs",
        "the_same_arguments_to_another_tool_are_another_action",
    ),
    (
        "sample-autonomous-cloud-coding-agents #58",
        "a replay was answered with an error in place of the first result",
        "tests/known_bugs.rs",
        "a_replay_is_the_first_answer_byte_for_byte",
    ),
    (
        "Square forum 8276, 28303, 28309",
        "nobody could know when a key dies",
        "tests/known_bugs.rs",
        "every_tool_says_how_long_its_keys_live",
    ),
];

#[test]
fn every_row_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (bug, _, file, test) in ROWS {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let found = text.split_once(&format!("fn {test}()")).map(|(before, _)| before.trim_end());
        let marked = found.is_some_and(|before| before.trim_end_matches("async").trim_end().ends_with(']'));
        assert!(marked, "{bug}: there is no test {test} in {file}");
    }
}

fn key(name: &str) -> Hash {
    Hash::of(name.as_bytes())
}

fn entry(call: &str) -> Entry {
    Entry {
        call: call.to_owned(),
        tenant: "acme".to_owned(),
        agent: "agent".to_owned(),
        user: None,
        investigation: None,
        tool: "pay".into(),
        key: None,
        digest: None,
        arguments: None,
    }
}

async fn claim(ledger: &Ledger, name: &str, call: &str) -> Claimed {
    let (key, digest) = (key(name), Hash::of(b"digest"));
    let claim = Claim {
        entry: entry(call),
        key,
        digest,
        arguments: Vec::new(),
        natural: false,
        subjects: Vec::new(),
        needs_approval: false,
        again_after: None,
        every: None,
        approved: None,
        lives: Duration::ZERO,
    };
    ledger.claim(claim).await.unwrap()
}

async fn win(ledger: &Ledger, name: &str, call: &str) -> Version {
    match claim(ledger, name, call).await {
        Claimed::Won { version, .. } => version,
        Claimed::Known(standing) => panic!("{standing:?}"),
    }
}

async fn settle(
    ledger: &Ledger,
    name: &str,
    version: Version,
    outcome: Outcome,
    how: How,
) -> Result<Settled, LedgerError> {
    ledger.settle(Settle { entry: entry("settles"), key: key(name), version, outcome, how }).await
}

fn completed() -> Outcome {
    Outcome::Completed { payload: b"{}".to_vec(), code: "ok".into(), subjects: Vec::new(), stored_error: false }
}

async fn found(ledger: &Ledger, name: &str) -> Option<Action> {
    ledger.lookup(&key(name)).await.unwrap()
}

fn memory() -> Ledger {
    Ledger::open("memory:").unwrap()
}

/// The witnessed tools, with who counts their effects.
async fn witnessed(ledger: Ledger) -> (InProcess, Arc<Mutex<History>>) {
    let history = Arc::new(Mutex::new(History::default()));
    (serve(World::new(Here(Arc::clone(&history))), ledger).await.unwrap(), history)
}

fn effects(history: &Mutex<History>) -> usize {
    history.lock().unwrap().seen.iter().filter(|seen| matches!(seen, Seen::Effect { .. })).count()
}

const PUT: &str = r#"{"id":"a","bytes":9}"#;

#[tokio::test]
async fn what_runs_is_never_handed_out_again() {
    // However short results are kept: what runs is no result.
    let ledger = Ledger::options().retention(Duration::ZERO).distrust(Duration::ZERO).open("memory:").unwrap();
    let version = win(&ledger, "a", "first").await;
    for _ in 0..3 {
        let again = claim(&ledger, "a", "again").await;
        assert_eq!(again, Claimed::Known(Standing::Running { call: "first".to_owned() }));
    }
    settle(&ledger, "a", version, Outcome::InDoubt { code: "timeout".into(), running: false }, How::Call)
        .await
        .unwrap();
    let again = claim(&ledger, "a", "again").await;
    assert!(matches!(&again, Claimed::Known(Standing::InDoubt { may_run: false, .. })), "{again:?}");
}

#[tokio::test]
async fn whoever_comes_late_changes_nothing() {
    let ledger = memory();
    let version = win(&ledger, "a", "first").await;
    let settled = settle(&ledger, "a", version, completed(), How::Call).await.unwrap();
    let stands = found(&ledger, "a").await;
    for how in [How::Call, How::Late, How::Reconcile, How::Operator("ann".to_owned())] {
        for version in [version, settled.version] {
            let late = settle(&ledger, "a", version, Outcome::Failed { code: "crashed".into() }, how.clone()).await;
            assert!(matches!(late, Err(LedgerError::Superseded)), "{late:?}");
        }
    }
    assert_eq!(found(&ledger, "a").await, stands);
}

#[tokio::test]
async fn no_retention_and_endless_retention_are_what_they_say() {
    for (retention, again) in [(Duration::ZERO, false), (Duration::MAX, true)] {
        // The clock is trusted at once: otherwise nothing would expire yet.
        let options = Ledger::options().retention(retention).distrust(Duration::ZERO);
        let (server, history) = witnessed(options.open("memory:").unwrap()).await;
        for _ in 0..2 {
            let answer = server.call("put_item", PUT).await.unwrap();
            assert!(answer.starts_with(r#"{"status":"ok""#), "{answer}");
        }
        assert_eq!(effects(&history) == 1, again, "{retention:?}");
    }
}

#[tokio::test]
async fn a_result_is_kept_as_long_as_it_was_said_to_the_millisecond() {
    for retention in [59_999, 60_000, 60_001, 86_400_000] {
        let ledger = Ledger::options().retention(Duration::from_millis(retention)).open("memory:").unwrap();
        let version = win(&ledger, "a", "first").await;
        settle(&ledger, "a", version, completed(), How::Call).await.unwrap();
        let Some(action) = found(&ledger, "a").await else { panic!("it is gone") };
        assert_eq!(action.expires_ms, Some(action.at_ms + retention));
    }
}

#[tokio::test]
async fn a_doubt_is_listed_and_resolved_and_the_key_is_free() {
    let ledger = memory();
    let (server, history) = witnessed(ledger.clone()).await;
    let lost = r#"{"id":"lost-1","bytes":9}"#;
    for _ in 0..2 {
        let answer: Value = serde_json::from_str(&server.call("put_item", lost).await.unwrap()).unwrap();
        assert_eq!(answer["error"]["kind"], "in_doubt");
    }
    assert_eq!(effects(&history), 1);
    let doubts = ledger.list(Listed::InDoubt, None, 10).await.unwrap();
    let [doubt] = doubts.as_slice() else { panic!("{doubts:?}") };
    let (entry, outcome) = (entry("operator"), Outcome::Failed { code: "looked".into() });
    let how = How::Operator("ann".to_owned());
    ledger.settle(Settle { entry, key: doubt.key, version: doubt.version, outcome, how }).await.unwrap();
    assert_eq!(ledger.list(Listed::InDoubt, None, 10).await.unwrap(), []);
    assert!(server.call("put_item", lost).await.unwrap().starts_with(r#"{"status":"ok""#));
    assert_eq!(effects(&history), 2);
}

#[tokio::test]
async fn only_what_an_earlier_epoch_began_is_in_doubt() {
    let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let place = scratch.path().to_str().unwrap();
    let before = Ledger::open(place).unwrap();
    win(&before, "before", "c1").await;
    drop(before);
    let now = Ledger::open(place).unwrap();
    let version = win(&now, "now", "c2").await;
    let doubts = now.list(Listed::InDoubt, None, 10).await.unwrap();
    assert_eq!(doubts.iter().map(|doubt| doubt.key).collect::<Vec<_>>(), [key("before")]);
    settle(&now, "now", version, completed(), How::Call).await.unwrap();
    assert_eq!(found(&now, "now").await.unwrap().state, State::Completed);
}

#[tokio::test]
async fn the_same_arguments_to_another_tool_are_another_action() {
    let (server, history) = witnessed(memory()).await;
    for tool in ["drop_item", "put_item"] {
        let answer: Value = serde_json::from_str(&server.call(tool, PUT).await.unwrap()).unwrap();
        assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)));
    }
    assert_eq!(effects(&history), 2);
}

#[tokio::test]
async fn a_replay_is_the_first_answer_byte_for_byte() {
    let (server, history) = witnessed(memory()).await;
    for arguments in [PUT, r#"{"id":"never-1","bytes":9}"#] {
        let first = server.call("put_item", arguments).await.unwrap();
        let said = first.split_once(r#""replayed":false"#).unwrap().0;
        let again = server.call("put_item", arguments).await.unwrap();
        assert!(again.starts_with(&format!(r#"{said}"replayed":true"#)), "{first}\n{again}");
    }
    assert_eq!(effects(&history), 2);
}

#[tokio::test]
async fn every_tool_says_how_long_its_keys_live() {
    let stage = Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap();
    let server = stage.contain().await.unwrap();
    let tools = server.peer().list_all_tools().await.unwrap();
    assert!(!tools.is_empty());
    for tool in tools {
        let meta = tool.meta.unwrap();
        assert_eq!(meta.0.get("dev.safe-tool/retention"), Some(&json!("P7D")), "{}", tool.name);
    }
    server.close().await.unwrap();
}
