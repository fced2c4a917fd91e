//! The page cache is lost: what a power cut or a kernel that dies leaves of the ledger.
//!
//! The ledger lives on an ext4 of its own in an image. Under load the server is frozen, the image is copied as it is, and
//! the copy is mounted: all that was written and not synced is missing there. `kill -9` cannot show this, because the page
//! cache survives it. Needs root and a loop device; on CI both are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use safe_tool_tests::cannot;
use safe_tool_tests::witness::history::{History, Seen};
use safe_tool_tests::witness::line::{Told, word};
use safe_tool_tests::witness::script::Script;
use safe_tool_tests::witness::{PATIENCE, oracle};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Rounds with each size of result.
const ROUNDS: u64 = 5;

fn done(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A mounted image, unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Nothing reaches the image that the file system was not told to sync: it commits by itself every five minutes only.
    fn mount(image: &Path, at: PathBuf) -> Option<Mounted> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = done(Command::new("mount").args(["-o", "loop,commit=300"]).arg(image).arg(&at));
        mounted.then_some(Mounted(at))
    }

    fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !done(Command::new("umount").arg(&self.0)) && !done(Command::new("umount").arg("--lazy").arg(&self.0)) {
            eprintln!("{} stays mounted", self.0.display());
        }
    }
}

/// A server under load, killed when dropped.
struct Loaded {
    child: Child,
    socket: BufReader<UnixStream>,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Loaded {
    fn start(ledger: &Path, bytes: u32) -> Loaded {
        let (here, there) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_safe-tool-crash-writer"));
        command.arg(ledger).arg(Script::Load(bytes).to_string()).stdin(OwnedFd::from(there));
        let child = command.spawn().unwrap();
        Loaded { child, socket: BufReader::new(here) }
    }

    /// Serves as the witness until every thread of the server stands still; the freeze is asked for after `answers`.
    fn until_frozen(&mut self, answers: u64) -> History {
        let mut history = History::default();
        history.seen.push(Seen::Started);
        let (mut heard, mut freezer) = (0, None);
        self.socket.get_mut().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let patience = Instant::now() + PATIENCE;
        let mut line = String::new();
        loop {
            assert!(Instant::now() < patience, "neither an answer nor a standstill");
            match self.socket.read_line(&mut line) {
                Ok(0) => panic!("the server ended"),
                Ok(_) => {}
                // Half a line stays in `line` and is read on.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if freezer.is_some() && self.stands() {
                        break;
                    }
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            let told = Told::parse(line.trim_end()).unwrap();
            line.clear();
            assert!(!matches!(told, Told::Refused(_) | Told::Closed(_)), "{told}");
            let reply = history.take(&told).map_or_else(|| "go".to_owned(), word);
            heard += u64::from(matches!(told, Told::Answer(_)));
            if heard == answers && freezer.is_none() {
                // Not waited for: it strikes wherever the server is by then.
                let id = self.child.id().to_string();
                freezer = Some(Command::new("kill").args(["-STOP", &id]).spawn().unwrap());
            }
            self.socket.get_mut().write_all(format!("{reply}\n").as_bytes()).unwrap();
        }
        assert!(freezer.unwrap().wait().unwrap().success());
        history
    }

    /// Whether all threads are stopped.
    fn stands(&self) -> bool {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return false };
        tasks.filter_map(Result::ok).all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }
}

/// One round; `false` when the machine cannot do it.
fn round(runtime: &tokio::runtime::Runtime, bytes: u32, answers: u64) -> bool {
    let scratch = tempfile::tempdir().unwrap();
    let (image, copy) = (scratch.path().join("image"), scratch.path().join("copy"));
    std::fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
    if !done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)) {
        cannot("mkfs.ext4 is missing");
        return false;
    }
    let Some(live) = Mounted::mount(&image, scratch.path().join("live")) else {
        cannot("an image cannot be mounted (needs root and a loop device)");
        return false;
    };
    let mut loaded = Loaded::start(&live.ledger(), bytes);
    let history = loaded.until_frozen(answers);
    assert!(done(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(&image).arg(&copy)));
    drop(loaded);
    drop(live);
    let left = Mounted::mount(&copy, scratch.path().join("left")).expect("the copy mounts");
    let answered = history.seen.iter().filter(|seen| matches!(seen, Seen::Answer(_))).count();
    if let Err(why) = runtime.block_on(oracle::holds(&left.ledger(), history)) {
        panic!("results of {bytes} bytes, cut behind {answered} answers: {why}");
    }
    eprintln!("results of {bytes} bytes, cut behind {answered} answers: nothing lost");
    true
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_the_page_cache() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    // Always the same moments, as far as a seed can say: a linear congruential generator.
    let mut seed = 0x5eed_u64;
    for round_of in 0..ROUNDS {
        for bytes in [1, 12 * 1024, 64 * 1024] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let answers = 20 + (seed >> 33) % (40 + 60 * round_of);
            if !round(&runtime, bytes, answers) {
                return;
            }
        }
    }
    eprintln!("{} rounds in {} s: nothing lost", ROUNDS * 3, begun.elapsed().as_secs());
}
