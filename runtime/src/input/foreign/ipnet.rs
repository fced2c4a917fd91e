//! `ipnet::IpNet`: a network is named by its first address.

use super::{V6Text, exact, text_form};
use crate::input::TextRule;
use ipnet::IpNet;

static RULE: TextRule = TextRule::new(
    Some(concat!("^(", v4_pattern!(), "/(3[0-2]|[12]?[0-9])|", v6_pattern!(), "/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$")),
    None,
    false,
    None,
    None,
    Some("203.0.113.0/24"),
);

text_form!(
    IpNet,
    input = RULE,
    output = RULE,
    // `10.1.2.3/8` is the network 10.0.0.0/8, and that is what a person who approves it must read.
    parse = |text| text.parse::<IpNet>().ok().map(|net| net.trunc()),
    text = |net| match net {
        IpNet::V4(net) => net.to_string(),
        IpNet::V6(net) => format!("{}/{}", V6Text(net.addr()), net.prefix_len()),
    },
);
exact!(IpNet);
