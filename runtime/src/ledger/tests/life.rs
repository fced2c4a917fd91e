//! The life of an action, on every store.

use super::super::{Claimed, How, LedgerError, Standing, State, Version};
use super::{
    both, claim, completed, failed, in_doubt, key, known, lookup, now, nowhere, payload, run, settle, state, win,
};

#[tokio::test]
async fn claimed_settled_and_given_back() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        assert_eq!(lookup(&ledger, "a"), None);
        let version = win(&ledger, "a", "first").await;
        let started = lookup(&ledger, "a").unwrap();
        assert_eq!(started.state, State::Started { epoch: 1 });
        assert_eq!(started.version, version);
        assert!(matches!(payload(&ledger, &started), Err(LedgerError::Payload { .. })));

        let settled = ledger.settle(settle("a", version, completed(r#"{"x": 1}"#))).await.unwrap();
        let action = lookup(&ledger, "a").unwrap();
        assert_eq!(action.state, State::Completed);
        assert_eq!(action.version, settled.version);
        assert_eq!(action.call, "first");
        assert_eq!(action.tool, "isolate_host");
        assert_eq!(action.digest, claim("a", "").digest);
        assert_eq!(action.arguments, claim("a", "").arguments);
        assert_eq!(action.owner.as_deref(), Some("alice"));
        assert_eq!(action.expires_ms, Some(action.at_ms + 7 * 24 * 3600 * 1000));
        assert_eq!(payload(&ledger, &action).unwrap(), br#"{"x": 1}"#);
        assert_eq!(known(&ledger, "a").await, action);
    }
}

#[tokio::test]
async fn a_payload_that_is_not_there_is_an_error() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        run(&ledger, "a").await;
        let mut action = known(&ledger, "a").await;
        let mut wrong = action.payload.clone().unwrap();
        wrong.offset += 1;
        action.payload = Some(wrong);
        assert!(matches!(payload(&ledger, &action), Err(LedgerError::Payload { .. })));
        action.payload = Some(nowhere());
        assert!(matches!(payload(&ledger, &action), Err(LedgerError::Io { .. })));
        ledger.health().unwrap();
    }
}

#[tokio::test]
async fn of_64_concurrent_claims_one_wins() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let calls: Vec<_> = (0..64)
            .map(|n| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.claim(claim("a", &format!("call {n}"))).await })
            })
            .collect();
        let (mut won, mut running) = (Vec::new(), Vec::new());
        for call in calls {
            match call.await.unwrap().unwrap() {
                Claimed::Won { .. } => won.push(lookup(&ledger, "a").unwrap().call),
                Claimed::Known(Standing::Running { call }) => running.push(call),
                Claimed::Known(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(running, vec![won[0].clone(); 63]);
    }
}

#[tokio::test]
async fn only_the_version_that_was_won_settles() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let absent = ledger.settle(settle("a", Version(1), failed())).await;
        assert!(matches!(absent, Err(LedgerError::Superseded)));
        let version = win(&ledger, "a", "first").await;
        let other = ledger.settle(settle("a", Version(version.0 + 1), failed())).await;
        assert!(matches!(other, Err(LedgerError::Superseded)));
        let settled = ledger.settle(settle("a", version, completed("1"))).await.unwrap();
        for version in [version, settled.version] {
            let again = ledger.settle(settle("a", version, completed("2"))).await;
            assert!(matches!(again, Err(LedgerError::Superseded)));
        }
        assert_eq!(payload(&ledger, &known(&ledger, "a").await).unwrap(), b"1");
    }
}

#[tokio::test]
async fn a_failure_may_run_again_and_a_doubt_may_not() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let version = win(&ledger, "a", "first").await;
        ledger.settle(settle("a", version, failed())).await.unwrap();
        assert_eq!(state(&ledger, "a"), Some(State::Failed));

        let version = win(&ledger, "a", "second").await;
        let doubt = ledger.settle(settle("a", version, in_doubt())).await.unwrap();
        let action = known(&ledger, "a").await;
        assert_eq!(action.state, State::InDoubt);
        assert_eq!(action.call, "second");
        assert_eq!(action.expires_ms, None);

        let mut late = settle("a", doubt.version, completed("{}"));
        late.how = How::Late;
        ledger.settle(late).await.unwrap();
        assert_eq!(state(&ledger, "a"), Some(State::Completed));
    }
}

#[tokio::test]
async fn natural_claims_start_over_what_is_not_running() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let natural = |call: &str| {
            let mut claim = claim("a", call);
            claim.natural = true;
            ledger.claim(claim)
        };
        let Claimed::Won { version: first, .. } = natural("first").await.unwrap() else { panic!("not won") };
        assert!(matches!(natural("running").await.unwrap(), Claimed::Known(_)));
        let doubt = ledger.settle(settle("a", first, in_doubt())).await.unwrap();
        let Claimed::Won { version: second, .. } = natural("second").await.unwrap() else { panic!("not won") };
        // The first run reports late, but the action is the second's now.
        let late = ledger.settle(settle("a", doubt.version, completed("1"))).await;
        assert!(matches!(late, Err(LedgerError::Superseded)));
        ledger.settle(settle("a", second, completed("2"))).await.unwrap();
        assert!(matches!(natural("third").await.unwrap(), Claimed::Won { .. }));
        assert_eq!(known(&ledger, "a").await.call, "third");
    }
}

#[tokio::test]
async fn a_payload_with_a_line_break_is_refused() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let version = win(&ledger, "a", "first").await;
        let refused = ledger.settle(settle("a", version, completed("{\n}"))).await;
        assert!(matches!(refused, Err(LedgerError::Payload { .. })));
        assert_eq!(state(&ledger, "a"), Some(State::Started { epoch: 1 }));
    }
}

#[tokio::test]
async fn latched_means_no_claims_but_outcomes() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let version = win(&ledger, "a", "first").await;
        ledger.latch();
        assert!(matches!(ledger.health(), Err(LedgerError::Latched)));
        assert!(matches!(ledger.claim(claim("b", "second")).await, Err(LedgerError::Latched)));
        ledger.settle(settle("a", version, completed("{}"))).await.unwrap();
        assert_eq!(state(&ledger, "a"), Some(State::Completed));
    }
}

#[tokio::test]
async fn closed_means_closed() {
    let (_directory, ledgers) = both();
    for ledger in ledgers {
        let version = win(&ledger, "a", "first").await;
        ledger.close().await.unwrap();
        assert!(matches!(ledger.health(), Err(LedgerError::Closed)));
        assert!(matches!(now(ledger.lookup(&key("a"))), Err(LedgerError::Closed)));
        assert!(matches!(ledger.claim(claim("b", "second")).await, Err(LedgerError::Closed)));
        assert!(matches!(ledger.settle(settle("a", version, failed())).await, Err(LedgerError::Closed)));
        assert!(matches!(ledger.close().await, Err(LedgerError::Closed)));
    }
}
