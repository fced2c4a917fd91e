//! What the backend really did: an append-only file of JSON lines, synced before an effect is answered.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What an effect does to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EffectKind {
    Isolate,
    Release,
    Disable,
    Enable,
}

/// One line of the state file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Effect {
    number: u64,
    kind: EffectKind,
    target: String,
}

/// How often each effect happened, in total, by kind, and by target and kind.
#[derive(Clone, Default, Serialize)]
pub(super) struct EffectCounts {
    total: u64,
    kinds: BTreeMap<EffectKind, u64>,
    targets: BTreeMap<String, BTreeMap<EffectKind, u64>>,
}

/// The durable effects and what follows from them.
pub(super) struct EffectLog {
    inner: Mutex<Inner>,
}

struct Inner {
    /// None when closed, and after a write that failed: it may have left half a line, and nothing may follow that.
    file: Option<File>,
    counts: EffectCounts,
    latest: BTreeMap<String, EffectKind>,
}

impl EffectLog {
    /// Opens or creates the file and counts what it holds.
    ///
    /// # Errors
    /// The file cannot be opened, locked or synced, is in use by another backend, or a line is not the effect that its
    /// place calls for. A last line without a line break is the rest of a crash: that effect was never answered, so it
    /// is cut off.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut inner = Inner { file: None, counts: EffectCounts::default(), latest: BTreeMap::new() };
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut whole = 0_u64;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            whole += u64::try_from(read).map_err(io::Error::other)?;
            let effect: Effect = serde_json::from_slice(&line)?;
            if effect.number != inner.counts.total + 1 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the effects in the state file have a gap"));
            }
            inner.count(effect);
        }
        file.set_len(whole)?;
        file.sync_all()?;
        sync_parent(path)?;
        inner.file = Some(file);
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Makes one effect happen: durable when this returns. Blocks on the disk. Returns the effect's number.
    ///
    /// # Errors
    /// The file could not be written, now or at an earlier effect, or is closed.
    pub(super) fn append(&self, kind: EffectKind, target: &str) -> io::Result<u64> {
        let mut inner = self.lock();
        let closed = || io::Error::other("closed, or an earlier effect could not be written");
        let mut file = inner.file.take().ok_or_else(closed)?;
        let effect = Effect { number: inner.counts.total + 1, kind, target: target.to_owned() };
        let mut line = serde_json::to_vec(&effect)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_data()?;
        inner.file = Some(file);
        let number = effect.number;
        inner.count(effect);
        Ok(number)
    }

    /// Lets go of the file, after the effect that is being written.
    pub(super) fn close(&self) {
        self.lock().file = None;
    }

    /// The counts so far.
    pub(super) fn counts(&self) -> EffectCounts {
        self.lock().counts.clone()
    }

    /// Whether the latest effect on this target was of this kind.
    pub(super) fn is_latest(&self, target: &str, kind: EffectKind) -> bool {
        self.lock().latest.get(target) == Some(&kind)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, effect: Effect) {
        self.counts.total += 1;
        *self.counts.kinds.entry(effect.kind).or_default() += 1;
        *self.counts.targets.entry(effect.target.clone()).or_default().entry(effect.kind).or_default() += 1;
        self.latest.insert(effect.target, effect.kind);
    }
}

/// A new file survives a crash only when its directory was synced too.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(content: &str) -> io::ErrorKind {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        std::fs::write(&path, content).unwrap();
        EffectLog::open(&path).err().map(|error| error.kind()).unwrap()
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_next_effect_takes_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        std::fs::write(&path, "{\"number\":1,\"kind\":\"isolate\",\"target\":\"web-01\"}\n{\"number\":2,\"ki").unwrap();
        let log = EffectLog::open(&path).unwrap();
        assert_eq!(log.counts().total, 1);
        assert_eq!(log.append(EffectKind::Release, "web-01").unwrap(), 2);
        log.close();
        log.append(EffectKind::Release, "web-01").unwrap_err();
        let log = EffectLog::open(&path).unwrap();
        assert_eq!(log.counts().total, 2);
        assert!(log.is_latest("web-01", EffectKind::Release));
    }

    #[test]
    fn a_line_that_is_no_effect_refuses_to_open() {
        assert_eq!(refused("{\"number\":1,\"kind\":\"reboot\",\"target\":\"web-01\"}\n"), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_gap_in_the_numbers_refuses_to_open() {
        assert_eq!(refused("{\"number\":2,\"kind\":\"isolate\",\"target\":\"web-01\"}\n"), io::ErrorKind::InvalidData);
    }

    #[test]
    fn two_backends_do_not_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let _first = EffectLog::open(&path).unwrap();
        assert_eq!(EffectLog::open(&path).err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }

    #[test]
    fn after_a_write_that_failed_nothing_is_counted_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let log = EffectLog::open(&path).unwrap();
        log.lock().file = Some(File::open(&path).unwrap());
        log.append(EffectKind::Isolate, "web-01").unwrap_err();
        assert!(log.lock().file.is_none());
        log.append(EffectKind::Isolate, "web-01").unwrap_err();
        assert_eq!(log.counts().total, 0);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
