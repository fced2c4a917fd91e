//! A known key runs again only for a caller who names the latest action on its subject.

use crate::common::{call, error};
use crate::lab::{Lab, Way, after, is_superseded};
use jiff::Timestamp;
use serde_json::json;

#[tokio::test]
async fn a_version_is_not_said_to_be_live_when_another_was_deployed_after_it() {
    let lab = Lab::new().await;
    let version = |version: &str| json!({ "environment": "prod", "service": "api", "version": version });
    let first = lab.runs("deploy", version("v1")).await;
    lab.replays("deploy", version("v1"), &first).await;
    let second = lab.runs("deploy", version("v2")).await;
    let answer = lab.superseded("deploy", version("v1"), &second).await;
    assert_eq!((error(&answer, "effect"), &answer["first_call"]), ("applied", &first["call"]));
    assert_eq!(answer["error"]["superseded_by"]["tool"], "deploy");
    assert_eq!(answer["error"]["earlier"]["status"], "ok");
    lab.replays("deploy", version("v2"), &second).await;
    // On purpose it is done again, once.
    let again = lab.runs("deploy", after(&version("v1"), &second)).await;
    lab.replays("deploy", after(&version("v1"), &second), &again).await;
    lab.superseded("deploy", version("v2"), &again).await;
    assert_eq!(lab.world.took(), ["deploy prod api v1", "deploy prod api v2", "deploy prod api v1"]);
}

#[tokio::test]
async fn a_call_that_is_not_the_latest_repeats_nothing() {
    let lab = Lab::new().await;
    let version = |version: &str| json!({ "environment": "prod", "service": "api", "version": version });
    let first = lab.runs("deploy", version("v1")).await;
    let second = lab.runs("deploy", version("v2")).await;
    let unknown = json!({ "call": "01KAJ6Q0M3Z5T8W2V9C4X7B1RD" });
    for named in [&first, &unknown] {
        let answer = lab.superseded("deploy", after(&version("v1"), named), &second).await;
        assert!(answer["error"].get("earlier").is_none(), "it is asked for anew: {answer}");
    }
    // Nothing is known of this subject: there is nothing to repeat.
    let new = json!({ "environment": "prod", "service": "web", "version": "v1" });
    let answer = lab.call("deploy", after(&new, &first)).await;
    assert_eq!((error(&answer, "code"), answer["error"].get("superseded_by")), ("superseded", None));
    assert_eq!(lab.world.took().len(), 2);
}

#[tokio::test]
async fn what_was_deleted_recreated_and_is_deleted_again_is_deleted() {
    let lab = Lab::new().await;
    let stage = json!({ "environment": "stage" });
    let api = json!({ "environment": "stage", "service": "api", "version": "v1" });
    let created = lab.runs("create", stage.clone()).await;
    lab.runs("deploy", api.clone()).await;
    lab.replays("create", stage.clone(), &created).await;
    let deleted = lab.runs("delete", stage.clone()).await;
    lab.superseded("deploy", api.clone(), &deleted).await;
    lab.superseded("create", stage.clone(), &deleted).await;
    let recreated = lab.runs("create", after(&stage, &deleted)).await;
    lab.superseded("delete", stage.clone(), &recreated).await;
    lab.superseded("delete", after(&stage, &deleted), &recreated).await;
    let again = lab.runs("delete", after(&stage, &recreated)).await;
    // Delayed duplicates of all of them do nothing.
    lab.superseded("create", after(&stage, &deleted), &again).await;
    lab.replays("delete", after(&stage, &recreated), &again).await;
    lab.superseded("deploy", api, &again).await;
    assert_eq!(
        lab.world.took(),
        ["create stage", "deploy stage api v1", "delete stage", "create stage", "delete stage"]
    );
}

#[tokio::test]
async fn a_repeat_without_effect_leaves_the_answer_that_was_there() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let first = lab.runs("isolate", host.clone()).await;
    // A stored error as well: the host is isolated, whatever became of the repeat.
    for (way, code) in [(Way::Missing, "MISSING"), (Way::Bolted, "BOLTED")] {
        lab.world.goes(way);
        assert_eq!(error(&lab.call("isolate", after(&host, &first)).await, "code"), code);
        lab.replays("isolate", host.clone(), &first).await;
        assert_eq!(error(&call(&lab.bob, "isolate", host.clone()).await, "code"), "done_for_another");
    }
    lab.runs("isolate", after(&host, &first)).await;
    assert_eq!(lab.world.took(), ["isolate web-01"; 2]);
}

#[tokio::test]
async fn a_tool_that_never_repeats_has_no_argument_for_it() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let first = lab.runs("restart", host.clone()).await;
    let answer = lab.call("restart", after(&host, &first)).await;
    assert_eq!(error(&answer, "kind"), "invalid_arguments");
    assert_eq!(answer["error"]["violations"][0]["rule"], "additionalProperties");
    lab.replays("restart", host.clone(), &first).await;
    // Nor does it say that it could be given, when the subject has moved.
    let moved = lab.runs("isolate", host.clone()).await;
    let answer = lab.superseded("restart", host, &moved).await;
    assert!(!error(&answer, "suggested_action").contains("again_after"), "{answer}");
    assert_eq!(lab.world.took(), ["restart web-01", "isolate web-01"]);
}

#[tokio::test]
async fn a_setter_sets_each_text_that_it_is_given() {
    let lab = Lab::new().await;
    let note = |note: &str| json!({ "host": "web-01", "note": note });
    for text in ["compromised", "clean", "compromised", "compromised"] {
        lab.runs("set_note", note(text)).await;
        assert_eq!(lab.world.took(), [format!("note web-01 {text}")]);
    }
    // While one is being set, another one is not answered as if it were that one; the very same one waits.
    lab.world.goes(Way::Held);
    let other = async {
        lab.world.has_begun().await;
        let mut same = Box::pin(lab.call("set_note", note("clean")));
        assert!(futures_util::poll!(&mut same).is_pending());
        let other = lab.call("set_note", note("compromised")).await;
        assert_eq!(error(&other, "kind"), "in_progress");
        lab.world.let_go();
        same.await
    };
    let (first, same) = tokio::join!(lab.call("set_note", note("clean")), other);
    assert_eq!((&same["replayed"], &same["first_call"]), (&json!(true), &first["call"]));
    assert_eq!(lab.world.took(), ["note web-01 clean"]);
}

#[tokio::test]
async fn a_setter_that_is_told_after_which_call_is_guarded_like_any_other() {
    let lab = Lab::new().await;
    let note = json!({ "host": "web-01", "note": "clean" });
    let first = lab.runs("set_note", note.clone()).await;
    let moved = lab.runs("isolate", json!({ "host": "web-01" })).await;
    lab.superseded("set_note", after(&note, &first), &moved).await;
    let again = lab.runs("set_note", after(&note, &moved)).await;
    lab.replays("set_note", after(&note, &moved), &again).await;
    assert_eq!(lab.world.took().len(), 3);
}

#[tokio::test]
async fn a_replay_says_when_its_answer_was_first_given() {
    let lab = Lab::new().await;
    let (host, version) =
        (json!({ "host": "web-01" }), json!({ "environment": "prod", "service": "api", "version": "v1" }));
    let before = Timestamp::now().as_millisecond();
    let first = lab.runs("isolate", host.clone()).await;
    lab.world.goes(Way::Bolted);
    let refused = lab.call("deploy", version.clone()).await;
    lab.world.goes(Way::Held);
    let other = json!({ "host": "web-02" });
    let waits = async {
        lab.world.has_begun().await;
        let mut waits = Box::pin(lab.call("isolate", other.clone()));
        assert!(futures_util::poll!(&mut waits).is_pending());
        lab.world.let_go();
        waits.await
    };
    let (ran, waited) = tokio::join!(lab.runs("isolate", other.clone()), waits);
    assert_eq!(waited["first_call"], ran["call"]);
    let after = Timestamp::now().as_millisecond();
    assert!(first.get("first_at").is_none() && refused.get("first_at").is_none());
    let replays = [
        lab.replays("isolate", host.clone(), &first).await,
        lab.replays("isolate", host, &first).await,
        lab.replays("deploy", version, &refused).await,
        lab.replays("isolate", other, &ran).await,
        waited,
    ];
    for replay in &replays {
        let at: Timestamp = replay["first_at"].as_str().unwrap().parse().unwrap();
        assert!((before..=after).contains(&at.as_millisecond()), "{replay}");
    }
    assert_eq!(replays[0]["first_at"], replays[1]["first_at"]);
    assert_eq!(replays[3]["first_at"], replays[4]["first_at"]);
}

/// A duplicate that waits is answered by the rules as they stand when it is answered.
#[tokio::test]
async fn a_duplicate_that_waits_is_told_what_moved_meanwhile() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::Held);
    let meanwhile = async {
        lab.world.has_begun().await;
        let mut waits = Box::pin(lab.call("isolate", host.clone()));
        assert!(futures_util::poll!(&mut waits).is_pending());
        let released = lab.call("release", host.clone()).await;
        lab.world.let_go();
        (released, waits.await)
    };
    let (first, (released, waited)) = tokio::join!(lab.call("isolate", host.clone()), meanwhile);
    assert_eq!((&first["status"], &released["status"]), (&json!("ok"), &json!("ok")));
    is_superseded(&waited, &released);
    lab.superseded("isolate", host, &released).await;
}
