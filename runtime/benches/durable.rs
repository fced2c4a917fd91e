//! What durability costs: writes of many callers against a raw append with `fdatasync`, replays, opening and verifying.
//!
//! `cargo bench -p safe-tool --bench durable [-- writes|latency|large|huge]`. Prints a table. The sides of a comparison run in
//! one process and in turn, because the disk of a shared machine changes from second to second.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use safe_tool::ledger::{Claim, Claimed, Entry, Hash, How, Outcome, Settle, verify};
use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

const LAB_WRITE: Scope = Scope::new("lab:write");

/// Isolates a host.
#[safe_tool(effect = write, scope = LAB_WRITE, key(host, number), undo = by_hand("release it"))]
async fn isolate(
    /// Host to isolate.
    #[arg(target, pattern = "^[a-z0-9-]{1,63}$")]
    host: String,
    /// Number of the alert.
    #[arg(min = 0, max = 9_000_000_000_000)]
    number: u64,
) -> Result<Done, Infallible> {
    let _ = (host, number);
    Ok(Done)
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [what, path, actions] = wanted.as_slice()
        && what == "open"
    {
        return open_here(path, actions.parse().unwrap());
    }
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == section);
    let runtime = Runtime::new().unwrap();
    if wants("writes") {
        writes(&runtime);
    }
    if wants("latency") {
        latency(&runtime);
    }
    if wants("large") {
        large(&runtime, 1_000);
        large(&runtime, 100_000);
        large(&runtime, 1_000_000);
    }
    // Takes a quarter of an hour and 20 GB.
    if wanted.iter().any(|wanted| wanted == "huge") {
        large(&runtime, 10_000_000);
    }
}

fn fresh(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&place));
    place
}

fn server(runtime: &Runtime, ledger: &Ledger) -> Arc<InProcess> {
    let server = Server::write("bench", ()).tool::<isolate>().ledger(ledger.clone());
    let principal = Principal::agent("bench").with_scope("lab:write");
    Arc::new(runtime.block_on(server.in_process(principal)).unwrap())
}

fn arguments(number: u64) -> String {
    format!(r#"{{"host":"web-01","number":{number}}}"#)
}

async fn write(server: &InProcess, number: u64) {
    let answer = server.call("isolate", &arguments(number)).await.unwrap();
    assert!(answer.starts_with(r#"{"status":"ok""#), "{answer}");
}

/// Appends what comes and syncs once for all that came meanwhile.
#[derive(Clone)]
struct Raw(mpsc::Sender<oneshot::Sender<()>>);

impl Raw {
    /// About what a record of ours weighs.
    const RECORD: [u8; 900] = [b'x'; 900];

    fn open(path: &Path) -> Raw {
        std::fs::create_dir_all(path).unwrap();
        let mut file = File::create(path.join("raw")).unwrap();
        let (sender, mut queue) = mpsc::channel::<oneshot::Sender<()>>(4096);
        std::thread::spawn(move || {
            let mut batch = Vec::new();
            while queue.blocking_recv_many(&mut batch, 1024) > 0 {
                file.write_all(&Self::RECORD.repeat(batch.len())).unwrap();
                file.sync_data().unwrap();
                for done in batch.drain(..) {
                    done.send(()).unwrap();
                }
            }
        });
        Raw(sender)
    }

    async fn append(&self) {
        let (done, synced) = oneshot::channel();
        self.0.send(done).await.unwrap();
        synced.await.unwrap();
    }
}

/// Calls per second of `callers` that each call again as soon as they are answered.
async fn rate<F: Future<Output = ()> + Send>(
    callers: u64,
    time: Duration,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut calls = 0u32;
                while begun.elapsed() < time {
                    call().await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0.0;
    for task in tasks {
        calls += f64::from(task.await.unwrap());
    }
    calls / begun.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks: u64 =
        stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn writes(runtime: &Runtime) {
    const ROUNDS: usize = 5;
    const SLICE: Duration = Duration::from_secs(1);
    println!(
        "durable writes a second: ours | raw append with group-committed fdatasync, twice | ratio | CPU of a write"
    );
    let on_disk = Ledger::open(fresh("bench-writes").to_str().unwrap()).unwrap();
    let in_memory = Ledger::open("memory:").unwrap();
    let (disk, memory) = (server(runtime, &on_disk), server(runtime, &in_memory));
    let raw = Raw::open(&fresh("bench-raw"));
    let number = Arc::new(AtomicU64::new(0));
    for callers in [1, 8, 64, 256] {
        let [mut ours, mut theirs, mut kept, mut ratios, mut costs] = [const { Vec::new() }; 5];
        for _ in 0..ROUNDS {
            let call = |server: &Arc<InProcess>| {
                let (server, number) = (server.clone(), number.clone());
                move || {
                    let (server, number) = (server.clone(), number.clone());
                    async move { write(&server, number.fetch_add(1, Ordering::Relaxed)).await }
                }
            };
            let before = cpu();
            let one = runtime.block_on(rate(callers, SLICE, call(&disk)));
            costs.push((cpu() - before).as_secs_f64() * 1e6 / (one * SLICE.as_secs_f64()));
            let raw = raw.clone();
            let other = runtime.block_on(rate(callers, SLICE, move || {
                let raw = raw.clone();
                async move {
                    raw.append().await;
                    raw.append().await;
                }
            }));
            kept.push(runtime.block_on(rate(callers, SLICE / 2, call(&memory))));
            ours.push(one);
            theirs.push(other);
            ratios.push(one / other);
        }
        println!(
            "{callers:>4} callers: {:>8.0} | {:>8.0} | {:.2} | {:>5.1} us   (ledger in memory: {:.0})",
            median(ours),
            median(theirs),
            median(ratios),
            median(costs),
            median(kept)
        );
    }
}

fn latency(runtime: &Runtime) {
    const ROUNDS: u64 = 2_000;
    let ledger = Ledger::open(fresh("bench-latency").to_str().unwrap()).unwrap();
    let server = server(runtime, &ledger);
    let raw = Raw::open(&fresh("bench-latency-raw"));
    let [mut first, mut again, mut sync] = [const { Vec::new() }; 3];
    for number in 0..ROUNDS {
        let timed = |spent: &mut Vec<f64>, call: &dyn Fn()| {
            let begun = Instant::now();
            call();
            spent.push(begun.elapsed().as_secs_f64() * 1e6);
        };
        timed(&mut first, &|| runtime.block_on(write(&server, number)));
        timed(&mut sync, &|| runtime.block_on(raw.append()));
        timed(&mut again, &|| runtime.block_on(write(&server, number)));
    }
    let (first, again, sync) = (median(first), median(again), median(sync));
    println!("one write: {first:.0} us, which is {:.2} of one append with fdatasync ({sync:.0} us)", first / sync);
    println!("its replay: {again:.1} us, which is {:.3} of the first run", again / first);
}

/// A ledger with this many completed actions: how it opens, and how fast it verifies.
fn large(runtime: &Runtime, actions: u64) {
    const CALLERS: u64 = 256;
    let place = fresh("bench-large");
    let ledger = Ledger::open(place.to_str().unwrap()).unwrap();
    let (begun, before) = (Instant::now(), cpu());
    runtime.block_on(async {
        let tasks: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    for number in (caller..actions).step_by(CALLERS as usize) {
                        complete(&ledger, number).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        ledger.close().await.unwrap();
    });
    drop(ledger);
    println!(
        "{actions} actions written in {:.1} s, {:.1} us CPU each; {} MiB, {} MiB of them the index",
        begun.elapsed().as_secs_f64(),
        (cpu() - before).as_secs_f64() * 1e6 / actions as f64,
        mebibytes(&place, &["journal", "index"]),
        mebibytes(&place, &["index"]),
    );
    println!("  opened: {}", open_elsewhere(&place, actions));
    std::fs::remove_dir_all(place.join("index")).unwrap();
    println!("  opened, index rebuilt from the journal: {}", open_elsewhere(&place, actions));
    println!("  opened once more: {}", open_elsewhere(&place, actions));
    let begun = Instant::now();
    let report = verify(&place).unwrap();
    println!("  verified: {:.0} records/s", report.records as f64 / begun.elapsed().as_secs_f64());
    std::fs::remove_dir_all(place).unwrap();
}

fn claim(entry: Entry, number: u64) -> Claim {
    let key = Hash::of(&number.to_be_bytes());
    Claim {
        entry,
        key,
        digest: key,
        arguments: Vec::new(),
        subjects: Vec::new(),
        natural: false,
        needs_approval: false,
        again_after: None,
        every: None,
        approved: None,
        lives: Duration::ZERO,
    }
}

fn entry(number: u64) -> Entry {
    Entry {
        call: format!("call-{number}"),
        tenant: "acme".to_owned(),
        agent: "bench".to_owned(),
        user: None,
        investigation: None,
        tool: "isolate".into(),
        key: None,
        digest: None,
        arguments: None,
    }
}

async fn complete(ledger: &Ledger, number: u64) {
    let entry = entry(number);
    let claim = claim(entry.clone(), number);
    let key = claim.key;
    let Claimed::Won { version, .. } = ledger.claim(claim).await.unwrap() else { return };
    let payload = br#"{"status":"ok","data":{},"truncated":false,"source":"bench"}"#.to_vec();
    let outcome = Outcome::Completed { payload, code: "ok".into(), subjects: Vec::new(), stored_error: false };
    ledger.settle(Settle { entry, key, version, outcome, how: How::Call }).await.unwrap();
}

fn mebibytes(place: &Path, parts: &[&str]) -> u64 {
    let size = |path: PathBuf| {
        let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        files.sum::<u64>()
    };
    parts.iter().map(|part| size(place.join(part))).sum::<u64>() / 1024 / 1024
}

/// In a process of its own, whose memory is the ledger's.
fn open_elsewhere(place: &Path, actions: u64) -> String {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).arg("open").arg(place).arg(actions.to_string()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn open_here(path: &str, actions: u64) {
    let begun = Instant::now();
    let ledger = Ledger::open(path).unwrap();
    let spent = begun.elapsed().as_secs_f64() * 1e3;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let most = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    print!("{spent:.0} ms, {} MiB resident, {} MiB at most", most("VmRSS"), most("VmHWM"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // All in one thread, and on nothing but memory once the journal is in the page cache: time is CPU, but for neighbours.
    let each = |rounds: u64, numbers: &dyn Fn(u64) -> u64| {
        let mut spent: Vec<f64> = Vec::new();
        for round in 0..5 {
            let claims: Vec<Claim> =
                (0..rounds).map(|at| numbers(round * rounds + at)).map(|number| claim(entry(number), number)).collect();
            let begun = Instant::now();
            for claim in claims {
                runtime.block_on(ledger.standing(claim)).unwrap();
            }
            spent.push(begun.elapsed().as_secs_f64() * 1e6 / rounds as f64);
        }
        spent.into_iter().fold(f64::INFINITY, f64::min)
    };
    let unknown = each(20_000, &|at| u64::MAX - at);
    let newest = each(20_000, &|at| actions - 1 - at % actions.min(500));
    // Every one of them once, far from the one before.
    let any = each(2_000.min(actions / 5), &|at| at * 7_919 % actions);
    println!("; a look-up: {unknown:.2} us where nothing is known, {newest:.2} us again, {any:.1} us for any");
    drop(ledger);
}
