//! Each format against the oracle's own reading of it: the published pattern takes nothing that the format refuses.

use super::generate;
use super::meaning::meaning;
use super::subject::{Subject, subject};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a text of a format is, for the decoder and for the schema.
fn agree(field: &str, text: &str) -> Result<bool, TestCaseError> {
    let formats: &Subject = subject("Formats");
    let mut value = json!({
        "uuid": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "date": "2024-02-29", "duration": "PT15M",
        "hostname": "web-01", "ipv6": "::1",
    });
    value[field] = text.into();
    let canonical = formats.enforces(&value.to_string());
    let (advertised, enforced) = (formats.advertises(&value), canonical.is_ok());
    prop_assert_eq!(advertised, enforced, "{}: {:?}", field, text);
    if let Ok(canonical) = canonical {
        let said: Value = serde_json::from_slice(&canonical).unwrap();
        prop_assert_eq!(meaning(&formats.schema, &said), meaning(&formats.schema, &value), "{}: {:?}", field, text);
        prop_assert_eq!(formats.enforces(&said.to_string()), Ok(canonical), "{}: {:?}", field, text);
    }
    // A client that reads only the pattern and the lengths may let more pass, one that reads only the format, too; but
    // what is taken passes both.
    if enforced {
        let only = json!({ "type": "string", "format": formats.schema["properties"][field]["format"] });
        prop_assert!(super::subject::oracle(&only).is_valid(&text.into()), "{}: {:?}", field, text);
    }
    Ok(enforced)
}

#[test]
fn edges_of_formats() {
    let label = |length| "a".repeat(length);
    let host = |labels: &[usize]| labels.iter().map(|length| label(*length)).collect::<Vec<_>>().join(".");
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "date",
            &["0000-01-01", "0000-02-29", "9999-12-31", "2000-02-29"],
            &["1900-02-29", "2024-13-01", "2024-04-31", "2024-1-1", "+2024-01-01", "20240101", "2024-01-01T00:00:00Z"],
        ),
        (
            "date_time",
            &[
                "9999-12-31T23:59:59-23:59",
                "0000-01-01T00:00:00+23:59",
                "2024-02-29T23:59:59.123456789+01:00",
                "2024-01-01T00:00:00-00:00",
            ],
            &[
                "2023-02-29T00:00:00Z",
                "2024-01-01T24:00:00Z",
                "2016-12-31T23:59:60Z",
                "2024-01-01t00:00:00z",
                "2024-01-01 00:00:00Z",
                "2024-01-01T00:00:00",
                "2024-01-01T00:00:00.Z",
                "2024-01-01T00:00:00+0100",
                "2024-01-01T00:00Z",
            ],
        ),
        (
            "duration",
            &["P1D", "P1DT12H", "P1DT1S", "PT1H5M2S", "PT1H5M", "PT5M2S", "PT0S", "P1DT5M"],
            &["P", "PT", "P1DT", "PT1H5S", "P1W", "P1Y", "P1M", "-PT1S", "PT1.5S", "P1D12H", "1D", "pt1s"],
        ),
        (
            "email",
            &["a@b.co", "first.middle.last+tag@mail.example.org", "a_%-@b-1.example"],
            &[
                "a",
                "a@b",
                "a..b@c.de",
                ".a@c.de",
                "a.@c.de",
                "a@-b.de",
                "a@b-.de",
                "a@b..de",
                "a@b.d1",
                "\"a b\"@c.de",
                "a@ab--c.de",
                "a@xn--nxa.de",
            ],
        ),
        (
            "hostname",
            &["a", "1", "A-1", "a--b", "web.ns.svc.cluster.local", "a.b.c.d.e.f", "1.2.3.4", "ab-c-d"],
            &["", ".", "a.", ".a", "-a", "a-", "a..b", "a_b", "ab--cd", "xn--nxa", "www.xn--nxa", "ä", "a b", "a\n"],
        ),
        (
            "ipv4",
            &["0.0.0.0", "255.255.255.255"],
            &["256.0.0.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4\n", "١.2.3.4"],
        ),
        (
            "ipv6",
            &["::", "::1", "FE80::1", "1:2:3:4:5:6:7:8"],
            &["1", ":::", "1::2::3", "::ffff:1.2.3.4", "fe80::1%eth0", "12345::", "1:2:3:4:5:6:7:8:9", ""],
        ),
        (
            "uuid",
            &["00000000-0000-0000-0000-000000000000", "6F9619FF-8B86-D011-B42D-00C04FC964FF"],
            &[
                "6f9619ff8b86d011b42d00c04fc964ff",
                "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
                "6f9619ff-8b86-d011-b42d-00c04fc964fg",
            ],
        ),
    ];
    for (field, taken, refused) in table {
        for (texts, expected) in [(taken, true), (refused, false)] {
            for text in *texts {
                assert_eq!(agree(field, text).unwrap(), expected, "{field}: {text:?}");
            }
        }
    }
    for (labels, taken) in [(&[63, 63, 63, 61][..], true), (&[63, 63, 63, 62], false), (&[63], true), (&[64], false)] {
        assert_eq!(agree("hostname", &host(labels)).unwrap(), taken, "{labels:?}");
    }
    for (local, domain, taken) in [(64, &[60, 60, 60][..], true), (65, &[3], false), (64, &[63, 63, 63], false)] {
        let text = format!("{}@{}.de", label(local), host(domain));
        assert_eq!(agree("email", &text).unwrap(), taken, "{text}");
    }
    let dotted = format!("{}.{}@b.de", label(32), label(32));
    assert!(!agree("email", &dotted).unwrap(), "the dot counts");
}

/// Texts like those of the formats, a little off.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{4}-[01][0-9]-[0-3][0-9]",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.][0-9]{0,10})?(Z|[+-][0-2][0-9]:[0-6][0-9])",
        "P([0-9]{0,2}[DWYM]){0,2}T?([0-9]{0,2}H)?([0-9]{0,2}M)?([0-9]{0,2}S)?",
        "[a-z.+-]{1,6}@([a-z0-9-]{1,5}[.]){1,3}[a-z0-9]{1,3}",
        "([a-zA-Z0-9-]{1,5}[.]?){1,6}",
        "(xn|[a-z]{2})--[a-z0-9-]{0,6}",
        "([0-9]{1,3}[.]){2,4}[0-9]{1,3}",
        "([0-9a-f]{0,4}:){1,8}[0-9a-f]{0,4}",
        "[0-9a-fA-F]{8}(-?[0-9a-f]{4}){3}-[0-9a-f]{11,13}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_near_a_format(
        field in prop::sample::select(vec!["uuid", "date", "date_time", "duration", "email", "hostname", "ipv4", "ipv6"]),
        text in near(),
    ) {
        agree(field, &text)?;
    }

    #[test]
    fn texts_of_a_pattern(value in generate::valid(subject("Formats"))) {
        for (field, text) in value.as_object().unwrap() {
            if field != "short_email" {
                agree(field, text.as_str().unwrap())?;
            }
        }
    }
}
