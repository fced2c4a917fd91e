//! Web addresses, of the schemes and hosts that a policy names.

use super::policy::rule_of;
use super::read;
use crate::input::{Decoder, Example, KeyPart, TextRule, ToolInput, Violation};
use crate::output::ToolOutput;
use crate::writer::Writer;
use schemars::Schema;
use std::fmt;
use std::marker::PhantomData;
use url::Url;

/// What follows the first character of a label: no hyphen at its end, and none at both the third and fourth place, where
/// they mark encoded names (`xn--..`), which show a person other letters than are meant.
macro_rules! rest_of_label {
    () => {
        "([a-z0-9]|[a-z0-9-]([a-z0-9]([a-z0-9-]{0,59}[a-z0-9])?|-[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?))"
    };
}

macro_rules! labels {
    () => {
        concat!("([a-z0-9]", rest_of_label!(), "?[.])")
    };
}

/// Addresses stay out: nobody vouches for one. A last label that begins with a letter is not part of an address in any
/// of the ways to spell one.
const PUBLIC: &str = concat!(labels!(), "+[a-z]", rest_of_label!());

const ANY: &str = concat!(
    "(",
    labels!(),
    "*[a-z]",
    rest_of_label!(),
    "?|",
    v4_pattern!(),
    "|\\[",
    v6_pattern!(),
    "\\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
);

/// RFC 3986, but for `'`, which has two spellings in a query. A query needs a path, so that the canonical text, which
/// always has one, is not longer than the greatest length.
const BEHIND_HOST: &str = concat!(
    "(/([A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*",
    "([?]([A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
    "(#([A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)?"
);

const MAX_LEN: u32 = 2_048;

/// Names of the inside: RFC 6761, RFC 6762 with its appendix G, RFC 8375, and ICANN's reservation of `internal`.
static LOCAL: TextRule = TextRule::new(
    Some(
        "^https?://([a-z0-9-]+[.])*(localhost|localdomain|local|internal|intranet|private|corp|home|lan|arpa)(/[!-~]*)?$",
    ),
    None,
    false,
    None,
    None,
    None,
);

/// The hosts of a [`UrlPolicy`].
#[derive(Debug, Clone, Copy)]
pub struct Hosts(Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Only(&'static [&'static str]),
    Public,
    Any,
}

impl Hosts {
    /// Every name with a public suffix on the scheme's own port: no IP address, no `localhost`, `.local`, `.internal` or
    /// the like.
    ///
    /// What the name resolves to is not known here: a client that must not reach inside has to look at the address, too.
    pub const PUBLIC: Hosts = Hosts(Kind::Public);

    /// Every host and port: private, loopback and link-local addresses, too.
    pub const ANY: Hosts = Hosts(Kind::Any);

    /// These hosts and no others, in lower case: `reports.example.com`, `*.example.com` (every name below it),
    /// `10.0.0.5`, each with a port where it is not the scheme's own: `localhost:8080`.
    ///
    /// # Panics
    /// When a host is not of this form. A policy's hosts are constants, so the tool does not build (`cargo check` alone does
    /// not evaluate them).
    #[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
    pub const fn only(hosts: &'static [&'static str]) -> Hosts {
        assert!(!hosts.is_empty(), "a URL policy without a host takes nothing\nhelp: name a host");
        let mut at = 0;
        while at < hosts.len() {
            assert!(
                is_host(hosts[at].as_bytes()),
                "a host of a URL policy is in lower case, without scheme, path and the scheme's own port\nhelp: write `reports.example.com`, `*.example.com` or `10.0.0.5:8443`"
            );
            at += 1;
        }
        Hosts(Kind::Only(hosts))
    }

    fn pattern(self) -> String {
        let hosts = match self.0 {
            Kind::Public => return PUBLIC.to_owned(),
            Kind::Any => return ANY.to_owned(),
            Kind::Only(hosts) => hosts,
        };
        let each: Vec<String> = hosts
            .iter()
            .map(|host| match host.strip_prefix("*.") {
                Some(parent) => format!("{}+{}", labels!(), literal(parent)),
                None => literal(host),
            })
            .collect();
        format!("({})", each.join("|"))
    }

    fn example(self) -> String {
        match self.0 {
            Kind::Only([host, ..]) => format!("https://{}/", host.replace('*', "www")),
            _ => "https://www.example.org/".to_owned(),
        }
    }
}

const fn is_host(host: &[u8]) -> bool {
    let mut at = if let [b'*', b'.', ..] = host { 2 } else { 0 };
    if at == host.len() || matches!(host, [.., b':', b'8', b'0'] | [.., b':', b'4', b'4', b'3']) {
        return false;
    }
    while at < host.len() {
        if !matches!(host[at], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']') {
            return false;
        }
        at += 1;
    }
    true
}

/// The pattern of a host as it stands.
fn literal(host: &str) -> String {
    host.replace('[', "\\[").replace(']', "\\]").replace('.', "[.]")
}

/// Which URLs an argument takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which hosts a URL may name",
    label = "is no URL policy",
    note = "write `impl UrlPolicy for {Self} {{ const HOSTS: Hosts = Hosts::only(&[\"reports.example.com\"]); }}`"
)]
pub trait UrlPolicy: 'static {
    /// The hosts.
    const HOSTS: Hosts;
    /// Whether `http` is taken beside `https`.
    const PLAIN_HTTP: bool = false;
}

/// A URL of a scheme and host that its policy names, without user name and password.
///
/// ```
/// use safe_tool::input::{Hosts, UrlPolicy, WebUrl};
///
/// /// Where the scanner keeps its reports.
/// enum ScannerReports {}
///
/// impl UrlPolicy for ScannerReports {
///     const HOSTS: Hosts = Hosts::only(&["reports.example.com", "*.scanner.example"]);
/// }
///
/// let report = WebUrl::<ScannerReports>::parse("https://reports.example.com/2026/07.pdf").unwrap();
/// assert_eq!(report.as_url().path(), "/2026/07.pdf");
/// assert!(WebUrl::<ScannerReports>::parse("https://169.254.169.254/").is_err());
/// assert!(WebUrl::<ScannerReports>::parse("https://reports.example.com@evil.example/").is_err());
/// ```
///
/// A policy says its hosts, and a URL never stands without a policy:
/// ```compile_fail,E0046
/// enum Anything {}
/// impl safe_tool::input::UrlPolicy for Anything {}
/// ```
/// ```compile_fail,E0107
/// fn fetch(from: safe_tool::input::WebUrl) {}
/// ```
pub struct WebUrl<P> {
    url: Url,
    policy: PhantomData<fn() -> P>,
}

impl<P: UrlPolicy> WebUrl<P> {
    /// Checks a text and makes a URL of it.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let rule = Self::rule();
        let violation = |name, expected: &'static str| Violation {
            path: String::new(),
            rule: name,
            expected: expected.into(),
            example: rule.example.map(Example::Text),
        };
        rule.check(text)?;
        if matches!(P::HOSTS.0, Kind::Public) && LOCAL.check(text).is_ok() {
            return Err(violation("not", "a host that is reached from everywhere"));
        }
        match Url::parse(text) {
            // What the parser made of the text is what the body sees, so that must pass, too.
            Ok(url) if rule.check(url.as_str()).is_ok() => Ok(WebUrl { url, policy: PhantomData }),
            _ => Err(violation("format", "uri")),
        }
    }

    fn rule() -> &'static TextRule {
        rule_of::<Self>(Some(MAX_LEN), || {
            let scheme = if P::PLAIN_HTTP { "https?" } else { "https" };
            (format!("^{scheme}://{}{BEHIND_HOST}$", P::HOSTS.pattern()), P::HOSTS.example())
        })
    }
}

impl<P> WebUrl<P> {
    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.url
    }
}

impl<P> fmt::Display for WebUrl<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl<P> fmt::Debug for WebUrl<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The caller chose the URL, and a query may hold a token.
        f.debug_struct("WebUrl").finish_non_exhaustive()
    }
}

impl<P> Clone for WebUrl<P> {
    fn clone(&self) -> Self {
        WebUrl { url: self.url.clone(), policy: PhantomData }
    }
}

impl<P> PartialEq for WebUrl<P> {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl<P> Eq for WebUrl<P> {}

impl<P: UrlPolicy> ToolInput for WebUrl<P> {
    const HIDDEN: bool = false;

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        read(decoder, Self::rule(), Self::parse)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.str(self.url.as_str());
    }

    fn schema() -> Schema {
        let mut schema = Self::rule().schema();
        schema.insert("format".to_owned(), "uri".into());
        if matches!(P::HOSTS.0, Kind::Public)
            && let Some(local) = LOCAL.pattern
        {
            schema.insert("not".to_owned(), serde_json::json!({ "pattern": local }));
        }
        schema
    }
}

impl<P: UrlPolicy> ToolOutput for WebUrl<P> {
    fn encode(&self, writer: &mut Writer<'_>) {
        ToolInput::encode(self, writer);
    }

    fn schema() -> Schema {
        <Self as ToolInput>::schema()
    }
}

impl<P: UrlPolicy> KeyPart for WebUrl<P> {
    fn part(&self, writer: &mut Writer<'_>) {
        ToolInput::encode(self, writer);
    }
}
