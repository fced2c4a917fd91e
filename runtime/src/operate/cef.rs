//! One record as a line of ArcSight's Common Event Format, for older SIEMs.

use super::meaning::{Ended, Gravity, Meaning};
use super::row::Row;
use std::fmt::Write;

/// The line, without a line break.
pub(super) fn line(row: &Row<'_>, log: &str) -> String {
    let meaning = Meaning::of(row);
    let severity = match meaning.gravity {
        Gravity::Informational => 1,
        Gravity::Low => 3,
        Gravity::Medium => 6,
        Gravity::High => 8,
    };
    let tool = row.tool.as_deref().filter(|tool| !tool.is_empty());
    let name = tool.map_or_else(|| row.event.clone(), |tool| format!("{tool} {}", row.event));
    let mut out = format!(
        "CEF:0|safe_tool|safe-tool|{}|{}|{}|{severity}|",
        header(env!("CARGO_PKG_VERSION")),
        header(&row.event),
        header(&name)
    );
    let mut first = true;
    let mut put = |key: &str, value: &str| {
        let space = if std::mem::take(&mut first) { "" } else { " " };
        // Writing into memory does not fail.
        let _ok = write!(out, "{space}{key}={}", extension(value));
    };
    put("rt", &row.at.as_millisecond().to_string());
    put("cat", &row.event);
    if let Some(tool) = tool {
        put("act", tool);
    }
    let outcome = match meaning.ended {
        Ended::Success => Some("success"),
        Ended::Failure => Some("failure"),
        Ended::Unknown => Some("unknown"),
        Ended::Not => None,
    };
    let texts = [
        ("outcome", outcome),
        ("reason", row.code.as_deref()),
        ("suser", row.agent()),
        ("duser", row.user.as_deref()),
        ("externalId", row.call.as_deref()),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            put(key, value);
        }
    }
    if let Some(times) = row.times {
        put("cnt", &times.to_string());
    }
    put("deviceExternalId", log);
    put("cn1Label", "sequence");
    put("cn1", &row.seq.to_string());
    let key = row.key.map(|key| key.to_string());
    let labelled = [
        ("cs1", "investigation", row.investigation.as_deref()),
        ("cs2", "key", key.as_deref()),
        ("cs3", "gate", row.gate.as_deref()),
        ("cs4", "operator", row.operator.as_deref().or(row.by.as_deref())),
        ("cs5", "arguments", row.arguments.map(|arguments| arguments.get())),
    ];
    for (key, label, value) in labelled {
        if let Some(value) = value {
            put(&format!("{key}Label"), label);
            put(key, value);
        }
    }
    put("cs6Label", "hash");
    put("cs6", &row.hash.to_string());
    out
}

/// A field of the header: backslash and pipe are escaped, a line break would begin a new event.
fn header(text: &str) -> String {
    escaped(text, &['\\', '|'], " ")
}

/// A value of the extension: backslash and equals sign are escaped, line breaks are written as such.
fn extension(text: &str) -> String {
    escaped(text, &['\\', '='], "\\n")
}

fn escaped(text: &str, special: &[char], line_break: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push_str(line_break),
            c if special.contains(&c) => out.extend(['\\', c]),
            // Some collectors end a line at these too.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{extension, header, line};
    use crate::operate::row::Row;

    #[test]
    fn what_would_end_a_field_is_escaped() {
        assert_eq!(header("a|b\\c=d\ne"), "a\\|b\\\\c=d e");
        assert_eq!(extension("a|b\\c=d\ne\r"), "a|b\\\\c\\=d\\ne\\n");
        assert_eq!(extension("a\u{85}b\u{2028}c\u{0}d"), "a b c d");
    }

    #[test]
    fn a_caller_cannot_forge_a_field_or_an_event() {
        let zero = "0".repeat(64);
        let text = format!(
            r#"{{"hash":"{zero}","seq":7,"prev":"{zero}","at":"2026-11-20T10:00:00.000Z","durable":6,"event":"refused","tool":"a|b","agent":"x suser=root\nCEF:0|","investigation":"I=1"}}"#
        );
        let line = line(&Row::read(&text).unwrap(), "log");
        assert!(line.contains("|a\\|b refused|"), "{line}");
        assert!(line.contains("suser=x suser\\=root\\nCEF:0|"), "{line}");
        assert!(line.contains("cs1=I\\=1"), "{line}");
        assert!(!line.contains('\n'));
    }
}
