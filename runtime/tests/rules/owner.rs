//! What another owner is told of an action: that it is there, and never what it came to.

use crate::common::{call, error};
use crate::lab::{Lab, Way, after, is_superseded, undo};
use serde_json::{Value, json};

/// Nothing that Ann was answered is in `answer`.
fn leaks_nothing(answer: &Value) {
    let text = answer.to_string();
    assert!(!text.contains("swordfish") && answer["error"].get("earlier").is_none(), "{text}");
    assert!(answer.get("data").is_none() && answer.get("undo").is_none(), "{text}");
}

#[tokio::test]
async fn what_is_done_for_one_owner_is_not_run_again_for_another_nor_shown() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let done = lab.runs("isolate", host.clone()).await;
    assert_eq!(done["data"], json!({ "network": "swordfish" }));
    let answer = call(&lab.bob, "isolate", host.clone()).await;
    assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("conflict", "done_for_another"));
    assert_eq!((error(&answer, "effect"), &answer["first_call"]), ("applied", &done["call"]));
    leaks_nothing(&answer);
    // When the subject has moved, that is said first; the earlier answer is still its owner's.
    let released = lab.runs(undo(&done).0, undo(&done).1).await;
    let answer = call(&lab.bob, "isolate", host.clone()).await;
    is_superseded(&answer, &released);
    leaks_nothing(&answer);
    assert_eq!(lab.superseded("isolate", host.clone(), &released).await["error"]["earlier"]["data"], done["data"]);
    assert_eq!(lab.world.took(), ["isolate web-01", "release web-01"]);
    // On purpose Bob may do it again, and then it is his.
    let again = call(&lab.bob, "isolate", after(&host, &released)).await;
    assert_eq!((&again["status"], &again["replayed"]), (&json!("ok"), &json!(false)));
    assert_eq!(error(&lab.call("isolate", host).await, "code"), "done_for_another");
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn while_one_owners_call_runs_another_is_not_answered_with_it() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::Held);
    let meanwhile = async {
        lab.world.has_begun().await;
        let answer = call(&lab.bob, "isolate", host.clone()).await;
        lab.world.let_go();
        answer
    };
    let (done, answer) = tokio::join!(lab.runs("isolate", host.clone()), meanwhile);
    assert_eq!((error(&answer, "kind"), &answer["first_call"]), ("in_progress", &done["call"]));
    leaks_nothing(&answer);
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn a_setter_is_nobodys() {
    let lab = Lab::new().await;
    let note = json!({ "host": "web-01", "note": "clean" });
    lab.runs("set_note", note.clone()).await;
    let answer = call(&lab.bob, "set_note", note).await;
    assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)), "{answer}");
    assert_eq!(lab.world.took(), ["note web-01 clean"; 2]);
}

#[tokio::test]
async fn the_key_of_a_caller_is_its_own() {
    let lab = Lab::new().await;
    let ticket = json!({ "title": "disk full", "idempotency_key": "alert-0001" });
    lab.runs("open_ticket", ticket.clone()).await;
    let answer = call(&lab.bob, "open_ticket", ticket).await;
    assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)), "{answer}");
}

#[tokio::test]
async fn the_backend_is_asked_about_a_doubt_as_the_owner_only() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::AnswerLost);
    let doubt = lab.call("isolate", host.clone()).await;
    assert_eq!((error(&doubt, "kind"), error(&doubt, "effect")), ("in_doubt", "unknown"));
    for _ in 0..2 {
        let answer = call(&lab.bob, "isolate", host.clone()).await;
        assert_eq!((error(&answer, "kind"), &answer["first_call"]), ("in_doubt", &doubt["call"]));
        leaks_nothing(&answer);
    }
    assert_eq!(lab.world.asked(), []);
    let answer = lab.call("isolate", host.clone()).await;
    assert_eq!((&answer["replayed"], &answer["first_call"]), (&json!(true), &doubt["call"]));
    assert_eq!(lab.world.asked(), [Some("ann".to_owned())]);
    assert_eq!(error(&call(&lab.bob, "isolate", host).await, "code"), "done_for_another");
    assert_eq!(lab.world.took(), ["isolate web-01"]);
}

#[tokio::test]
async fn a_server_that_starts_asks_as_the_owner_too() {
    let lab = Lab::new().await;
    lab.world.goes(Way::AnswerLost);
    lab.call("isolate", json!({ "host": "web-01" })).await;
    let _server = lab.start("bob").await;
    lab.no_doubt_is_left().await;
    assert_eq!(lab.world.asked(), [Some("ann".to_owned())]);
}
