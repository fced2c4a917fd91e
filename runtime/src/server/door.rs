//! The pipeline behind the face that the transports know.

use super::error::ServeError;
use super::face::{Caller, Face, Fault, Reply, Request, ServerInfo, Tool, ToolAnnotations};
use crate::envelope;
use crate::input::{Violation, object_schema};
use crate::operate::Desk;
use crate::pipeline::{self, Answer, Pipeline};
use crate::tool::{BoxFuture, Descriptor, Effect, Undo};
use serde_json::{Map, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// The wait for room in the ledger when the server ends.
const ROOM: Duration = Duration::from_millis(10);

pub(super) struct Door {
    pub(super) pipeline: Arc<Pipeline>,
    info: ServerInfo,
    tools: Vec<Tool>,
    /// Operators are heard as long as the server is there.
    _desk: Option<Desk>,
}

impl Door {
    pub(super) fn new(pipeline: Arc<Pipeline>, info: ServerInfo) -> Self {
        let retention = iso8601(pipeline.ledger.retention());
        let tools = pipeline.tools.iter().map(|served| shown(served.descriptor, &retention)).collect();
        let desk = Desk::open(&pipeline.ledger);
        Door { pipeline, info, tools, _desk: desk }
    }

    /// Asks the tools' `reconcile` about what an earlier run left in doubt, beside the calls.
    pub(super) fn reconcile(&self) {
        self.pipeline.effects.spawn(self.pipeline.clone().reconcile_all());
    }

    /// Writes the sums of minutes that are over, and lets the ledger do what is due.
    pub(super) fn tick(&self) {
        self.pipeline.throttle.flush(&self.pipeline.ledger, false);
        self.pipeline.ledger.tick();
    }

    /// Ends the server's records, once every effect has its outcome: a body has at most twice its timeout.
    pub(super) async fn close(&self) -> Result<(), ServeError> {
        self.pipeline.landed().await;
        let (throttle, ledger) = (&self.pipeline.throttle, &self.pipeline.ledger);
        // A ledger that is only slow makes room.
        while !throttle.flush(ledger, true) && ledger.health().is_ok() {
            tokio::time::sleep(ROOM).await;
        }
        Ok(self.pipeline.ledger.close().await?)
    }

    async fn answer(&self, request: Request) -> Option<Reply> {
        let Ok(arguments) = String::from_utf8(request.arguments) else { return None };
        let mut call = pipeline::Request {
            tool: request.tool,
            arguments,
            bearer: bearer(request.caller),
            client_keys: request.idempotency_header.into_iter().collect(),
            ..pipeline::Request::default()
        };
        call.facts(&request.meta);
        self.pipeline.call(call).await.map(reply)
    }
}

impl Face for Door {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn tools(&self) -> &[Tool] {
        &self.tools
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Option<Reply>> {
        Box::pin(self.answer(request))
    }

    fn refuse_wire(&self, tool: &str, faults: Vec<Fault>, caller: Caller) -> BoxFuture<'_, Option<Reply>> {
        let request =
            pipeline::Request { tool: tool.to_owned(), bearer: bearer(caller), ..pipeline::Request::default() };
        let violations = faults.into_iter().map(violation).collect();
        Box::pin(async move { self.pipeline.refuse_wire(request, violations).map(reply) })
    }

    fn authenticate(&self, caller: &Caller) -> Result<(), ()> {
        let bearer = match caller {
            Caller::Stdio => None,
            Caller::Bearer(token) => token.as_deref(),
        };
        self.pipeline.principal(bearer).map(|_| ()).ok_or(())
    }
}

fn bearer(caller: Caller) -> Option<String> {
    match caller {
        Caller::Stdio => None,
        Caller::Bearer(token) => token,
    }
}

fn violation(fault: Fault) -> Violation {
    let expected = match fault.rule {
        "unique_names" => "each name once",
        "depth" => "at most 64 levels",
        "finite" => "a finite number",
        _ => "valid Unicode",
    };
    Violation { path: fault.path, rule: fault.rule, expected: Cow::Borrowed(expected), example: None }
}

fn reply(answer: Answer) -> Reply {
    let mut meta = Map::new();
    if let Some(receipt) = answer.receipt {
        let receipt = json!({ "log": receipt.log, "sequence": receipt.sequence, "hash": receipt.hash.to_string() });
        meta.insert("dev.safe-tool/receipt".to_owned(), receipt);
    }
    Reply { body: answer.envelope, is_error: answer.is_error, meta }
}

/// A duration as ISO 8601 says it, in whole days where it is.
fn iso8601(duration: Duration) -> String {
    match (duration.as_secs() / DAY, duration.as_secs() % DAY) {
        (days, 0) if days > 0 => format!("P{days}D"),
        _ => format!("PT{}S", duration.as_secs()),
    }
}

fn shown(tool: &'static Descriptor, retention: &str) -> Tool {
    let mut meta = Map::new();
    meta.insert("dev.safe-tool/effect".to_owned(), tool.effect.as_str().into());
    if tool.effect.changes() {
        meta.insert("dev.safe-tool/retention".to_owned(), retention.into());
    }
    match &tool.undo {
        Undo::None => {}
        Undo::Tool { tool, .. } => {
            meta.insert("dev.safe-tool/undo".to_owned(), json!({ "tool": tool().name }));
        }
        Undo::ByHand(how) => {
            meta.insert("dev.safe-tool/undo".to_owned(), json!({ "by_hand": how }));
        }
    }
    let input = object_schema(tool.arguments);
    Tool {
        name: tool.name,
        title: tool.title,
        description: tool.description,
        input_schema: Arc::new(input.as_object().cloned().unwrap_or_default()),
        output_schema: Arc::new(envelope::schema(tool)),
        annotations: ToolAnnotations {
            read_only: tool.effect == Effect::Read,
            destructive: tool.effect == Effect::Destroy,
            // Dedupe makes it true of every tool that changes something.
            idempotent: true,
            open_world: true,
        },
        meta,
    }
}
