//! Which records are shown or exported.

use super::row::{EVENTS, Row};
use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// Without any, every record. Of several, a record must match all.
#[derive(Args)]
#[command(next_help_heading = "Which records")]
pub(super) struct Filter {
    /// Of this tool
    #[arg(long)]
    tool: Option<String>,
    /// Of calls by this agent, or for this user
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Of the action with this key: 64 hex digits, or the first 8 or more of them
    #[arg(long, value_parser = key_prefix)]
    key: Option<String>,
    /// Of this call, or of replays of its answer
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// That tell of this; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(EVENTS))]
    event: Vec<String>,
    /// At or after this time: RFC 3339, or how long ago (`90m`, `2h`, `7d`)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Of this investigation
    #[arg(long, value_name = "ID")]
    investigation: Option<String>,
}

impl Filter {
    /// Whether the record is wanted.
    pub(super) fn takes(&self, row: &Row<'_>) -> bool {
        let is = |asked: &Option<String>, has: &Option<String>| asked.is_none() || asked == has;
        let any = |asked: &Option<String>, has: [&Option<String>; 2]| asked.is_none() || has.contains(&asked);
        let key = |asked: &String| {
            let mut named = row.key.iter().chain(&row.frees).chain(&row.keys);
            named.any(|key| key.to_string().starts_with(asked.as_str()))
        };
        is(&self.tool, &row.tool)
            && is(&self.investigation, &row.investigation)
            && any(&self.principal, [&row.agent, &row.user])
            && any(&self.call, [&row.call, &row.first_call])
            && (self.event.is_empty() || self.event.contains(&row.event))
            && self.key.as_ref().is_none_or(key)
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// The first digits of a key: enough of them that nobody names another action by a typing error.
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits && (8..=64).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("a key is 64 lower-case hex digits, of which the first 8 or more are enough".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago = text.parse::<Span>().ok().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    ago.filter(|ago| *ago >= SignedDuration::ZERO)
        .and_then(|ago| Timestamp::now().checked_sub(ago).ok())
        .ok_or_else(|| "a time is RFC 3339 (2026-11-20T10:00:00Z), or how long ago (90m, 2h, 7d)".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Filter, Timestamp, key_prefix, time};
    use crate::operate::row::Row;
    use clap::{Args as _, FromArgMatches};

    fn takes(arguments: &str, more: &str) -> bool {
        let command = Filter::augment_args(clap::Command::new("x").no_binary_name(true));
        let filter = Filter::from_arg_matches(&command.get_matches_from(arguments.split_whitespace())).unwrap();
        let zero = "0".repeat(64);
        let text = format!(
            r#"{{"hash":"{zero}","seq":7,"prev":"{zero}","at":"2026-11-20T10:00:00.000Z","durable":6,{more}}}"#
        );
        filter.takes(&Row::read(&text).unwrap())
    }

    #[test]
    fn every_condition_counts() {
        let key = "0123456789abcdef".repeat(4);
        let record = format!(
            r#""event":"completed","tool":"isolate_host","agent":"triage","user":"ann","call":"C1","investigation":"I1","key":"{key}""#
        );
        for arguments in [
            "",
            "--tool isolate_host",
            "--principal triage",
            "--principal ann",
            "--call C1",
            "--event completed",
            "--event read --event completed",
            "--investigation I1",
            "--since 2026-11-20T10:00:00Z",
            "--until 2026-11-20T10:00:00.001Z",
            "--key 01234567",
            &format!("--key {key}"),
            "--tool isolate_host --principal ann --call C1",
        ] {
            assert!(takes(arguments, &record), "{arguments}");
        }
        for arguments in [
            "--tool isolate",
            "--principal ann2",
            "--call C2",
            "--event read",
            "--investigation I2",
            "--since 2026-11-20T10:00:00.001Z",
            "--until 2026-11-20T10:00:00Z",
            "--key 01234568",
            "--tool isolate_host --principal bob",
        ] {
            assert!(!takes(arguments, &record), "{arguments}");
        }
        assert!(takes("--call C1", r#""event":"replayed","call":"C9","first_call":"C1""#));
        assert!(takes("--key 01234567", &format!(r#""event":"expired","keys":["{key}"]"#)));
        assert!(takes("--key 01234567", &format!(r#""event":"completed","frees":["{key}"]"#)));
    }

    #[test]
    fn times_and_keys() {
        let ago = |text: &str| Timestamp::now().as_second() - time(text).unwrap().as_second();
        for (text, seconds) in [("90m", 5_400), ("2h", 7_200), ("7d", 604_800), ("1d 2h", 93_600)] {
            assert!((seconds..seconds + 60).contains(&ago(text)), "{text}");
        }
        assert_eq!(time("2026-11-20T11:00:00+01:00").unwrap().to_string(), "2026-11-20T10:00:00Z");
        for wrong in ["", "yesterday", "-2h", "10", "2026-11-20"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0123456", "0123456X", "ABCDEF01", &"0".repeat(65)] {
            assert!(key_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
