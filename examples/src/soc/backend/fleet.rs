//! The built-in hosts, users and logins: fixed, so that every run tells the same story.

use serde::Serialize;

/// One enrolled host.
#[derive(Serialize)]
pub(super) struct Host {
    pub(super) host_id: &'static str,
    pub(super) platform: &'static str,
    pub(super) address: &'static str,
    pub(super) owner: &'static str,
}

/// One login attempt; its time is an age, so that a window over it means the same on every day.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Login {
    pub(super) user: &'static str,
    pub(super) host_id: &'static str,
    pub(super) address: &'static str,
    pub(super) outcome: &'static str,
    pub(super) hours_ago: u32,
}

/// The host of that id.
pub(super) fn host(host_id: &str) -> Option<&'static Host> {
    HOSTS.iter().find(|host| host.host_id == host_id)
}

/// The user of that name, as the fleet spells it.
pub(super) fn user(name: &str) -> Option<&'static str> {
    USERS.iter().copied().find(|user| *user == name)
}

/// Logins of a user within the last `since_hours` hours, newest first.
pub(super) fn logins(user: &str, since_hours: u32) -> impl Iterator<Item = Login> {
    LOGINS.iter().copied().filter(move |login| login.user == user && login.hours_ago <= since_hours)
}

const USERS: &[&str] = &["alice", "bob", "carol", "svc-backup"];

const fn new_host(host_id: &'static str, platform: &'static str, address: &'static str, owner: &'static str) -> Host {
    Host { host_id, platform, address, owner }
}

const HOSTS: &[Host] = &[
    new_host("web-01", "linux", "10.0.1.11", "web"),
    new_host("web-02", "linux", "10.0.1.12", "web"),
    new_host("web-03", "linux", "10.0.1.13", "web"),
    new_host("db-01", "linux", "10.0.2.11", "data"),
    new_host("dc-01", "windows", "10.0.0.5", "identity"),
    new_host("laptop-17", "macos", "10.0.8.17", "alice"),
    new_host("laptop-23", "windows", "10.0.8.23", "bob"),
];

const fn new_login(
    user: &'static str,
    host_id: &'static str,
    address: &'static str,
    outcome: &'static str,
    hours_ago: u32,
) -> Login {
    Login { user, host_id, address, outcome, hours_ago }
}

/// Newest first. `carol` never logged in, `svc-backup` not for more than a week: both are empty for the usual window.
const LOGINS: &[Login] = &[
    new_login("alice", "web-01", "198.51.100.23", "success", 1),
    new_login("alice", "web-01", "198.51.100.23", "failure", 1),
    new_login("alice", "web-01", "198.51.100.23", "failure", 2),
    new_login("bob", "laptop-23", "10.0.8.23", "success", 3),
    new_login("alice", "laptop-17", "10.0.8.17", "success", 5),
    new_login("alice", "db-01", "10.0.8.17", "success", 20),
    new_login("bob", "dc-01", "10.0.8.23", "failure", 30),
    new_login("alice", "laptop-17", "10.0.8.17", "success", 49),
    new_login("bob", "laptop-23", "10.0.8.23", "success", 52),
    new_login("svc-backup", "db-01", "10.0.2.12", "success", 200),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_name_known_users_and_hosts_newest_first() {
        assert!(LOGINS.iter().all(|login| user(login.user).is_some() && host(login.host_id).is_some()));
        assert!(LOGINS.is_sorted_by_key(|login| login.hours_ago));
    }

    #[test]
    fn the_window_includes_its_edge_and_nothing_older() {
        assert_eq!(logins("svc-backup", 200).count(), 1);
        assert_eq!(logins("svc-backup", 199).count(), 0);
        assert_eq!(logins("carol", u32::MAX).count(), 0);
    }
}
