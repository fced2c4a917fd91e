//! One record as a line for people.

use super::row::Row;
use jiff::Timestamp;
use std::borrow::Cow;
use std::fmt::Write;

/// What a caller chose must not move the reader's cursor or hide: everything that does not print is written out.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let as_it_is = |c: char| matches!(c, '"' | '\'') || c.escape_debug().len() == 1;
    if text.chars().all(as_it_is) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if as_it_is(c) {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    Cow::Owned(out)
}

/// The first digits of a hash, as many as commands take.
pub(super) fn short(hash: &crate::ledger::Hash) -> String {
    let mut digits = hash.to_string();
    digits.truncate(12);
    digits
}

/// The time of `ms` since 1970.
pub(super) fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "never".to_owned(), |at| format!("{at:.3}"))
}

/// Time, sequence, event, tool, who, and what else there is to say, without a line break.
pub(super) fn line(row: &Row<'_>) -> String {
    let mut out = format!("{:.3} {:>7} {:<17}", row.at, row.seq, visible(&row.event));
    let mut word = |text: &str| {
        out.push(' ');
        out.push_str(&visible(text));
    };
    if let Some(tool) = row.tool.as_deref().filter(|tool| !tool.is_empty()) {
        word(tool);
    }
    match (row.agent(), row.user.as_deref()) {
        (Some(agent), Some(user)) => word(&format!("{agent} for {user}")),
        (Some(agent), None) => word(agent),
        (None, _) => {}
    }
    let mut say = |name: &str, value: &str| {
        // Writing into memory does not fail.
        let _ok = write!(out, " {name}={}", visible(value));
    };
    let mut tell = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            say(name, value);
        }
    };
    tell("outcome", row.outcome.as_ref());
    tell("code", row.code.as_ref());
    tell("gate", row.gate.as_ref());
    tell("by", row.operator.as_ref().or(row.by.as_ref()));
    tell("investigation", row.investigation.as_ref());
    tell("call", row.call.as_ref());
    tell("first_call", row.first_call.as_ref());
    if row.late {
        say("late", "yes");
    }
    if let Some(times) = row.times.filter(|times| *times != 1) {
        say("times", &times.to_string());
    }
    if let Some(approval) = &row.approval {
        say("approval", &approval.id);
        say("expires", &time(approval.expires_ms));
    }
    if let Some(tail) = &row.tail {
        say("end", if tail.clean { "clean" } else { "unclean" });
        if tail.cut > 0 {
            say("cut", &tail.cut.to_string());
        }
    }
    if !row.keys.is_empty() {
        say("actions", &row.keys.len().to_string());
    }
    if let Some(swept) = row.swept {
        say("swept", &swept.to_string());
    }
    if let Some(key) = &row.key {
        say("key", &short(key));
    }
    if let Some(arguments) = row.arguments {
        say("arguments", arguments.get());
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_hides_and_nothing_moves_the_cursor() {
        assert_eq!(visible("web-01 \"ä\" 'x'"), "web-01 \"ä\" 'x'");
        assert_eq!(visible("a\nb\u{1b}[2Jc"), "a\\nb\\u{1b}[2Jc");
        for hidden in ['\u{7f}', '\u{85}', '\u{200b}', '\u{200e}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{2028}'] {
            assert!(!visible(&format!("a{hidden}b")).contains(hidden), "{hidden:?}");
        }
    }
}
