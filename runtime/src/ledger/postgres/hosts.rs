//! The machines that a URL names: a primary and its standbys. The ledger is on the primary.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// One configuration per machine, so that a machine that never answers takes no more than its share of the timeout.
pub(super) struct Hosts {
    each: Vec<Config>,
    /// The machine that answered last; it is tried first.
    answered: AtomicUsize,
}

impl Hosts {
    pub(super) fn of(config: &Config) -> Hosts {
        let named: Vec<Host> = config.get_hosts().iter().flat_map(apart).collect();
        let hosts = named.len().max(config.get_hostaddrs().len());
        // A URL whose lists differ in length is left to the driver, which reports the mistake.
        let adds_up = |list: usize| list == 0 || list == hosts;
        let ports = config.get_ports().len();
        let adds_up = adds_up(named.len())
            && adds_up(config.get_hostaddrs().len())
            && (ports <= 1 || ports == hosts)
            && hosts > 0;
        let alone = |place| alone(config, named.get(place), place);
        let each = if adds_up { (0..hosts).map(alone).collect() } else { vec![config.clone()] };
        Hosts { each, answered: AtomicUsize::new(0) }
    }

    pub(super) fn each(&self) -> &[Config] {
        &self.each
    }

    /// Requires encryption on every connection.
    pub(super) fn encrypted(&mut self) {
        for config in &mut self.each {
            config.ssl_mode(SslMode::Require);
        }
    }

    /// The same machines, of which only one that accepts writes is used: a standby may lag behind.
    pub(super) fn writable(mut self) -> Hosts {
        for config in &mut self.each {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        self
    }

    /// The machines in the order in which to try them, each with its place for [`answered`](Hosts::answered).
    pub(super) fn in_order(&self) -> impl Iterator<Item = (usize, &Config)> {
        let first = self.answered.load(Ordering::Relaxed);
        let (before, after) = self.each.split_at(first.min(self.each.len()));
        let places = (first..self.each.len()).chain(0..first);
        places.zip(after.iter().chain(before))
    }

    /// Notes that the ledger is on the machine at `place`.
    pub(super) fn answered(&self, place: usize) {
        self.answered.store(place, Ordering::Relaxed);
    }

    /// The timeout of one machine if all together may take `whole`; one share is left for the work on the connection.
    pub(super) fn share(&self, whole: Duration) -> Duration {
        whole / u32::try_from(self.each.len() + 1).unwrap_or(u32::MAX)
    }
}

/// Splits `?host=a,b` at its commas, as libpq does; the driver takes it for one name.
fn apart(host: &Host) -> Vec<Host> {
    let text = match host {
        Host::Tcp(name) => name.as_str(),
        Host::Unix(path) => match path.to_str() {
            Some(text) => text,
            None => return vec![host.clone()],
        },
    };
    let one = |name: &str| {
        if name.starts_with('/') { Host::Unix(name.into()) } else { Host::Tcp(name.to_owned()) }
    };
    text.split(',').map(one).collect()
}

/// A copy of `config` with one of its machines.
fn alone(config: &Config, host: Option<&Host>, place: usize) -> Config {
    let mut one = Config::new();
    match host {
        Some(Host::Tcp(name)) => drop(one.host(name.as_str())),
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(place) {
        one.hostaddr(*address);
    }
    if let Some(port) = config.get_ports().get(place).or(config.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts())
        .target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Hosts;
    use tokio_postgres::Config;
    use tokio_postgres::config::{Host, TargetSessionAttrs};

    #[test]
    fn each_machine_keeps_everything_else_that_the_url_says() {
        let url = "postgres://u:p@a:1,b:2/d?application_name=n&options=-ctest%3D1&sslmode=require&sslnegotiation=direct\
                   &channel_binding=require&keepalives=0&keepalives_idle=7&keepalives_interval=8&keepalives_retries=9\
                   &tcp_user_timeout=10&connect_timeout=11&load_balance_hosts=random&target_session_attrs=read-write";
        let config: Config = url.parse().unwrap();
        let hosts = Hosts::of(&config);
        let found: Vec<Config> = hosts.in_order().map(|(_, one)| one.clone()).collect();
        let meant = ["a:1", "b:2"].map(|host| url.replace("a:1,b:2", host).parse::<Config>().unwrap());
        assert_eq!(found, meant);
    }

    #[test]
    fn the_machine_that_answered_is_asked_first_and_only_one_that_takes_writes_counts() {
        let config: Config = "postgres://u@/d?host=/a,/b,/c&port=1".parse().unwrap();
        let hosts = Hosts::of(&config).writable();
        let order = |hosts: &Hosts| hosts.in_order().map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!(order(&hosts), [0, 1, 2]);
        hosts.answered(1);
        assert_eq!(order(&hosts), [1, 2, 0]);
        assert!(hosts.in_order().all(|(place, one)| {
            let paths = ["/a", "/b", "/c"];
            one.get_hosts() == [Host::Unix(paths[place].into())]
                && one.get_target_session_attrs() == TargetSessionAttrs::ReadWrite
        }));
    }
}
