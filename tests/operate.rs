//! `safe-tool` as a process: exit codes, texts, and what it does to the ledger of a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "operate/decide.rs"]
mod decide;
#[path = "operate/golden.rs"]
mod golden;
#[path = "operate/ocsf.rs"]
mod ocsf;
#[path = "operate/verify.rs"]
mod verify;

use safe_tool_examples::soc::stage::Stage;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command came to.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// What it printed, having ended with 0 and said nothing else.
    fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
}

fn command(arguments: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safe-tool-test-operator"));
    command.args(arguments.iter().map(|argument| argument.as_ref()));
    command.env_remove("SAFE_TOOL_LEDGER").env("USER", "olga");
    command
}

/// Runs `safe-tool` with `input` at its stdin.
fn with_input(input: &str, arguments: &[&dyn AsRef<OsStr>]) -> Ran {
    let mut command = command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: ended.status.code().unwrap_or(-1), out: text(ended.stdout), err: text(ended.stderr) }
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
