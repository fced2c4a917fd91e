//! What a doubt on a subject does to the other actions there.

use crate::common::error;
use crate::lab::{Lab, Way, after, undo};
use serde_json::json;

#[tokio::test]
async fn while_something_on_the_subject_is_in_doubt_nothing_is_repeated() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    lab.world.goes(Way::AnswerLost);
    let doubt = lab.call("restart", host.clone()).await;
    assert_eq!(error(&doubt, "kind"), "in_doubt");
    let (release, ready) = undo(&isolated);
    for (tool, arguments) in
        [("isolate", after(&host, &isolated)), ("isolate", after(&host, &doubt)), (release, ready.clone())]
    {
        let answer = lab.call(tool, arguments).await;
        assert_eq!((error(&answer, "kind"), error(&answer, "code")), ("in_doubt", "subject_in_doubt"), "{answer}");
        assert_eq!(answer["first_call"], doubt["call"]);
    }
    // It may have moved the subject: nothing that was said before is said again.
    lab.superseded("isolate", host, &doubt).await;
    assert_eq!(lab.world.took(), ["isolate web-01", "restart web-01"]);
    lab.did_not_happen().await;
    lab.runs(release, ready).await;
    assert_eq!(lab.world.took(), ["release web-01"]);
}

#[tokio::test]
async fn while_something_on_the_subject_runs_nothing_is_repeated() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    lab.world.goes(Way::Held);
    let meanwhile = async {
        lab.world.has_begun().await;
        let again = lab.call("isolate", after(&host, &isolated)).await;
        let plain = lab.call("isolate", host.clone()).await;
        lab.world.let_go();
        [again, plain]
    };
    let (restarted, answers) = tokio::join!(lab.runs("restart", host.clone()), meanwhile);
    for answer in answers {
        assert_eq!((error(&answer, "kind"), &answer["first_call"]), ("in_progress", &restarted["call"]));
    }
    assert_eq!(lab.world.took(), ["isolate web-01", "restart web-01"]);
}

/// The repeat that is asked for once more had its effect long ago.
#[tokio::test]
async fn a_doubt_on_the_subject_does_not_claim_that_a_repeat_never_happened() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    let first = lab.runs("isolate", host.clone()).await;
    let second = lab.runs("isolate", after(&host, &first)).await;
    lab.runs("isolate", after(&host, &second)).await;
    lab.world.goes(Way::AnswerLost);
    lab.call("restart", host.clone()).await;
    let answer = lab.call("isolate", after(&host, &first)).await;
    assert_eq!((error(&answer, "code"), error(&answer, "effect")), ("subject_in_doubt", "unknown"), "{answer}");
}

/// A doubt counts from the end of its body, however late it is resolved; and what is found out is held to the same rules.
#[tokio::test]
async fn a_doubt_that_is_resolved_late_is_no_move_of_today() {
    let lab = Lab::new().await;
    let host = json!({ "host": "web-01" });
    lab.world.goes(Way::AnswerLost);
    let doubt = lab.call("isolate", host.clone()).await;
    let released = lab.runs("release", host.clone()).await;
    let answer = lab.superseded("isolate", host.clone(), &released).await;
    assert_eq!((error(&answer, "effect"), &answer["first_call"]), ("applied", &doubt["call"]));
    assert_eq!((lab.world.asked().len(), &answer["error"]["earlier"]["status"]), (1, &json!("ok")));
    lab.replays("release", host, &released).await;
    assert_eq!(lab.world.took(), ["isolate web-01", "release web-01"]);
}

#[tokio::test]
async fn a_doubt_on_another_subject_is_in_nobodys_way() {
    let lab = Lab::new().await;
    lab.world.goes(Way::AnswerLost);
    lab.call("restart", json!({ "host": "web-02" })).await;
    let host = json!({ "host": "web-01" });
    let isolated = lab.runs("isolate", host.clone()).await;
    lab.runs("isolate", after(&host, &isolated)).await;
}
