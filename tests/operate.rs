//! `safe-tool` as a process: exit codes, texts, and what it does to the ledger of a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "operate/decide.rs"]
mod decide;
#[path = "operate/golden.rs"]
mod golden;
#[path = "operate/ocsf.rs"]
mod ocsf;
#[path = "operate/run.rs"]
mod run;
#[path = "operate/verify.rs"]
mod verify;

use run::{Ran, command, ran};
use safe_tool_examples::soc::stage::Stage;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::Path;

/// Runs `safe-tool` with `input` at its stdin.
fn with_input(input: &str, arguments: &[&dyn AsRef<OsStr>]) -> Ran {
    ran(command(arguments), input)
}

/// Runs `safe-tool`.
fn run(arguments: &[&dyn AsRef<OsStr>]) -> Ran {
    with_input("", arguments)
}

async fn stage() -> Stage {
    Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap()
}

fn isolate(host: &str) -> Value {
    json!({ "host_id": host, "alert_id": "AL-1", "reason": "a test" })
}

/// All records of the ledger, as they are stored.
fn records(ledger: &Path) -> Vec<Value> {
    let shown = run(&[&"audit", &"show", &ledger, &"--json"]).ok();
    shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
