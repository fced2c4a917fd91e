//! Whoever changes the tables by hand is found out.

use safe_tool::Ledger;
use safe_tool::ledger::{Outcome, verify_database};

use crate::database::Database;
use crate::life::{completed, key, open, settle, win};

/// Two servers, one of which has ended, and actions in every state.
async fn filled(database: &Database) -> Ledger {
    // One that nobody asked for anything: its chain matters to no action.
    open(database.url()).await.close().await.unwrap();
    let first = open(database.url()).await;
    for name in ["a", "b"] {
        let version = win(&first, name).await;
        first.settle(settle(name, version, completed(&format!("[\"{name}\"]")))).await.unwrap();
    }
    win(&first, "crashed").await;
    first.close().await.unwrap();
    // Opening puts the started action in doubt, and anchors the other chains.
    let second = open(database.url()).await;
    let version = win(&second, "failed").await;
    second.settle(settle("failed", version, Outcome::Failed { code: "HOST_OFFLINE".into() })).await.unwrap();
    win(&second, "started").await;
    second
}

#[tokio::test]
async fn what_was_written_verifies_while_servers_run() {
    let Some(database) = Database::start() else { return };
    let running = filled(&database).await;
    let report = verify_database(&database.url()).unwrap();
    // One that failed is remembered too.
    assert_eq!((report.chains.len(), report.actions, report.payloads), (3, 5, 2));
    let ended: Vec<_> = report.chains.iter().filter(|chain| chain.clean_close).collect();
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|chain| chain.anchored == chain.records), "a later one names their last records");
    drop(running);
    assert_eq!(report, verify_database(&database.url()).unwrap());
}

#[tokio::test]
async fn every_change_by_hand_is_found() {
    let Some(database) = Database::start() else { return };
    filled(&database).await.close().await.unwrap();
    verify_database(&database.url()).unwrap();
    let ended = "(SELECT log FROM safe_tool.heads ORDER BY chain OFFSET 1 LIMIT 1)";
    let idle = "(SELECT log FROM safe_tool.heads ORDER BY chain LIMIT 1)";
    let last = "(SELECT log FROM safe_tool.heads ORDER BY chain DESC LIMIT 1)";
    let (a, crashed) = (key("a"), key("crashed"));
    let changes = [
        // Records: cut, edited, swapped, moved, and taken away with their head.
        format!("DELETE FROM safe_tool.records WHERE log = {ended} AND sequence = 3"),
        format!("UPDATE safe_tool.records SET line = set_byte(line, 100, 120) WHERE log = {ended} AND sequence = 3"),
        format!("UPDATE safe_tool.records SET line = line || ' '::bytea WHERE log = {last} AND sequence = 1"),
        format!("UPDATE safe_tool.records SET sequence = 99 WHERE log = {ended} AND sequence = 3"),
        format!(
            "UPDATE safe_tool.records r SET line = other.line FROM safe_tool.records other
             WHERE r.log = {ended} AND other.log = {ended} AND r.sequence IN (3, 4) AND other.sequence = 7 - r.sequence"
        ),
        format!(
            "DELETE FROM safe_tool.records WHERE log = {last} AND sequence = (SELECT max(sequence) FROM safe_tool.records WHERE log = {last})"
        ),
        "TRUNCATE safe_tool.records".to_owned(),
        format!("DELETE FROM safe_tool.heads WHERE log = {ended}"),
        // A tail cut with care, and a whole chain taken away: only the other chains show it.
        format!(
            "WITH cut AS (DELETE FROM safe_tool.records WHERE log = {idle} AND sequence > 1 RETURNING 1)
             UPDATE safe_tool.heads SET sequence = 1, hash = decode(substr(convert_from(
                 (SELECT line FROM safe_tool.records WHERE log = {idle} AND sequence = 1), 'UTF8'), 10, 64), 'hex')
             WHERE log = {idle}"
        ),
        format!(
            "WITH cut AS (DELETE FROM safe_tool.records WHERE log = {idle} RETURNING 1)
             DELETE FROM safe_tool.heads WHERE log = {idle}"
        ),
        // Actions: taken away, so that they run again; moved on; given another answer.
        format!("DELETE FROM safe_tool.actions WHERE key = '\\x{a}'"),
        "DELETE FROM safe_tool.actions WHERE state = 'started'".to_owned(),
        format!("DELETE FROM safe_tool.actions WHERE key = '\\x{crashed}'"),
        format!("UPDATE safe_tool.actions SET payload = '[]' WHERE key = '\\x{a}'"),
        format!("UPDATE safe_tool.actions SET payload = NULL WHERE key = '\\x{a}'"),
        format!("UPDATE safe_tool.actions SET version = version + 1 WHERE key = '\\x{a}'"),
        format!("UPDATE safe_tool.actions SET state = 'completed', crashed = false WHERE key = '\\x{crashed}'"),
        format!(
            "UPDATE safe_tool.actions SET action = replace(action::text, 'host_id', 'host_ix')::json WHERE key = '\\x{a}'"
        ),
        format!(
            "UPDATE safe_tool.actions SET action = replace(action::text, '\"a\"', '\"b\"')::json WHERE key = '\\x{a}'"
        ),
        // What servers look for actions by.
        format!("UPDATE safe_tool.actions SET state = 'failed' WHERE key = '\\x{a}'"),
        format!("UPDATE safe_tool.actions SET expires_ms = expires_ms + 1 WHERE key = '\\x{a}'"),
        format!("UPDATE safe_tool.actions SET intent = version WHERE key = '\\x{a}'"),
        "UPDATE safe_tool.actions SET epoch = 99 WHERE state = 'started'".to_owned(),
        format!("UPDATE safe_tool.actions SET key = '\\x{}' WHERE key = '\\x{a}'", key("elsewhere")),
    ];
    // A template must have no connections, the test's own included.
    let client = database.client_of("template1").await;
    for change in changes {
        client.batch_execute("CREATE DATABASE copy TEMPLATE postgres").await.unwrap();
        let copied = database.url().replace("/postgres?", "/copy?");
        verify_database(&copied).unwrap();
        let changed = database.client_of("copy").await;
        let rows = changed.execute(&change, &[]).await.unwrap();
        assert!(rows > 0 || change.starts_with("TRUNCATE"), "changed nothing: {change}");
        drop(changed);
        let found = verify_database(&copied);
        assert!(found.is_err(), "not found: {change}");
        client.batch_execute("DROP DATABASE copy WITH (FORCE)").await.unwrap();
    }
}
