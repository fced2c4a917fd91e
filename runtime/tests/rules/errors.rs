//! What an error leaves under its key.

use crate::common::{call, error};
use crate::lab::{Lab, Way};
use serde_json::json;

#[tokio::test]
async fn what_was_not_found_is_mended_and_the_same_call_runs() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    for _ in 0..2 {
        lab.world.goes(Way::Missing);
        let answer = lab.call("isolate", host.clone()).await;
        assert_eq!((error(&answer, "kind"), error(&answer, "effect")), ("not_found", "none"));
        assert_eq!(answer["replayed"], false);
    }
    let done = lab.runs("isolate", host.clone()).await;
    lab.replays("isolate", host, &done).await;
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn the_key_of_an_error_is_free_for_another_owner_and_other_arguments_too() {
    let lab = Lab::new().await;
    let version = |version: &str| json!({ "environment": "prod", "service": "api", "version": version });
    lab.world.goes(Way::Missing);
    assert_eq!(error(&lab.call("deploy", version("v1")).await, "code"), "MISSING");
    let answer = call(&lab.bob, "deploy", version("v1")).await;
    assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)));
    lab.world.goes(Way::Missing);
    let ticket = |title: &str| json!({ "title": title, "idempotency_key": "alert-0001" });
    assert_eq!(error(&lab.call("open_ticket", ticket("disk full")).await, "code"), "MISSING");
    let opened = lab.runs("open_ticket", ticket("disk slow")).await;
    assert!(opened.get("differs").is_none());
    assert_eq!(lab.world.took(), ["deploy prod api v1", "open disk slow"]);
}

#[tokio::test]
async fn a_delayed_duplicate_of_an_error_does_nothing_once_its_subject_moved() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::Missing);
    lab.call("isolate", host.clone()).await;
    let released = lab.runs("release", host.clone()).await;
    let answer = lab.superseded("isolate", host, &released).await;
    assert_eq!(error(&answer, "effect"), "none");
    assert!(answer["error"].get("earlier").is_none());
    assert_eq!(lab.world.took(), ["release web-01"]);
}

#[tokio::test]
async fn a_stored_error_is_the_answer_to_its_owner_and_binds_nobody_else() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::Bolted);
    let refused = lab.call("isolate", host.clone()).await;
    assert_eq!((error(&refused, "code"), error(&refused, "effect")), ("BOLTED", "none"));
    lab.replays("isolate", host.clone(), &refused).await;
    assert_eq!(lab.world.took(), [""; 0]);
    let done = call(&lab.bob, "isolate", host.clone()).await;
    assert_eq!((&done["status"], &done["replayed"]), (&json!("ok"), &json!(false)), "{done}");
    // And then it is done, for Bob.
    assert_eq!(error(&lab.call("isolate", host).await, "code"), "done_for_another");
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn a_stored_error_is_no_move_of_its_subject() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    lab.world.goes(Way::Bolted);
    assert_eq!(error(&lab.call("restart", host.clone()).await, "code"), "BOLTED");
    lab.replays("isolate", host, &isolated).await;
}
