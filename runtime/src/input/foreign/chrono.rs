//! `chrono`'s `DateTime<Utc>`, `DateTime<FixedOffset>` and `NaiveDate`.

use super::time::{ANY_DATE, ANY_INSTANT, DATE, INSTANT};
use super::{exact, text_form};
use crate::input::KeyPart;
use crate::writer::Writer;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};

text_form!(
    DateTime<Utc>,
    input = INSTANT,
    output = ANY_INSTANT,
    parse = |text| DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc()),
    text = |instant| utc(instant.naive_utc()),
);
exact!(DateTime<Utc>);

text_form!(
    DateTime<FixedOffset>,
    input = INSTANT,
    output = ANY_INSTANT,
    parse = |text| DateTime::parse_from_rfc3339(text).ok(),
    // The body sees the offset, so the digest holds it.
    text = |instant| match instant.offset().local_minus_utc() {
        0 => utc(instant.naive_utc()),
        // RFC 3339 has no seconds in offsets.
        seconds if seconds % 60 != 0 => utc(instant.naive_utc()),
        _ => format!("{}{}", local(instant.naive_local()), instant.format("%:z")),
    },
);

#[diagnostic::do_not_recommend]
impl KeyPart for DateTime<FixedOffset> {
    // `12:00+02:00` and `10:00Z` are one instant, hence one intent.
    fn part(&self, writer: &mut Writer<'_>) {
        writer.str(&utc(self.naive_utc()));
    }
}

text_form!(
    NaiveDate,
    input = DATE,
    output = ANY_DATE,
    parse = |text| text.parse().ok(),
    text = |date| date.to_string(),
);
exact!(NaiveDate);

fn utc(instant: NaiveDateTime) -> String {
    format!("{}Z", local(instant))
}

/// `chrono` writes fractions in steps of three digits; the canonical one has no zeros at its end.
fn local(instant: NaiveDateTime) -> String {
    let text = instant.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
    if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text }
}
