//! The server that the rules are tested on, and the world that its tools change.

use crate::common::{call, error};
use safe_tool::ledger::{How, Listed, Outcome, Settle};
use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

const LAB: Scope = Scope::new("lab");

/// The world: what happened in it, in order, and how the next body goes.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    effects: Mutex<Vec<String>>,
    next: Mutex<Way>,
    /// The users for whom `reconcile` asked.
    asked: Mutex<Vec<Option<String>>>,
    begun: Semaphore,
    go_on: Semaphore,
}

/// How a body goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Way {
    #[default]
    Well,
    /// It says that it has begun, and has its effect when the test lets it go on.
    Held,
    /// It has no effect, and says so.
    Missing,
    /// It has no effect, and that is the answer.
    Bolted,
    /// It has its effect, and nobody hears of it.
    AnswerLost,
}

impl World {
    fn new() -> World {
        let (begun, go_on) = (Semaphore::new(0), Semaphore::new(0));
        World(Arc::new(Inner {
            effects: Mutex::default(),
            next: Mutex::default(),
            asked: Mutex::default(),
            begun,
            go_on,
        }))
    }

    /// Has the next body go this way.
    pub(crate) fn goes(&self, way: Way) {
        *self.0.next.lock().unwrap() = way;
    }

    /// Waits until a body is held.
    pub(crate) async fn has_begun(&self) {
        self.0.begun.acquire().await.unwrap().forget();
    }

    pub(crate) fn let_go(&self) {
        self.0.go_on.add_permits(1);
    }

    /// The effects since this was asked last.
    pub(crate) fn took(&self) -> Vec<String> {
        std::mem::take(&mut self.0.effects.lock().unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<Option<String>> {
        self.0.asked.lock().unwrap().clone()
    }

    async fn changes(&self, effect: String) -> Result<(), LabError> {
        let way = std::mem::take(&mut *self.0.next.lock().unwrap());
        match way {
            Way::Well | Way::AnswerLost => {}
            Way::Held => {
                self.0.begun.add_permits(1);
                self.0.go_on.acquire().await.unwrap().forget();
            }
            Way::Missing => return Err(LabError::Missing),
            Way::Bolted => return Err(LabError::Bolted),
        }
        self.0.effects.lock().unwrap().push(effect);
        if matches!(way, Way::AnswerLost) { Err(LabError::Silent) } else { Ok(()) }
    }
}

#[derive(ToolError)]
pub(crate) enum LabError {
    #[tool_error(not_found, "it is not there")]
    Missing,
    #[tool_error(rejected, "it is bolted down", stored)]
    Bolted,
    #[tool_error(unavailable, "no answer came", effect = unknown)]
    Silent,
}

/// The name of a thing.
#[derive(ToolInput, ToolOutput)]
#[text(pattern = "^[a-z0-9-]{1,20}$", example = "web-01")]
pub(crate) struct Name(String);

/// Where the host is now.
#[derive(ToolOutput)]
pub(crate) struct Moved {
    /// Its network.
    network: String,
}

/// A ticket.
#[derive(ToolOutput)]
pub(crate) struct Ticket {
    /// Its name.
    ticket: Name,
}

/// Deploys a version of a service.
#[safe_tool(effect = write, scope = LAB, key(environment, service, version), undo = by_hand("deploy another"), repeat = explicit)]
async fn deploy(
    call: Call<World>,
    /// The environment.
    #[arg(target)]
    environment: Name,
    /// The service.
    #[arg(target)]
    service: Name,
    /// The version.
    version: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("deploy {environment} {service} {version}")).await?;
    Ok(Done)
}

/// Creates an environment.
#[safe_tool(effect = write, scope = LAB, key(environment), undo = by_hand("delete it"), repeat = explicit)]
async fn create(
    call: Call<World>,
    /// The environment.
    #[arg(target)]
    environment: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("create {environment}")).await?;
    Ok(Done)
}

/// Deletes an environment.
#[safe_tool(effect = destroy, scope = LAB, key(environment), approve = none("it is a copy"), repeat = explicit)]
async fn delete(
    call: Call<World>,
    /// The environment.
    #[arg(target)]
    environment: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("delete {environment}")).await?;
    Ok(Done)
}

/// Isolates a host.
#[safe_tool(effect = write, scope = LAB, key(host), undo = release(host), reconcile = find_isolation)]
async fn isolate(
    call: Call<World>,
    /// The host.
    #[arg(target)]
    host: Name,
    /// Why.
    #[arg(free_text, max_len = 40)]
    why: Option<String>,
) -> Result<Moved, LabError> {
    let _ = why;
    call.state().changes(format!("isolate {host}")).await?;
    Ok(Moved { network: "swordfish".to_owned() })
}

async fn find_isolation(call: Call<World>, _: Name, _: Option<String>) -> Result<Reconciled<Moved>, LabError> {
    call.state().0.asked.lock().unwrap().push(call.principal().user().map(str::to_owned));
    Ok(Reconciled::Applied(Moved { network: "swordfish".to_owned() }))
}

/// Releases a host.
#[safe_tool(effect = write, scope = LAB, key(host), undo = isolate(host))]
async fn release(
    call: Call<World>,
    /// The host.
    #[arg(target)]
    host: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("release {host}")).await?;
    Ok(Done)
}

/// Restarts a host, once.
#[safe_tool(effect = write, scope = LAB, key(host), undo = by_hand("nothing"))]
async fn restart(
    call: Call<World>,
    /// The host.
    #[arg(target)]
    host: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("restart {host}")).await?;
    Ok(Done)
}

/// Wipes a host.
#[safe_tool(effect = destroy, scope = LAB, key(host), approve = operator)]
async fn wipe(
    call: Call<World>,
    /// The host.
    #[arg(target)]
    host: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("wipe {host}")).await?;
    Ok(Done)
}

/// Sets the note of a host.
#[safe_tool(effect = write, scope = LAB, key = natural("it sets a value"), undo = by_hand("set the old one"))]
async fn set_note(
    call: Call<World>,
    /// The host.
    #[arg(target)]
    host: Name,
    /// The note.
    #[arg(free_text, max_len = 40)]
    note: String,
) -> Result<Done, LabError> {
    call.state().changes(format!("note {host} {note}")).await?;
    Ok(Done)
}

/// Opens a ticket.
#[safe_tool(effect = write, scope = LAB, key = client, undo = close_ticket(ticket = out.ticket))]
async fn open_ticket(
    call: Call<World>,
    /// The title.
    #[arg(free_text, max_len = 40)]
    title: String,
) -> Result<Ticket, LabError> {
    call.state().changes(format!("open {title}")).await?;
    Ok(Ticket { ticket: Name::parse("inc-1").unwrap() })
}

/// Closes a ticket.
#[safe_tool(effect = write, scope = LAB, key(ticket), undo = by_hand("open it again"), repeat = explicit)]
async fn close_ticket(
    call: Call<World>,
    /// The ticket.
    #[arg(target)]
    ticket: Name,
) -> Result<Done, LabError> {
    call.state().changes(format!("close {ticket}")).await?;
    Ok(Done)
}

/// A world, its ledger and the servers of two users.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    /// Where Ann calls.
    pub(crate) ann: InProcess,
    /// Where Bob calls.
    pub(crate) bob: InProcess,
}

impl Lab {
    pub(crate) async fn new() -> Lab {
        let (world, ledger) = (World::new(), Ledger::open("memory:").unwrap());
        let (ann, bob) = (server(&world, &ledger, "ann").await, server(&world, &ledger, "bob").await);
        Lab { world, ledger, ann, bob }
    }

    /// Another server on the same ledger, for `user`.
    pub(crate) async fn start(&self, user: &str) -> InProcess {
        server(&self.world, &self.ledger, user).await
    }

    /// Ann's call.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        call(&self.ann, tool, arguments).await
    }

    /// Ann's call, which runs.
    pub(crate) async fn runs(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)), "{tool}: {answer}");
        answer
    }

    /// Ann's call, answered with what `first` was answered.
    pub(crate) async fn replays(&self, tool: &str, arguments: Value, first: &Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert_eq!((&answer["replayed"], &answer["first_call"]), (&json!(true), &first["call"]), "{tool}: {answer}");
        for part in ["status", "data", "undo", "error"] {
            assert_eq!(answer.get(part), first.get(part), "{tool}: {answer}");
        }
        answer
    }

    /// Ann's call, which does not run because `latest` has changed its subject since.
    pub(crate) async fn superseded(&self, tool: &str, arguments: Value, latest: &Value) -> Value {
        let answer = self.call(tool, arguments).await;
        is_superseded(&answer, latest);
        answer
    }

    /// Waits until nothing is in doubt.
    pub(crate) async fn no_doubt_is_left(&self) {
        let settled = async {
            while !self.ledger.list(Listed::InDoubt, None, 9).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
    }

    /// An operator's word on the one action in doubt: it did not happen.
    pub(crate) async fn did_not_happen(&self) {
        let doubts = self.ledger.list(Listed::InDoubt, None, 9).await.unwrap();
        let [doubt] = doubts.as_slice() else { panic!("{doubts:?}") };
        let entry = self.ledger.intent(doubt).await.unwrap().entry;
        let (outcome, how) = (Outcome::Failed { code: "looked".into() }, How::Operator("olga".to_owned()));
        let settle = Settle { entry, key: doubt.key, version: doubt.version, outcome, how };
        self.ledger.settle(settle).await.unwrap();
    }
}

async fn server(world: &World, ledger: &Ledger, user: &str) -> InProcess {
    Server::write("lab", world.clone())
        .tool::<deploy>()
        .tool::<create>()
        .tool::<delete>()
        .tool::<isolate>()
        .tool::<release>()
        .tool::<restart>()
        .tool::<wipe>()
        .tool::<set_note>()
        .tool::<open_ticket>()
        .tool::<close_ticket>()
        .ledger(ledger.clone())
        .in_process(Principal::agent("triage").on_behalf_of(user).with_scope("lab"))
        .await
        .unwrap()
}

/// Holds that `answer` names `latest` as the reason why it does not run.
pub(crate) fn is_superseded(answer: &Value, latest: &Value) {
    assert_eq!((error(answer, "kind"), error(answer, "code")), ("conflict", "superseded"), "{answer}");
    assert_eq!(answer["error"]["superseded_by"]["call"], latest["call"], "{answer}");
}

/// `arguments` with the call after which the same is to be done again.
pub(crate) fn after(arguments: &Value, call: &Value) -> Value {
    let mut arguments = arguments.clone();
    arguments["again_after"] = call["call"].clone();
    arguments
}

/// Tool and arguments of the ready undo call in `answer`.
pub(crate) fn undo(answer: &Value) -> (&str, Value) {
    (answer["undo"]["tool"].as_str().unwrap(), answer["undo"]["arguments"].clone())
}
