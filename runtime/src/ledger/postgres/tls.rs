//! Encryption of connections, and the check of the database's certificate.

use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::error::LedgerError;
use super::failed;

/// The means to encrypt connections; `None` when they are not encrypted.
///
/// Connections are encrypted with `sslmode=require`, and to any other machine unless the URL says `sslmode=disable`. The
/// certificate is always checked, against the system's roots or those in `SSL_CERT_FILE`.
///
/// # Errors
/// [`LedgerError::Database`] when there is no root certificate, or encryption cannot be set up.
pub(super) fn tls(mode: SslMode, hosts: &[Config]) -> Result<Option<MakeRustlsConnect>, LedgerError> {
    match mode {
        SslMode::Disable => return Ok(None),
        SslMode::Require => {}
        _ if hosts.iter().all(stays_here) => return Ok(None),
        _ => {}
    }
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let reason = "no root certificate was found; install them, or name a file of them in SSL_CERT_FILE";
        return Err(failed("check the certificate of", reason));
    }
    let provider = std::sync::Arc::new(rustls_graviola::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("encrypt the connection to", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// True if the connection does not leave this machine.
fn stays_here(config: &Config) -> bool {
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::hosts::Hosts;
    use super::stays_here;
    use tokio_postgres::Config;

    #[test]
    fn only_this_machine_is_reached_in_the_clear() {
        let here = |url: &str| Hosts::of(&url.parse::<Config>().unwrap()).each().iter().all(stays_here);
        for url in
            ["postgres://u@localhost/d", "postgres://u@127.0.0.1/d", "postgres:///d?host=/run", "postgres://u@[::1]/d"]
        {
            assert!(here(url), "{url}");
        }
        for url in [
            "postgres://u@db.example/d",
            "postgres://u@10.0.0.1/d",
            "postgres://u@localhost,db.example/d",
            "postgres:///d?host=/run,db.example",
            "postgres://u@localhost/d?hostaddr=10.0.0.1",
        ] {
            assert!(!here(url), "{url}");
        }
    }
}
