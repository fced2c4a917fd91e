//! Calls to a server in this process, and what they left in its ledger.
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use safe_tool::ledger::{Decide, Decision, Listed};
use safe_tool::{InProcess, Ledger};
use serde_json::Value;
use std::path::Path;

/// The answer to one call.
pub(crate) async fn call(server: &InProcess, tool: &str, arguments: Value) -> Value {
    serde_json::from_str(&server.call(tool, &arguments.to_string()).await.unwrap()).unwrap()
}

/// The answer to one call with `_meta`.
pub(crate) async fn call_with(server: &InProcess, tool: &str, arguments: Value, meta: Value) -> Value {
    serde_json::from_str(&server.call_with(tool, &arguments.to_string(), &meta).await.unwrap()).unwrap()
}

/// A field of the error in `answer`.
pub(crate) fn error<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer["error"][field].as_str().unwrap_or_else(|| panic!("no error.{field} in {answer}"))
}

/// An operator's word on the one action that awaits approval.
pub(crate) async fn decide(ledger: &Ledger, approved: bool) {
    let awaiting = ledger.list(Listed::AwaitingApproval, None, 9).await.unwrap();
    let [action] = awaiting.as_slice() else { panic!("{awaiting:?}") };
    let decision = Decision { approved, operator: "olga".to_owned() };
    ledger.decide(Decide { key: action.key, version: action.version, decision }).await.unwrap();
}

/// The records of a ledger in a directory, oldest first.
pub(crate) fn records(directory: &Path) -> Vec<Value> {
    let mut segments: Vec<_> =
        std::fs::read_dir(directory.join("journal")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.sort();
    let text: String = segments.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
