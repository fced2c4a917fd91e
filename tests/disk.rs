//! No intent on disk, no effect: what the server does when its journal cannot be written.
//!
//! Needs root for a small tmpfs, and strace. On CI both are there; elsewhere a missing one is said loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use safe_tool_examples::soc::connected::Connected;
use safe_tool_examples::soc::stage::Stage;
use safe_tool_tests::cannot;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
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
    fn mount(at: &Path, megabytes: usize) -> Option<Small> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        if !mounted.is_ok_and(|status| status.success()) {
            cannot("a tmpfs cannot be mounted (needs root)");
            return None;
        }
        Some(Small(at.to_owned()))
    }

    fn fill(&self) {
        let mut fill = std::fs::File::create(self.0.join("fill")).unwrap();
        while fill.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
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
    let Some(disk) = Small::mount(&stage.ledger(), 1) else { return };
    // The index alone wants more than this; the journal is what counts.
    let server = stage.contain().await;
    let Ok(server) = server else { panic!("a server starts on an empty megabyte") };
    assert_eq!(server.call("isolate_host", &isolate("web-01")).await.unwrap()["status"], "ok");
    disk.fill();
    // What was reserved takes a few records more.
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
    let Some(disk) = Small::mount(&stage.ledger(), 1) else { return };
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

const FAILURES: [&str; 3] = ["pwritev2:error=EIO", "pwritev2:error=EROFS", "pwritev2:error=ENOSPC"];

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
        // The disk is well again, and what it did not take is in doubt; nothing runs a second time.
        let server = stage.contain().await.unwrap();
        let again = server.call("isolate_host", &isolate("web-01")).await.unwrap();
        assert_eq!(again["error"]["kind"], "in_doubt", "{failure}: {again}");
        assert_eq!(stage.isolations("web-01").await.unwrap(), 1, "{failure}");
    }
}

/// An ext4 in an image on a small file system: when that is full, what ext4 writes to new places fails.
struct Sparse {
    at: PathBuf,
    image: PathBuf,
}

impl Sparse {
    fn mount(at: &Path, image: &Path) -> Option<Sparse> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(image).arg(at).status();
        if !mounted.is_ok_and(|status| status.success()) {
            cannot("an image cannot be mounted (needs root and a loop device)");
            return None;
        }
        std::fs::set_permissions(at, Permissions::from_mode(0o700)).unwrap();
        Some(Sparse { at: at.to_owned(), image: image.to_owned() })
    }

    /// As after a power cut: only what is on the disk is left.
    fn again(self) -> Sparse {
        let (at, image) = (self.at.clone(), self.image.clone());
        drop(self);
        Sparse::mount(&at, &image).unwrap()
    }
}

impl Drop for Sparse {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.at).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.at.display());
        }
    }
}

#[tokio::test]
async fn what_comes_after_a_failed_write_is_behind_no_hole() {
    let stage = stage().await;
    let scratch = tempfile::tempdir().unwrap();
    let Some(backing) = Small::mount(scratch.path(), 48) else { return };
    let image = scratch.path().join("image");
    std::fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
    let done = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    // All of it has its place, and what ext4 has free gives that back once it is mounted: its own blocks do not fail.
    let made = done(Command::new("mkfs.ext4").args(["-q", "-F", "-b", "4096"]).arg(&image))
        && done(Command::new("fallocate").args(["-l", "40M"]).arg(&image));
    if !made {
        return cannot("mkfs.ext4 or fallocate is missing");
    }
    let Some(disk) = Sparse::mount(&stage.ledger(), &image) else { return };
    let alert = |number: u32| json!({ "host_id": "web-01", "alert_id": format!("AL-{number}"), "reason": "a test" });
    let server = stage.contain().await.unwrap();
    assert_eq!(server.call("isolate_host", &alert(0)).await.unwrap()["status"], "ok");
    server.close().await.unwrap();
    // Mounted anew, so that ext4 holds nothing in store for the files.
    let disk = disk.again();
    if !done(Command::new("fstrim").arg(stage.ledger())) {
        return cannot("fstrim is missing, or the loop device does not give back what is free");
    }
    backing.fill();
    // Its first record may be the one that fails.
    if let Ok(server) = stage.contain().await {
        let mut number = 1;
        while server.call("isolate_host", &alert(number)).await.unwrap()["status"] == "ok" {
            number += 1;
            assert!(number < 200, "no write fails");
        }
        assert!(!server.hang_up().await.unwrap().success(), "the ledger closed after a failed write");
    }
    backing.empty();

    let server = stage.contain().await.unwrap();
    for number in 1_000..1_020 {
        let answer = server.call("isolate_host", &alert(number)).await.unwrap();
        assert_eq!(answer["status"], "ok", "{answer}");
    }
    server.close().await.unwrap();
    let _disk = disk.again();
    let server = stage.contain().await.unwrap();
    // Every one of them is known: the last one still stands, and the others stood until the next.
    for number in 1_000..1_020 {
        let answer = server.call("isolate_host", &alert(number)).await.unwrap();
        let (code, last) = (answer["error"]["code"].as_str(), number == 1_019);
        assert_eq!((answer["replayed"] == true, code), (last, (!last).then_some("superseded")), "{answer}");
    }
    server.close().await.unwrap();
}
