//! Which hosts and origins are served: a web page must not reach the server through the browser of somebody who can.

use std::io;

use http::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
    uri::Authority,
};

/// What is allowed, parsed.
#[derive(Debug)]
pub(super) struct Allowed {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

#[derive(Debug)]
struct Host {
    name: String,
    /// Any, if absent.
    port: Option<u16>,
}

#[derive(Debug)]
struct Origin {
    scheme: String,
    host: Host,
}

impl Allowed {
    /// Parses the lists of [`super::HttpConfig`].
    ///
    /// # Errors
    /// When an entry could never match: it would shut out whom it was meant to let in.
    pub(super) fn parse(hosts: &[String], origins: &[String]) -> io::Result<Self> {
        let wrong = |entry: &str, what: &str| {
            let message = format!("`{entry}` is not {what}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        let host = |entry: &String| parse_host(entry).ok_or_else(|| wrong(entry, "a host, as `name` or `name:port`"));
        let origin =
            |entry: &String| allowed_origin(entry).ok_or_else(|| wrong(entry, "an origin, as `scheme://name:port`"));
        Ok(Self {
            hosts: hosts.iter().map(host).collect::<io::Result<_>>()?,
            origins: origins.iter().map(origin).collect::<io::Result<_>>()?,
        })
    }

    /// Whether a request may pass. What cannot be understood may not.
    pub(super) fn admits(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let host = |text: &str| parse_host(text).is_some_and(|host| self.hosts.iter().any(|it| it.admits(&host)));
        let origin =
            |text: &str| parse_origin(text).is_some_and(|origin| self.origins.iter().any(|it| it.admits(&origin)));
        // A request to a proxy names the host in both places.
        let named = uri.authority().is_none_or(|it| host(it.as_str()));
        named && one(headers, HOST.as_str(), host) == Some(true) && one(headers, ORIGIN.as_str(), origin) != Some(false)
    }
}

impl Host {
    fn admits(&self, host: &Self) -> bool {
        self.name == host.name && (self.port.is_none() || self.port == host.port)
    }
}

impl Origin {
    fn admits(&self, origin: &Self) -> bool {
        self.scheme == origin.scheme && self.host.admits(&origin.host)
    }
}

/// What `check` says of a header; two of one name are never right.
fn one(headers: &HeaderMap, name: &str, check: impl Fn(&str) -> bool) -> Option<bool> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(values.next().is_none() && value.to_str().is_ok_and(check))
}

fn parse_host(text: &str) -> Option<Host> {
    let authority = Authority::try_from(text).ok()?;
    let name = authority.host();
    let port = authority.port_u16();
    // Whatever else an authority may hold, such as a user, is no host.
    let whole = match port {
        Some(port) => format!("{name}:{port}") == text,
        None => name == text,
    };
    (whole && !name.is_empty()).then(|| Host { name: name.to_ascii_lowercase(), port })
}

/// An origin with the port that it implies.
fn parse_origin(text: &str) -> Option<Origin> {
    let (scheme, host) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let mut host = parse_host(host)?;
    host.port = match (host.port, scheme.as_str()) {
        (None, "http") => Some(80),
        (None, "https") => Some(443),
        (port, _) => port,
    };
    Some(Origin { scheme, host })
}

fn allowed_origin(entry: &str) -> Option<Origin> {
    let Some(any_port) = entry.strip_suffix(":*") else {
        return parse_origin(entry).filter(|origin| origin.host.port.is_some());
    };
    let (scheme, host) = any_port.split_once("://")?;
    Some(Origin { scheme: scheme.to_ascii_lowercase(), host: parse_host(host).filter(|host| host.port.is_none())? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;

    use super::{super::HttpConfig, *};

    fn allowed(hosts: &[&str], origins: &[&str]) -> io::Result<Allowed> {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        Allowed::parse(&owned(hosts), &owned(origins))
    }

    fn admits(allowed: &Allowed, hosts: &[&str], origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        allowed.admits(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn by_default_only_this_machine() {
        let config = HttpConfig::default();
        let allowed = Allowed::parse(&config.allowed_hosts, &config.allowed_origins).unwrap();
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(admits(&allowed, &[host], &[]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "localhost:99999",
            "localhost:",
            "::1",
        ] {
            assert!(!admits(&allowed, &[host], &[]), "{host}");
        }
        assert!(!admits(&allowed, &[], &[]));
        assert!(!admits(&allowed, &["localhost", "localhost"], &[]));

        for origin in ["http://localhost", "http://localhost:3000", "https://[::1]:1", "HTTP://LocalHost"] {
            assert!(admits(&allowed, &["localhost"], &[origin]), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "",
            "localhost",
            "file://localhost",
            "http://localhost/x",
            "http://localhost.evil.example",
            "http://a@localhost",
        ] {
            assert!(!admits(&allowed, &["localhost"], &[origin]), "{origin}");
        }
        assert!(!admits(&allowed, &["localhost"], &["http://localhost", "http://localhost"]));
    }

    #[test]
    fn the_host_of_a_proxy_request_counts_too() {
        let allowed = allowed(&["localhost"], &[]).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(allowed.admits(&Uri::from_static("http://localhost/mcp"), &headers));
        assert!(!allowed.admits(&Uri::from_static("http://evil.example/mcp"), &headers));
    }

    #[test]
    fn ports_count_where_they_are_given() {
        let allowed =
            allowed(&["a.example:8443"], &["https://a.example", "https://b.example:8443", "http://c.example:*"])
                .unwrap();
        assert!(admits(&allowed, &["a.example:8443"], &[]));
        assert!(!admits(&allowed, &["a.example"], &[]));
        let origin = |origin| admits(&allowed, &["a.example:8443"], &[origin]);
        assert!(origin("https://a.example"));
        assert!(origin("https://a.example:443"));
        assert!(!origin("https://a.example:8443"));
        assert!(!origin("http://a.example"));
        assert!(origin("https://b.example:8443"));
        assert!(!origin("https://b.example"));
        assert!(origin("http://c.example"));
        assert!(origin("http://c.example:99"));
        assert!(!origin("https://c.example"));
    }

    #[test]
    fn entries_that_cannot_match_are_errors() {
        for host in ["", "http://a.example", "a.example/x", "a b", "a.example:*", "u@a.example"] {
            assert!(allowed(&[host], &[]).is_err(), "{host}");
        }
        for origin in ["", "*", "null", "a.example", "https://", "https://a.example/", "https://a:1:*", "app://a"] {
            assert!(allowed(&[], &[origin]).is_err(), "{origin}");
        }
    }
}
