//! `safe-tool audit` on the ledger of a real server: what it says of an honest one, a broken one, a cut one, another one.

use super::{isolate, records, run, stage, with_input};
use safe_tool_examples::soc::stage::{Stage, flip_a_bit};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("journal")).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for segment in fs::read_dir(from.join("journal")).unwrap() {
        let segment = segment.unwrap();
        fs::copy(segment.path(), to.join("journal").join(segment.file_name())).unwrap();
    }
}

/// A ledger that a server has closed, and the receipt of an answer.
async fn closed() -> (Stage, Value) {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    assert_eq!(server.call("isolate_host", &isolate("web-01")).await.unwrap()["status"], "ok");
    server.close().await.unwrap();
    let completed = records(&stage.ledger()).into_iter().find(|record| record["event"] == "completed").unwrap();
    let log = records(&stage.ledger())[0]["log"].clone();
    let receipt = json!({ "log": log, "sequence": completed["seq"], "hash": completed["hash"] });
    (stage, receipt)
}

fn held(stage: &Stage, name: &str, text: &str) -> PathBuf {
    let path = stage.ledger().with_extension(name);
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn an_honest_ledger_reaches_the_rung_that_its_anchor_allows() {
    let (stage, receipt) = closed().await;
    let ledger = stage.ledger();
    let told = run(&[&"audit", &"verify", &ledger]).ok();
    assert!(told.starts_with("consistent, tail unproven\n") && !told.contains("complete"), "{told}");
    assert!(told.contains("the last record is a close"), "{told}");

    let anchor = held(&stage, "receipt", &receipt.to_string());
    let told = run(&[&"audit", &"verify", &ledger, &"--anchor", &anchor]).ok();
    assert!(told.starts_with(&format!("complete up to record {} (anchor of ", receipt["sequence"])), "{told}");

    let checkpoint = run(&[&"audit", &"checkpoint", &ledger]).ok();
    let signer = serde_json::from_str::<Value>(&checkpoint).unwrap()["signer"].as_str().unwrap().to_owned();
    let anchors = held(&stage, "anchors", &format!("{checkpoint}{receipt}\n"));
    let told = run(&[&"audit", &"verify", &ledger, &"--anchor", &anchors, &"--signer", &signer, &"--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["rung"], &told["clean_close"], &told["signers"]),
        (&json!("complete"), &json!(true), &json!([signer]))
    );

    let other = "0".repeat(64);
    let refused = run(&[&"audit", &"verify", &ledger, &"--signer", &other]);
    assert!(refused.code == 1 && refused.err.contains("none of the given signers"), "{refused:?}");
}

#[tokio::test]
async fn a_running_server_is_no_break() {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    server.call("isolate_host", &isolate("web-01")).await.unwrap();
    let told = run(&[&"audit", &"verify", &stage.ledger()]).ok();
    assert!(told.contains("a server runs, or ended without one"), "{told}");
    server.kill().await.unwrap();
    stage.contain().await.unwrap().close().await.unwrap();
    let told = run(&[&"audit", &"verify", &stage.ledger()]).ok();
    assert!(told.contains("1 unclean before; the last record is a close"), "{told}");
}

#[tokio::test]
async fn a_broken_one_ends_with_1_and_names_the_place() {
    let (stage, receipt) = closed().await;
    let segment = flip_a_bit(&stage.ledger()).unwrap();
    let ran = run(&[&"audit", &"verify", &stage.ledger()]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("broken at record") && ran.err.contains(segment.to_str().unwrap()), "{}", ran.err);
    let ran = run(&[&"audit", &"verify", &stage.ledger(), &"--json"]);
    assert_eq!((ran.code, &serde_json::from_str::<Value>(&ran.out).unwrap()["error"]), (1, &json!("broken")));
    // What can be read is shown, and what cannot is named.
    let ran = run(&[&"audit", &"show", &stage.ledger()]);
    assert!(ran.code == 1 && ran.out.lines().count() > 3 && ran.err.contains("1 lines were left out"), "{ran:?}");
    let anchor = held(&stage, "receipt", &receipt.to_string());
    assert_eq!(run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &anchor]).code, 1);
}

#[tokio::test]
async fn one_that_does_not_extend_its_anchor_ends_with_3() {
    let (stage, _) = closed().await;
    let old = stage.ledger().with_extension("old");
    copy(&stage.ledger(), &old);
    let server = stage.contain().await.unwrap();
    server.call("isolate_host", &isolate("web-02")).await.unwrap();
    server.close().await.unwrap();
    let anchor = held(&stage, "anchor", &run(&[&"audit", &"checkpoint", &stage.ledger()]).ok());
    run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &anchor]).ok();

    // An older copy in its place.
    run(&[&"audit", &"verify", &old]).ok();
    let cut = run(&[&"audit", &"verify", &old, &"--anchor", &anchor]);
    assert!(cut.code == 3 && cut.err.contains("its end was cut, or an older copy"), "{cut:?}");

    // The older copy, gone on with by a server that has the same keys.
    for name in ["redact.key", "signing.key"] {
        fs::copy(stage.ledger().join(name), old.join(name)).unwrap();
    }
    for host in ["web-01", "web-02", "web-03"] {
        let mut command = stage.server("soc-contain").unwrap();
        command.env("SAFE_TOOL_LEDGER", &old);
        let server = safe_tool_examples::soc::connected::Connected::start(command).await.unwrap();
        server.call("isolate_host", &isolate(host)).await.unwrap();
        server.close().await.unwrap();
    }
    run(&[&"audit", &"verify", &old]).ok();
    let fork = run(&[&"audit", &"verify", &old, &"--anchor", &anchor, &"--json"]);
    assert_eq!((fork.code, &serde_json::from_str::<Value>(&fork.out).unwrap()["error"]), (3, &json!("rewritten")));

    // Another ledger in its place.
    let (other, _) = closed().await;
    let swapped = run(&[&"audit", &"verify", &other.ledger(), &"--anchor", &anchor]);
    assert!(swapped.code == 3 && swapped.err.contains("another journal"), "{swapped:?}");
}

#[tokio::test]
async fn what_cannot_be_used_ends_with_2() {
    let (stage, receipt) = closed().await;
    let nowhere = stage.ledger().with_extension("nowhere");
    let unusable = |ran: super::Ran, says: &str| {
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(says), "{ran:?}");
    };
    unusable(run(&[&"audit", &"verify", &nowhere]), "there is no ledger in");
    unusable(run(&[&"audit", &"verify", &"redis://me:secret@host/db"]), "a ledger is a path");
    assert!(!run(&[&"audit", &"verify", &"memory:"]).err.contains("panicked"));
    unusable(run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &nowhere]), "cannot read the anchors");
    let forged = held(&stage, "forged", "\n{\"log\":1}\n");
    unusable(run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &forged]), "line 2");
    let empty = held(&stage, "empty", "\n");
    unusable(run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &empty]), "there is no anchor in it");
    let anchor = held(&stage, "receipt", &receipt.to_string());
    unusable(run(&[&"audit", &"verify", &stage.ledger(), &"--anchor", &anchor, &"--signer", &"olga"]), "public key");
    assert!(!nowhere.exists(), "looking makes no ledger");
}

#[tokio::test]
async fn a_hidden_value_is_found_again() {
    let (stage, _) = closed().await;
    let ledger = stage.ledger();
    let of = |value: &str| {
        let told = run(&[&"hash", &ledger, &"--tool", &"isolate_host", &"--argument", &"reason", &value]).ok();
        told.trim_end().to_owned()
    };
    let started = records(&ledger).into_iter().find(|record| record["event"] == "started").unwrap();
    assert_eq!(started["arguments"]["reason"], of("a test"));
    assert_ne!(of("a tesT"), of("a test"));
    let read = with_input("a test\n", &[&"hash", &ledger, &"--tool", &"isolate_host", &"--argument", &"reason", &"-"]);
    assert_eq!(read.ok().trim_end(), of("a test"));
}
