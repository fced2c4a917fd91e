//! An approval is given to a state of the subject.

use crate::common::{decide, error};
use crate::lab::{Lab, Way, after};
use serde_json::json;

#[tokio::test]
async fn an_approval_is_void_when_the_subject_moved_after_it_was_given() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let asked = lab.call("wipe", host.clone()).await;
    assert_eq!(asked["status"], "pending");
    decide(&lab.ledger, true).await;
    lab.runs("isolate", host.clone()).await;
    let void = lab.call("wipe", host.clone()).await;
    assert_eq!((error(&void, "kind"), error(&void, "code")), ("denied", "approval_void"));
    let anew = lab.call("wipe", host.clone()).await;
    assert_eq!(anew["status"], "pending");
    assert_ne!(anew["approval"]["id"], asked["approval"]["id"]);
    assert_eq!(lab.world.took(), ["isolate web-01"]);
    decide(&lab.ledger, true).await;
    lab.runs("wipe", host).await;
    assert_eq!(lab.world.took(), ["wipe web-01"]);
}

#[tokio::test]
async fn an_approval_that_is_given_after_the_move_counts() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.call("wipe", host.clone()).await;
    lab.runs("isolate", host.clone()).await;
    decide(&lab.ledger, true).await;
    lab.runs("wipe", host).await;
    assert_eq!(lab.world.took(), ["isolate web-01", "wipe web-01"]);
}

#[tokio::test]
async fn what_had_no_effect_or_was_elsewhere_voids_no_approval() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.call("wipe", host.clone()).await;
    decide(&lab.ledger, true).await;
    for (way, tool, host) in
        [(Way::Missing, "release", "web-01"), (Way::Bolted, "restart", "web-01"), (Way::Well, "restart", "web-02")]
    {
        lab.world.goes(way);
        lab.call(tool, json!({ "host": host })).await;
    }
    lab.runs("wipe", host).await;
    assert_eq!(lab.world.took(), ["restart web-02", "wipe web-01"]);
}

#[tokio::test]
async fn a_repeat_is_approved_anew_and_until_then_the_answer_stands() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.call("wipe", host.clone()).await;
    decide(&lab.ledger, true).await;
    let first = lab.runs("wipe", host.clone()).await;
    let again = after(&host, &first);
    for _ in 0..2 {
        assert_eq!(lab.call("wipe", again.clone()).await["status"], "pending");
        lab.replays("wipe", host.clone(), &first).await;
    }
    assert_eq!(lab.world.took(), ["wipe web-01"]);
    decide(&lab.ledger, true).await;
    let second = lab.runs("wipe", again.clone()).await;
    lab.replays("wipe", again, &second).await;
    assert_eq!(lab.world.took(), ["wipe web-01"]);
}
