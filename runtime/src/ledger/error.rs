//! The errors of the ledger, with texts for operators.

use std::io;
use std::path::PathBuf;

/// An error of the ledger. The texts are for operators: they name files and say what to do, and hold no value of a caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The location is neither `memory:`, `sled:PATH`, a path, nor (feature `postgres`) `postgres://..`.
    // The text does not repeat it: it may carry a password.
    #[error(
        "the ledger's location must be `memory:`, `sled:PATH`, a path, or `postgres://..` when safe-tool is built \
        with the feature `postgres`"
    )]
    Location,
    /// Another process, or another handle of this one, has the ledger open.
    #[error("the ledger in {} is in use: one server writes to a ledger at a time", .path.display())]
    Locked {
        /// The directory of the ledger.
        path: PathBuf,
    },
    /// The directory, or a key in it, belongs to another user: that user decides what the ledger says.
    #[error("{path} belongs to user {owner}, who could change what the ledger says, and this server runs as user \
        {user}: run it as user {owner}, or, if you trust what is there, type: chown {user} \
        {path}", path = .path.display())]
    Owner {
        /// The directory or file.
        path: PathBuf,
        /// Id of the user that owns it.
        owner: u32,
        /// Id of the user that runs this server.
        user: u32,
    },
    /// The directory, or a key in it, can be used by others than its owner.
    #[error("{path} may be used by other users than its owner (mode {mode:04o}), who could change what the ledger \
        says: if you trust what is there, type: chmod go= {path}", path = .path.display())]
    Exposed {
        /// The directory or file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file could not be used.
    #[error("the ledger cannot {action} {}: {source}", .path.display())]
    Io {
        /// The operation that failed, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The journal is damaged at or before its last record known to be synced.
    #[error("the journal is damaged in {} at byte {offset}, record {sequence} ({reason}), and records from there on \
        were acknowledged; restore the journal directory from a copy, nothing was changed", .segment.display())]
    Damaged {
        /// The segment.
        segment: PathBuf,
        /// The place in the segment, in bytes.
        offset: u64,
        /// Sequence of the first record that cannot be trusted.
        sequence: u64,
        /// The kind of damage.
        reason: &'static str,
    },
    /// There is an index or a key file, but no journal.
    #[error("the journal in {} is missing while other files of the ledger are there; restore it from a copy, or \
        choose an empty directory to begin a new ledger, which knows of no earlier action", .path.display())]
    JournalMissing {
        /// The directory of the journal.
        path: PathBuf,
    },
    /// The index has seen records that the journal does not hold: it was cut, rewritten or replaced.
    #[error("the journal in {} ends or differs at record {found}, but record {seen} was acknowledged before; \
        restore the journal from a copy. To go on with what it holds, so that later actions can run again, remove \
        the directory `index` beside it", .path.display())]
    IndexAhead {
        /// The directory of the journal.
        path: PathBuf,
        /// Sequence up to which the index had followed.
        seen: u64,
        /// Sequence at which the journal ends or differs.
        found: u64,
    },
    /// `redact.key` is missing or has the wrong length.
    #[error("{} is missing or not 32 bytes long; restore it from a copy, or put 32 random bytes there: hashes \
        written before then cannot be looked up any more", .path.display())]
    RedactKey {
        /// The key file.
        path: PathBuf,
    },
    /// `signing.key` is missing or has the wrong length.
    #[error("{} is missing or not 32 bytes long; restore it from a copy, or put 32 random bytes there: checkpoints \
        are signed by another key from then on", .path.display())]
    SigningKey {
        /// The key file.
        path: PathBuf,
    },
    /// The journal was written in a format that this version does not read.
    #[error("the journal has format {found}, which this version does not read; use the version that wrote it")]
    Format {
        /// The format that was found.
        found: u64,
    },
    /// The database of the ledger could not be used.
    #[error("the ledger cannot {action} its database: {reason}")]
    Database {
        /// The operation that failed, as a verb.
        action: &'static str,
        /// The error of the database or of the connection.
        reason: String,
    },
    /// A setting of the database lets it lose commits that it has acknowledged.
    #[error(
        "the ledger's database has `{setting} = off`, so it may lose what it acknowledged: set `{setting} = on` in \
        postgresql.conf, or with ALTER DATABASE or ALTER ROLE where it was set there, and start again"
    )]
    Undurable {
        /// The setting that is off.
        setting: &'static str,
    },
    /// The database has lost records that it had acknowledged: by a failover to a standby that lagged, or an older copy.
    #[error(
        "the ledger's database has lost record {sequence} of chain {log}, which it had acknowledged: by a failover \
        to a standby that lagged, an older copy of the database, or a change by hand. Actions that were done are \
        unknown to it and would be done a second time, so nothing starts. If the old primary still has them, go \
        back to it. Otherwise compare what the tools' backends did lately with `safe-tool audit show`, and make \
        sure that the missing actions are not asked for again; then accept the loss, in the database, with `UPDATE \
        safe_tool.set_backs SET accepted = true`, and restart the servers"
    )]
    SetBack {
        /// Id of the chain that has lost records.
        log: String,
        /// Sequence of the newest record that is known to be missing.
        sequence: u64,
    },
    /// The index failed and could not be rebuilt.
    #[error(
        "the index of the ledger failed ({reason}); it is rebuilt from the journal at the next start once the cause \
        (disk full, permissions) is removed"
    )]
    Index {
        /// The error of the index.
        reason: String,
    },
    /// The index does not fit the journal: a record continues an action that the index does not hold.
    #[error(
        "record {sequence} of the journal continues an action that no earlier record began; restore the journal \
        from a copy"
    )]
    Inconsistent {
        /// Sequence of that record.
        sequence: u64,
    },
    /// There was no room for the records of a batch. Nothing of it was written; the ledger goes on once there is room.
    #[error(
        "the ledger has no room for a record ({reason}), and nothing of it was written; make room on its file \
        system, and it goes on by itself"
    )]
    NoRoom {
        /// The system's error.
        reason: String,
    },
    /// Poisoned by an earlier I/O error, or the committer ended: the ledger accepts nothing more.
    #[error("the ledger failed to write and accepts nothing more; see the log, then restart")]
    Unavailable,
    /// Latched: an outcome could not be recorded, so nothing new may start.
    #[error("an outcome could not be recorded, so the ledger lets nothing new start; see the log, then restart")]
    Latched,
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// The queue of the committer is full.
    #[error("the ledger's queue is full")]
    Busy,
    /// The compare-and-set failed: the action no longer has the version that was named.
    #[error("the action was changed by another call, server or operator meanwhile")]
    Superseded,
    /// A payload cannot be stored (it has a line break), or is missing or changed.
    #[error("the stored result {reason}")]
    Payload {
        /// The reason, as the end of a sentence that begins with "the stored result".
        reason: &'static str,
    },
}

impl LedgerError {
    /// Makes a [`LedgerError::Io`] in `map_err` of a file operation.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LedgerError {
        let path = path.into();
        move |source| LedgerError::Io { action, path, source }
    }
}
