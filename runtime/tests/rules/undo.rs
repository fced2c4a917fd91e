//! Each effect can be undone once, by the ready call that its answer carries; and undoing frees nobody's key.

use crate::common::error;
use crate::lab::{Lab, Way, after, undo};
use serde_json::json;

#[tokio::test]
async fn an_undo_runs_once_and_its_replay_is_a_replay() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    let (release, ready) = undo(&isolated);
    assert_eq!((release, &ready), ("release", &after(&host, &isolated)));
    let released = lab.runs(release, ready.clone()).await;
    lab.replays(release, ready.clone(), &released).await;
    // Under the bare key as well, and never a second time by the name of what is undone already.
    lab.replays(release, host, &released).await;
    assert_eq!(lab.world.took(), ["isolate web-01", "release web-01"]);
}

#[tokio::test]
async fn isolated_and_released_twice_by_the_ready_calls_are_four_effects() {
    let lab = Lab::new().await;
    let mut done = vec![("isolate".to_owned(), json!({ "host": "web-01" }))];
    let mut answers = Vec::new();
    for _ in 0..4 {
        let (tool, arguments) = done.last().unwrap().clone();
        let answer = lab.runs(&tool, arguments.clone()).await;
        lab.replays(&tool, arguments, &answer).await;
        let (tool, arguments) = undo(&answer);
        done.push((tool.to_owned(), arguments));
        answers.push(answer);
    }
    let effects = ["isolate web-01", "release web-01"].repeat(2);
    assert_eq!(lab.world.took(), effects);
    // Delayed duplicates of the first three change nothing any more.
    for (tool, arguments) in done.into_iter().take(3) {
        lab.superseded(&tool, arguments, &answers[3]).await;
    }
    assert_eq!(lab.world.took(), [""; 0]);
}

#[tokio::test]
async fn a_late_repeat_of_an_isolation_does_not_isolate_what_was_released() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    let (release, ready) = undo(&isolated);
    let released = lab.runs(release, ready).await;
    let answer = lab.superseded("isolate", host.clone(), &released).await;
    assert_eq!((error(&answer, "effect"), &answer["first_call"]), ("applied", &isolated["call"]));
    assert_eq!(answer["error"]["earlier"]["data"], isolated["data"]);
    assert_eq!(lab.world.took(), ["isolate web-01", "release web-01"]);
    lab.runs("isolate", after(&host, &released)).await;
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn an_isolation_that_ends_after_a_release_is_the_latest_and_can_be_undone() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::Held);
    let meanwhile = async {
        lab.world.has_begun().await;
        let released = lab.runs("release", host.clone()).await;
        lab.world.let_go();
        released
    };
    let (isolated, released) = tokio::join!(lab.runs("isolate", host.clone()), meanwhile);
    // Nobody is told that the host is free, nor that it is isolated: the two met.
    lab.superseded("release", host.clone(), &isolated).await;
    lab.superseded("isolate", host, &released).await;
    let (release, ready) = undo(&isolated);
    lab.runs(release, ready).await;
    assert_eq!(lab.world.took(), ["release web-01", "isolate web-01", "release web-01"]);
}

#[tokio::test]
async fn when_a_third_action_came_between_the_caller_decides() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    let restarted = lab.runs("restart", host.clone()).await;
    let (release, ready) = undo(&isolated);
    let answer = lab.superseded(release, ready, &restarted).await;
    assert_eq!(error(&answer, "effect"), "none");
    lab.runs(release, after(&host, &restarted)).await;
    assert_eq!(lab.world.took(), ["isolate web-01", "restart web-01", "release web-01"]);
}

#[tokio::test]
async fn undoing_does_not_free_the_key_of_a_caller() {
    let lab = Lab::new().await;
    let ticket = |key: &str| json!({ "title": "disk full", "idempotency_key": key });
    let opened = lab.runs("open_ticket", ticket("alert-0001")).await;
    let (close, ready) = undo(&opened);
    let closed = lab.runs(close, ready).await;
    let answer = lab.superseded("open_ticket", ticket("alert-0001"), &closed).await;
    assert_eq!(error(&answer, "effect"), "applied");
    // There is no naming a call to get around it: another ticket is another key.
    let named = lab.call("open_ticket", after(&ticket("alert-0001"), &closed)).await;
    assert_eq!(named["error"]["violations"][0]["rule"], "additionalProperties");
    assert_eq!(lab.world.took(), ["open disk full", "close inc-1"]);
    lab.runs("open_ticket", ticket("alert-0002")).await;
    assert_eq!(lab.world.took(), ["open disk full"]);
}
