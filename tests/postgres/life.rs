//! What two servers see of one another's actions, and what becomes of an action whose server is gone.

use std::time::Duration;

use safe_tool::Ledger;
use safe_tool::ledger::{
    Action, ArgumentDigest, Ask, Asked, Claim, Claimed, Entry, Hash, How, LedgerError, Listed, Outcome, Settle,
    Standing, State, Subject, Version,
};

use crate::database::Database;

pub(crate) fn key(name: &str) -> Hash {
    Hash::of(name.as_bytes())
}

fn entry(call: &str) -> Entry {
    Entry {
        call: call.to_owned(),
        // A token may bring any character, and Postgres has no text with this one.
        tenant: "ac\0me".to_owned(),
        agent: "agent-7".to_owned(),
        user: Some("alice".to_owned()),
        investigation: None,
        tool: "isolate_host".into(),
        key: None,
        digest: None,
        arguments: Some(serde_json::value::to_raw_value(&serde_json::json!({"host_id": "web-01"})).unwrap()),
    }
}

pub(crate) fn claim(name: &str, call: &str) -> Claim {
    Claim {
        entry: entry(call),
        key: key(name),
        digest: key(&format!("digest of {name}")),
        arguments: vec![ArgumentDigest {
            name: "host_id".to_owned(),
            exact: key("exact").into(),
            full: key("full").into(),
        }],
        natural: false,
        subjects: Vec::new(),
        needs_approval: false,
        again_after: None,
        every: None,
        approved: None,
        lives: Duration::ZERO,
    }
}

pub(crate) fn ask(name: &str, call: &str) -> Ask {
    Ask { claim: claim(name, call), id: "01J".to_owned(), expires_ms: u64::MAX / 2 }
}

pub(crate) fn settle(name: &str, version: Version, outcome: Outcome) -> Settle {
    Settle { entry: entry("settling"), key: key(name), version, outcome, how: How::Call }
}

pub(crate) fn completed(payload: &str) -> Outcome {
    let payload = payload.as_bytes().to_vec();
    Outcome::Completed { payload, code: "ok".into(), subjects: Vec::new(), stored_error: false }
}

/// Claims and must win.
pub(crate) async fn win(ledger: &Ledger, name: &str) -> Version {
    match ledger.claim(claim(name, name)).await.unwrap() {
        Claimed::Won { version, .. } => version,
        Claimed::Known(standing) => panic!("known: {standing:?}"),
    }
}

pub(crate) async fn state(ledger: &Ledger, name: &str) -> Option<State> {
    ledger.lookup(&key(name)).await.unwrap().map(|action| action.state)
}

async fn doubts(ledger: &Ledger) -> Vec<Action> {
    ledger.list(Listed::InDoubt, None, 100).await.unwrap()
}

/// Opened away from the test's own threads, as a server does it.
pub(crate) async fn open(url: String) -> Ledger {
    tokio::task::spawn_blocking(move || Ledger::open(&url)).await.unwrap().unwrap()
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while !so().await {
        assert!(std::time::Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_server_runs_it_and_the_other_knows() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.url()).await, open(database.url()).await);
    let version = win(&one, "a").await;
    assert!(matches!(state(&two, "a").await, Some(State::Started { .. })), "its server lives");
    let later = two.claim(claim("a", "later")).await.unwrap();
    assert_eq!(later, Claimed::Known(Standing::Running { call: "a".to_owned() }));
    one.settle(settle("a", version, completed("{\"a\":1}"))).await.unwrap();
    let action = two.lookup(&key("a")).await.unwrap().unwrap();
    assert_eq!((&action.state, &*action.call), (&State::Completed, "a"));
    assert_eq!(two.payload(&action).await.unwrap(), b"{\"a\":1}");
    assert_eq!(two.intent(&action).await.unwrap().entry.tenant, "ac\0me");
    assert_eq!(doubts(&two).await, []);
}

#[tokio::test]
async fn what_a_server_had_started_that_is_gone_is_in_doubt_and_its_late_outcome_is_taken() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.way("one").await).await, open(database.url()).await);
    let (a, b, c) = (win(&one, "a").await, win(&one, "b").await, win(&one, "c").await);
    database.cut("one").await;
    // Met by a look-up, by a claim, and by a list.
    assert_eq!(state(&two, "a").await, Some(State::InDoubt));
    let met = two.claim(claim("b", "later")).await.unwrap();
    assert!(matches!(met, Claimed::Known(Standing::InDoubt { .. })), "{met:?}");
    assert_eq!(doubts(&two).await.len(), 3);
    until("one knows", async || one.health().is_err()).await;
    assert!(matches!(one.claim(claim("d", "d")).await, Err(LedgerError::Unavailable)));
    // The body ends while there is no connection; its outcome waits.
    let ended = one.settle(settle("a", a, completed("{}")));
    let failed = one.settle(settle("b", b, Outcome::Failed { code: "HOST_OFFLINE".into() }));
    let (ended, failed, ()) = futures_util::join!(ended, failed, database.mend("one"));
    assert_eq!((ended.is_ok(), failed.is_ok()), (true, true));
    one.settle(settle("c", c, Outcome::InDoubt { code: "timeout".into(), running: false })).await.unwrap();
    assert_eq!((state(&two, "a").await, state(&two, "b").await), (Some(State::Completed), Some(State::Failed)));
    assert_eq!(state(&two, "c").await, Some(State::InDoubt));
    let told = database.ask("SELECT convert_from(line, 'UTF8') FROM safe_tool.records ORDER BY log, sequence").await;
    let told: Vec<String> = told.iter().map(|row| row.get(0)).collect();
    let late = |event: &str| told.iter().any(|line| line.contains(event) && line.contains("\"late\":true"));
    assert!(late("\"event\":\"completed\"") && late("\"event\":\"failed\""));
}

#[tokio::test]
async fn a_doubt_that_was_resolved_meanwhile_takes_no_late_outcome() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.way("one").await).await, open(database.url()).await);
    let version = win(&one, "a").await;
    database.cut("one").await;
    let doubt = two.lookup(&key("a")).await.unwrap().unwrap();
    let failed = Outcome::Failed { code: "not_applied".into() };
    let resolved = Settle { how: How::Operator("olga".into()), ..settle("a", doubt.version, failed) };
    two.settle(resolved).await.unwrap();
    let again = win(&two, "a").await;
    database.mend("one").await;
    let late = one.settle(settle("a", version, completed("{\"late\":1}"))).await;
    assert!(matches!(late, Err(LedgerError::Superseded)), "{late:?}");
    two.settle(settle("a", again, completed("{}"))).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_back_keeps_what_it_runs() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.url()).await, open(database.url()).await);
    win(&one, "a").await;
    database.stop_at_once();
    database.begin();
    until("one is back", async || one.health().is_ok()).await;
    until("two is back", async || two.health().is_ok()).await;
    // Its lock of then is held again: nobody takes it for gone.
    assert!(matches!(state(&two, "a").await, Some(State::Started { .. })));
    assert!(matches!(state(&one, "a").await, Some(State::Started { .. })));
}

/// A claim about a host, whatever its key.
fn about(ledger: &Ledger, host: &str, name: &str, call: &str, again_after: Option<&str>) -> Claim {
    let subjects = vec![subject(ledger, [host.to_owned()])];
    Claim { subjects, again_after: again_after.map(str::to_owned), ..claim(name, call) }
}

/// These things together, as this ledger names them.
pub(crate) fn subject(ledger: &Ledger, things: impl IntoIterator<Item = String>) -> Subject {
    let pair = |thing: String| ledger.redactor().pair("acme", "thing", thing.as_bytes());
    Subject::new(things.into_iter().map(pair).collect()).unwrap()
}

#[tokio::test]
async fn isolate_and_release_on_two_servers_are_as_many_effects_as_were_meant() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.url()).await, open(database.url()).await);
    let mut latest = None;
    for round in 0..3 {
        for (name, ledger, other) in [("isolate", &one, &two), ("release", &two, &one)] {
            let call = format!("{name} {round}");
            let meant = about(ledger, "web-01", name, &call, latest.as_deref());
            let won = ledger.claim(meant.clone()).await.unwrap();
            let Claimed::Won { version, .. } = won else { panic!("{call}: {won:?}") };
            let elsewhere = other.claim(about(other, "web-01", name, "at once", latest.as_deref())).await.unwrap();
            assert_eq!(elsewhere, Claimed::Known(Standing::Running { call: call.clone() }));
            ledger.settle(settle(name, version, completed("[]"))).await.unwrap();
            let retried = other.claim(meant).await.unwrap();
            assert!(matches!(retried, Claimed::Known(Standing::Replay(_))), "{call}: {retried:?}");
            latest = Some(call);
        }
        // Delayed, it does nothing, and is told what stands.
        let delayed = one.claim(about(&one, "web-01", "isolate", "delayed", None)).await.unwrap();
        let Claimed::Known(Standing::Superseded(superseded)) = delayed else { panic!("{delayed:?}") };
        assert_eq!(superseded.by.map(|by| by.call), latest);
        // Another host is another matter.
        let name = format!("isolate web-02 {round}");
        let free = two.claim(about(&two, "web-02", &name, &name, None)).await.unwrap();
        assert!(matches!(free, Claimed::Won { .. }), "{free:?}");
    }
    one.close().await.unwrap();
    two.close().await.unwrap();
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}

#[tokio::test]
async fn a_repeat_that_has_no_effect_leaves_the_result_where_it_was() {
    let Some(database) = Database::start() else { return };
    let (one, two) = (open(database.url()).await, open(database.url()).await);
    let first = about(&one, "web-01", "isolate", "first", None);
    let Claimed::Won { version, .. } = one.claim(first.clone()).await.unwrap() else { panic!("nothing was there") };
    // Its ready undo call is about a ticket, which the repeat knows nothing of.
    let found = Outcome::Completed {
        payload: b"[1]".to_vec(),
        code: "ok".into(),
        subjects: vec![subject(&one, ["ticket".to_owned()])],
        stored_error: false,
    };
    one.settle(settle("isolate", version, found)).await.unwrap();
    let again = Claim { needs_approval: true, ..about(&one, "web-01", "isolate", "again", Some("first")) };
    let replayed = async |ledger: &Ledger| {
        let standing = ledger.standing(first.clone()).await.unwrap();
        let Standing::Replay(action) = standing else { panic!("{standing:?}") };
        assert_eq!(ledger.payload(&action).await.unwrap(), b"[1]");
    };
    // While the repeat waits for its approval, and after nobody gave it.
    let asked = one.ask(Ask { claim: again.clone(), ..ask("isolate", "again") }).await.unwrap();
    let Asked::Awaits(waiting) = asked else { panic!("{asked:?}") };
    replayed(&two).await;
    let failed = |version| settle("isolate", version, Outcome::Failed { code: "HOST_OFFLINE".into() });
    one.settle(failed(waiting.version)).await.unwrap();
    replayed(&two).await;
    safe_tool::ledger::verify_database(&database.url()).unwrap();
    // And after one that began and had no effect.
    let Claimed::Won { version, .. } = two.claim(again).await.unwrap() else { panic!("nothing stands against it") };
    safe_tool::ledger::verify_database(&database.url()).unwrap();
    two.settle(failed(version)).await.unwrap();
    replayed(&one).await;
    safe_tool::ledger::verify_database(&database.url()).unwrap();
    // Its ticket changes while the next repeat waits: the result holds no longer.
    let again = Claim { needs_approval: true, ..about(&one, "web-01", "isolate", "third", Some("first")) };
    let asked = one.ask(Ask { claim: again, ..ask("isolate", "third") }).await.unwrap();
    assert!(matches!(asked, Asked::Awaits(_)), "{asked:?}");
    let close = two.claim(about(&two, "ticket", "close", "close", None)).await.unwrap();
    let Claimed::Won { version, .. } = close else { panic!("{close:?}") };
    two.settle(settle("close", version, completed("[]"))).await.unwrap();
    let standing = one.standing(first).await.unwrap();
    let Standing::Superseded(superseded) = standing else { panic!("{standing:?}") };
    assert_eq!(superseded.by.map(|by| by.call).as_deref(), Some("close"));
}

#[tokio::test]
async fn retention_removes_what_has_expired_and_nothing_else() {
    let Some(database) = Database::start() else { return };
    // The clock is trusted at once: otherwise nothing would expire yet.
    let options = Ledger::options().retention(Duration::from_millis(1)).distrust(Duration::ZERO);
    let url = database.url();
    let ledger = tokio::task::spawn_blocking(move || options.open(&url)).await.unwrap().unwrap();
    for name in ["a", "b"] {
        let version = win(&ledger, name).await;
        ledger.settle(settle(name, version, completed("{}"))).await.unwrap();
    }
    let version = win(&ledger, "doubted").await;
    ledger
        .settle(settle("doubted", version, Outcome::InDoubt { code: "timeout".into(), running: false }))
        .await
        .unwrap();
    win(&ledger, "started").await;
    until("they are gone", async || {
        ledger.tick();
        database.ask("SELECT key FROM safe_tool.actions").await.len() == 2
    })
    .await;
    assert_eq!(state(&ledger, "a").await, None);
    assert_eq!(state(&ledger, "doubted").await, Some(State::InDoubt));
    ledger.close().await.unwrap();
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}
