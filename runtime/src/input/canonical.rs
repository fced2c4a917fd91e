//! The one spelling of a value whose format admits several.

use super::Format;
use super::foreign::V6Text;
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use std::fmt::{self, Display, Write};
use std::net::Ipv6Addr;

impl Format {
    /// Turns a text that the format accepts into the canonical text of its value; `None` for a text that has no value.
    ///
    /// Key, digest, policy, limits, ledger and body are given this text, so that none of them takes one value for two. A
    /// text that is canonical already is handed back as it is, without another allocation.
    pub(super) fn canonical(self, mut text: String) -> Option<String> {
        match self {
            Format::Uuid | Format::Hostname => text.make_ascii_lowercase(),
            // The part before the `@` is the receiving server's to read, which may tell `Ann` from `ann`.
            Format::Email => {
                let at = text.find('@')?;
                text.get_mut(at..)?.make_ascii_lowercase();
            }
            Format::Ipv6 => {
                let address = V6Text(text.parse::<Ipv6Addr>().ok()?);
                if !reads(&text, &address) {
                    return Some(address.to_string());
                }
            }
            Format::DateTime if !is_utc(&text) => return utc(&text),
            // These admit one text a value, but for durations: an hour is `PT1H` and `PT60M`, and no text is the canonical one.
            Format::DateTime | Format::Date | Format::Ipv4 | Format::Duration => {}
        }
        Some(text)
    }
}

/// Tells whether a value is written as this text, without writing it anywhere.
fn reads(text: &str, value: &impl Display) -> bool {
    struct Rest<'a>(&'a str);

    impl Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// Tells whether a `date-time` is canonical.
fn is_utc(text: &str) -> bool {
    text.strip_suffix('Z').is_some_and(|local| seconds(local) == local)
}

/// A time without the zeros at the end of its fraction.
fn seconds(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A `date-time` in UTC.
///
/// Its year has four digits, and at both ends of the calendar UTC may be outside them: the time is then the one next to UTC
/// that is not, and what is left of the offset stays. That is one text for each instant too.
fn utc(text: &str) -> Option<String> {
    let (local, rest) = text.split_at_checked("2026-11-21T10:00".len())?;
    let (rest, offset) = match rest.strip_suffix('Z') {
        Some(rest) => (rest, 0),
        None => {
            let (rest, offset) = rest.split_at_checked(rest.len().checked_sub("+00:00".len())?)?;
            (rest, minutes(offset)?)
        }
    };
    let local: DateTime = local.parse().ok()?;
    let (first, last) = (date(0, 1, 1).at(0, 0, 0, 0), date(9999, 12, 31).at(23, 59, 0, 0));
    let time = local.saturating_sub(SignedDuration::from_mins(offset)).clamp(first, last);
    let left = offset + time.duration_since(local).as_mins();

    let (year, month, day, hour, minute) = (time.year(), time.month(), time.day(), time.hour(), time.minute());
    let seconds = seconds(rest);
    let mut out = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}{seconds}");
    match left {
        0 => out.push('Z'),
        _ => {
            let sign = if left < 0 { '-' } else { '+' };
            let left = left.abs();
            write!(out, "{sign}{:02}:{:02}", left / 60, left % 60).ok()?;
        }
    }
    Some(out)
}

/// An offset such as `-01:30` in minutes.
fn minutes(offset: &str) -> Option<i64> {
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(if offset.starts_with('-') { -minutes } else { minutes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::input::{Format, TextRule};
    use proptest::prelude::*;
    use std::borrow::Cow;

    const fn of(format: Format) -> TextRule {
        TextRule::new(None, Some(format), false, None, None, None)
    }

    /// One rule a format, so that each pattern is compiled once.
    fn rule(format: Format) -> &'static TextRule {
        static RULES: [TextRule; 8] = [
            of(Format::Uuid),
            of(Format::Date),
            of(Format::DateTime),
            of(Format::Duration),
            of(Format::Email),
            of(Format::Hostname),
            of(Format::Ipv4),
            of(Format::Ipv6),
        ];
        RULES.iter().find(|rule| rule.format == Some(format)).unwrap()
    }

    /// The text that a value is decoded to.
    fn canonical(format: Format, text: &str) -> String {
        rule(format).accept(Cow::Borrowed(text)).unwrap()
    }

    #[test]
    fn each_format_has_one_text_for_a_value() {
        for (format, text, spellings) in [
            (
                Format::Uuid,
                "6f9619ff-8b86-d011-b42d-00c04fc964ff",
                &["6F9619FF-8B86-D011-B42D-00C04FC964FF", "6f9619FF-8b86-d011-b42d-00c04fc964ff"][..],
            ),
            (Format::Hostname, "web-01.example.org", &["WEB-01.example.org", "Web-01.Example.ORG"]),
            (Format::Email, "Ann.Lee@mail.example.org", &["Ann.Lee@MAIL.example.ORG"]),
            (Format::Ipv6, "::", &["0::0", "0:0:0:0:0:0:0:0", "0000::"]),
            (Format::Ipv6, "2001:db8::7", &["2001:DB8::7", "2001:0db8::0007", "2001:db8:0:0:0:0:0:7"]),
            (Format::Ipv6, "2001:db8::1:0:0:1", &["2001:db8:0:0:1::1", "2001:db8:0:0:1:0:0:1"]),
            (Format::Ipv6, "1:2:3:0:5:6:7:8", &["1:2:3::5:6:7:8"]),
            (Format::Ipv6, "::ffff:cb00:7107", &["0:0:0:0:0:ffff:CB00:7107"]),
            (
                Format::DateTime,
                "2026-11-21T10:00:00Z",
                &[
                    "2026-11-21T10:00:00.000Z",
                    "2026-11-21T10:00:00+00:00",
                    "2026-11-21T10:00:00-00:00",
                    "2026-11-21T12:30:00.0+02:30",
                    "2026-11-20T20:00:00-14:00",
                ],
            ),
            (
                Format::DateTime,
                "2024-02-29T23:59:59.12Z",
                &["2024-02-29T23:59:59.120000000Z", "2024-03-01T00:59:59.12+01:00"],
            ),
            // UTC leaves the four-digit years.
            (
                Format::DateTime,
                "0000-01-01T00:00:30.5+01:00",
                &["0000-01-01T00:30:30.5+01:30", "0000-01-01T22:59:30.50+23:59"],
            ),
            (
                Format::DateTime,
                "9999-12-31T23:59:59-01:00",
                &["9999-12-31T23:29:59-01:30", "9999-12-31T01:00:59.0-23:59"],
            ),
            (Format::Date, "2024-02-29", &[]),
            (Format::Ipv4, "10.0.0.1", &[]),
            // Nobody compares durations, so each stays as it was sent.
            (Format::Duration, "PT60M", &[]),
            (Format::Duration, "PT1H", &[]),
        ] {
            for spelling in spellings.iter().chain([&text]) {
                assert_eq!(canonical(format, spelling), text, "{format:?}: {spelling}");
            }
        }
    }

    #[test]
    fn spellings_that_stay_refused() {
        for (format, text) in [
            (Format::Uuid, "6f9619ff8b86d011b42d00c04fc964ff"),
            (Format::Uuid, "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff"),
            (Format::Hostname, "web-01."),
            (Format::Ipv4, "10.0.0.01"),
            (Format::Ipv4, "010.0.0.1"),
            (Format::Ipv4, "10.1"),
            (Format::Ipv6, "fe80::1%eth0"),
            (Format::Ipv6, "::ffff:203.0.113.7"),
            (Format::Date, "20240229"),
            (Format::DateTime, "2026-11-21t10:00:00z"),
            (Format::DateTime, "2026-11-21 10:00:00Z"),
            (Format::DateTime, "2016-12-31T23:59:60Z"),
            (Format::DateTime, "2026-11-21T24:00:00Z"),
        ] {
            assert!(rule(format).accept(Cow::Borrowed(text)).is_err(), "{format:?}: {text}");
        }
    }

    /// What is sent and what is passed on both hold the lengths: an undo call is made of what was passed on.
    #[test]
    fn lengths_hold_for_what_is_sent_and_for_the_canonical_text() {
        let accept = |format, min, max, text| {
            let rule = TextRule::new(None, Some(format), false, min, max, None);
            rule.accept(Cow::Borrowed(text)).map_err(|(rule, _)| rule)
        };
        let (short, long) = ("1:2:3::5:6:7:8", "1:2:3:0:5:6:7:8");
        assert_eq!(accept(Format::Ipv6, None, Some(14), short), Err("maxLength"), "it would be longer");
        assert_eq!(accept(Format::Ipv6, None, Some(15), short).as_deref(), Ok(long));
        assert_eq!(accept(Format::Ipv6, None, Some(9), "0:0:0:0:0:0:0:1"), Err("maxLength"), "it is longer");
        let (offset, utc) = ("2026-11-21T10:00:00+00:00", "2026-11-21T10:00:00Z");
        assert_eq!(accept(Format::DateTime, Some(25), None, offset), Err("minLength"), "it would be shorter");
        assert_eq!(accept(Format::DateTime, Some(20), None, offset).as_deref(), Ok(utc));
    }

    #[test]
    fn what_is_no_format_stays_as_it_is() {
        for rule in [
            TextRule::new(Some("^[A-Za-z0-9-]{1,9}$"), None, false, None, None, None),
            TextRule::new(None, None, true, None, Some(9), None),
        ] {
            assert_eq!(rule.accept(Cow::Borrowed("WEB-01")).as_deref(), Ok("WEB-01"));
        }
    }

    #[test]
    fn a_canonical_text_stays_where_it_is() {
        for (format, text) in [
            (Format::Uuid, "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
            (Format::Hostname, "web-01.example.org"),
            (Format::Email, "Ann@example.org"),
            (Format::Ipv6, "2001:db8::7"),
            (Format::Ipv6, "::ffff:cb00:7107"),
            (Format::DateTime, "2026-11-21T10:00:00.5Z"),
        ] {
            let text = text.to_owned();
            let place = text.as_ptr();
            let same = format.canonical(text).unwrap();
            assert_eq!(same.as_ptr(), place, "{format:?} was written anew");
        }
    }

    /// A spelling of each format, a second one of the same value, and a text that tells the values apart.
    fn spellings() -> impl Strategy<Value = (Format, String, String, String)> {
        let cased = |format: Format, texts: &'static str| {
            (texts, any::<u64>()).prop_map(move |(text, seed)| {
                let meant = if format == Format::Email { half_lower(&text) } else { text.to_ascii_lowercase() };
                (format, respelled(format, &text, seed), text, meant)
            })
        };
        prop_oneof![
            cased(Format::Uuid, "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
            cased(Format::Hostname, "[A-Za-z0-9]{1,5}([.][A-Za-z]{1,9}){0,3}"),
            cased(Format::Email, "[A-Za-z]{1,5}@([A-Za-z0-9]{1,5}[.]){1,3}[A-Za-z]{2,5}"),
            // Few groups that are not zero: there is much to leave out.
            proptest::collection::vec(prop_oneof![3 => Just(0u16), 1 => any::<u16>()], 8).prop_map(|groups| {
                let full: Vec<String> = groups.iter().map(|group| format!("{group:04X}")).collect();
                let plain: Vec<String> = groups.iter().map(|group| format!("{group:x}")).collect();
                (Format::Ipv6, full.join(":"), plain.join(":"), format!("{groups:?}"))
            }),
            (0u64..86_400, 0i64..1_000, -1_439i64..=1_439, -1_439i64..=1_439).prop_map(
                |(second, milli, one, other)| {
                    let at = |offset: i64| {
                        let second = i64::try_from(second).unwrap() + offset * 60;
                        let local =
                            jiff::civil::date(2026, 11, 21).at(0, 0, 0, 0) + jiff::SignedDuration::from_secs(second);
                        spelled(local + jiff::SignedDuration::from_millis(milli), offset)
                    };
                    (Format::DateTime, at(one), at(other), format!("{second} {milli}"))
                }
            ),
        ]
    }

    /// The same value in other cases of its letters.
    fn respelled(format: Format, text: &str, seed: u64) -> String {
        let free = if format == Format::Email { text.find('@').unwrap() } else { 0 };
        let flip = |(place, c): (usize, char)| match c.is_ascii_lowercase() {
            _ if place < free || seed >> (place % 64) & 1 == 0 => c,
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        };
        text.chars().enumerate().map(flip).collect()
    }

    fn half_lower(email: &str) -> String {
        let (local, domain) = email.split_once('@').unwrap();
        format!("{local}@{}", domain.to_ascii_lowercase())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

        #[test]
        fn two_spellings_of_one_value_are_one_text((format, one, other, _) in spellings()) {
            let text = canonical(format, &one);
            prop_assert_eq!(&text, &canonical(format, &other), "{} and {}", one, other);
            prop_assert_eq!(&text, &canonical(format, &text), "taken, and as it was");
        }

        #[test]
        fn two_values_are_two_texts((a, b) in (spellings(), spellings())) {
            let ((format, one, _, meant), (also, other, _, means)) = (a, b);
            if format == also {
                prop_assert_eq!(canonical(format, &one) == canonical(format, &other), meant == means);
            }
        }

        /// The ends of the calendar, where UTC may leave the four-digit years.
        #[test]
        fn instants_at_the_ends_of_the_calendar_have_one_text(
            last in any::<bool>(), minute in 0i64..1_440, one in -1_439i64..=1_439, other in -1_439i64..=1_439
        ) {
            let day = if last { jiff::civil::date(9999, 12, 31) } else { jiff::civil::date(0, 1, 1) };
            let here = day.at(0, 0, 7, 0) + jiff::SignedDuration::from_mins(minute);
            let text = canonical(Format::DateTime, &spelled(here, one));
            prop_assert_eq!(&canonical(Format::DateTime, &text), &text, "taken, and as it was");
            if let Ok(there) = here.checked_add(jiff::SignedDuration::from_mins(other - one)) && there.year() >= 0 {
                prop_assert_eq!(&canonical(Format::DateTime, &spelled(there, other)), &text);
            }
            if one != other {
                prop_assert_ne!(&canonical(Format::DateTime, &spelled(here, other)), &text, "another instant");
            }
        }
    }

    /// A local time with its offset in minutes.
    fn spelled(local: jiff::civil::DateTime, offset: i64) -> String {
        let sign = if offset < 0 { '-' } else { '+' };
        format!("{local}{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
    }
}
