//! A pipeline for the tests of the transports: every tool does one thing a transport must cope with.

#![allow(clippy::panic)]

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::super::face::{Caller, Face, Fault, Reply, Request, ServerInfo, Tool, ToolAnnotations};

/// The token that is let in over HTTP.
pub(crate) const TOKEN: &str = "good-token";

/// See the module.
pub(crate) struct FakeFace {
    info: ServerInfo,
    tools: Vec<Tool>,
    /// `slow` has begun.
    pub(crate) started: Notify,
    /// Lets `slow` end.
    pub(crate) release: Notify,
    /// `slow` was dropped before its end.
    pub(crate) dropped: Arc<Notify>,
    refused: Mutex<Vec<String>>,
    called: Mutex<Vec<String>>,
}

impl FakeFace {
    pub(crate) fn new() -> Arc<Self> {
        let tool = |name| Tool {
            name,
            title: Some("A title"),
            description: "What it does.",
            input_schema: object(json!({
                "type": "object",
                "properties": { "host_id": { "type": "string" }, "list": { "type": "array" } },
            })),
            output_schema: object(json!({ "type": "object" })),
            annotations: ToolAnnotations { read_only: false, destructive: true, idempotent: true, open_world: false },
            meta: object(json!({ "dev.safe-tool/effect": "write" })).as_ref().clone(),
        };
        let names = ["echo", "fail", "slow", "panic"];
        Arc::new(Self {
            info: ServerInfo {
                name: "soc".to_owned(),
                version: "1.2.3".to_owned(),
                instructions: "An error is not a negative finding.".to_owned(),
            },
            tools: names.map(tool).into(),
            started: Notify::new(),
            release: Notify::new(),
            dropped: Arc::default(),
            refused: Mutex::default(),
            called: Mutex::default(),
        })
    }

    /// What gate 0 refused, as `tool: path rule, ..`.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tools that were called.
    pub(crate) fn called(&self) -> Vec<String> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn knows(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }
}

impl Face for FakeFace {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn tools(&self) -> &[Tool] {
        &self.tools
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Option<Reply>> {
        async move {
            if !self.knows(&request.tool) {
                return None;
            }
            note(&self.called, request.tool.clone());
            match request.tool.as_str() {
                "fail" => return Some(reply(&json!({ "status": "error" }), true)),
                "panic" => panic!("a secret"),
                "slow" => {
                    let mut dropped = OnDrop(Some(self.dropped.clone()));
                    self.started.notify_one();
                    self.release.notified().await;
                    dropped.0 = None;
                }
                _ => {}
            }
            let caller = match request.caller {
                Caller::Stdio => json!("stdio"),
                Caller::Bearer(token) => json!({ "token": token }),
            };
            let arguments: Value = serde_json::from_slice(&request.arguments).unwrap_or_default();
            let body = json!({
                "status": "ok",
                "arguments": arguments,
                "meta": request.meta,
                "header": request.idempotency_header,
                "caller": caller,
            });
            Some(reply(&body, false))
        }
        .boxed()
    }

    fn refuse_wire(&self, tool: &str, faults: Vec<Fault>, _: Caller) -> BoxFuture<'_, Option<Reply>> {
        let faults: Vec<_> = faults.iter().map(|it| format!("{} {}", it.path, it.rule)).collect();
        let refused = format!("{tool}: {}", faults.join(", "));
        note(&self.refused, refused);
        let known = self.knows(tool);
        let body = json!({ "status": "error", "error": { "kind": "invalid_arguments" } });
        async move { known.then(|| reply(&body, true)) }.boxed()
    }

    fn authenticate(&self, caller: &Caller) -> Result<(), ()> {
        match caller {
            Caller::Stdio => Ok(()),
            Caller::Bearer(token) if token.as_deref() == Some(TOKEN) => Ok(()),
            Caller::Bearer(_) => Err(()),
        }
    }
}

struct OnDrop(Option<Arc<Notify>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.notify_one();
        }
    }
}

fn note(notes: &Mutex<Vec<String>>, what: String) {
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

fn reply(body: &Value, is_error: bool) -> Reply {
    Reply { body: body.to_string(), is_error, meta: object(json!({ "dev.safe-tool/receipt": "r" })).as_ref().clone() }
}

fn object(value: Value) -> Arc<Map<String, Value>> {
    match value {
        Value::Object(object) => Arc::new(object),
        other => panic!("{other} is not an object"),
    }
}
