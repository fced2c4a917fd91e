//! A primary with a standby: what a failover keeps, and what becomes of what it loses.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safe_tool::Ledger;
use safe_tool::ledger::{LedgerError, State, verify_database};
use safe_tool_examples::soc::connected::Connected;

use crate::database::Database;
use crate::life::{completed, open, settle, state, until, win};
use crate::load::Load;
use crate::servers::{command, said, server, strike};
use crate::witness::Witness;

/// A commit waits until a standby has it.
async fn waits_for_standbys(primary: &Database) {
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.ask("SELECT pg_reload_conf()").await;
    let synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("a synchronous standby", async || !primary.ask(synchronous).await.is_empty()).await;
}

/// The standby has everything that is committed by now.
async fn follows(primary: &Database, standby: &Database) {
    let at: String = primary.ask("SELECT pg_current_wal_lsn()::text").await[0].get(0);
    let there = format!("SELECT pg_last_wal_replay_lsn() >= '{at}'::pg_lsn");
    until("the standby follows", async || standby.ask(&there).await[0].get(0)).await;
}

/// Nothing reaches the standby any more.
async fn is_cut_off(standby: &Database) {
    standby.ask("ALTER SYSTEM SET primary_conninfo = ''").await;
    standby.ask("SELECT pg_reload_conf()").await;
    until("the standby is cut off", async || standby.ask("SELECT 1 FROM pg_stat_wal_receiver").await.is_empty()).await;
}

async fn open_anchored(url: String, anchors: PathBuf) -> Result<Ledger, LedgerError> {
    tokio::task::spawn_blocking(move || Ledger::options().anchors(anchors).open(&url)).await.unwrap()
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "anchor")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_dies_under_load_and_the_synchronous_standby_has_every_acknowledged_action() {
    let Some(primary) = Database::start() else { return };
    let standby = primary.standby();
    waits_for_standbys(&primary).await;
    let witness = Witness::start().await;
    let said_so = format!("{}&target_session_attrs=read-write", primary.url_with(&standby));
    // Whatever their order, and whether or not it says so: a ledger is where writes are taken.
    let servers = [server(&said_so, &witness).await, server(&standby.url_with(&primary), &witness).await];
    let servers = Arc::new(servers);
    let load = Load::start(&servers);
    until("work", async || witness.all().len() > 100).await;
    primary.kill();
    standby.promote();
    let before = witness.all().len();
    until("work again, without a restart", async || witness.all().len() > before + 100).await;
    load.stop().await.holds(&servers[1], &witness).await;
    drop(servers);
    verify_database(&standby.url()).unwrap();
}

/// The wait of a commit for its standby is ended by `end`, which leaves the commit on the primary alone.
async fn what_no_standby_has_is_not_answered(end: &str) {
    let Some(primary) = Database::start() else { return };
    let standby = primary.standby();
    let ledger = open(primary.url_with(&standby)).await;
    let version = win(&ledger, "a").await;
    waits_for_standbys(&primary).await;
    follows(&primary, &standby).await;
    is_cut_off(&standby).await;
    let settling = {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.settle(settle("a", version, completed("[1]"))).await })
    };
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ILIKE 'COMMIT%'";
    let mut first = 0;
    until("the commit waits for a standby", async || {
        first = primary.ask(waiting).await.first().map_or(0, |row| row.get(0));
        first != 0
    })
    .await;
    // On the next connection the ledger sees that the commit is there.
    primary.ask(&format!("SELECT {end}({first})")).await;
    until("the next connection waits too", async || {
        primary.ask(waiting).await.iter().any(|row| row.get::<_, i32>(0) != first)
    })
    .await;
    primary.kill();
    standby.promote();
    settling.await.unwrap().unwrap();
    let later = open(standby.url()).await;
    assert_eq!(state(&later, "a").await, Some(State::Completed));
    ledger.close().await.unwrap();
    later.close().await.unwrap();
    verify_database(&standby.url()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_standby_has_is_not_answered_even_after_a_new_connection() {
    what_no_standby_has_is_not_answered("pg_terminate_backend").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_standby_has_is_not_answered_when_the_database_is_told_not_to_wait() {
    what_no_standby_has_is_not_answered("pg_cancel_backend").await;
}

/// What a server says on stderr, and the file that it says it in.
fn heard(mut command: tokio::process::Command, log: &Path) -> tokio::process::Command {
    command.env("SAFE_TOOL_LOG", "warn").stderr(File::options().create(true).append(true).open(log).unwrap());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_loses_is_noticed_by_servers_that_run_and_by_servers_that_start() {
    let Some(primary) = Database::start() else { return };
    let standby = primary.standby();
    follows(&primary, &standby).await;
    let url = primary.url_with(&standby);
    let witness = Witness::start().await;
    let log = witness.state().join("log");
    let said_in_log = || fs::read_to_string(&log).unwrap();
    let runs = Connected::start(heard(command(&url, &witness), &log)).await.unwrap();
    assert!(said_in_log().contains("synchronous_standby_names"), "{}", said_in_log());
    let other = server(&url, &witness).await;
    let here = witness.state().join("here");
    let ledger = open_anchored(url.clone(), here.clone()).await.unwrap();
    let gone = witness.state().join("gone");
    let ends = open_anchored(url.clone(), gone.clone()).await.unwrap();
    assert_eq!(said(&strike(&runs, "kept").await.unwrap().unwrap()), "ok");
    follows(&primary, &standby).await;
    is_cut_off(&standby).await;
    assert_eq!(said(&strike(&runs, "lost").await.unwrap().unwrap()), "ok");
    win(&ledger, "lost here").await;
    win(&ends, "lost there").await;
    ends.close().await.unwrap();
    primary.kill();
    standby.promote();

    // Who runs notices, says so, and does nothing.
    until("it is noticed", async || said_in_log().contains("database has lost record")).await;
    assert_eq!(said(&strike(&runs, "lost").await.unwrap().unwrap()), "unavailable");
    assert_eq!((witness.count("kept"), witness.count("lost")), (1, 1));
    until("it is noticed here", async || matches!(ledger.health(), Err(LedgerError::SetBack { .. }))).await;
    drop(ledger);

    // Who starts again notices as well, after a crash and after an end of its own choice.
    runs.kill().await.unwrap();
    for directory in [&here, &gone] {
        let opened = open_anchored(url.clone(), directory.clone()).await;
        assert!(matches!(opened, Err(LedgerError::SetBack { .. })), "{opened:?}");
    }
    let mut again = heard(command(&url, &witness), &log);
    let ended = again.stdin(std::process::Stdio::null()).status().await.unwrap();
    assert!(!ended.success());
    assert_eq!(said_in_log().matches("database has lost record").count(), 2, "{}", said_in_log());

    // Who has lost nothing of its own, and remembers nothing, is told all the same.
    let opened = tokio::task::spawn_blocking({
        let url = url.clone();
        move || Ledger::open(&url)
    });
    assert!(matches!(opened.await.unwrap(), Err(LedgerError::SetBack { .. })));
    until("the other server stops", async || said(&strike(&other, "new").await.unwrap().unwrap()) == "unavailable")
        .await;

    // Accepted: what is there is there.
    let losses = standby.ask("UPDATE safe_tool.set_backs SET accepted = true RETURNING log").await;
    assert_eq!(losses.len(), 3);
    let accepts = server(&url, &witness).await;
    assert_eq!(strike(&accepts, "kept").await.unwrap().unwrap()["replayed"], true);
    drop(accepts);
    let told: Vec<_> = verify_database(&standby.url()).unwrap().losses;
    assert!(told.len() == 3 && told.iter().all(|loss| loss.accepted), "{told:?}");
}

#[tokio::test]
async fn a_ledger_that_was_there_and_is_gone_is_noticed_and_another_one_is_not_taken_for_it() {
    let Some(database) = Database::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let anchored = || open_anchored(database.url(), directory.path().to_owned());
    let (one, two) = (anchored().await.unwrap(), anchored().await.unwrap());
    assert_eq!(names(directory.path()).len(), 2, "both run");
    one.close().await.unwrap();
    two.close().await.unwrap();
    let three = anchored().await.unwrap();
    let [anchor] =
        names(directory.path()).try_into().unwrap_or_else(|kept| panic!("what is newer stands for it: {kept:?}"));
    assert_eq!(fs::metadata(&anchor).unwrap().permissions().mode() & 0o777, 0o600);
    // While it runs, too: the record of each action is named a moment later.
    let before = fs::read(&anchor).unwrap();
    win(&three, "a").await;
    until("it is named", async || fs::read(&anchor).unwrap() != before).await;
    three.close().await.unwrap();
    // Another ledger keeps its anchors in the same place.
    database.ask("CREATE DATABASE other").await;
    let other = database.url().replace("/postgres?", "/other?");
    open_anchored(other, directory.path().to_owned()).await.unwrap().close().await.unwrap();
    assert_eq!(names(directory.path()).len(), 2);
    database.ask("DROP SCHEMA safe_tool CASCADE").await;
    assert!(matches!(anchored().await, Err(LedgerError::SetBack { .. })));
    let losses = database.ask("UPDATE safe_tool.set_backs SET accepted = true RETURNING log").await;
    assert_eq!(losses.len(), 1);
    anchored().await.unwrap().close().await.unwrap();
    assert_eq!(names(directory.path()).len(), 2, "what is accepted is no longer named");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_place_for_its_anchor_says_so_and_serves() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let log = witness.state().join("log");
    let mut nowhere = heard(command(&database.url(), &witness), &log);
    nowhere.env("XDG_STATE_HOME", "/dev/null");
    let server = Connected::start(nowhere).await.unwrap();
    assert_eq!(said(&strike(&server, "t-1").await.unwrap().unwrap()), "ok");
    let said_in_log = fs::read_to_string(&log).unwrap();
    assert!(said_in_log.contains("Set XDG_STATE_HOME"), "{said_in_log}");
}

#[tokio::test]
async fn a_machine_that_takes_connections_and_answers_nothing_keeps_nobody_from_the_other() {
    let Some(database) = Database::start() else { return };
    let silent = tempfile::tempdir().unwrap();
    let _listens = UnixListener::bind(silent.path().join(".s.PGSQL.5432")).unwrap();
    let ledger = open(database.url().replace("host=", &format!("host={},", silent.path().display()))).await;
    let version = win(&ledger, "a").await;
    ledger.settle(settle("a", version, completed("[1]"))).await.unwrap();
    // The look-up comes by another connection.
    assert_eq!(state(&ledger, "a").await, Some(State::Completed));
    ledger.close().await.unwrap();
}
