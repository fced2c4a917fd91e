//! Figures, not tests: `cargo test --test postgres -- --ignored --nocapture figures`.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use safe_tool::Ledger;
use safe_tool::ledger::Claimed;

use crate::database::Database;
use crate::life::{claim, completed, open, settle};

const CELL: Duration = Duration::from_secs(3);

/// Claims and outcomes per second of callers that each wait for theirs; a claim and its outcome are two durable writes.
async fn writes(ledgers: &[Ledger], callers: usize, round: &str) -> f64 {
    let begun = Instant::now();
    let calling = (0..callers).map(|caller| {
        let (ledger, round) = (ledgers[caller % ledgers.len()].clone(), round.to_owned());
        tokio::spawn(async move {
            let mut writes = 0;
            while begun.elapsed() < CELL {
                let name = format!("{round} {caller} {writes}");
                let Claimed::Won { version, .. } = ledger.claim(claim(&name, &name)).await.unwrap() else {
                    panic!("{name}")
                };
                ledger.settle(settle(&name, version, completed(&format!("{{\"of\":\"{name}\"}}")))).await.unwrap();
                writes += 2;
            }
            writes
        })
    });
    let calling: Vec<_> = calling.collect();
    let mut writes = 0;
    for caller in calling {
        writes += caller.await.unwrap();
    }
    f64::from(writes) / begun.elapsed().as_secs_f64()
}

/// What one file takes: 300 bytes and an `fdatasync`, one after the other.
fn syncs() -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let mut file = File::create(directory.path().join("raw")).unwrap();
    let (begun, mut syncs) = (Instant::now(), 0);
    while begun.elapsed() < CELL {
        file.write_all(&[b'x'; 300]).unwrap();
        file.sync_data().unwrap();
        syncs += 1;
    }
    f64::from(syncs) / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn figures() {
    let Some(database) = Database::start() else { return };
    let ledgers = [open(database.url()).await, open(database.url()).await];
    eprintln!("round  fdatasync/s  servers  callers  durable writes/s");
    for round in 0..3 {
        let raw = syncs();
        for servers in [1, 2] {
            for callers in [1, 8, 64, 256] {
                let writes = writes(&ledgers[..servers], callers, &format!("{round} {servers} {callers}")).await;
                eprintln!("{round:5}  {raw:11.0}  {servers:7}  {callers:7}  {writes:16.0}");
            }
        }
    }
}
