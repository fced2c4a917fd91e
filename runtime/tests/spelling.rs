//! A value whose format admits several spellings is one value for keys, digests, limits, policies and bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::call;
use safe_tool::prelude::*;
use safe_tool::{Allowlist, InProcess, Ledger, Principal, WriteServer};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const WRITE: Scope = Scope::new("fleet:write");

/// What bodies were given, a line each.
#[derive(Clone, Default)]
struct Fleet(Arc<Mutex<Vec<String>>>);

impl Fleet {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn took(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(ToolError)]
enum Never {
    #[tool_error(rejected, "it cannot be")]
    #[allow(dead_code)]
    Impossible,
}

/// Number of an alert.
#[derive(ToolInput, ToolOutput)]
#[text(format = uuid, example = "3f0c1b9e-7d5a-4a53-9c1e-0d6f7a2b8c11")]
struct AlertId(String);

/// A machine in the network.
#[derive(ToolInput)]
struct Machine {
    /// Its address.
    #[arg(format = ipv6)]
    address: String,
    /// Who is told.
    #[arg(format = email)]
    owner: Option<String>,
}

/// When it ends.
#[derive(ToolInput)]
enum End {
    /// Never.
    Never {},
    /// At a time.
    At {
        /// The time.
        #[arg(format = date_time)]
        time: String,
    },
}

/// Cuts a host off.
#[safe_tool(effect = write, scope = WRITE, key(host, alert, machine.address), undo = join(host = host), rate(host = "2/hour"))]
async fn isolate(
    call: Call<Fleet>,
    /// The host.
    #[arg(format = hostname, target)]
    host: String,
    /// The alert.
    alert: AlertId,
    /// The machine.
    machine: Machine,
    /// When it ends.
    end: End,
    /// Who may still reach it.
    #[arg(max_items = 3, unique, each(format = hostname))]
    except: Vec<String>,
    /// Related alerts.
    #[arg(max_items = 3, unique)]
    related: Vec<AlertId>,
    /// Why.
    #[arg(free_text, max_len = 50)]
    why: String,
    /// The label.
    #[arg(pattern = "^[A-Za-z]{1,9}$")]
    label: String,
) -> Result<Done, Never> {
    let Machine { address, owner } = machine;
    let time = match end {
        End::Never {} => "never".to_owned(),
        End::At { time } => time,
    };
    let related: Vec<&str> = related.iter().map(AlertId::as_str).collect();
    call.state().note(format!("{host} {alert} {address} {owner:?} {time} {except:?} {related:?} {why} {label}"));
    Ok(Done)
}

/// Joins a host again.
#[safe_tool(effect = write, scope = WRITE, key(host), undo = by_hand("isolate it again"), repeat = explicit)]
async fn join(
    call: Call<Fleet>,
    /// The host.
    #[arg(format = hostname, target)]
    host: String,
) -> Result<Done, Never> {
    call.state().note(host);
    Ok(Done)
}

/// Wakes hosts, all or none of which the policy lists.
#[safe_tool(effect = write, scope = WRITE, key(number), undo = by_hand("send them to sleep"), rate(address = "1/hour"))]
async fn wake(
    call: Call<Fleet>,
    /// The number of the order.
    #[arg(min = 1, max = 9)]
    number: u8,
    /// The address.
    #[arg(format = ipv6, target)]
    address: String,
) -> Result<Done, Never> {
    call.state().note(format!("{number} {address}"));
    Ok(Done)
}

const POLICY: &str = r#"
[roles.r]
agents = ["triage"]
[[allow]]
role = "r"
tools = ["isolate", "join"]
targets = ["web-01", "web-02"]
[[allow]]
role = "r"
tools = ["wake"]
targets = ["2001:db8::*"]
"#;

async fn server(fleet: &Fleet) -> InProcess {
    let server: Server<WriteServer, Fleet> =
        Server::write("fleet", fleet.clone()).tool::<isolate>().tool::<join>().tool::<wake>();
    let ann = Principal::agent("triage").on_behalf_of("ann").with_scope("fleet:write");
    server
        .policy(Allowlist::parse(POLICY).unwrap())
        .ledger(Ledger::open("memory:").unwrap())
        .in_process(ann)
        .await
        .unwrap()
}

/// A call in canonical texts.
fn plain() -> Value {
    json!({
        "host": "web-01",
        "alert": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "machine": { "address": "2001:db8::7", "owner": "Ann@example.org" },
        "end": { "kind": "at", "time": "2026-11-21T10:00:00Z" },
        "except": ["jump-01", "jump-02"],
        "related": ["00000000-0000-0000-0000-00000000000a"],
        "why": "Odd Logins",
        "label": "Prod",
    })
}

/// The same call, each value in another spelling.
fn respelled() -> Value {
    json!({
        "host": "WEB-01",
        "alert": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "machine": { "address": "2001:0DB8:0:0::7", "owner": "Ann@EXAMPLE.org" },
        "end": { "kind": "at", "time": "2026-11-21T12:00:00.00+02:00" },
        "except": ["JUMP-01", "Jump-02"],
        "related": ["00000000-0000-0000-0000-00000000000A"],
        "why": "Odd Logins",
        "label": "Prod",
    })
}

const SEEN: &str = r#"web-01 6f9619ff-8b86-d011-b42d-00c04fc964ff 2001:db8::7 Some("Ann@example.org") 2026-11-21T10:00:00Z ["jump-01", "jump-02"] ["00000000-0000-0000-0000-00000000000a"] Odd Logins Prod"#;

#[tokio::test]
async fn another_spelling_is_a_retry_and_the_body_sees_the_canonical_text() {
    for (first, second) in [(plain(), respelled()), (respelled(), plain())] {
        let fleet = Fleet::default();
        let server = server(&fleet).await;
        // The allowlist names `web-01`.
        let one = call(&server, "isolate", first).await;
        assert_eq!((&one["status"], &one["replayed"]), (&json!("ok"), &json!(false)), "{one}");
        let undo = json!({ "host": "web-01", "again_after": one["call"] });
        assert_eq!(one["undo"], json!({ "tool": "join", "arguments": undo }));
        let two = call(&server, "isolate", second).await;
        assert_eq!((&two["status"], &two["replayed"]), (&json!("ok"), &json!(true)), "{two}");
        assert_eq!((&two["first_call"], two.get("differs")), (&one["call"], None), "{two}");
        assert_eq!(fleet.took(), [SEEN], "one effect");
    }
}

/// Each argument alone: none but the ones in the key make another action, and none makes a conflict.
#[tokio::test]
async fn each_spelling_alone_is_a_retry() {
    let fleet = Fleet::default();
    let server = server(&fleet).await;
    call(&server, "isolate", plain()).await;
    for (name, value) in respelled().as_object().unwrap() {
        let mut arguments = plain();
        arguments[name] = value.clone();
        let answer = call(&server, "isolate", arguments).await;
        assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(true)), "{name}: {answer}");
    }
    assert_eq!(fleet.took(), [SEEN]);
}

/// What has one spelling by nature still tells two values apart.
#[tokio::test]
async fn free_text_patterns_and_the_local_part_of_an_address_stay_as_sent() {
    for (pointer, other, status) in
        [("/why", "odd logins", "ok"), ("/label", "PROD", "error"), ("/machine/owner", "ann@example.org", "error")]
    {
        let fleet = Fleet::default();
        let server = server(&fleet).await;
        call(&server, "isolate", plain()).await;
        let mut arguments = plain();
        *arguments.pointer_mut(pointer).unwrap() = json!(other);
        let answer = call(&server, "isolate", arguments).await;
        assert_eq!(answer["status"], status, "{pointer}: {answer}");
        match status {
            "ok" => assert_eq!(answer["differs"], json!(["why"])),
            _ => assert_eq!(answer["error"]["kind"], "conflict", "{answer}"),
        }
        assert_eq!(fleet.took(), [SEEN]);
    }
}

#[tokio::test]
async fn spellings_share_one_rate() {
    let fleet = Fleet::default();
    let server = server(&fleet).await;
    let wake = |number: u8, address: &str| json!({ "number": number, "address": address });
    assert_eq!(call(&server, "wake", wake(1, "2001:DB8::7")).await["status"], "ok");
    let answer = call(&server, "wake", wake(2, "2001:db8:0:0:0:0:0:7")).await;
    assert_eq!(answer["error"]["kind"], "rate_limited", "{answer}");
    assert_eq!(call(&server, "wake", wake(2, "2001:db8:0:0:0:0:0:8")).await["status"], "ok", "another address");
    assert_eq!(fleet.took(), ["1 2001:db8::7", "2 2001:db8::8"]);
}

#[tokio::test]
async fn a_policy_sees_the_canonical_text() {
    let fleet = Fleet::default();
    let server = server(&fleet).await;
    let join = |host: &str| call(&server, "join", json!({ "host": host }));
    for host in ["WEB-02", "web-02"] {
        assert_eq!(join(host).await["status"], "ok", "{host} is listed");
    }
    assert_eq!(join("WEB-03").await["error"]["code"], "policy_denied");
    assert_eq!(fleet.took(), ["web-02"]);
}

#[tokio::test]
async fn a_value_twice_in_two_spellings_is_a_value_twice() {
    let fleet = Fleet::default();
    let server = server(&fleet).await;
    for (name, items) in [
        ("except", json!(["jump-01", "JUMP-01"])),
        ("related", json!(["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000A"])),
    ] {
        let mut arguments = plain();
        arguments[name] = items;
        let answer = call(&server, "isolate", arguments).await;
        let violation = &answer["error"]["violations"][0];
        assert_eq!((&violation["rule"], &violation["path"]), (&json!("uniqueItems"), &json!(format!("/{name}"))));
    }
    assert_eq!(fleet.took(), [""; 0]);
}

/// What a body makes of a text is spelled as what an agent sends.
#[test]
fn a_constructor_makes_the_canonical_text() {
    let id = AlertId::parse("6F9619FF-8B86-D011-B42D-00C04FC964FF").unwrap();
    assert_eq!((id.as_str(), id.to_string().as_str()), ("6f9619ff-8b86-d011-b42d-00c04fc964ff", id.as_str()));
    assert_eq!(AlertId::parse("6F9619FF").err().unwrap().rule, "pattern");
}
