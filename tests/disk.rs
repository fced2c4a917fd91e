//! No intent on disk, no effect: what the server does when its journal cannot be written.
//!
//! Needs root for a small tmpfs, and strace. On CI both are there; elsewhere a missing one is said loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use safe_tool_examples::soc::connected::Connected;
use safe_tool_examples::soc::stage::Stage;
use safe_tool_tests::cannot;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

async fn stage() -> Stage {
    Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap()
}

fn isolate(host: &str) -> Value {
    json!({ "host_id": host, "alert_id": "AL-1", "reason": "a test" })
}

/// A small file system of its own, gone when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Small> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"]).arg(at).status();
        if !mounted.is_ok_and(|status| status.success()) {
            cannot("a tmpfs cannot be mounted (needs root)");
            return None;
        }
        Some(Small(at.to_owned()))
    }

    fn fill(&self) {
        let fill = std::fs::write(self.0.join("fill"), vec![0; 2 << 20]);
        assert!(fill.is_err(), "the file system is full");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.0.display());
        }
    }
}

async fn refuses_and_nothing_happens(stage: &Stage, server: &Connected, host: &str) {
    for _ in 0..2 {
        let answer = server.call("isolate_host", &isolate(host)).await.unwrap();
        assert_eq!(
            (&answer["error"]["kind"], &answer["error"]["code"], &answer["error"]["effect"]),
            (&json!("unavailable"), &json!("ledger_unavailable"), &json!("none")),
            "{answer}"
        );
    }
    assert_eq!(stage.isolations(host).await.unwrap(), 0);
}

#[tokio::test]
async fn on_a_full_disk_calls_are_refused_before_any_effect() {
    let stage = stage().await;
    let Some(disk) = Small::mount(&stage.ledger()) else { return };
    // The index alone wants more than this; the journal is what counts.
    let server = stage.contain().await;
    let Ok(server) = server else { panic!("a server starts on an empty megabyte") };
    assert_eq!(server.call("isolate_host", &isolate("web-01")).await.unwrap()["status"], "ok");
    disk.fill();
    // What is left of the last page takes a few records more.
    let mut last = Value::Null;
    for number in 0..40 {
        let mut arguments = isolate("web-02");
        arguments["alert_id"] = json!(format!("AL-{}", 100 + number));
        last = server.call("isolate_host", &arguments).await.unwrap();
        if last["status"] == "error" {
            break;
        }
    }
    assert_eq!(last["status"], "error", "{last}");
    refuses_and_nothing_happens(&stage, &server, "web-03").await;
    server.kill().await.unwrap();
}

#[tokio::test]
async fn in_a_directory_that_cannot_be_written_the_server_does_not_start() {
    let stage = stage().await;
    let Some(disk) = Small::mount(&stage.ledger()) else { return };
    let read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status().unwrap();
    assert!(read_only.success());
    let mut command = stage.server("soc-contain").unwrap();
    let ended = command.stderr(std::process::Stdio::piped()).output().await.unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && told.contains("the ledger"), "{told}");
}

/// A server whose journal fails from the `nth` write of its committer on; `None` where it cannot be traced.
async fn failing(stage: &Stage, inject: &str, nth: u32) -> Option<Connected> {
    let journal = std::fs::read_dir(stage.ledger().join("journal")).unwrap().next().unwrap().unwrap().path();
    let plain = stage.server("soc-contain").unwrap();
    let plain = plain.as_std();
    let mut traced = tokio::process::Command::new("strace");
    traced.args(["-f", "-qq", "-o"]).arg(stage.ledger().with_extension("strace")).arg("-P").arg(&journal);
    traced.args(["-e", &format!("inject={inject}:when={nth}+")]);
    traced.arg(plain.get_program()).args(plain.get_args()).stderr(std::process::Stdio::null());
    traced.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Connected::start(traced).await.ok();
    if server.is_none() {
        cannot("strace is missing, or may not trace");
    }
    server
}

/// Each write is durable when it returns, so there is no sync that could fail by itself.
const FAILURES: [&str; 3] = ["pwrite64:error=EIO", "pwrite64:error=EROFS", "pwrite64:error=ENOSPC"];

#[tokio::test]
async fn when_the_intent_cannot_be_recorded_nothing_happens() {
    for failure in FAILURES {
        let stage = stage().await;
        // The journal has to exist for strace to follow it.
        stage.contain().await.unwrap().close().await.unwrap();
        // Intent and outcome of the first call pass; the intent of the second fails.
        let Some(server) = failing(&stage, failure, 3).await else { return };
        assert_eq!(server.call("isolate_host", &isolate("web-01")).await.unwrap()["status"], "ok", "{failure}");
        refuses_and_nothing_happens(&stage, &server, "web-02").await;
        // Not killed: strace would die and leave the server behind, with the ledger's lock.
        assert!(!server.hang_up().await.unwrap().success(), "{failure}: the ledger did not close");
    }
}

#[tokio::test]
async fn when_the_outcome_cannot_be_recorded_it_is_in_doubt_and_the_server_closes() {
    for failure in FAILURES {
        let stage = stage().await;
        stage.contain().await.unwrap().close().await.unwrap();
        let Some(server) = failing(&stage, failure, 2).await else { return };
        let answer = server.call("isolate_host", &isolate("web-01")).await.unwrap();
        assert_eq!(
            (&answer["error"]["kind"], &answer["error"]["code"], &answer["error"]["effect"]),
            (&json!("in_doubt"), &json!("outcome_unrecorded"), &json!("unknown")),
            "{failure}: {answer}"
        );
        refuses_and_nothing_happens(&stage, &server, "web-02").await;
        // Not killed: strace would die and leave the server behind, with the ledger's lock.
        assert!(!server.hang_up().await.unwrap().success(), "{failure}: the ledger did not close");
        // The disk is well again: the outcome is not there, and nothing runs a second time.
        let server = stage.contain().await.unwrap();
        let again = server.call("isolate_host", &isolate("web-01")).await.unwrap();
        assert_eq!((&again["replayed"], &again["error"]["kind"]), (&json!(false), &json!("in_doubt")), "{failure}");
        assert_eq!(stage.isolations("web-01").await.unwrap(), 1, "{failure}");
    }
}
