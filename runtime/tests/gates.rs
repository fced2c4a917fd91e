//! What each gate does with a call, on a server in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{call, call_with, decide, error, records};
use safe_tool::ledger::{Action, Ask, Claim, How, Listed, Outcome, Settle};
use safe_tool::prelude::*;
use safe_tool::tool::BoxFuture;
use safe_tool::{
    Allowlist, CredentialBroker, CredentialError, Identity, InProcess, Ledger, Principal, ReadServer, WriteServer,
};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

const READ: Scope = Scope::new("lab:read");
const WRITE: Scope = Scope::new("lab:write");

/// What bodies do and the tests look at.
#[derive(Clone, Default)]
struct Lab(Arc<Inner>);

struct Inner {
    runs: AtomicU32,
    started: Semaphore,
    go_on: Semaphore,
}

impl Default for Inner {
    fn default() -> Self {
        Inner { runs: AtomicU32::new(0), started: Semaphore::new(0), go_on: Semaphore::new(0) }
    }
}

impl Lab {
    fn run(&self) -> u32 {
        self.0.runs.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn runs(&self) -> u32 {
        self.0.runs.load(Ordering::SeqCst)
    }

    /// A body says that it has begun and waits until the test lets it go on.
    async fn hold(&self) {
        self.0.started.add_permits(1);
        self.0.go_on.acquire().await.unwrap().forget();
    }

    async fn has_started(&self) {
        self.0.started.acquire().await.unwrap().forget();
    }

    fn let_go(&self) {
        self.0.go_on.add_permits(1);
    }
}

/// A thing in the lab.
#[derive(ToolInput, ToolOutput)]
#[text(pattern = "^[a-z][a-z0-9-]{0,30}$", example = "lamp-1")]
struct Thing(String);

/// What became of it.
#[derive(ToolOutput)]
struct Change {
    /// How often bodies ran.
    run: u32,
}

/// Things that were found.
#[derive(ToolOutput)]
struct Found {
    /// The things.
    things: Page<Thing>,
}

#[derive(ToolError)]
enum LabError {
    #[tool_error(transient, "it flickers", effect = none)]
    Flickers,
    #[tool_error(rejected, "it is bolted down", stored)]
    Bolted,
    #[tool_error(transient, "nobody knows", effect = unknown)]
    Unknown {
        #[detail]
        cause: String,
    },
}

/// Finds things.
#[safe_tool(effect = read, scope = READ, timeout = "50ms", retry = 2, rate(principal = "50/hour"))]
async fn find(
    call: Call<Lab>,
    /// What to look for.
    #[arg(target)]
    thing: Thing,
    /// How many at most.
    #[arg(min = 1, max = 10)]
    limit: u8,
) -> Result<Found, LabError> {
    call.state().run();
    match thing.as_str() {
        "panic" => panic!("secret of the lab"),
        "slow" => std::future::pending::<()>().await,
        "flicker" => return Err(LabError::Flickers),
        "nothing" => return Ok(Found { things: Page::capped([], 10) }),
        _ => {}
    }
    let many = (0..20).map(|n| Thing::parse(format!("{thing}-{n}")).unwrap());
    Ok(Found { things: Page::capped(many, usize::from(limit)) })
}

/// Switches a thing on.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = switch_off(thing), timeout = "1s", retry = 2, rate(thing = "3/hour"))]
async fn switch_on(
    call: Call<Lab>,
    /// What to switch on.
    #[arg(target)]
    thing: Thing,
    /// How bright.
    #[arg(min = 1, max = 100, unit = "percent")]
    level: u8,
    /// Why.
    #[arg(free_text, max_len = 100)]
    why: Option<String>,
    /// The code of the lock.
    #[arg(pattern = "^[0-9]{4}$", sensitive)]
    code: Option<String>,
) -> Result<Change, LabError> {
    let _ = (level, why, code);
    let run = call.state().run();
    match thing.as_str() {
        "panic" => panic!("secret of the lab"),
        "held" => call.state().hold().await,
        "flicker" => return Err(LabError::Flickers),
        "bolted" => return Err(LabError::Bolted),
        "unknown" => return Err(LabError::Unknown { cause: "secret of the lab".to_owned() }),
        _ => {}
    }
    Ok(Change { run })
}

/// Switches a thing off.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("switch it on again"), repeat = explicit)]
async fn switch_off(
    call: Call<Lab>,
    /// What to switch off.
    #[arg(target)]
    thing: Thing,
) -> Result<Change, LabError> {
    let _ = thing;
    Ok(Change { run: call.state().run() })
}

/// Sets a dial; a repeat is harmless.
#[safe_tool(effect = write, scope = WRITE, key = natural("it sets the value"), undo = by_hand("set the old value"))]
async fn set_dial(
    call: Call<Lab>,
    /// The value.
    #[arg(min = 0, max = 100)]
    value: u8,
) -> Result<Change, LabError> {
    let _ = value;
    Ok(Change { run: call.state().run() })
}

/// Prints a label.
#[safe_tool(effect = write, scope = WRITE, key = client, undo = by_hand("throw the label away"))]
async fn print_label(
    call: Call<Lab>,
    /// What stands on it.
    #[arg(free_text, max_len = 20)]
    text: String,
) -> Result<Change, LabError> {
    let _ = text;
    Ok(Change { run: call.state().run() })
}

/// Rings the bell, once a turn of an investigation.
#[safe_tool(effect = write, scope = WRITE, key(call.investigation, call.turn, call.principal), undo = by_hand("apologise"))]
async fn ring(call: Call<Lab>) -> Result<Change, LabError> {
    Ok(Change { run: call.state().run() })
}

/// Melts a thing.
#[safe_tool(effect = destroy, scope = WRITE, key(thing), approve = operator)]
async fn melt(
    call: Call<Lab>,
    /// What to melt.
    #[arg(target)]
    thing: Thing,
) -> Result<Change, LabError> {
    let _ = thing;
    Ok(Change { run: call.state().run() })
}

/// Scraps a thing.
#[safe_tool(effect = destroy, scope = WRITE, key(thing), approve = operator)]
async fn scrap(
    call: Call<Lab>,
    /// What to scrap.
    #[arg(target)]
    thing: Thing,
    /// Why.
    #[arg(free_text, max_len = 100)]
    why: String,
) -> Result<Change, LabError> {
    let _ = (thing, why);
    Ok(Change { run: call.state().run() })
}

/// Opens the vault.
#[derive(Credential)]
#[credential(audience = "https://vault.example", scopes("open"))]
struct VaultKey;

/// Opens a box in the vault.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("close it"))]
async fn open_box(
    call: Call<Lab, VaultKey>,
    /// The box.
    #[arg(target)]
    thing: Thing,
) -> Result<Change, LabError> {
    let _ = thing;
    assert_eq!(call.credential().expose(), "minted");
    Ok(Change { run: call.state().run() })
}

/// Fails, panics, and then mints.
struct Once(AtomicU32);

impl CredentialBroker for Once {
    fn mint<'a>(
        &'a self,
        _: &'static safe_tool::credential::CredentialSpec,
        _: &'a Principal,
    ) -> BoxFuture<'a, Result<safe_tool::SecretString, CredentialError>> {
        let call = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match call {
                0 => Err(CredentialError("secret of the lab".into())),
                1 => panic!("secret of the lab"),
                _ => Ok("minted".into()),
            }
        })
    }
}

fn ann() -> Principal {
    Principal::agent("triage").on_behalf_of("ann").with_scope("lab:read").with_scope("lab:write")
}

fn reader(lab: &Lab) -> Server<ReadServer, Lab> {
    Server::read("lab-read", lab.clone()).tool::<find>()
}

fn writer(lab: &Lab) -> Server<WriteServer, Lab> {
    Server::write("lab", lab.clone())
        .tool::<switch_on>()
        .tool::<switch_off>()
        .tool::<set_dial>()
        .tool::<print_label>()
        .tool::<ring>()
        .tool::<melt>()
        .tool::<scrap>()
        .tool::<open_box>()
        .credentials(Once(AtomicU32::new(0)))
}

async fn read_server(lab: &Lab) -> InProcess {
    reader(lab).ledger(Ledger::open("memory:").unwrap()).in_process(ann()).await.unwrap()
}

async fn write_server(lab: &Lab) -> InProcess {
    writer(lab).ledger(Ledger::open("memory:").unwrap()).in_process(ann()).await.unwrap()
}

#[tokio::test]
async fn a_read_is_answered_and_says_when_there_is_more() {
    let lab = Lab::default();
    let server = read_server(&lab).await;
    let answer = call(&server, "find", json!({ "thing": "lamp", "limit": 2 })).await;
    assert_eq!(answer["status"], "ok");
    assert_eq!(answer["data"], json!({ "things": ["lamp-0", "lamp-1"] }));
    assert_eq!((&answer["truncated"], &answer["source"]), (&json!(true), &json!("lab-read")));
    let empty = call(&server, "find", json!({ "thing": "nothing", "limit": 2 })).await;
    assert_eq!((&empty["status"], &empty["data"]), (&json!("empty"), &json!({ "things": [] })));
}

#[tokio::test]
async fn who_is_not_known_gets_nothing() {
    struct Nobody;
    impl Identity for Nobody {
        fn authenticate(&self, _: Option<&str>) -> Option<Principal> {
            None
        }
    }
    let lab = Lab::default();
    let server = reader(&lab).ledger(Ledger::open("memory:").unwrap()).in_process_as(Nobody).await.unwrap();
    let answer = call(&server, "find", json!({ "thing": "lamp", "limit": 2 })).await;
    assert_eq!((error(&answer, "kind"), lab.runs()), ("unauthenticated", 0));
}

#[tokio::test]
async fn without_the_scope_a_tool_is_denied() {
    let lab = Lab::default();
    let server = writer(&lab)
        .ledger(Ledger::open("memory:").unwrap())
        .in_process(Principal::agent("triage").with_scope("lab:read"))
        .await
        .unwrap();
    let answer = call(&server, "switch_off", json!({ "thing": "lamp" })).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code"), lab.runs()), ("denied", "scope_missing", 0));
}

#[tokio::test]
async fn every_violation_is_told_and_no_value_repeated() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = r#"{"thing":"*; rm -rf /","level":99999,"force":true,"code":"12"}"#;
    let answer: Value = serde_json::from_str(&server.call("switch_on", arguments).await.unwrap()).unwrap();
    let violations: Vec<(&str, &str)> = answer["error"]["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["path"].as_str().unwrap(), v["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(
        violations,
        [("/thing", "pattern"), ("/level", "maximum"), ("", "additionalProperties"), ("/code", "pattern")]
    );
    assert_eq!(answer["error"]["effect"], "none");
    let text = answer.to_string();
    assert!(!text.contains("rm -rf") && !text.contains("99999") && !text.contains("force"), "{text}");
    assert_eq!(lab.runs(), 0);
}

#[tokio::test]
async fn a_policy_denies_what_it_does_not_list() {
    let policy = "[roles.r]\nagents=[\"triage\"]\n[[allow]]\nrole=\"r\"\ntools=[\"switch_off\"]\ntargets=[\"lamp-*\"]";
    let lab = Lab::default();
    let server = writer(&lab)
        .policy(Allowlist::parse(policy).unwrap())
        .ledger(Ledger::open("memory:").unwrap())
        .in_process(ann())
        .await
        .unwrap();
    assert_eq!(call(&server, "switch_off", json!({ "thing": "lamp-1" })).await["status"], "ok");
    let answer = call(&server, "switch_off", json!({ "thing": "oven" })).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("denied", "policy_denied"));
    let answer = call(&server, "ring", json!({})).await;
    assert_eq!(error(&answer, "kind"), "invalid_arguments", "validation comes before policy");
    assert_eq!(lab.runs(), 1);
}

#[tokio::test]
async fn a_retry_is_answered_with_the_same_bytes() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let first = server.call("switch_on", r#"{"thing":"lamp","level":5}"#).await.unwrap();
    // Other spelling, same arguments.
    let second = server.call("switch_on", r#"{ "level": 5.0, "thing": "lamp" }"#).await.unwrap();
    assert_eq!(lab.runs(), 1);
    let cut = |text: &str| text[..text.find(r#","replayed""#).unwrap()].to_owned();
    assert_eq!(cut(&first), cut(&second));
    let (first, second): (Value, Value) =
        (serde_json::from_str(&first).unwrap(), serde_json::from_str(&second).unwrap());
    assert_eq!((&first["replayed"], &second["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(second["first_call"], first["call"]);
    assert_ne!(second["call"], first["call"]);
    let undo = json!({ "thing": "lamp", "again_after": first["call"] });
    assert_eq!(first["undo"], json!({ "tool": "switch_off", "arguments": undo }));
}

#[tokio::test]
async fn other_arguments_under_one_key_conflict_but_reworded_text_does_not() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let base = json!({ "thing": "lamp", "level": 5, "why": "it is dark", "code": "1234" });
    call(&server, "switch_on", base.clone()).await;
    let mut other = base.clone();
    other["level"] = json!(6);
    other["code"] = json!("4321");
    let answer = call(&server, "switch_on", other).await;
    assert_eq!(error(&answer, "kind"), "conflict");
    let paths: Vec<&str> =
        answer["error"]["violations"].as_array().unwrap().iter().map(|v| v["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/level"], "that a hidden argument differs helps to guess it");
    let mut reworded = base;
    reworded["why"] = json!("too dark");
    let answer = call(&server, "switch_on", reworded).await;
    assert_eq!((&answer["replayed"], &answer["differs"]), (&json!(true), &json!(["why"])));
    assert_eq!(lab.runs(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_at_once_are_one() {
    let lab = Lab::default();
    let server = Arc::new(write_server(&lab).await);
    let arguments = json!({ "thing": "lamp", "level": 5 });
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (server, arguments) = (server.clone(), arguments.clone());
            tokio::spawn(async move { call(&server, "switch_on", arguments).await })
        })
        .collect();
    let mut replayed = 0;
    for answer in calls {
        let answer = answer.await.unwrap();
        assert_eq!(answer["data"], json!({ "run": 1 }));
        replayed += u32::from(answer["replayed"] == json!(true));
    }
    assert_eq!((lab.runs(), replayed), (1, 63));
}

#[tokio::test]
async fn a_duplicate_waits_on_the_running_call() {
    let lab = Lab::default();
    let server = Arc::new(write_server(&lab).await);
    let arguments = json!({ "thing": "held", "level": 5 });
    let running = tokio::spawn({
        let (server, arguments) = (server.clone(), arguments.clone());
        async move { call(&server, "switch_on", arguments).await }
    });
    lab.has_started().await;
    let mut conflicting = arguments.clone();
    conflicting["level"] = json!(6);
    assert_eq!(error(&call(&server, "switch_on", conflicting).await, "kind"), "conflict", "also while it runs");
    let mut waiting = Box::pin(call(&server, "switch_on", arguments));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    lab.let_go();
    let (first, second) = (running.await.unwrap(), waiting.await);
    assert_eq!((&first["data"], &second["replayed"]), (&second["data"], &json!(true)));
    assert_eq!(lab.runs(), 1);
}

#[tokio::test]
async fn a_panic_is_answered_and_nothing_of_it_leaves() {
    let lab = Lab::default();
    let answer = call(&read_server(&lab).await, "find", json!({ "thing": "panic", "limit": 1 })).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "effect")), ("internal", "none"));
    assert!(!answer.to_string().contains("secret"));

    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "panic", "level": 1 });
    let answer = call(&server, "switch_on", arguments.clone()).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("in_doubt", "internal"));
    assert!(!answer.to_string().contains("secret"));
    let runs = lab.runs();
    let again = call(&server, "switch_on", arguments).await;
    assert_eq!((error(&again, "kind"), error(&again, "effect"), lab.runs()), ("in_doubt", "unknown", runs));
    assert_eq!(again["first_call"], answer["call"]);
}

#[tokio::test]
async fn an_error_whose_effect_is_unknown_is_in_doubt() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "unknown", "level": 1 });
    let answer = call(&server, "switch_on", arguments.clone()).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("in_doubt", "UNKNOWN"));
    assert_eq!(answer["error"]["retryable"], false);
    assert!(!answer.to_string().contains("secret"));
    assert_eq!(error(&call(&server, "switch_on", arguments).await, "kind"), "in_doubt");
    assert_eq!(lab.runs(), 1);
}

/// A measurement.
#[derive(ToolOutput)]
struct Measure {
    /// The value.
    value: f64,
    /// How often it was taken.
    times: u64,
}

/// Measures.
#[safe_tool(effect = read, scope = READ)]
async fn measure(
    call: Call<Lab>,
    /// What to divide by.
    #[arg(min = 0, max = 9, example = 4)]
    by: u8,
) -> Result<Measure, LabError> {
    call.state().run();
    Ok(Measure { value: 1.0 / f64::from(by), times: u64::MAX })
}

#[tokio::test]
async fn a_number_that_json_has_not_is_no_answer() {
    let lab = Lab::default();
    let server = Server::read("lab", lab).tool::<measure>().ledger(Ledger::open("memory:").unwrap());
    let server = server.in_process(ann()).await.unwrap();
    let answer = server.call("measure", r#"{"by":4}"#).await.unwrap();
    assert!(answer.contains(r#""data":{"value":0.25,"times":18446744073709551615}"#), "{answer}");
    let infinite = call(&server, "measure", json!({ "by": 0 })).await;
    assert_eq!((error(&infinite, "kind"), error(&infinite, "effect")), ("internal", "none"));
    let refused = call(&server, "measure", json!({ "by": 10 })).await;
    assert_eq!(refused["error"]["violations"][0]["example"], json!(4), "an example is of the argument's type");
}

#[tokio::test]
async fn errors_without_effect_are_tried_again_and_not_stored() {
    let lab = Lab::default();
    let answer = call(&read_server(&lab).await, "find", json!({ "thing": "slow", "limit": 1 })).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("transient", "timeout"));
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "flicker", "level": 1 });
    let answer = call(&server, "switch_on", arguments.clone()).await;
    assert_eq!((error(&answer, "code"), error(&answer, "effect"), lab.runs()), ("FLICKERS", "none", 3));
    let again = call(&server, "switch_on", arguments).await;
    assert_eq!((&again["replayed"], lab.runs()), (&json!(false), 6));
}

#[tokio::test]
async fn errors_marked_stored_are_replayed() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "bolted", "level": 1 });
    let first = call(&server, "switch_on", arguments.clone()).await;
    let second = call(&server, "switch_on", arguments).await;
    assert_eq!((&first["error"], &second["replayed"], lab.runs()), (&second["error"], &json!(true), 1));
}

#[tokio::test]
async fn past_its_deadline_a_write_goes_on_and_settles_the_doubt() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "held", "level": 1 });
    let answer = call(&server, "switch_on", arguments.clone()).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("in_doubt", "timeout"));
    assert_eq!(error(&call(&server, "switch_on", arguments.clone()).await, "kind"), "in_doubt");
    lab.let_go();
    // The late outcome is recorded by the detached task; until then the answer stays in doubt.
    let settled = async {
        loop {
            let answer = call(&server, "switch_on", arguments.clone()).await;
            if answer["status"] == "ok" {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap();
    assert_eq!((&answer["replayed"], lab.runs()), (&json!(true), 1));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_lose_the_outcome() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let arguments = json!({ "thing": "held", "level": 1 });
    {
        let mut leaving = Box::pin(call(&server, "switch_on", arguments.clone()));
        tokio::select! {
            _ = &mut leaving => panic!("it is held"),
            () = lab.has_started() => {}
        }
    }
    lab.let_go();
    let answer = call(&server, "switch_on", arguments).await;
    assert_eq!((&answer["replayed"], &answer["data"], lab.runs()), (&json!(true), &json!({ "run": 1 }), 1));
}

#[tokio::test]
async fn limits_count_calls_that_run_and_no_replays() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let mut on = json!({ "thing": "lamp", "level": 1 });
    for round in 1..=3 {
        let answer = call(&server, "switch_on", on.clone()).await;
        assert_eq!(answer["replayed"], json!(false), "round {round}");
        assert_eq!(call(&server, "switch_on", on.clone()).await["replayed"], json!(true));
        on["again_after"] = answer["call"].clone();
    }
    let answer = call(&server, "switch_on", on).await;
    assert_eq!((error(&answer, "kind"), &answer["error"]["retryable"]), ("rate_limited", &json!(true)));
    assert!(answer["error"]["retry_after_ms"].as_u64().unwrap() > 0);
    let other = call(&server, "switch_on", json!({ "thing": "fan", "level": 1 })).await;
    assert_eq!(other["status"], "ok", "another value has a limit of its own");
}

/// A note that was filed.
#[derive(ToolOutput)]
struct Note {
    /// Its number.
    note: String,
}

/// Files a note.
#[safe_tool(effect = write, scope = WRITE, key(number), undo = drop_note(note = out.note))]
async fn file_note(
    call: Call<Lab>,
    /// Number to file it under.
    #[arg(pattern = "^[a-z0-9]{1,9}$")]
    number: String,
) -> Result<Note, LabError> {
    call.state().run();
    Ok(Note { note: format!("n-{number}") })
}

/// Drops a note.
#[safe_tool(effect = write, scope = WRITE, key(note), undo = by_hand("file it again"), repeat = explicit)]
async fn drop_note(
    call: Call<Lab>,
    /// Number of the note.
    #[arg(pattern = "^n-[0-9]{1,9}$")]
    note: String,
) -> Result<Done, LabError> {
    let _ = note;
    call.state().run();
    Ok(Done)
}

#[tokio::test]
async fn an_undo_call_that_would_be_refused_is_not_offered() {
    let server = Server::write("notes", Lab::default()).tool::<file_note>().tool::<drop_note>();
    let server = server.ledger(Ledger::open("memory:").unwrap()).in_process(ann()).await.unwrap();
    let good = call(&server, "file_note", json!({ "number": "12" })).await;
    // Nothing of `drop_note` is a target, so its call has no subject on which it could follow another.
    assert_eq!(good["undo"], json!({ "tool": "drop_note", "arguments": { "note": "n-12" } }));
    assert_eq!(call(&server, "drop_note", good["undo"]["arguments"].clone()).await["status"], "ok");
    let bad = call(&server, "file_note", json!({ "number": "twelve" })).await;
    assert_eq!((&bad["status"], bad.get("undo")), (&json!("ok"), None));
}

#[tokio::test]
async fn a_natural_key_runs_again() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    for _ in 0..3 {
        assert_eq!(call(&server, "set_dial", json!({ "value": 10 })).await["replayed"], json!(false));
    }
    assert_eq!(lab.runs(), 3);
}

#[tokio::test]
async fn the_callers_key_comes_from_meta_or_argument_and_must_agree() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let answer = call(&server, "print_label", json!({ "text": "a" })).await;
    assert_eq!(answer["error"]["violations"][0]["path"], "/_meta/dev.safe-tool~1idempotency-key");
    let meta = json!({ "dev.safe-tool/idempotency-key": "key-00000001" });
    assert_eq!(call_with(&server, "print_label", json!({ "text": "a" }), meta.clone()).await["replayed"], json!(false));
    let argument = json!({ "text": "a", "idempotency_key": "key-00000001" });
    assert_eq!(call(&server, "print_label", argument).await["replayed"], json!(true), "either place is the same key");
    for (unfit, rule) in [(json!("a b\n"), "pattern"), (json!(7), "type"), (json!("x".repeat(300)), "pattern")] {
        let meta = json!({ "dev.safe-tool/idempotency-key": unfit, "dev.safe-tool/turn": unfit });
        let answer = call_with(&server, "print_label", json!({ "text": "a" }), meta).await;
        let violations = answer["error"]["violations"].as_array().unwrap();
        assert_eq!((violations.len(), &violations[0]["rule"]), (2, &json!(rule)), "{answer}");
    }
    let contradiction = json!({ "text": "a", "idempotency_key": "key-00000002" });
    let answer = call_with(&server, "print_label", contradiction, meta).await;
    assert_eq!(answer["error"]["violations"][0]["rule"], "differs");
    assert_eq!(lab.runs(), 1);
}

#[tokio::test]
async fn parts_of_the_call_make_a_key() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    let missing = call(&server, "ring", json!({})).await;
    assert_eq!(missing["error"]["violations"].as_array().unwrap().len(), 2);
    let meta = |turn: &str| json!({ "dev.safe-tool/investigation": "case-7", "dev.safe-tool/turn": turn });
    assert_eq!(call_with(&server, "ring", json!({}), meta("1")).await["replayed"], json!(false));
    assert_eq!(call_with(&server, "ring", json!({}), meta("1")).await["replayed"], json!(true));
    assert_eq!(call_with(&server, "ring", json!({}), meta("2")).await["replayed"], json!(false));
}

#[tokio::test]
async fn what_needs_an_approval_is_pending_until_it_is_given_and_runs_once() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    let lamp = json!({ "thing": "lamp" });
    let asked = call(&server, "melt", lamp.clone()).await;
    let again = call(&server, "melt", lamp.clone()).await;
    assert_eq!((&asked["status"], &again["status"], lab.runs()), (&json!("pending"), &json!("pending"), 0));
    assert_eq!(asked["approval"], again["approval"], "the same approval is asked for once");
    decide(&ledger, true).await;
    assert_eq!(call(&server, "melt", lamp.clone()).await["replayed"], false);
    assert_eq!(call(&server, "melt", lamp).await["replayed"], true);
    assert_eq!(lab.runs(), 1);
    // An approval is bound to what was asked.
    assert_eq!(call(&server, "melt", json!({ "thing": "fan" })).await["status"], "pending");
    assert_eq!(lab.runs(), 1);
}

#[tokio::test]
async fn what_was_approved_runs_to_the_letter() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    let scrap = |why: &str| json!({ "thing": "lamp", "why": why });
    call(&server, "scrap", scrap("it is broken")).await;
    decide(&ledger, true).await;
    let reworded = call(&server, "scrap", scrap("it does not work")).await;
    assert_eq!((error(&reworded, "kind"), lab.runs()), ("conflict", 0));
    assert_eq!(reworded["error"]["violations"][0]["path"], "/why");
    let answer = call(&server, "scrap", scrap("it is broken")).await;
    assert_eq!((&answer["status"], lab.runs()), (&json!("ok"), 1));
}

#[tokio::test]
async fn what_an_operator_refuses_never_runs() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    call(&server, "melt", json!({ "thing": "lamp" })).await;
    decide(&ledger, false).await;
    for _ in 0..2 {
        let answer = call(&server, "melt", json!({ "thing": "lamp" })).await;
        assert_eq!((error(&answer, "kind"), error(&answer, "code"), lab.runs()), ("denied", "approval_refused", 0));
    }
}

#[tokio::test]
async fn an_approval_expires_and_is_asked_for_anew() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    let first = call(&server, "melt", json!({ "thing": "lamp" })).await;
    // The same, as if it had been asked for long ago.
    let [action] = ledger.list(Listed::AwaitingApproval, None, 9).await.unwrap().try_into().unwrap();
    let intent = ledger.intent(&action).await.unwrap();
    assert_eq!(
        (intent.entry.call.as_str(), intent.entry.user.as_deref()),
        (first["call"].as_str().unwrap(), Some("ann"))
    );
    let failed = Outcome::Failed { code: "test".into() };
    let Action { key, version, digest, arguments, subjects, .. } = action;
    let settle = Settle { entry: intent.entry.clone(), key, version, outcome: failed, how: How::Call };
    ledger.settle(settle).await.unwrap();
    let claim = Claim {
        entry: intent.entry,
        key,
        digest,
        arguments,
        subjects,
        natural: false,
        needs_approval: true,
        again_after: None,
        every: None,
        approved: None,
        lives: Duration::ZERO,
    };
    ledger.ask(Ask { claim, id: "01J".to_owned(), expires_ms: 1 }).await.unwrap();

    let expired = call(&server, "melt", json!({ "thing": "lamp" })).await;
    assert_eq!((error(&expired, "kind"), error(&expired, "code")), ("denied", "approval_expired"));
    let anew = call(&server, "melt", json!({ "thing": "lamp" })).await;
    assert_eq!((&anew["status"], lab.runs()), (&json!("pending"), 0));
    assert_ne!(anew["approval"]["id"], first["approval"]["id"]);
}

#[tokio::test]
async fn without_a_credential_nothing_runs_and_the_key_is_free() {
    let lab = Lab::default();
    let server = write_server(&lab).await;
    for broker in ["fails", "panics"] {
        let answer = call(&server, "open_box", json!({ "thing": "box" })).await;
        assert_eq!(
            (error(&answer, "kind"), error(&answer, "code")),
            ("unavailable", "credential_unavailable"),
            "{broker}"
        );
        assert!(!answer.to_string().contains("secret") && lab.runs() == 0, "{broker}");
    }
    assert_eq!(call(&server, "open_box", json!({ "thing": "box" })).await["status"], "ok");
}

#[tokio::test]
async fn a_latched_ledger_stops_calls_before_their_effect() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    call(&server, "switch_on", json!({ "thing": "lamp", "level": 1 })).await;
    ledger.latch();
    let answer = call(&server, "switch_on", json!({ "thing": "fan", "level": 1 })).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code"), lab.runs()), ("unavailable", "ledger_unavailable", 1));
}

#[tokio::test]
async fn the_ledger_holds_every_call_and_no_secret() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let ledger = Ledger::open(directory.path().to_str().unwrap()).unwrap();
    let lab = Lab::default();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    let on = json!({ "thing": "lamp", "level": 5, "why": "the cat is afraid", "code": "7788" });
    call(&server, "switch_on", on.clone()).await;
    call(&server, "switch_on", on).await;
    call(&server, "switch_on", json!({ "thing": "*", "level": 5 })).await;
    ledger.close().await.unwrap();
    let records = records(directory.path());
    let events: Vec<&str> = records.iter().filter_map(|r| r["event"].as_str()).collect();
    assert_eq!(events, ["open", "checkpoint", "started", "completed", "replayed", "refused", "checkpoint", "close"]);
    let started = records.iter().find(|r| r["event"] == "started").unwrap();
    assert_eq!(
        (&started["agent"], &started["user"], &started["tool"]),
        (&json!("triage"), &json!("ann"), &json!("switch_on"))
    );
    assert_eq!((&started["arguments"]["thing"], &started["arguments"]["level"]), (&json!("lamp"), &json!(5)));
    let journal = serde_json::to_string(&records).unwrap();
    assert!(!journal.contains("\"7788\"") && !journal.contains("the cat"), "sensitive values and free text are hashed");
    assert!(started["arguments"]["code"].as_str().unwrap().starts_with("hmac:v1:"));
}

#[tokio::test]
async fn a_closed_journal_is_lines_of_json_and_nothing_behind_them() {
    for round in 0..30 {
        let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        let ledger = Ledger::open(directory.path().to_str().unwrap()).unwrap();
        ledger.close().await.unwrap();
        let segment = std::fs::read(directory.path().join("journal/00000000000000000001.jsonl")).unwrap();
        assert_eq!(segment.last(), Some(&b'\n'), "round {round}: zero bytes that were reserved are still there");
    }
}

/// Sets the code of a lock.
#[safe_tool(effect = write, scope = WRITE, key = natural("it sets a value"), undo = by_hand("clear it"))]
async fn set_code(
    call: Call<Lab>,
    /// The code.
    #[arg(pattern = "^[0-9]{4}$", sensitive)]
    code: String,
) -> Result<Done, LabError> {
    let _ = code;
    call.state().run();
    Ok(Done)
}

#[tokio::test]
async fn a_sensitive_value_is_in_no_record_and_guessed_from_no_key() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        let ledger = Ledger::open(directory.path().to_str().unwrap()).unwrap();
        let server = Server::write("locks", Lab::default()).tool::<set_code>();
        let server = server.ledger(ledger).in_process(ann()).await.unwrap();
        let answer = call(&server, "set_code", json!({ "code": "7788" })).await;
        assert_eq!(answer["status"], "ok");
        server.close().await.unwrap();
        let records = records(directory.path());
        assert!(!serde_json::to_string(&records).unwrap().contains("\"7788\""));
        keys.push(records.iter().find(|record| record["event"] == "started").unwrap()["key"].clone());
    }
    assert_ne!(keys[0], keys[1], "a key that holds a secret is hashed under the ledger's own key");
}

#[tokio::test]
async fn many_refusals_alike_are_summed_up() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let ledger = Ledger::open(directory.path().to_str().unwrap()).unwrap();
    let lab = Lab::default();
    let server = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    for _ in 0..500 {
        call(&server, "switch_off", json!({ "thing": "*" })).await;
    }
    server.close().await.unwrap();
    let records = records(directory.path());
    let refused: Vec<u64> =
        records.iter().filter(|r| r["event"] == "refused").map(|r| r["times"].as_u64().unwrap_or(1)).collect();
    assert_eq!(refused.iter().sum::<u64>(), 500, "every refusal counts");
    assert!(refused.len() < 200, "{} records", refused.len());
}
