//! `safe-tool approvals`: actions that may not start before an operator agrees.

use super::Failed;
use super::doubts::{print, settle};
use super::output::Output;
use super::reach::{self, Of};
use crate::ledger::{Approval, Decision};
use crate::operate::request::Request;
use crate::operate::text::time;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(super) enum Approvals {
    /// List actions that await approval, with the arguments they would run with
    List {
        #[command(flatten)]
        of: Of,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let the action start, once, with exactly these arguments, before the approval expires
    ///
    /// A decision is for good. Who asked for the action, agent or user, cannot decide on it.
    Approve(Decide),
    /// Do not let it start
    ///
    /// A decision is for good. Who asked for the action, agent or user, cannot decide on it.
    Refuse(Decide),
}

/// Which approval, and who decides on it.
#[derive(Args)]
pub(super) struct Decide {
    #[command(flatten)]
    of: Of,
    /// Id of the approval, as `approvals list` and the answer of the call have it
    id: String,
    /// Who decides; the user of this machine unless given
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub(super) fn run(approvals: Approvals, output: &mut Output) -> Result<(), Failed> {
    match approvals {
        Approvals::List { of, json } => {
            let reach = of.reach()?;
            let cases = reach.all(|after| Request::Approvals { after });
            reach.close()?;
            print(&cases?, json, "no action awaits approval", output)
        }
        Approvals::Approve(decide) => self::decide(decide, true, "approved", output),
        Approvals::Refuse(decide) => self::decide(decide, false, "refused", output),
    }
}

fn decide(decide: Decide, approved: bool, said: &str, output: &mut Output) -> Result<(), Failed> {
    let request = Request::Decide { id: decide.id, approved, by: reach::operator(decide.by) };
    settle(decide.of.reach()?, request, said, output)
}

/// Where an approval stands.
pub(super) fn standing(approval: &Approval) -> String {
    match &approval.decision {
        Some(Decision { approved: true, operator }) => format!("approved by {operator}, not used yet"),
        Some(Decision { approved: false, operator }) => format!("refused by {operator}"),
        None => format!("until {}", time(approval.expires_ms)),
    }
}
