//! The directory of a ledger: whose it is, and who may write there.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::error::LedgerError;

/// Permissions of the group and of everybody else.
const OTHERS: u32 = 0o077;

/// Takes the lock that the one writer of the ledger in `directory` holds, until the file is dropped.
///
/// The directory itself is locked: a file in it could be removed, and made anew by the next server.
pub(in crate::ledger) fn hold(directory: &Path) -> Result<File, LedgerError> {
    let held = File::open(directory).map_err(LedgerError::io("open", directory))?;
    private(&held, directory)?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(LedgerError::io("lock", directory)(source)),
    }
}

/// Refuses what others may change or read: they could have put there what is found.
pub(in crate::ledger) fn private(file: &File, path: &Path) -> Result<(), LedgerError> {
    let metadata = file.metadata().map_err(LedgerError::io("read", path))?;
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(LedgerError::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(LedgerError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}
