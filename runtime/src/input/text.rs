//! Text: pattern, format, length, or free text that says so.

use super::{Decoder, Example, Violation};
use crate::writer::Writer;
use regex::Regex;
use schemars::Schema;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::OnceLock;

/// Free text refuses control characters other than newline and tab, zero-width and bidirectional ones:
/// what a person approves must be what is there. The same set is published as the pattern.
const FREE_TEXT: &str =
    "^[^\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u061C\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u2069\\uFEFF]*$";

/// What a text must look like.
#[derive(Debug)]
pub struct TextRule {
    /// An anchored pattern from the subset that means the same in Rust and in ECMA 262.
    pub pattern: Option<&'static str>,
    /// A named format, published with its pattern.
    pub format: Option<Format>,
    /// Whether any wording is taken.
    pub free_text: bool,
    /// The least length in code points.
    pub min_len: Option<u32>,
    /// The greatest length in code points.
    pub max_len: Option<u32>,
    /// A value that passes.
    pub example: Option<&'static str>,
    compiled: OnceLock<Option<Regex>>,
}

impl TextRule {
    /// A rule without any bound; the macros set the fields.
    pub const fn new(
        pattern: Option<&'static str>,
        format: Option<Format>,
        free_text: bool,
        min_len: Option<u32>,
        max_len: Option<u32>,
        example: Option<&'static str>,
    ) -> Self {
        TextRule { pattern, format, free_text, min_len, max_len, example, compiled: OnceLock::new() }
    }

    /// The pattern that is enforced and published.
    fn enforced(&self) -> Option<&'static str> {
        match (self.pattern, self.format, self.free_text) {
            (Some(pattern), _, _) => Some(pattern),
            (None, Some(format), _) => Some(format.pattern()),
            (None, None, true) => Some(FREE_TEXT),
            (None, None, false) => None,
        }
    }

    /// The greatest length that is enforced and published: the rule's own or the format's, whichever is less.
    fn greatest_len(&self) -> Option<u32> {
        let format = self.format.and_then(Format::max_len);
        [self.max_len, format].into_iter().flatten().min()
    }

    fn matches(&self, text: &str) -> bool {
        let Some(pattern) = self.enforced() else { return true };
        let compiled = self.compiled.get_or_init(|| Regex::new(pattern).ok());
        // The macro compiled the pattern too; one that does not compile here lets nothing pass.
        compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// The schema of the rule.
    pub fn schema(&self) -> Schema {
        let mut schema = schemars::json_schema!({ "type": "string" });
        let mut put = |key: &str, value: Value| {
            schema.insert(key.to_owned(), value);
        };
        if let Some(pattern) = self.enforced() {
            put("pattern", pattern.into());
        }
        if let Some(format) = self.format {
            put("format", format.name().into());
        }
        if let Some(min) = self.min_len {
            put("minLength", min.into());
        }
        if let Some(max) = self.greatest_len() {
            put("maxLength", max.into());
        }
        if let Some(example) = self.example {
            put("examples", vec![example].into());
        }
        schema
    }
}

/// The formats that are asserted, each published with the pattern that is enforced.
///
/// A value has one spelling: a text is turned into the canonical text of its value when it is decoded, so that key, digest,
/// policy, limits, ledger and body all see the same one. A policy names values in that text. Lengths hold for what is sent
/// and for the canonical text.
///
/// | format | canonical text |
/// |---|---|
/// | `uuid`, `hostname` | lower case |
/// | `email` | the domain in lower case, the part before the `@` as it is |
/// | `ipv6` | RFC 5952, without a dotted tail: `2001:db8::7` |
/// | `date-time` | UTC with `Z`, no zeros at the end of a fraction: `2026-11-21T10:00:00.5Z` |
/// | `date`, `ipv4` | the only one that is accepted |
/// | `duration` | none: it stays as it is, so it is compared as it was sent |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 9562, hyphenated.
    Uuid,
    /// RFC 3339 `full-date`.
    Date,
    /// RFC 3339 `date-time`, with an offset; no leap seconds, at most nanoseconds.
    DateTime,
    /// RFC 3339 duration in days, hours, minutes and seconds, of which none is left out between two others.
    Duration,
    /// An address of plain form: no quotes, no comments, a domain of two labels or more.
    Email,
    /// RFC 1123 host name in plain letters: encoded names (`xn--..`) show a person other letters than are meant.
    Hostname,
    /// Dotted quad.
    Ipv4,
    /// RFC 4291, without a zone.
    Ipv6,
}

impl Format {
    /// The name that JSON Schema gives the format.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Uuid => "uuid",
            Format::Date => "date",
            Format::DateTime => "date-time",
            Format::Duration => "duration",
            Format::Email => "email",
            Format::Hostname => "hostname",
            Format::Ipv4 => "ipv4",
            Format::Ipv6 => "ipv6",
        }
    }

    /// The pattern that is enforced.
    pub const fn pattern(self) -> &'static str {
        match self {
            Format::Uuid => "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
            Format::Date => "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
            Format::DateTime => {
                "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
            }
            Format::Duration => {
                "^P([0-9]{1,5}D(T([0-9]{1,5}H([0-9]{1,5}M([0-9]{1,5}S)?)?|[0-9]{1,5}M([0-9]{1,5}S)?|[0-9]{1,5}S))?|T([0-9]{1,5}H([0-9]{1,5}M([0-9]{1,5}S)?)?|[0-9]{1,5}M([0-9]{1,5}S)?|[0-9]{1,5}S))$"
            }
            // A label has no hyphens at both its third and fourth place: such labels are reserved for encodings.
            Format::Email => {
                "^[A-Za-z0-9_%+-]+([.][A-Za-z0-9_%+-]+)*@([A-Za-z0-9]([A-Za-z0-9]|[A-Za-z0-9-]([A-Za-z0-9]([A-Za-z0-9-]{0,59}[A-Za-z0-9])?|-[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])?))?[.])+[A-Za-z]{2,63}$"
            }
            Format::Hostname => {
                "^[A-Za-z0-9]([A-Za-z0-9]|[A-Za-z0-9-]([A-Za-z0-9]([A-Za-z0-9-]{0,59}[A-Za-z0-9])?|-[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])?))?([.][A-Za-z0-9]([A-Za-z0-9]|[A-Za-z0-9-]([A-Za-z0-9]([A-Za-z0-9-]{0,59}[A-Za-z0-9])?|-[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])?))?)*$"
            }
            Format::Ipv4 => {
                "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"
            }
            Format::Ipv6 => "^[0-9a-fA-F:]{2,39}$",
        }
    }

    /// The greatest length, where the pattern sets none.
    const fn max_len(self) -> Option<u32> {
        match self {
            Format::Email => Some(254),
            Format::Hostname => Some(253),
            Format::Uuid | Format::Date | Format::DateTime | Format::Duration | Format::Ipv4 | Format::Ipv6 => None,
        }
    }

    /// What the pattern cannot say: that the date exists, that the groups of an address add up.
    fn accepts(self, text: &str) -> bool {
        let is_date = |text: &str| text.parse::<jiff::civil::Date>().is_ok();
        match self {
            Format::Date => is_date(text),
            // The pattern has judged the time and the offset; no calendar ends where the offset takes it.
            Format::DateTime => text.split('T').next().is_some_and(is_date),
            Format::Email => text.find('@').is_some_and(|at| at <= 64),
            Format::Ipv6 => text.parse::<std::net::Ipv6Addr>().is_ok(),
            Format::Uuid | Format::Duration | Format::Hostname | Format::Ipv4 => true,
        }
    }
}

/// Plain text types: only `String`. An alias of it is one too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not text",
    label = "text rules are for `String`",
    note = "on your own type put the rule on the type: `#[derive(ToolInput)] #[text(pattern = \"^..$\")] struct Name(String);`"
)]
pub trait PlainText: Sized {
    /// Takes the checked text.
    fn from_text(text: String) -> Self;
    /// The text.
    fn as_text(&self) -> &str;
}

impl PlainText for String {
    fn from_text(text: String) -> Self {
        text
    }
    fn as_text(&self) -> &str {
        self
    }
}

/// Decodes a text under a rule, to the canonical text of its value.
pub fn text<T: PlainText>(decoder: &mut Decoder<'_>, rule: &'static TextRule) -> Option<T> {
    checked(decoder, rule).map(T::from_text)
}

fn checked(decoder: &mut Decoder<'_>, rule: &'static TextRule) -> Option<String> {
    let text = decoder.string(rule.example.map(Example::Text))?;
    match rule.accept(text) {
        Ok(text) => Some(text),
        Err((name, expected)) => {
            decoder.violation(name, expected, rule.example.map(Example::Text));
            None
        }
    }
}

/// The name of a rule that a text breaks, and what is expected instead.
type Broken = (&'static str, Cow<'static, str>);

impl TextRule {
    /// Checks a text and turns it into the canonical text of its value: every text of an agent's or a developer's passes
    /// here, so that nothing behind sees a second spelling.
    pub(crate) fn accept(&self, text: Cow<'_, str>) -> Result<String, Broken> {
        if let Some(broken) = self.broken(&text) {
            return Err(broken);
        }
        let text = text.into_owned();
        let Some(format) = self.format else { return Ok(text) };
        let text = format.canonical(text).ok_or(("format", Cow::Borrowed(format.name())))?;
        // An undo call is made of the canonical text, so that must be taken too; a format takes its own, lengths may not.
        match self.wrong_length(&text) {
            None => Ok(text),
            Some((rule, expected)) => {
                Err((rule, format!("{expected}, in the canonical text of `{}` too", format.name()).into()))
            }
        }
    }

    /// The first rule that a text breaks and what is expected instead.
    pub(crate) fn broken(&self, text: &str) -> Option<Broken> {
        if let Some(broken) = self.wrong_length(text) {
            return Some(broken);
        }
        if !self.matches(text) {
            let expected = match (self.enforced(), self.free_text) {
                (Some(pattern), false) => pattern,
                _ => "text without control, zero-width or bidirectional characters",
            };
            return Some(("pattern", expected.into()));
        }
        match self.format {
            Some(format) if !format.accepts(text) => Some(("format", format.name().into())),
            _ => None,
        }
    }

    fn wrong_length(&self, text: &str) -> Option<Broken> {
        if let Some(max) = self.greatest_len()
            && text.len() > max as usize
            && text.chars().count() > max as usize
        {
            return Some(("maxLength", format!("at most {max} characters").into()));
        }
        if let Some(min) = self.min_len
            && text.chars().count() < min as usize
        {
            return Some(("minLength", format!("at least {min} characters").into()));
        }
        None
    }

    /// Writes a text as this rule's class: free text is hidden from records and left out of comparison.
    pub fn encode(&self, text: &str, writer: &mut Writer<'_>) {
        if self.free_text {
            let start = writer.hide();
            writer.str(text);
            writer.hidden(start, true);
        } else {
            writer.str(text);
        }
    }

    /// Checks a text outside a call and leaves its spelling to the caller.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn check(&self, text: &str) -> Result<(), Violation> {
        self.broken(text).map_or(Ok(()), |broken| Err(self.violation(broken)))
    }

    /// Checks a text outside a call and turns it into its canonical text, for constructors of text newtypes.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(&self, text: String) -> Result<String, Violation> {
        self.accept(text.into()).map_err(|broken| self.violation(broken))
    }

    fn violation(&self, (rule, expected): Broken) -> Violation {
        Violation { path: String::new(), rule, expected, example: self.example.map(Example::Text) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn free_text_refuses_what_a_reader_cannot_see() {
        let rule = TextRule::new(None, None, true, None, Some(20), None);
        assert!(rule.check("two lines\nand a\ttab").is_ok());
        for hidden in
            ['\u{0}', '\r', '\u{7f}', '\u{85}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{202e}', '\u{2066}', '\u{feff}']
        {
            assert_eq!(rule.check(&format!("a{hidden}b")).unwrap_err().rule, "pattern", "{hidden:?}");
        }
        assert_eq!(rule.check("012345678901234567890").unwrap_err().rule, "maxLength");
        assert!(rule.check("ä".repeat(20).as_str()).is_ok(), "lengths count code points");
    }

    #[test]
    fn a_pattern_is_the_whole_text() {
        let rule = TextRule::new(Some("^[a-z]{1,3}$"), None, false, None, None, None);
        assert!(rule.check("abc").is_ok());
        for wrong in ["", "abcd", "abc\n", "Abc", "a c"] {
            assert!(rule.check(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_escaped_backslash_before_a_u_is_no_escape_of_a_character() {
        let rule = TextRule::new(Some("^\\\\u0041\\u0042$"), None, false, None, None, None);
        assert!(rule.check("\\u0041B").is_ok());
        assert!(rule.check("\\AB").is_err());
    }

    #[test]
    fn a_format_bounds_the_length_and_a_rule_may_bound_it_more() {
        let rule = |max| TextRule::new(None, Some(Format::Hostname), false, None, max, None);
        for (max, published) in [(None, 253), (Some(300), 253), (Some(20), 20)] {
            assert_eq!(rule(max).schema().get("maxLength"), Some(&Value::from(published)));
        }
        assert_eq!(rule(Some(3)).check("abcd").unwrap_err().rule, "maxLength");
    }

    #[test]
    fn formats_say_what_patterns_cannot() {
        let rule = |format| TextRule::new(None, Some(format), false, None, None, None);
        assert!(rule(Format::Date).check("2024-02-29").is_ok());
        assert_eq!(rule(Format::Date).check("2026-02-29").unwrap_err().rule, "format");
        assert!(rule(Format::DateTime).check("2026-11-21T10:00:00Z").is_ok());
        assert!(rule(Format::DateTime).check("2026-11-21T10:00:00").is_err());
        assert!(rule(Format::Ipv6).check("fe80::1").is_ok());
        assert!(rule(Format::Ipv6).check(":::::").is_err());
        assert!(rule(Format::Uuid).check("6f9619ff-8b86-d011-b42d-00c04fc964ff").is_ok());
        for format in [Format::Duration, Format::Email, Format::Hostname, Format::Ipv4] {
            assert!(rule(format).check("*").is_err());
        }
        assert!(rule(Format::Duration).check("PT15M").is_ok());
        assert!(rule(Format::Email).check("ann.lee@example.org").is_ok());
        assert!(rule(Format::Hostname).check("web-01.example.org").is_ok());
        assert!(rule(Format::Ipv4).check("10.0.0.1").is_ok());
    }
}
