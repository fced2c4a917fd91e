//! A commit whose answer is lost took place or did not; after the next connection the ledger knows which.

use safe_tool::Ledger;
use safe_tool::ledger::{LedgerError, Outcome, State, verify_database};

use crate::database::Database;
use crate::life::{claim, completed, key, open, settle, state, until, win};
use crate::proxy::{Loses, Proxy};

/// How many records of this event there are of the action `name`.
async fn records(database: &Database, event: &str, name: &str) -> usize {
    let told = database.ask("SELECT convert_from(line, 'UTF8') FROM safe_tool.records").await;
    let (event, key) = (format!("\"event\":\"{event}\""), key(name).to_string());
    told.iter().map(|row| row.get::<_, String>(0)).filter(|line| line.contains(&event) && line.contains(&key)).count()
}

async fn back(ledger: &Ledger) {
    until("the ledger is back", async || ledger.health().is_ok()).await;
}

#[tokio::test]
async fn a_claim_that_was_recorded_unheard_never_ran_and_frees_its_key() {
    let Some(database) = Database::start() else { return };
    let proxy = Proxy::before(database.socket());
    let ledger = open(proxy.url()).await;
    for (loses, started) in [(Loses::Answer, 1), (Loses::Commit, 0)] {
        let name = format!("claimed {started}");
        proxy.lose(loses);
        let claimed = ledger.claim(claim(&name, "first")).await;
        assert!(proxy.has_lost() && matches!(claimed, Err(LedgerError::Unavailable)), "{claimed:?}");
        back(&ledger).await;
        assert_eq!(records(&database, "started", &name).await, started);
        until("the key is free", async || {
            let failed = (started == 1).then_some(State::Failed);
            state(&ledger, &name).await == failed
        })
        .await;
        assert_eq!(records(&database, "failed", &name).await, started);
        win(&ledger, &name).await;
    }
    ledger.close().await.unwrap();
    verify_database(&database.url()).unwrap();
}

#[tokio::test]
async fn what_never_ran_is_not_left_in_doubt_by_a_server_that_met_it_meanwhile() {
    let Some(database) = Database::start() else { return };
    let proxy = Proxy::before(database.socket());
    let (one, two) = (open(proxy.url()).await, open(database.url()).await);
    proxy.lose(Loses::Answer);
    one.claim(claim("a", "first")).await.unwrap_err();
    // Whichever of the two is faster: it is in doubt for a moment, or it never is.
    until("the key is free", async || state(&two, "a").await == Some(State::Failed)).await;
    win(&two, "a").await;
    one.close().await.unwrap();
    two.close().await.unwrap();
    verify_database(&database.url()).unwrap();
}

#[tokio::test]
async fn an_outcome_is_recorded_once_whether_or_not_its_commit_was_heard_of() {
    let Some(database) = Database::start() else { return };
    let proxy = Proxy::before(database.socket());
    let ledger = open(proxy.url()).await;
    for loses in [Loses::Answer, Loses::Commit] {
        let name = format!("settled {}", loses == Loses::Answer);
        let version = win(&ledger, &name).await;
        proxy.lose(loses);
        let receipt = ledger.settle(settle(&name, version, completed("[1]"))).await.unwrap().receipt;
        assert!(proxy.has_lost());
        let action = ledger.lookup(&key(&name)).await.unwrap().unwrap();
        assert_eq!(
            (&action.state, ledger.payload(&action).await.unwrap().as_slice()),
            (&State::Completed, &b"[1]"[..])
        );
        assert_eq!(records(&database, "completed", &name).await, 1);
        let told = database.ask(&format!("SELECT 1 FROM safe_tool.records WHERE log = '{}' AND sequence = {} AND position('\\x{}'::bytea in decode(substr(convert_from(line, 'UTF8'), 10, 64), 'hex')) = 1", receipt.log, receipt.sequence, receipt.hash)).await;
        assert_eq!(told.len(), 1, "the receipt names the record that is there");
        // The version of a doubt is good across a connection.
        let name = format!("doubted {}", loses == Loses::Answer);
        let version = win(&ledger, &name).await;
        proxy.lose(loses);
        let doubt = Outcome::InDoubt { code: "timeout".into(), running: false };
        let doubted = ledger.settle(settle(&name, version, doubt)).await.unwrap();
        ledger.settle(settle(&name, doubted.version, completed("[2]"))).await.unwrap();
        assert_eq!(state(&ledger, &name).await, Some(State::Completed));
    }
    ledger.close().await.unwrap();
    verify_database(&database.url()).unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_begins_or_closes_leaves_a_chain_that_verifies() {
    let Some(database) = Database::start() else { return };
    let proxy = Proxy::before(database.socket());
    let ledger = open(proxy.url()).await;
    for loses in [Loses::Answer, Loses::Commit, Loses::Answer] {
        let version = win(&ledger, "a").await;
        proxy.lose(Loses::Commit);
        let lost = ledger.settle(settle("a", version, Outcome::Failed { code: "HOST_OFFLINE".into() }));
        let again = async {
            // The commit of the next `open` record is the next one.
            until("it is lost", async || proxy.has_lost()).await;
            proxy.lose(loses);
        };
        let (settled, ()) = futures_util::join!(lost, again);
        settled.unwrap();
        assert!(proxy.has_lost());
    }
    proxy.lose(Loses::Answer);
    assert!(ledger.close().await.is_err(), "nobody heard that it was closed");
    verify_database(&database.url()).unwrap();
}
