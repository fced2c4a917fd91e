//! Addresses of `std::net`.
//!
//! The patterns are exact, so nothing is left to a `format` that a client may not check.

use super::{exact, text_form};
use crate::input::{Format, TextRule};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Dotted quad without leading zeros, which some readers take for octal.
macro_rules! v4_pattern {
    () => {
        "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    };
}

/// Groups of hexadecimal digits; `::` stands for one group of zeros or more. No dotted tail and no zone.
macro_rules! v6_pattern {
    () => {
        v6_pattern!("[0-9a-fA-F]{1,4}")
    };
    ($group:literal) => {
        concat!(
            "((",
            $group,
            ":){7}",
            $group,
            "|(",
            $group,
            ":){1,7}:|(",
            $group,
            ":){1,6}:",
            $group,
            "|(",
            $group,
            ":){1,5}(:",
            $group,
            "){2}|(",
            $group,
            ":){1,4}(:",
            $group,
            "){3}|(",
            $group,
            ":){1,3}(:",
            $group,
            "){4}|(",
            $group,
            ":){1,2}(:",
            $group,
            "){5}|",
            $group,
            ":(:",
            $group,
            "){6}|:((:",
            $group,
            "){1,7}|:))"
        )
    };
}

static V4: TextRule =
    TextRule::new(Some(concat!("^", v4_pattern!(), "$")), Some(Format::Ipv4), false, None, None, Some("203.0.113.7"));
static V6: TextRule =
    TextRule::new(Some(concat!("^", v6_pattern!(), "$")), Some(Format::Ipv6), false, None, None, Some("2001:db8::7"));
static EITHER: TextRule = TextRule::new(
    Some(concat!("^(", v4_pattern!(), "|", v6_pattern!(), ")$")),
    None,
    false,
    None,
    None,
    Some("203.0.113.7"),
);

text_form!(Ipv4Addr, input = V4, output = V4, parse = |text| text.parse().ok(), text = |address| address.to_string(),);
exact!(Ipv4Addr);

text_form!(
    Ipv6Addr,
    input = V6,
    output = V6,
    parse = |text| text.parse().ok(),
    text = |address| V6Text(*address).to_string(),
);
exact!(Ipv6Addr);

text_form!(
    IpAddr,
    input = EITHER,
    output = EITHER,
    // `::ffff:cb00:7107` reaches the host 203.0.113.7: one host has one address, for policies and keys alike.
    parse = |text| text.parse::<IpAddr>().ok().map(|address| address.to_canonical()),
    text = |address| address.to_canonical().to_string(),
);
exact!(IpAddr);

/// An address as text of RFC 5952, without the dotted tail, which the pattern does not have.
pub(in crate::input) struct V6Text(pub(in crate::input) Ipv6Addr);

impl Display for V6Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0.to_ipv4_mapped(), self.0.segments()) {
            (Some(_), [.., high, low]) => write!(f, "::ffff:{high:x}:{low:x}"),
            (None, _) => self.0.fmt(f),
        }
    }
}
