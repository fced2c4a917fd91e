//! Every envelope that a server answers with is what the tool's output schema admits.

use super::client::{Client, Everybody};
use super::subject::oracle;
use super::types::{Never, Thing, Zone};
use safe_tool::prelude::*;
use safe_tool::{Allowlist, Identity, InProcess, Ledger, Principal, ReadServer, WriteServer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Semaphore;

const READ: Scope = Scope::new("lab:read");
const WRITE: Scope = Scope::new("lab:write");

/// Lets bodies wait for the test.
#[derive(Clone)]
pub(crate) struct Lab {
    started: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Default for Lab {
    fn default() -> Self {
        Lab { started: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(0)) }
    }
}

#[derive(ToolOutput)]
struct Found {
    /// The things.
    things: Page<Thing>,
    /// Where they are.
    zone: Option<Zone>,
}

#[derive(ToolOutput)]
struct Change {
    /// For whom.
    ticket: String,
    /// What changed.
    how: How,
}

#[derive(ToolOutput)]
enum How {
    /// It is on.
    On {
        /// How bright.
        level: u8,
    },
    /// It was on.
    Already,
}

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing: `{thing}`", suggest = "find")]
    Missing { thing: Thing },
    #[tool_error(rejected, "it is bolted down", stored)]
    Bolted,
    #[tool_error(transient, "it flickers", effect = none, retry_after = "2s")]
    Flickers,
    #[tool_error(unavailable, "nobody knows", effect = unknown)]
    Unknown,
    #[tool_error(denied, "not for you")]
    Denied,
    #[tool_error(conflict, "it is held by another")]
    Held,
    #[tool_error(invalid_arguments, "not in this season")]
    Season,
}

/// What bodies have in common: the thing says how it ends.
fn ends(thing: Thing) -> Result<Thing, LabError> {
    match thing.as_str() {
        "panic" => panic!("secret of the lab"),
        "missing" => Err(LabError::Missing { thing }),
        "bolted" => Err(LabError::Bolted),
        "flickers" => Err(LabError::Flickers),
        "unknown" => Err(LabError::Unknown),
        "denied" => Err(LabError::Denied),
        "held" => Err(LabError::Held),
        "season" => Err(LabError::Season),
        _ => Ok(thing),
    }
}

/// Finds things.
#[safe_tool(effect = read, scope = READ, timeout = "50ms")]
async fn find(
    /// What to look for.
    #[arg(target)]
    thing: Thing,
    /// How many at most.
    #[arg(min = 0, max = 10)]
    limit: u8,
) -> Result<Found, LabError> {
    if thing.as_str() == "slow" {
        std::future::pending::<()>().await;
    }
    let thing = ends(thing)?;
    let things = std::iter::repeat_n(thing, if limit == 0 { 0 } else { 5 });
    Ok(Found { things: Page::capped(things, usize::from(limit)), zone: (limit > 3).then_some(Zone::Office) })
}

/// Switches a thing on.
#[safe_tool(
    effect = write,
    scope = WRITE,
    key(thing),
    undo = switch_off(thing, note = out.ticket),
    timeout = "200ms",
    source = "switchboard",
    rate(thing = "3/hour"),
)]
async fn switch_on(
    call: Call<Lab>,
    /// What to switch on.
    #[arg(target)]
    thing: Thing,
    /// How bright.
    #[arg(min = 1, max = 100)]
    level: u8,
    /// Why.
    #[arg(free_text, max_len = 20)]
    why: Option<String>,
) -> Result<Change, LabError> {
    drop(why);
    if thing.as_str() == "waits" {
        call.state().started.add_permits(1);
        call.state().go_on.acquire().await.unwrap().forget();
    }
    let thing = ends(thing)?;
    let how = if level > 50 { How::Already } else { How::On { level } };
    Ok(Change { ticket: format!("for \"{thing}\"\n\t"), how })
}

/// Switches a thing off.
#[safe_tool(effect = write, scope = WRITE, key = natural("it stays off"), undo = by_hand("switch it on"))]
async fn switch_off(
    /// What to switch off.
    #[arg(target)]
    thing: Thing,
    /// The ticket.
    #[arg(free_text, max_len = 30)]
    note: String,
) -> Result<Found, LabError> {
    drop(note);
    ends(thing)?;
    Ok(Found { things: Page::capped([], 1), zone: None })
}

/// Prints a label.
#[safe_tool(effect = write, scope = WRITE, key = client, undo = by_hand("throw it away"))]
async fn print_label() -> Result<Done, Never> {
    Ok(Done)
}

/// Melts a thing.
#[safe_tool(effect = destroy, scope = WRITE, key(thing), approve = operator)]
async fn melt(
    /// What to melt.
    #[arg(target)]
    thing: Thing,
) -> Result<Done, LabError> {
    ends(thing)?;
    Ok(Done)
}

/// Opens the vault.
#[derive(Credential)]
#[credential(audience = "https://vault.example", scopes("open"), env = "SAFE_TOOL_TEST_NO_SUCH_VARIABLE")]
struct VaultKey;

/// Opens a box.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("close it"))]
async fn open_box(
    call: Call<Lab, VaultKey>,
    /// The box.
    #[arg(target)]
    thing: Thing,
) -> Result<Done, LabError> {
    let _ = call.credential();
    ends(thing)?;
    Ok(Done)
}

pub(crate) fn ann() -> Principal {
    Principal::agent("triage").with_scope("lab:read").with_scope("lab:write").with_scope("lab:all")
}

fn reader() -> Server<ReadServer, ()> {
    Server::read("lab-read", ()).tool::<find>()
}

pub(crate) fn writer(lab: &Lab) -> Server<WriteServer, Lab> {
    Server::write("lab", lab.clone())
        .tool::<switch_on>()
        .tool::<switch_off>()
        .tool::<print_label>()
        .tool::<melt>()
        .tool::<open_box>()
}

fn memory() -> Ledger {
    Ledger::open("memory:").unwrap()
}

/// Holds answers against the output schemas that `tools/list` publishes, and remembers what was seen.
struct Judge {
    oracles: BTreeMap<String, jsonschema::Validator>,
    /// Of the arguments, for calls that answers propose.
    inputs: BTreeMap<String, jsonschema::Validator>,
    seen: BTreeSet<String>,
}

impl Judge {
    async fn new() -> Self {
        let everybody = || Everybody(ann());
        let mut tools = Client::of(reader().identity(everybody()).ledger(memory())).await.tools().await;
        tools.extend(Client::of(writer(&Lab::default()).identity(everybody()).ledger(memory())).await.tools().await);
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        let oracles = tools.iter().map(|tool| (name(tool), oracle(&tool["outputSchema"]))).collect();
        let inputs = tools.iter().map(|tool| (name(tool), oracle(&tool["inputSchema"]))).collect();
        Judge { oracles, inputs, seen: BTreeSet::new() }
    }

    fn judge(&mut self, tool: &str, envelope: &str) -> Value {
        let answer: Value = serde_json::from_str(envelope).unwrap();
        if let Err(error) = self.oracles[tool].validate(&answer) {
            panic!("{tool}: {error}: {answer}");
        }
        assert!(!envelope.contains("secret"), "{answer}");
        if let Some(undo) = answer.get("undo") {
            assert!(self.inputs[undo["tool"].as_str().unwrap()].is_valid(&undo["arguments"]), "{answer}");
        }
        let mut says = answer["status"].as_str().unwrap().to_owned();
        if says == "error" {
            let violations = answer["error"]["violations"].as_array().is_some_and(|list| !list.is_empty());
            says = format!(
                "{}{}",
                answer["error"]["kind"].as_str().unwrap(),
                if violations { ", violations" } else { "" }
            );
        }
        for (member, word) in [("undo", ", undo"), ("first_call", ", first call"), ("differs", ", reworded")] {
            if answer.get(member).is_some() {
                says.push_str(word);
            }
        }
        if answer["replayed"] == true {
            says.push_str(", replayed");
        }
        self.seen.insert(says);
        answer
    }

    async fn call(&mut self, server: &InProcess, tool: &str, arguments: Value) -> Value {
        let envelope = server.call(tool, &arguments.to_string()).await.unwrap();
        self.judge(tool, &envelope)
    }

    /// What was seen, and nothing else; forgets it.
    fn saw(&mut self, expected: &[&str]) {
        let seen = std::mem::take(&mut self.seen);
        assert_eq!(seen, expected.iter().map(|&it| it.to_owned()).collect());
    }
}

const ENDINGS: [&str; 9] = ["lamp", "panic", "missing", "bolted", "flickers", "unknown", "denied", "held", "season"];

#[tokio::test]
async fn reads() {
    let mut judge = Judge::new().await;
    let server = reader().ledger(memory()).in_process(ann()).await.unwrap();
    for limit in [0, 3, 10, 11] {
        judge.call(&server, "find", json!({ "thing": "lamp", "limit": limit })).await;
    }
    for thing in ENDINGS.into_iter().chain(["slow"]) {
        judge.call(&server, "find", json!({ "thing": thing, "limit": 5 })).await;
    }
    judge.saw(&[
        "ok",
        "empty",
        "invalid_arguments, violations",
        "internal",
        "not_found",
        "rejected",
        "transient",
        "unavailable",
        "denied",
        "conflict",
        "invalid_arguments",
    ]);
}

#[tokio::test]
async fn writes_and_their_replays() {
    let mut judge = Judge::new().await;
    let server = writer(&Lab::default()).ledger(memory()).in_process(ann()).await.unwrap();
    for thing in ENDINGS {
        for (level, why) in [(1, "dark"), (1, "too dark"), (2, "dark"), (0, "\u{202e}")] {
            judge.call(&server, "switch_on", json!({ "thing": thing, "level": level, "why": why })).await;
        }
    }
    judge.saw(&[
        "ok, undo",
        "ok, undo, first call, reworded, replayed",
        "in_doubt",
        "in_doubt, first call",
        "not_found",
        "rejected",
        "rejected, first call, reworded, replayed",
        "denied",
        "conflict",
        "conflict, violations, first call",
        "invalid_arguments",
        "invalid_arguments, violations",
        "transient",
    ]);
    judge.call(&server, "switch_off", json!({ "thing": "lamp", "note": "" })).await;
    judge.call(&server, "print_label", json!({})).await;
    judge.call(&server, "print_label", json!({ "idempotency_key": "12345678" })).await;
    judge.call(&server, "print_label", json!({ "idempotency_key": "12345678" })).await;
    judge.call(&server, "melt", json!({ "thing": "lamp" })).await;
    judge.call(&server, "open_box", json!({ "thing": "lamp" })).await;
    judge.saw(&["empty", "invalid_arguments, violations", "ok", "ok, first call, replayed", "pending", "unavailable"]);
}

#[tokio::test]
async fn time_limits_and_rates() {
    let mut judge = Judge::new().await;
    let (lab, ledger) = (Lab::default(), memory());
    let server = Arc::new(writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap());
    let other = writer(&lab).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    let arguments = json!({ "thing": "waits", "level": 1 });
    let first = tokio::spawn({
        let (server, arguments) = (server.clone(), arguments.to_string());
        async move { server.call("switch_on", &arguments).await.unwrap() }
    });
    lab.started.acquire().await.unwrap().forget();
    judge.call(&server, "switch_on", json!({ "thing": "waits", "level": 2 })).await;
    judge.call(&other, "switch_on", arguments.clone()).await;
    judge.judge("switch_on", &first.await.unwrap());
    judge.call(&server, "switch_on", arguments).await;
    lab.go_on.add_permits(1);
    judge.saw(&["conflict, violations, first call", "in_progress, first call", "in_doubt", "in_doubt, first call"]);
    // An error without effect frees its key, so the rate counts each.
    for _ in 0..4 {
        judge.call(&server, "switch_on", json!({ "thing": "flickers", "level": 1 })).await;
    }
    judge.saw(&["transient", "rate_limited"]);
}

#[tokio::test]
async fn who_may_not() {
    struct Nobody;
    impl Identity for Nobody {
        fn authenticate(&self, _: Option<&str>) -> Option<Principal> {
            None
        }
    }
    let mut judge = Judge::new().await;
    let arguments = json!({ "thing": "lamp", "level": 1 });
    let server = writer(&Lab::default()).ledger(memory()).in_process_as(Nobody).await.unwrap();
    judge.call(&server, "switch_on", arguments.clone()).await;
    judge.saw(&["unauthenticated"]);
    let server = writer(&Lab::default()).ledger(memory()).in_process(Principal::agent("triage")).await.unwrap();
    assert_eq!(judge.call(&server, "switch_on", arguments.clone()).await["error"]["code"], "scope_missing");
    let policy = "[roles.r]\nagents=[\"triage\"]\n[[allow]]\nrole=\"r\"\ntools=[\"switch_off\"]\ntargets=[\"*\"]";
    let server = writer(&Lab::default())
        .policy(Allowlist::parse(policy).unwrap())
        .ledger(memory())
        .in_process(ann())
        .await
        .unwrap();
    assert_eq!(judge.call(&server, "switch_on", arguments.clone()).await["error"]["code"], "policy_denied");
    judge.saw(&["denied"]);
    let ledger = memory();
    let server = writer(&Lab::default()).ledger(ledger.clone()).in_process(ann()).await.unwrap();
    ledger.latch();
    judge.call(&server, "switch_on", arguments).await;
    judge.saw(&["unavailable"]);
}

#[tokio::test]
async fn the_same_over_the_wire() {
    let mut judge = Judge::new().await;
    let mut client = Client::of(writer(&Lab::default()).identity(Everybody(ann())).ledger(memory())).await;
    for arguments in [
        r#"{"thing":"lamp","level":1}"#,
        r#"{"level":1.0,"thing":"l\u0061mp"}"#,
        r#"{"thing":"lamp","level":1,"level":2}"#,
        r#"{"thing":"lamp","level":1e999}"#,
        r#"{"thing":"\ud800","level":1}"#,
        r#"{"thing":"panic","level":1}"#,
    ] {
        let answer = client.call("switch_on", arguments).await;
        let result = &answer["result"];
        let envelope = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(envelope).unwrap(), result["structuredContent"]);
        assert_eq!(result["isError"] == true, result["structuredContent"]["status"] == "error");
        judge.judge("switch_on", envelope);
    }
    judge.saw(&["ok, undo", "ok, undo, first call, replayed", "invalid_arguments, violations", "in_doubt"]);
}
