//! The system calls on the ledger's files, and the blows that each of them is struck with.

use super::run::Blow;
use std::path::{Path, PathBuf};

/// Files that are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Files {
    /// The segments of the journal, and what becomes one.
    Journal,
    /// What a segment is before it is swept, and after.
    Swept,
    /// The directories that hold the ledger.
    Directories,
    /// Keys, and what they are before they are named so.
    Keys,
    /// sled's.
    Index,
}

/// Sequences that a segment may begin with in any script.
const SEQUENCES: u64 = 400;

impl Files {
    /// Their paths.
    pub(super) fn paths(self, ledger: &Path) -> Vec<PathBuf> {
        let under = |names: &[&str]| names.iter().map(|name| ledger.join(name)).collect::<Vec<_>>();
        match self {
            Files::Swept => {
                let swept = (1..SEQUENCES).map(|first| ledger.join(format!("journal/{first:020}.swept")));
                swept.chain(Files::Journal.paths(ledger)).collect()
            }
            Files::Journal => {
                let names = |first| [format!("{first:020}.jsonl"), format!("{first:020}.recovered")];
                let names = (1..SEQUENCES).flat_map(names).chain(["next.filled".to_owned()]);
                names.map(|name| ledger.join("journal").join(name)).collect()
            }
            Files::Directories => {
                let mut paths = under(&["journal", "index"]);
                paths.extend([ledger.to_owned()]);
                paths.extend(ledger.parent().map(Path::to_owned));
                paths
            }
            Files::Keys => under(&["redact.key", "redact.new", "signing.key", "signing.new"]),
            Files::Index => {
                let mut paths = under(&["index/conf", "index/db", "index/blobs"]);
                let found = std::fs::read_dir(ledger.join("index")).into_iter().flatten();
                paths.extend(found.filter_map(Result::ok).map(|entry| entry.path()));
                paths.sort();
                paths.dedup();
                paths
            }
        }
    }

    /// What opening a ledger does with them.
    pub(super) const fn opening(self) -> &'static [&'static str] {
        match self {
            Files::Journal => &[
                "openat",
                "read",
                "pread64",
                "write",
                "pwritev2",
                "fallocate",
                "fsync",
                "ftruncate",
                "rename",
                "unlink",
            ],
            Files::Directories => &["mkdir", "openat", "flock", "renameat", "getdents64", "fsync"],
            Files::Keys => &["openat", "read", "write", "fsync", "rename"],
            Files::Swept => &[],
            Files::Index => &[
                "mkdir",
                "openat",
                "write",
                "pread64",
                "pwrite64",
                "fsync",
                "sync_file_range",
                "ftruncate",
                "unlinkat",
            ],
        }
    }

    /// All of them.
    pub(super) const ALL: [Files; 4] = [Files::Journal, Files::Directories, Files::Keys, Files::Index];
}

/// What is done at a system call.
pub(super) fn blows(syscall: &str) -> &'static [Blow] {
    match syscall {
        "write" | "pwrite64" | "pwritev2" | "fallocate" | "openat" | "mkdir" | "ftruncate" | "renameat" => {
            &[Blow::Kill, Blow::Error("EIO"), Blow::Error("ENOSPC")]
        }
        "fdatasync" => &[Blow::Kill, Blow::Error("EIO"), Blow::Errors("EIO")],
        "flock" => &[Blow::Kill, Blow::Error("ENOLCK")],
        _ => &[Blow::Kill, Blow::Error("EIO")],
    }
}
