//! `safe-tool doubts`: actions that started and whose outcome nobody knows.

use super::output::Output;
use super::reach::{self, Of, Reach};
use super::{Failed, audit};
use crate::operate::filter::key_prefix;
use crate::operate::request::{Case, Request, Response};
use crate::operate::text::{short, time, visible};
use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Doubts {
    /// List actions in doubt
    List {
        #[command(flatten)]
        of: Of,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one action in doubt, with every record about it
    Show {
        #[command(flatten)]
        of: Of,
        /// Its key: 64 hex digits, or the first 8 or more of them
        #[arg(value_parser = key_prefix)]
        key: String,
    },
    /// Say what became of it, once you have looked at its target
    ///
    /// Look first: what you say is believed. `--applied`: it happened. Calls that ask for it again are answered with the
    /// error `resolved_applied`, whose effect is `applied`; its result is lost. `--not-applied`: it did not happen. Its key
    /// is free, and the next call runs it.
    Resolve {
        #[command(flatten)]
        of: Of,
        /// Its key: 64 hex digits, or the first 8 or more of them
        #[arg(value_parser = key_prefix)]
        key: String,
        /// It happened
        #[arg(long, required_unless_present = "not_applied", conflicts_with = "not_applied")]
        applied: bool,
        /// It did not happen
        #[arg(long)]
        not_applied: bool,
        /// Who says so; the user of this machine unless given
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

pub(super) fn run(doubts: Doubts, output: &mut Output) -> Result<(), Failed> {
    match doubts {
        Doubts::List { of, json } => {
            let reach = of.reach()?;
            let cases = reach.all(|after| Request::Doubts { after });
            reach.close()?;
            print(&cases?, json, "no action is in doubt", output)
        }
        Doubts::Show { of, key } => {
            let reach = of.reach()?;
            let answered = reach.ask(Request::Doubt { key });
            reach.close()?;
            let Response::Shown { case } = answered? else { return Err(reach::astray()) };
            describe(&case, output)?;
            output.line("records:")?;
            audit::records_of(of.directory(), &case.key, output)
        }
        Doubts::Resolve { of, key, applied, by, .. } => {
            let request = Request::Resolve { key, applied, by: reach::operator(by) };
            let said = if applied { "it was applied" } else { "it was not applied; its key is free" };
            settle(of.reach()?, request, said, output)
        }
    }
}

/// Makes a change, and prints what changed and where it is recorded.
pub(super) fn settle(reach: Reach, request: Request, said: &str, output: &mut Output) -> Result<(), Failed> {
    let answered = reach.ask(request);
    reach.close()?;
    let Response::Done { case, receipt } = answered? else { return Err(reach::astray()) };
    output.line(&format!("{} {}: {said} (record {})", visible(&case.tool), short(&case.key), receipt.sequence))?;
    Ok(())
}

/// Prints cases, one a line; `none` when there is none.
pub(super) fn print(cases: &[Case], json: bool, none: &str, output: &mut Output) -> Result<(), Failed> {
    if json {
        for case in cases {
            output.line(&serde_json::to_string(case).map_err(Failed::unusable)?)?;
        }
        return Ok(());
    }
    if cases.is_empty() {
        return Ok(output.line(none)?);
    }
    for case in cases {
        output.line(&line(case))?;
    }
    Ok(())
}

fn who(case: &Case) -> String {
    match &case.user {
        Some(user) => format!("{} for {user}", case.agent),
        None => case.agent.clone(),
    }
}

fn line(case: &Case) -> String {
    let named = case.approval.as_ref().map_or_else(|| short(&case.key), |approval| approval.id.clone());
    let mut line = format!("{named}  {}  {}  {}", case.asked_at, visible(&case.tool), visible(&who(case)));
    for part in [case.approval.as_ref().map(super::approvals::standing), case.arguments.clone()].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(&visible(&part));
    }
    line
}

fn describe(case: &Case, output: &mut Output) -> Result<(), Failed> {
    let changed = time(case.changed_ms);
    let (who, key) = (who(case), case.key.to_string());
    let lines = [
        ("tool", Some(&case.tool)),
        ("key", Some(&key)),
        ("asked by", Some(&who)),
        ("tenant", Some(&case.tenant)),
        ("investigation", case.investigation.as_ref()),
        ("call", Some(&case.call)),
        ("asked at", Some(&case.asked_at)),
        ("in doubt since", Some(&changed)),
        ("arguments", case.arguments.as_ref()),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            output.line(&format!("{name:<15} {}", visible(value)))?;
        }
    }
    Ok(())
}
