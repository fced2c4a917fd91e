//! The steps, each with what it promises.

use super::print::Story;
use crate::soc::connected::{Connected, Failure, call};
use crate::soc::stage::{Stage, flip_a_bit};
use safe_tool::ledger::verify;
use serde_json::{Value, json};

const MANY: usize = 64;

/// Plays the tour; whether every promise was kept.
///
/// # Errors
/// When the tour itself cannot go on: a server does not start, a pipe breaks.
pub async fn run() -> Result<bool, Failure> {
    let mut story = Story::default();
    // The tour is its own servers: `cargo run --bin tour` builds nothing else.
    let stage = Stage::set(std::env::current_exe()?).await?;
    let enrich = stage.enrich().await?;
    let contain = stage.contain().await?;
    story.say("a backend (SIEM and EDR), a read server and a write server, each a process with its own credential");

    a_valid_read(&mut story, &enrich).await?;
    a_malformed_call(&mut story, &stage, &contain).await?;
    a_write_and_its_retry(&mut story, &stage, &contain).await?;
    duplicates_in_parallel(&mut story, &stage, &contain).await?;
    a_denied_call(&mut story, &stage, &contain).await?;
    nothing_found_and_not_known(&mut story, &stage, &enrich).await?;
    a_panic(&mut story, &enrich).await?;
    let contain = killed_in_the_middle(&mut story, &stage, contain).await?;

    contain.close().await?;
    enrich.close().await?;
    the_ledger(&mut story, &stage)?;
    stage.strike().await?;
    Ok(story.end())
}

fn is(value: &Value, pointer: &str, expected: impl Into<Value>) -> bool {
    value.pointer(pointer) == Some(&expected.into())
}

async fn told(story: &Story, server: &Connected, tool: &'static str, arguments: Value) -> Result<Value, Failure> {
    story.sent(tool, &arguments);
    let envelope = server.call(tool, &arguments).await?;
    story.got(&envelope);
    Ok(envelope)
}

async fn a_valid_read(story: &mut Story, enrich: &Connected) -> Result<(), Failure> {
    story.step("A valid call");
    let envelope =
        told(story, enrich, "search_logins", json!({ "user": "alice", "since_hours": 48, "limit": 2 })).await?;
    story.promise("status ok, the source is named, and it says whether there is more", {
        is(&envelope, "/status", "ok") && is(&envelope, "/source", "siem") && envelope.get("truncated").is_some()
    });
    Ok(())
}

async fn a_malformed_call(story: &mut Story, stage: &Stage, contain: &Connected) -> Result<(), Failure> {
    story.step("A malformed call: every violation at once, and no value repeated");
    let envelope = told(
        story,
        contain,
        "isolate_host",
        json!({ "host_id": "*; rm -rf /", "alert_id": "AL-2291", "reason": "beaconing", "minutes": 99999, "force": true }),
    )
    .await?;
    let violations = envelope.pointer("/error/violations").and_then(Value::as_array).map_or(0, Vec::len);
    story
        .promise("refused with three violations", is(&envelope, "/error/kind", "invalid_arguments") && violations == 3);
    story.promise("the answer repeats nothing of what was sent", !envelope.to_string().contains("rm -rf"));
    story.promise("the backend counts no effect", is(&stage.effects().await?, "/total", 0));
    Ok(())
}

fn isolate(host: &str, alert: &str, reason: &str) -> Value {
    json!({ "host_id": host, "alert_id": alert, "reason": reason })
}

async fn a_write_and_its_retry(story: &mut Story, stage: &Stage, contain: &Connected) -> Result<(), Failure> {
    story.step("A write, and the same write again");
    let first = told(story, contain, "isolate_host", isolate("web-01", "AL-2291", "beaconing to a known C2")).await?;
    story.promise("done, and the ready call that undoes it comes with it", {
        is(&first, "/status", "ok") && is(&first, "/undo/tool", "release_host")
    });
    let second = told(story, contain, "isolate_host", isolate("web-01", "AL-2291", "the host beacons to a C2")).await?;
    story.promise("replayed, with the same data; the reworded reason is named", {
        is(&second, "/replayed", true) && first.get("data") == second.get("data") && is(&second, "/differs/0", "reason")
    });
    story.promise("the backend counts 1", stage.isolations("web-01").await? == 1);
    Ok(())
}

async fn duplicates_in_parallel(story: &mut Story, stage: &Stage, contain: &Connected) -> Result<(), Failure> {
    story.step("The same write 64 times at once");
    let arguments = isolate("web-02", "AL-2292", "lateral movement");
    story.sent("isolate_host", &arguments);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let (peer, arguments) = (contain.peer(), arguments.clone());
        calls.spawn(async move { call(&peer, "isolate_host", &arguments).await });
    }
    let mut answers = Vec::new();
    while let Some(answer) = calls.join_next().await {
        answers.push(answer??);
    }
    let data = answers.first().and_then(|answer| answer.get("data")).cloned();
    let same = data.is_some() && answers.iter().all(|answer| answer.get("data") == data.as_ref());
    let replayed = answers.iter().filter(|answer| is(answer, "/replayed", true)).count();
    story.promise("64 answers with equal data, one of them first", same && replayed == MANY - 1);
    story.promise("the backend counts 1", stage.isolations("web-02").await? == 1);
    Ok(())
}

async fn a_denied_call(story: &mut Story, stage: &Stage, contain: &Connected) -> Result<(), Failure> {
    story.step("Two calls that are not allowed");
    let target = told(story, contain, "isolate_host", isolate("dc-01", "AL-2293", "odd logins")).await?;
    story.promise("policy: not this target", is(&target, "/error/code", "policy_denied"));
    let account = json!({ "user": "alice", "alert_id": "AL-2293", "reason": "odd logins" });
    let scope = told(story, contain, "disable_account", account).await?;
    story.promise("scope: not this tool", is(&scope, "/error/code", "scope_missing"));
    story.promise("the backend counts nothing of it", is(&stage.effects().await?, "/total", 2));
    Ok(())
}

async fn nothing_found_and_not_known(story: &mut Story, stage: &Stage, enrich: &Connected) -> Result<(), Failure> {
    story.step("Nothing found, and a query that failed: never the same");
    let arguments = json!({ "user": "svc-backup", "since_hours": 24, "limit": 10 });
    let empty = told(story, enrich, "search_logins", arguments.clone()).await?;
    stage.fault(&json!({ "route": "logins", "status": 500 })).await?;
    let failed = told(story, enrich, "search_logins", arguments).await?;
    stage.heal().await?;
    story.promise("`empty` is a negative finding", is(&empty, "/status", "empty"));
    story.promise("the failure is an error that can be tried again, after the server tried three times itself", {
        is(&failed, "/status", "error") && is(&failed, "/error/retryable", true)
    });
    Ok(())
}

async fn a_panic(story: &mut Story, enrich: &Connected) -> Result<(), Failure> {
    story.step("A tool with a bug");
    let panicked = told(story, enrich, "find_host", json!({ "host_id": "web-03" })).await?;
    story.promise("answered at once with `internal`", is(&panicked, "/error/kind", "internal"));
    story.promise("nothing of the panic's text leaves", !panicked.to_string().contains("secret"));
    let next = told(story, enrich, "find_host", json!({ "host_id": "web-01" })).await?;
    story.promise("the next call is served", is(&next, "/status", "ok"));
    Ok(())
}

async fn killed_in_the_middle(story: &mut Story, stage: &Stage, contain: Connected) -> Result<Connected, Failure> {
    story.step("The server is killed in the middle of an effect");
    stage.fault(&json!({ "route": "isolate", "hang_after_effect": true })).await?;
    let arguments = isolate("laptop-17", "AL-2294", "ransomware note found");
    story.sent("isolate_host", &arguments);
    let (peer, sent) = (contain.peer(), arguments.clone());
    let lost = tokio::spawn(async move { call(&peer, "isolate_host", &sent).await });
    stage.until_held().await?;
    contain.kill().await?;
    stage.heal().await?;
    story.say("kill -9 while the backend holds the answer back; the server is started again");
    story.promise("the call got no answer", lost.await?.is_err());
    let contain = stage.contain().await?;
    let again = told(story, &contain, "isolate_host", arguments).await?;
    story.promise("in doubt: not failed, and not run again", {
        is(&again, "/error/kind", "in_doubt") && is(&again, "/error/effect", "unknown")
    });
    story.promise("the backend counts 1", stage.isolations("laptop-17").await? == 1);
    Ok(contain)
}

fn the_ledger(story: &mut Story, stage: &Stage) -> Result<(), Failure> {
    story.step("The ledger");
    let ledger = stage.ledger();
    match verify(&ledger) {
        Ok(report) => {
            story.say(&format!("{} records, {}", report.records, report.rung));
            story.promise("verified, and closed cleanly", report.clean_close);
        }
        Err(error) => story.promise(&format!("verified: {error}"), false),
    }
    let segment = flip_a_bit(&ledger)?;
    story.say(&format!(
        "one bit flipped in {}",
        segment.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    ));
    match verify(&ledger) {
        Ok(_) => story.promise("the break is found", false),
        Err(error) => story.promise(&format!("the break is found: {error}"), true),
    }
    Ok(())
}
