//! The directory of a ledger: one server at a time, and nobody else's files.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::super::{Ledger, LedgerError, State, verify};
use super::{lookup, open, private, run};

/// As an operator would start a server: with the permissions that are there.
fn opened(directory: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(directory.to_str().unwrap())
}

fn closed() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    drop(open(scratch.path()));
    scratch
}

#[tokio::test]
async fn no_file_that_is_removed_lets_a_second_server_in() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    let index = fs::metadata(scratch.path().join("index/db")).unwrap().ino();
    for entry in fs::read_dir(scratch.path()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() && entry.path().extension().is_none() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    assert!(matches!(opened(scratch.path()), Err(LedgerError::Locked { .. })));
    assert_eq!(fs::metadata(scratch.path().join("index/db")).unwrap().ino(), index, "the index was made anew");
    run(&ledger, "b").await;
    drop(ledger);
    verify(scratch.path()).unwrap();
}

#[tokio::test]
async fn an_index_that_somebody_holds_is_not_rebuilt() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    drop(ledger);
    let path = scratch.path().join("index/db");
    let index = fs::metadata(&path).unwrap().ino();
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    assert!(matches!(opened(scratch.path()), Err(LedgerError::Locked { .. })));
    assert_eq!(fs::metadata(&path).unwrap().ino(), index, "the index was made anew");
    drop(held);
    assert_eq!(lookup(&open(scratch.path()), "a").unwrap().state, State::Completed);
}

#[test]
fn what_others_may_use_is_refused_and_nothing_is_made_there() {
    for mode in [0o777, 0o755, 0o770, 0o701] {
        let scratch = tempfile::tempdir().unwrap();
        fs::set_permissions(scratch.path(), Permissions::from_mode(mode)).unwrap();
        let error = opened(scratch.path()).map(drop).unwrap_err();
        assert!(matches!(error, LedgerError::Exposed { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains(&format!("chmod go= {}", scratch.path().display())), "{error}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
    for key in ["redact.key", "signing.key"] {
        let scratch = closed();
        fs::set_permissions(scratch.path().join(key), Permissions::from_mode(0o640)).unwrap();
        let error = opened(scratch.path()).map(drop).unwrap_err();
        assert!(matches!(&error, LedgerError::Exposed { path, .. } if path.ends_with(key)), "{error}");
        private(scratch.path());
        drop(opened(scratch.path()).unwrap());
    }
}

#[test]
fn what_another_user_owns_is_refused() {
    // Only root may give a file away.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for name in ["", "redact.key", "signing.key"] {
        let scratch = closed();
        let given = scratch.path().join(name);
        chown(&given, Some(65_534), None).unwrap();
        let error = opened(scratch.path()).map(drop).unwrap_err();
        assert!(matches!(&error, LedgerError::Owner { owner: 65_534, user: 0, .. }), "{error}");
        assert!(error.to_string().contains("chown 0 "), "{error}");
        chown(&given, Some(0), None).unwrap();
        drop(opened(scratch.path()).unwrap());
    }
}
