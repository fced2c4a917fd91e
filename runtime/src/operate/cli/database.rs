//! `safe-tool audit verify` on a database: the chains of all servers, and the actions.

use super::Failed;
use super::output::Output;
use super::verify::{UNPROVEN, backdated, end, named, progress, signatures};
use crate::ledger::{ChainReport, DatabaseReport, Loss, Rung, Verification, VerifyDatabaseError};
use serde_json::json;

/// Fewer records are verified before a progress bar could be read.
const LONG: u64 = 100_000;

/// Verifies the ledger in the database at `url`, and prints what it came to.
pub(super) fn verify(asked: &Verification, url: &str, json: bool, output: &mut Output) -> Result<(), Failed> {
    let mut bar = None;
    let found = asked.run_database(url, &mut |read, total| {
        if total >= LONG {
            bar.get_or_insert_with(|| progress(total, "{wide_bar} {human_pos} of {human_len} records, {eta} left"))
                .set_position(read);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    match found {
        Ok(report) if json => Ok(output.line(&serde_json::to_string(&report).map_err(Failed::unusable)?)?),
        Ok(report) => in_words(&report, output),
        Err(error) => {
            if json {
                output.line(&in_json(&error))?;
            }
            Err(failed(&error))
        }
    }
}

fn failed(error: &VerifyDatabaseError) -> Failed {
    let (code, advice) = match error {
        VerifyDatabaseError::Unreadable(_) => return Failed::unusable(error),
        error if error.contradicts_anchor() => (3, "look for one that extends the anchor"),
        _ => (1, "compare it with a backup"),
    };
    Failed { code, text: format!("{error}\nKeep a copy of the database as it is, and {advice}.") }
}

fn in_json(error: &VerifyDatabaseError) -> String {
    let (what, log, record, key) = match error {
        VerifyDatabaseError::Unreadable(_) => ("unreadable", None, None, None),
        VerifyDatabaseError::Chain { log, sequence, .. } => ("broken", Some(log), Some(*sequence), None),
        VerifyDatabaseError::Action { key, .. } => ("broken", None, None, Some(key)),
        VerifyDatabaseError::Anchor { log, contradiction } => {
            let (what, record) = named(contradiction);
            (what, Some(log), record, None)
        }
        VerifyDatabaseError::Gone { log, anchor } => ("gone", Some(log), Some(*anchor), None),
    };
    json!({ "error": what, "log": log, "record": record, "key": key, "message": error.to_string() }).to_string()
}

fn in_words(report: &DatabaseReport, output: &mut Output) -> Result<(), Failed> {
    for chain in &report.chains {
        of_chain(chain, output)?;
    }
    output.line(&format!("{} actions, each as its last record left it", report.actions))?;
    output.line(&format!("{} results stored, each as its record names it", report.payloads))?;
    for Loss { log, sequence, noticed, accepted } in &report.losses {
        let accepted = if *accepted { "accepted by an operator" } else { "not accepted: servers start nothing" };
        output.line(&format!("lost: record {sequence} of chain {log}, noticed {noticed}, {accepted}"))?;
    }
    if report.chains.iter().any(|chain| chain.rung == Rung::TailUnproven) {
        output.line(&format!("note: {UNPROVEN}"))?;
    }
    Ok(())
}

fn of_chain(chain: &ChainReport, output: &mut Output) -> Result<(), Failed> {
    output.line(&chain.to_string())?;
    output.line(&format!("  chain       {}", chain.log))?;
    output.line(&format!(
        "  records     {}, the last of {} with hash {}",
        chain.records, chain.last_at, chain.last_hash
    ))?;
    output.line(&signatures(chain.checkpoints, chain.signed_up_to, &chain.signers))?;
    output.line(&format!("  ends        {}", end(chain.clean_close)))?;
    if chain.reconnected > 0 {
        output.line(&format!("  note        its server lost the connection {} times", chain.reconnected))?;
    }
    if let Some(note) = backdated(chain.backdated, chain.first_backdated) {
        output.line(&format!("  note        {note}"))?;
    }
    Ok(())
}
