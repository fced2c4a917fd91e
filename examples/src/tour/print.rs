//! How the story is told: in colour on a terminal, plain when piped.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

/// Counts what was promised and kept.
#[derive(Default)]
pub(super) struct Story {
    steps: u32,
    kept: u32,
    broken: u32,
}

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

impl Story {
    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) {
        self.steps += 1;
        anstream::println!("\n{TITLE}{}. {title}{TITLE:#}", self.steps);
    }

    /// Shows what the client sent.
    pub(super) fn sent(&self, tool: &str, arguments: &Value) {
        anstream::println!("   {QUIET}->{QUIET:#} {tool} {arguments}");
    }

    /// Shows what the client got.
    pub(super) fn got(&self, envelope: &Value) {
        anstream::println!("   {QUIET}<-{QUIET:#} {envelope}");
    }

    /// A remark.
    pub(super) fn say(&self, text: &str) {
        anstream::println!("   {QUIET}{text}{QUIET:#}");
    }

    /// Holds a promise against what happened.
    pub(super) fn promise(&mut self, promise: &str, kept: bool) {
        if kept {
            self.kept += 1;
            anstream::println!("   {GOOD}ok{GOOD:#}  {promise}");
        } else {
            self.broken += 1;
            anstream::println!("   {BAD}BROKEN{BAD:#}  {promise}");
        }
    }

    /// The last line; whether every promise was kept.
    pub(super) fn end(&self) -> bool {
        let colour = if self.broken == 0 { GOOD } else { BAD };
        anstream::println!(
            "\n{colour}{} steps, {} promises kept, {} broken{colour:#}",
            self.steps,
            self.kept,
            self.broken
        );
        self.broken == 0
    }
}
