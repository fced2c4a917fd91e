//! What the ledger does not start with, and what it says then.

use safe_tool::{Ledger, LedgerError};

use crate::database::Database;
use crate::life::{completed, open, settle, win};

async fn refusal(url: String) -> LedgerError {
    tokio::task::spawn_blocking(move || Ledger::open(&url)).await.unwrap().map(drop).unwrap_err()
}

#[tokio::test]
async fn a_database_that_may_lose_what_it_acknowledged() {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let Some(database) = Database::with(&[&format!("{setting} = off")]) else { return };
        let refusal = refusal(database.url()).await;
        assert!(matches!(&refusal, LedgerError::Undurable { setting: found } if *found == setting), "{refusal}");
    }
    let Some(database) = Database::start() else { return };
    // Also where it is off for this role alone.
    database.ask("ALTER ROLE ledger SET synchronous_commit = off").await;
    let refusal = refusal(database.url()).await;
    assert!(refusal.to_string().contains("`synchronous_commit = on`"), "{refusal}");
}

#[tokio::test]
async fn tables_of_a_later_version() {
    let Some(database) = Database::start() else { return };
    open(database.url()).await.close().await.unwrap();
    database.ask("UPDATE safe_tool.settings SET format = format + 1").await;
    let refusal = refusal(database.url()).await;
    assert!(matches!(refusal, LedgerError::Format { found: 2 }), "{refusal}");
}

#[tokio::test]
async fn no_refusal_tells_the_password() {
    for url in [
        "postgres://ledger:hunter2@127.0.0.1:1/ledger",
        "postgres://ledger:hun/ter2@127.0.0.1/ledger",
        "postgres://ledger:x?hunter2@127.0.0.1/ledger",
        "postgres://ledger:hunter2@127.0.0.1:hunter2/ledger",
        "postgresql://ledger:hunter2@127.0.0.1/ledger?hunter2=1",
        "postgres:hunter2",
    ] {
        let refusal = refusal(url.to_owned()).await;
        for told in [refusal.to_string(), format!("{refusal:?}")] {
            assert!(!told.contains("hunter2") && !told.contains("ter2"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_database_that_was_set_back_under_a_running_server() {
    let Some(database) = Database::start() else { return };
    let ledger = open(database.way("one").await).await;
    database.ask("CREATE TABLE before AS SELECT * FROM safe_tool.heads").await;
    let version = win(&ledger, "a").await;
    ledger.settle(settle("a", version, completed("{}"))).await.unwrap();
    database.cut("one").await;
    // As a standby that had not seen the last transactions.
    database.ask("DELETE FROM safe_tool.actions").await;
    database
        .ask("DELETE FROM safe_tool.records r USING before b WHERE r.log = b.log AND r.sequence > b.sequence")
        .await;
    database
        .ask("UPDATE safe_tool.heads h SET sequence = b.sequence, hash = b.hash FROM before b WHERE b.log = h.log")
        .await;
    database.mend("one").await;
    let lost = ledger.settle(settle("a", version, completed("{}"))).await;
    assert!(matches!(lost, Err(LedgerError::Unavailable)), "{lost:?}");
    assert!(ledger.lookup(&crate::life::key("a")).await.is_err(), "it accepts nothing more");
}
