//! What the dates and instants of all crates look like on the wire.

use crate::input::{Format, TextRule};

macro_rules! month_and_day {
    () => {
        "-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    };
}

macro_rules! offset {
    () => {
        "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
    };
}

/// RFC 3339 `full-date`.
pub(super) static DATE: TextRule = TextRule::new(None, Some(Format::Date), false, None, None, Some("2026-11-21"));

/// RFC 3339 `date-time`. In the years 1000 to 8999 every crate holds the instant, whatever the offset, and writes its year
/// in four digits.
pub(super) static INSTANT: TextRule = TextRule::new(
    Some(concat!(
        "^[1-8][0-9]{3}",
        month_and_day!(),
        "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?",
        offset!()
    )),
    Some(Format::DateTime),
    false,
    None,
    None,
    Some("2026-11-21T10:00:00Z"),
);

/// A date that a tool answers with. Crates use their least and greatest dates for "never", and those have a sign.
pub(super) static ANY_DATE: TextRule = TextRule::new(
    Some(concat!("^([0-9]{4}|[+-][0-9]{4,6})", month_and_day!(), "$")),
    None,
    false,
    None,
    None,
    Some("2026-11-21"),
);

/// An instant that a tool answers with: any that a crate holds, leap seconds included.
pub(super) static ANY_INSTANT: TextRule = TextRule::new(
    Some(concat!(
        "^([0-9]{4}|[+-][0-9]{4,6})",
        month_and_day!(),
        "T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]{1,9})?",
        offset!()
    )),
    None,
    false,
    None,
    None,
    Some("2026-11-21T10:00:00Z"),
);
