//! Types of the standard library and of other crates: what they take, what they become, and that what is published is
//! what is checked. What needs a feature runs with it: `cargo test -p safe-tool --all-features --test foreign`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use safe_tool::__private as p;
use safe_tool::prelude::*;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A type and its oracles.
struct Subject<T> {
    input: jsonschema::Validator,
    output: jsonschema::Validator,
    schema: Value,
    decoded: std::marker::PhantomData<T>,
}

fn json(write: impl FnOnce(&mut p::Writer<'_>)) -> Value {
    serde_json::from_slice(&p::plain(write)).unwrap()
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

impl<T: ToolInput + ToolOutput + safe_tool::KeyPart> Subject<T> {
    fn new() -> Self {
        let schema = Value::from(<T as ToolInput>::schema());
        let output = Value::from(<T as ToolOutput>::schema());
        Subject { input: validator(&schema), output: validator(&output), schema, decoded: std::marker::PhantomData }
    }

    fn decode(&self, value: &Value) -> Result<T, p::Violation> {
        let text = value.to_string();
        let mut decoder = p::Decoder::new(&text);
        let decoded = T::decode(&mut decoder);
        let (violations, _) = decoder.finish();
        assert_eq!(decoded.is_some(), violations.is_empty(), "{value}");
        decoded.ok_or_else(|| violations.into_iter().next().unwrap())
    }

    /// Decode and schema say the same, and what is written is accepted and written the same again.
    fn agree(&self, value: &Value) -> Result<T, p::Violation> {
        let decoded = self.decode(value);
        assert_eq!(decoded.is_ok(), self.input.is_valid(value), "{value} against {}", self.schema);
        match &decoded {
            Ok(decoded) => {
                let written = json(|writer| ToolInput::encode(decoded, writer));
                assert!(self.input.is_valid(&written) && self.output.is_valid(&written), "{value} as {written}");
                let again = self.decode(&written).unwrap_or_else(|error| panic!("{value} as {written}: {error}"));
                assert_eq!(json(|writer| ToolOutput::encode(&again, writer)), written, "{value}");
            }
            Err(violation) => {
                let (told, known) = (format!("{violation:?}"), self.schema.to_string());
                let sent = value.as_str().unwrap_or("no text");
                assert!(sent.len() < 6 || !told.contains(sent) || known.contains(sent), "{told} echoes {sent}");
            }
        }
        decoded
    }

    fn accepts(&self, text: &str, canonical: &str) {
        let decoded = self.agree(&text.into()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(json(|writer| ToolInput::encode(&decoded, writer)), canonical, "{text}");
    }

    fn refuses(&self, text: &str, rule: &str) {
        match self.agree(&text.into()) {
            Ok(_) => panic!("{text} is accepted"),
            Err(violation) => assert_eq!(violation.rule, rule, "{text}"),
        }
    }

    fn part(&self, text: &str) -> Value {
        let decoded = self.decode(&text.into()).unwrap();
        json(|writer| decoded.part(writer))
    }

    /// Texts that the pattern describes, and texts beside it.
    fn holds_for_many(&self) {
        for value in [Value::Null, 5.into(), true.into(), Value::Array(Vec::new()), serde_json::json!({}), "".into()] {
            assert!(self.agree(&value).is_err(), "{value}");
        }
        for example in self.schema["examples"].as_array().unwrap() {
            assert!(self.agree(example).is_ok(), "{example}");
        }
        let pattern = self.schema["pattern"].as_str().unwrap();
        let inner = pattern.strip_prefix('^').unwrap().strip_suffix('$').unwrap();
        let texts = string_regex(&format!("({inner})")).unwrap();
        let edits =
            (texts, proptest::num::usize::ANY, string_regex("[0-9a-gA-GZTtxX:./+ @%#?\\[\\]'\\\\\n\u{e4}-]?").unwrap());
        let mut runner = TestRunner::deterministic();
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..400 {
            let (text, at, new) = edits.new_tree(&mut runner).unwrap().current();
            accepted += u32::from(self.agree(&text.as_str().into()).is_ok());
            let mut edited: Vec<char> = text.chars().collect();
            let at = at % (edited.len() + 1);
            let cut = at + usize::from(new.is_empty() && at < edited.len());
            edited.splice(at..cut, new.chars());
            let edited: String = edited.into_iter().collect();
            refused += u32::from(self.agree(&edited.into()).is_err());
        }
        assert!(accepted > 100 && refused > 100, "{accepted} and {refused} of 400");
    }
}

mod net {
    use super::*;

    #[test]
    fn ipv4_is_a_dotted_quad() {
        let subject = Subject::<Ipv4Addr>::new();
        subject.accepts("203.0.113.7", "203.0.113.7");
        subject.accepts("0.0.0.0", "0.0.0.0");
        for wrong in ["10.0.0.010", "10.1", "0x7f.0.0.1", "2130706433", "256.0.0.1", "1.2.3.4.", " 1.2.3.4", "::1"] {
            subject.refuses(wrong, "pattern");
        }
        assert_eq!(subject.part("203.0.113.7"), "203.0.113.7");
        subject.holds_for_many();
    }

    #[test]
    fn ipv6_has_one_spelling_when_written() {
        let subject = Subject::<Ipv6Addr>::new();
        for (text, canonical) in [
            ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
            ("2001:0db8::0007", "2001:db8::7"),
            ("::", "::"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("::ffff:cb00:7107", "::ffff:cb00:7107"),
            ("::ffff:0:0", "::ffff:0:0"),
        ] {
            subject.accepts(text, canonical);
        }
        for wrong in
            ["::ffff:203.0.113.7", "fe80::1%eth0", "[::1]", "1::2::3", "1:2:3:4:5:6:7", "12345::", ":1", "1:", ":::"]
        {
            subject.refuses(wrong, "pattern");
        }
        assert_eq!(subject.part("2001:DB8::0007"), "2001:db8::7");
        subject.holds_for_many();
    }

    #[test]
    fn the_pattern_of_ipv6_is_what_the_standard_library_parses() {
        let subject = Subject::<Ipv6Addr>::new();
        let texts = string_regex("([0-9A-Fa-f]{1,4}:){0,8}(:|[0-9a-f]{1,4}|(:[0-9a-f]{1,4}){0,8})").unwrap();
        let mut runner = TestRunner::deterministic();
        let mut accepted = 0;
        for _ in 0..4_000 {
            let text = texts.new_tree(&mut runner).unwrap().current();
            let parsed = text.parse::<Ipv6Addr>().is_ok();
            assert_eq!(subject.decode(&text.as_str().into()).is_ok(), parsed, "{text}");
            accepted += u32::from(parsed);
        }
        assert!(accepted > 1_000 && accepted < 3_000, "{accepted} of 4000");
    }

    #[test]
    fn an_address_of_either_kind_names_a_host_once() {
        let subject = Subject::<IpAddr>::new();
        subject.accepts("203.0.113.7", "203.0.113.7");
        subject.accepts("2001:DB8::7", "2001:db8::7");
        subject.accepts("::FFFF:cb00:7107", "203.0.113.7");
        subject.refuses("203.0.113", "pattern");
        subject.refuses("localhost", "pattern");
        assert_eq!(subject.part("::ffff:cb00:7107"), subject.part("203.0.113.7"));
        assert!(subject.decode(&"::ffff:cb00:7107".into()).unwrap().is_ipv4());
        subject.holds_for_many();
    }
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_hyphenated() {
    let subject = Subject::<uuid::Uuid>::new();
    subject.accepts("6F9619FF-8B86-D011-B42D-00C04FC964FF", "6f9619ff-8b86-d011-b42d-00c04fc964ff");
    for wrong in [
        "6f9619ff8b86d011b42d00c04fc964ff",
        "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
        "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "6f9619ff-8b86-d011-b42d-00c04fc964f",
    ] {
        subject.refuses(wrong, "pattern");
    }
    assert_eq!(
        subject.part("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        subject.part("6f9619ff-8b86-d011-b42d-00c04fc964ff")
    );
    subject.holds_for_many();
}

#[cfg(feature = "ipnet")]
#[test]
fn a_network_is_its_first_address_and_prefix_length() {
    let subject = Subject::<ipnet::IpNet>::new();
    for (text, canonical) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:1::5/48", "2001:db8::/48"),
        ("::ffff:a00:1/104", "::ffff:a00:0/104"),
        ("::/0", "::/0"),
    ] {
        subject.accepts(text, canonical);
    }
    for wrong in
        ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/255.0.0.0", "10.0/8", "::/129", "::1", "1::2::3/8"]
    {
        subject.refuses(wrong, "pattern");
    }
    assert_eq!(subject.part("10.1.2.3/8"), subject.part("10.0.0.0/8"));
    subject.holds_for_many();
}

/// What every crate's instants have in common.
#[cfg(any(feature = "chrono", feature = "jiff"))]
fn instants<T: ToolInput + ToolOutput + safe_tool::KeyPart>() -> Subject<T> {
    let subject = Subject::<T>::new();
    for (text, canonical) in [
        ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00.500000Z", "2026-11-21T10:00:00.5Z"),
        ("2026-11-21T10:00:00.000000001Z", "2026-11-21T10:00:00.000000001Z"),
        ("2026-11-21T10:00:00.000+00:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00-00:00", "2026-11-21T10:00:00Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
    ] {
        subject.accepts(text, canonical);
    }
    for wrong in [
        "2026-11-21T10:00:00",
        "2026-11-21 10:00:00Z",
        "2026-11-21t10:00:00z",
        "2026-11-21T10:00Z",
        "2026-11-21T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-11-21T10:00:00.0000000001Z",
        "2026-11-21T10:00:00+2",
        "2026-11-21T10:00:00Z[UTC]",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00+01:00",
        "1795255200",
        "now",
    ] {
        subject.refuses(wrong, "pattern");
    }
    subject.refuses("2026-02-29T10:00:00Z", "format");
    assert_eq!(subject.part("2026-11-21T12:00:00.0+02:00"), "2026-11-21T10:00:00Z");
    assert_eq!(subject.part("8999-12-31T23:59:59-23:59"), "9000-01-01T23:58:59Z");
    subject
}

#[cfg(any(feature = "chrono", feature = "jiff"))]
fn dates<T: ToolInput + ToolOutput + safe_tool::KeyPart>() -> Subject<T> {
    let subject = Subject::<T>::new();
    for date in ["2026-11-21", "2024-02-29", "0000-02-29", "9999-12-31"] {
        subject.accepts(date, date);
        assert_eq!(subject.part(date), date);
    }
    for wrong in ["2026-11-21T10:00:00Z", "2026-1-2", "20261121", "21.11.2026", "-002026-01-01", "2026-13-01"] {
        subject.refuses(wrong, "pattern");
    }
    subject.refuses("2026-02-29", "format");
    subject.refuses("2026-11-31", "format");
    subject.holds_for_many();
    subject
}

/// What a tool answers with stays within what it advertises at the ends of a type, too.
#[cfg(any(feature = "chrono", feature = "jiff"))]
fn answers<T: ToolOutput>(values: &[T]) {
    let output = validator(&Value::from(<T as ToolOutput>::schema()));
    for value in values {
        let written = json(|writer| value.encode(writer));
        assert!(output.is_valid(&written), "{written}");
    }
}

#[cfg(feature = "jiff")]
mod jiff_types {
    use super::*;
    use jiff::Timestamp;
    use jiff::civil::Date;

    #[test]
    fn an_instant_is_written_in_utc() {
        let subject = instants::<Timestamp>();
        subject.accepts("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z");
        subject.holds_for_many();
        answers(&[Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH]);
    }

    #[test]
    fn a_date_exists() {
        dates::<Date>();
        answers(&[Date::MIN, Date::MAX, Date::ZERO]);
    }
}

#[cfg(feature = "chrono")]
mod chrono_types {
    use super::*;
    use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone as _, Timelike as _, Utc};

    #[test]
    fn an_instant_is_written_in_utc() {
        let subject = instants::<DateTime<Utc>>();
        subject.accepts("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z");
        subject.holds_for_many();
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:59Z").unwrap().to_utc();
        answers(&[DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, leap.with_nanosecond(1_500_000_000).unwrap()]);
    }

    #[test]
    fn an_offset_that_the_body_sees_is_in_the_digest_and_not_in_the_key() {
        let subject = instants::<DateTime<FixedOffset>>();
        subject.accepts("2026-11-21T12:00:00.50+02:00", "2026-11-21T12:00:00.5+02:00");
        subject.accepts("2026-11-21T09:30:00-00:30", "2026-11-21T09:30:00-00:30");
        assert_eq!(subject.part("2026-11-21T12:00:00+02:00"), subject.part("2026-11-21T10:00:00Z"));
        subject.holds_for_many();
        let seconds = FixedOffset::east_opt(3_601).unwrap().with_ymd_and_hms(2026, 11, 21, 11, 0, 1).unwrap();
        assert_eq!(json(|writer| ToolOutput::encode(&seconds, writer)), "2026-11-21T10:00:00Z");
        answers(&[seconds, DateTime::<Utc>::MAX_UTC.fixed_offset()]);
    }

    #[test]
    fn a_date_exists() {
        dates::<NaiveDate>();
        answers(&[NaiveDate::MIN, NaiveDate::MAX]);
    }
}

#[cfg(all(feature = "chrono", feature = "jiff"))]
#[test]
fn crates_write_one_instant_alike() {
    let (jiff, chrono) = (Subject::<jiff::Timestamp>::new(), Subject::<chrono::DateTime<chrono::Utc>>::new());
    assert_eq!(jiff.schema, chrono.schema);
    for text in ["2026-11-21T10:00:00.120-03:30", "1000-01-01T00:00:00+23:59", "8999-12-31T23:59:59.999999999-23:59"] {
        assert_eq!(jiff.part(text), chrono.part(text), "{text}");
    }
}

#[cfg(feature = "url")]
mod web_url {
    use super::*;
    use safe_tool::input::{Hosts, UrlPolicy, WebUrl};

    enum Reports {}
    impl UrlPolicy for Reports {
        const HOSTS: Hosts = Hosts::only(&["reports.example.com", "*.scanner.example", "10.0.0.5:8443", "[fd00::5]"]);
    }

    enum Public {}
    impl UrlPolicy for Public {
        const HOSTS: Hosts = Hosts::PUBLIC;
    }

    enum Anywhere {}
    impl UrlPolicy for Anywhere {
        const HOSTS: Hosts = Hosts::ANY;
        const PLAIN_HTTP: bool = true;
    }

    #[test]
    fn only_the_hosts_that_are_named() {
        let subject = Subject::<WebUrl<Reports>>::new();
        for (text, canonical) in [
            ("https://reports.example.com", "https://reports.example.com/"),
            ("https://reports.example.com/a/../b?q=%41#top", "https://reports.example.com/b?q=%41#top"),
            ("https://a.b.scanner.example/x", "https://a.b.scanner.example/x"),
            ("https://10.0.0.5:8443/", "https://10.0.0.5:8443/"),
            ("https://[fd00::5]/", "https://[fd00::5]/"),
        ] {
            subject.accepts(text, canonical);
        }
        for wrong in [
            "http://reports.example.com/",
            "https://example.com/",
            "https://reports.example.com.evil.example/",
            "https://reports.example.com@evil.example/",
            "https://evil.example/@reports.example.com/",
            "https://user:pw@reports.example.com/",
            "https://evil.example\\@reports.example.com/",
            "https://reports.example.com\\.evil.example/",
            "https://reports.example.com:8443/",
            "https://reportsxexample.com/",
            "https://scanner.example/",
            "https://evilscanner.example/",
            "https://xn--a.scanner.example/",
            "https://10.0.0.5/",
            "https://10.0.0.5:84430/",
            "HTTPS://reports.example.com/",
            "https://REPORTS.example.com/",
            "https://reports.example.com./",
            "https:reports.example.com/",
            "https:///reports.example.com/",
            " https://reports.example.com/",
            "https://reports.example.com/ ",
            "https://reports.example.com/\n",
            "https://rep\torts.example.com/",
            "https://reports.example.com/a b",
            "https://reports.example.com/%zz",
            "https://reports.example.com/ä",
            "https://reports.example.com?q=1",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
        ] {
            subject.refuses(wrong, "pattern");
        }
        subject.holds_for_many();
    }

    #[test]
    fn public_hosts_are_names_seen_from_everywhere() {
        let subject = Subject::<WebUrl<Public>>::new();
        subject.accepts("https://example.org/a", "https://example.org/a");
        subject.accepts("https://localhost.example.org/", "https://localhost.example.org/");
        for wrong in [
            "https://localhost/",
            "https://localhost:8080/",
            "https://intranet/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://127.0.0.0x1/",
            "https://0/",
            "https://0.0.0.0/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://192.168.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:7f00:1]/",
            "https://1.1.1.1/",
            "https://１２７.0.0.1/",
            "https://example.org:8443/",
            "https://user@example.org/",
            "https://xn--80ak6aa92e.com/",
            "http://example.org/",
            "https://example.org./",
        ] {
            subject.refuses(wrong, "pattern");
        }
        for wrong in [
            "https://a.localhost/",
            "https://printer.local/x",
            "https://metadata.google.internal/computeMetadata/v1/",
            "https://nas.home.arpa",
            "https://wiki.corp/?q#x",
        ] {
            subject.refuses(wrong, "not");
        }
        subject.holds_for_many();
    }

    #[test]
    fn any_host_has_to_be_asked_for() {
        let subject = Subject::<WebUrl<Anywhere>>::new();
        for (text, canonical) in [
            ("http://localhost:8080/x", "http://localhost:8080/x"),
            ("http://10.0.0.5", "http://10.0.0.5/"),
            ("http://example.org:80/", "http://example.org/"),
            ("https://[FD00:0::5]:8443/", "https://[fd00::5]:8443/"),
        ] {
            subject.accepts(text, canonical);
        }
        for wrong in
            ["http://user@localhost/", "http://127.1/", "http://0x7f000001/", "http://a:65536/", "ftp://a/", "http:///"]
        {
            subject.refuses(wrong, "pattern");
        }
        subject.holds_for_many();
    }

    #[test]
    fn the_greatest_length_is_that_of_the_canonical_text_too() {
        let subject = Subject::<WebUrl<Public>>::new();
        let longest = format!("https://example.org/{}", "a".repeat(2_048 - 20));
        subject.accepts(&longest, &longest);
        subject.refuses(&format!("{longest}a"), "maxLength");
    }

    #[test]
    fn a_key_part_is_the_canonical_url() {
        let subject = Subject::<WebUrl<Reports>>::new();
        assert_eq!(subject.part("https://reports.example.com"), subject.part("https://reports.example.com/x/%2E%2e/"));
    }

    #[test]
    fn policies_do_not_share_a_rule() {
        let text = "https://example.org/";
        assert!(WebUrl::<Public>::parse(text).is_ok());
        assert!(WebUrl::<Reports>::parse(text).is_err());
        assert!(WebUrl::<Anywhere>::parse(text).is_ok());
    }

    #[test]
    fn a_host_that_the_parser_reads_otherwise_is_never_taken() {
        enum Octal {}
        impl UrlPolicy for Octal {
            const HOSTS: Hosts = Hosts::only(&["010.0.0.1"]);
        }
        assert_eq!(WebUrl::<Octal>::parse("https://010.0.0.1/").unwrap_err().rule, "format");
    }

    #[test]
    fn hosts_of_a_policy_are_spelled_in_one_way() {
        for wrong in
            ["", "Example.org", "https://example.org", "example.org/x", "*", "*.", "a b", "a:443", "a:80", "(a|b)"]
        {
            let hosts: &'static [&'static str] = vec![wrong].leak();
            assert!(std::panic::catch_unwind(|| Hosts::only(hosts)).is_err(), "{wrong}");
        }
        assert!(std::panic::catch_unwind(|| Hosts::only(&[])).is_err());
    }

    #[test]
    fn what_is_printed_for_operators_holds_no_part_of_it() {
        let url = WebUrl::<Public>::parse("https://example.org/?token=s3cret").unwrap();
        assert_eq!(format!("{url:?}"), "WebUrl { .. }");
    }
}

#[cfg(feature = "money")]
mod money {
    use super::*;
    use safe_tool::input::{Currency, Money, MoneyPolicy};

    enum Refund {}
    impl MoneyPolicy for Refund {
        const AT_MOST: &'static [(Currency, u32)] = &[
            (Currency::EUR, 500),
            (Currency::JPY, 80_000),
            (Currency::BHD, 9),
            (Currency::USD, 0),
            (Currency::XAU, 5),
        ];
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        let subject = Subject::<Money<Refund>>::new();
        for (text, minor) in [
            ("12.50 EUR", 1_250),
            ("0.00 EUR", 0),
            ("500.00 EUR", 50_000),
            ("80000 JPY", 80_000),
            ("0.005 BHD", 5),
            ("9.000 BHD", 9_000),
            ("0.00 USD", 0),
        ] {
            subject.accepts(text, text);
            assert_eq!(subject.decode(&text.into()).unwrap().minor(), minor, "{text}");
            assert_eq!(subject.part(text), text);
        }
        for wrong in [
            "12.5 EUR",
            "12 EUR",
            "12.505 EUR",
            "500.01 EUR",
            "501.00 EUR",
            "1000.00 EUR",
            "-1.00 EUR",
            "+1.00 EUR",
            "012.50 EUR",
            ".50 EUR",
            "12,50 EUR",
            "1e2 EUR",
            "12.50EUR",
            "12.50  EUR",
            "12.50 eur",
            "12.50",
            "EUR 12.50",
            "12.50 GBP",
            "80001 JPY",
            "80000.00 JPY",
            "9.001 BHD",
            "0.01 USD",
            "1 XAU",
            "1.00 XAU",
        ] {
            subject.refuses(wrong, "pattern");
        }
        subject.holds_for_many();
        let amount = Money::<Refund>::parse("12.50 EUR").unwrap();
        assert_eq!((amount.currency(), format!("{amount:?}")), (Currency::EUR, "Money { .. }".to_owned()));
    }

    #[test]
    fn every_amount_up_to_the_greatest_and_none_above() {
        macro_rules! up_to {
            ($($most:literal)*) => {$({
                enum Most {}
                impl MoneyPolicy for Most {
                    const AT_MOST: &'static [(Currency, u32)] = &[(Currency::JPY, $most), (Currency::EUR, $most)];
                }
                let (subject, most) = (Subject::<Money<Most>>::new(), $most);
                for amount in 0..=most * 11 + 11_u32 {
                    let yen = subject.agree(&format!("{amount} JPY").into());
                    assert_eq!(yen.map(|yen| yen.minor()).ok(), (amount <= most).then_some(amount.into()));
                    for cents in ["00", "01", "99"] {
                        let euros = subject.agree(&format!("{amount}.{cents} EUR").into());
                        assert_eq!(euros.is_ok(), amount < most || (amount == most && cents == "00"), "{amount}.{cents}");
                    }
                }
            })*};
        }
        up_to!(0 1 9 10 11 19 20 99 100 101 207);
    }
}

/// A visit, in types that other crates own.
#[derive(ToolOutput)]
struct Visit {
    /// Where from.
    from: IpAddr,
    /// Where to, if it is known.
    to: Option<Ipv4Addr>,
    /// On the way.
    hops: Page<Ipv6Addr>,
    /// When.
    #[cfg(feature = "jiff")]
    at: jiff::Timestamp,
}

#[derive(ToolError)]
enum VisitError {
    #[tool_error(not_found, "nothing came from {address}")]
    Nobody { address: IpAddr },
}

const VISITS: Scope = Scope::new("visits:block");

/// Blocks an address.
#[safe_tool(effect = write, scope = VISITS, key(address), undo = by_hand("unblock it"), rate(address = "2/hour"))]
async fn block(
    /// The address.
    #[arg(target)]
    address: IpAddr,
    /// Others like it.
    #[arg(max_items = 3, unique)]
    others: Vec<Ipv4Addr>,
    /// Until when.
    #[arg(sensitive)]
    until: Option<Ipv6Addr>,
) -> Result<Visit, VisitError> {
    if others.is_empty() {
        return Err(VisitError::Nobody { address });
    }
    Ok(Visit {
        from: address,
        to: others.first().copied(),
        hops: Page::capped(until, 1),
        #[cfg(feature = "jiff")]
        at: jiff::Timestamp::UNIX_EPOCH,
    })
}

#[test]
fn a_tool_takes_and_answers_with_them_as_they_stand() {
    let text = r#"{"address":"::ffff:cb00:7107","others":["203.0.113.8"],"until":"2001:DB8::7"}"#;
    let mut decoder = p::Decoder::new(text);
    let arguments = (<block as p::SafeTool>::descriptor().decode)(&mut decoder).unwrap();
    assert_eq!(json(|writer| arguments.part(0, writer)), "203.0.113.7");
    let mut future = arguments.run(p::bare_context((), None));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(finished) = future.as_mut().poll(&mut context) else { panic!("the body waits") };
    let data: Value = serde_json::from_slice(&finished.unwrap().data).unwrap();
    assert_eq!(data["from"], "203.0.113.7");
    assert_eq!(data["hops"], serde_json::json!(["2001:db8::7"]));
    assert!(validator(&Value::from(<Visit as ToolOutput>::schema())).is_valid(&data));
}
