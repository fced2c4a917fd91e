//! A Postgres of its own for one test, from the binaries that are installed.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use safe_tool_tests::cannot;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, Row};

/// Postgres refuses to run as root; then it runs as this user, `nobody` on Debian.
const NOBODY: u32 = 65534;

/// A running database; it is stopped and removed when dropped.
pub(crate) struct Database {
    directory: TempDir,
    binaries: PathBuf,
    port: u16,
}

/// An authority of these tests alone, and a certificate for `localhost` that it signed, with its key.
const TLS: [(&str, &[u8]); 3] = [
    ("authority.pem", include_bytes!("tls/authority.pem")),
    ("server.pem", include_bytes!("tls/server.pem")),
    ("server.key", include_bytes!("tls/server.key")),
];

impl Database {
    /// Makes and starts one; `None`, and loudly so, where Postgres is not installed.
    pub(crate) fn start() -> Option<Database> {
        Database::with(&[])
    }

    /// The same with settings.
    pub(crate) fn with(settings: &[&str]) -> Option<Database> {
        Database::make(5432, settings)
    }

    /// The same, which listens on loopback too and can encrypt.
    pub(crate) fn over_tcp() -> Option<Database> {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Database::make(free, &["listen_addresses = '127.0.0.1'", "ssl = on"])
    }

    fn make(port: u16, settings: &[&str]) -> Option<Database> {
        let Some(binaries) = binaries() else {
            cannot("Postgres is not installed (Debian: postgresql)");
            return None;
        };
        let database = Database::nowhere(binaries, port);
        let data = database.path("data");
        // Nothing here has to survive the machine, so making it need not be synced; what is tested is.
        database.run("initdb", |initdb| {
            initdb
                .args(["--auth=trust", "--username=ledger", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"])
                .arg(&data);
        });
        let mut written = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        for setting in [
            &format!("unix_socket_directories = '{}'", database.path("run").display()),
            &format!("port = {port}"),
            "listen_addresses = ''",
            "shared_buffers = 32MB",
            "log_min_messages = warning",
            "ssl_cert_file = '../run/server.pem'",
            "ssl_key_file = '../run/server.key'",
        ]
        .iter()
        .chain(settings)
        {
            written.push_str(setting);
            written.push('\n');
        }
        fs::write(data.join("postgresql.conf"), written).unwrap();
        database.begin();
        Some(database)
    }

    /// The directories of one, without data.
    fn nowhere(binaries: PathBuf, port: u16) -> Database {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let database = Database { directory, binaries, port };
        for part in ["data", "run"] {
            fs::create_dir(database.path(part)).unwrap();
            if is_root() {
                chown(database.path(part), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        for (name, bytes) in TLS {
            let file = database.path("run").join(name);
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            if is_root() {
                chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        database
    }

    /// A standby that follows this one, and listens elsewhere on the same port.
    pub(crate) fn standby(&self) -> Database {
        let standby = Database::nowhere(self.binaries.clone(), self.port);
        let data = standby.path("data");
        let run = self.path("run");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        self.run("pg_basebackup", |copy| {
            copy.args(["--username=ledger", "--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--host"])
                .arg(&run);
            copy.arg(format!("--port={}", self.port)).arg("--pgdata").arg(&data);
        });
        let mut written = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        written.push_str(&format!("unix_socket_directories = '{}'\n", standby.path("run").display()));
        fs::write(data.join("postgresql.conf"), written).unwrap();
        standby.begin();
        standby
    }

    /// A standby is the new primary.
    pub(crate) fn promote(&self) {
        let data = self.path("data");
        self.run("pg_ctl", |promote| {
            promote.args(["promote", "--wait", "--silent", "-D"]).arg(&data);
        });
    }

    /// Kills every process of it at once, as the end of its machine would.
    pub(crate) fn kill(&self) {
        let lock = fs::read_to_string(self.path("data/postmaster.pid")).unwrap();
        let mut lines = lock.lines();
        let parent = lines.next().unwrap().to_owned();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        // Some may have ended since they were listed.
        drop(Command::new("kill").args(["-s", "KILL", &parent]).args(children.split_whitespace()).output().unwrap());
        // What Postgres would remove when it starts again, which it does not.
        if let Some(memory) = lines.nth(5).and_then(|line| line.split_whitespace().nth(1)) {
            drop(Command::new("ipcrm").args(["-m", memory]).output());
        }
    }

    /// Where the ledger is, on this one or on `other`, whichever takes writes.
    pub(crate) fn url_with(&self, other: &Database) -> String {
        let (one, two) = (self.path("run"), other.path("run"));
        format!("postgres://ledger@/postgres?host={},{}&port={}", one.display(), two.display(), self.port)
    }

    /// Where the ledger is.
    pub(crate) fn url(&self) -> String {
        self.url_of("ledger")
    }

    /// The same for another role.
    fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@/postgres?host={}&port={}", self.path("run").display(), self.port)
    }

    /// Where the ledger is over TCP, after [`over_tcp`](Database::over_tcp).
    pub(crate) fn tcp_url(&self, mode: &str) -> String {
        format!("postgres://ledger@localhost:{}/postgres?sslmode={mode}", self.port)
    }

    /// The certificate of the authority, or of the database.
    pub(crate) fn certificate(&self, whose: &str) -> PathBuf {
        self.path("run").join(whose).with_extension("pem")
    }

    /// The socket that it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run").join(format!(".s.PGSQL.{}", self.port))
    }

    /// A server's way to the ledger, which can be cut: its URL, by the name of a new role.
    pub(crate) async fn way(&self, role: &str) -> String {
        self.ask(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
        self.url_of(role)
    }

    /// Ends the connections of a role and lets it make no others.
    pub(crate) async fn cut(&self, role: &str) {
        self.ask(&format!("ALTER ROLE {role} NOLOGIN")).await;
        let cut = format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{role}'");
        assert!(!self.ask(&cut).await.is_empty(), "{role} was not there");
    }

    /// Lets a role connect again.
    pub(crate) async fn mend(&self, role: &str) {
        self.ask(&format!("ALTER ROLE {role} LOGIN")).await;
    }

    /// Starts it, after [`stop_at_once`](Database::stop_at_once).
    pub(crate) fn begin(&self) {
        let (data, log) = (self.path("data"), self.path("run/log"));
        self.run("pg_ctl", |start| {
            start.args(["start", "--wait", "--silent", "-D"]).arg(&data).arg("-l").arg(&log);
        });
    }

    /// The same, with a clock that begins at `time`, as `2026-01-01 00:00:57`; `None`, and loudly so, where there is no way to
    /// set it.
    pub(crate) fn begin_at(&self, time: &str) -> Option<()> {
        let clock = clock(&format!("@{time}"))?;
        let (data, log) = (self.path("data"), self.path("run/log"));
        self.run("pg_ctl", |start| {
            start.args(["start", "--wait", "--silent", "-D"]).arg(&data).arg("-l").arg(&log).envs(clock);
        });
        Some(())
    }

    /// Ends it without a checkpoint or a goodbye, as a crash would.
    pub(crate) fn stop_at_once(&self) {
        let data = self.path("data");
        self.run("pg_ctl", |stop| {
            stop.args(["stop", "--wait", "--silent", "--mode=immediate", "-D"]).arg(&data);
        });
    }

    /// A connection of the test's own.
    pub(crate) async fn client(&self) -> Client {
        self.client_of("postgres").await
    }

    /// A connection to another database of it.
    pub(crate) async fn client_of(&self, database: &str) -> Client {
        let url = self.url().replace("/postgres?", &format!("/{database}?"));
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Asks the database.
    pub(crate) async fn ask(&self, query: &str) -> Vec<Row> {
        self.client().await.query(query, &[]).await.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command)) {
        let told = self.command(program, arguments).output().unwrap();
        assert!(told.status.success(), "{program}: {}{}", text(&told.stdout), text(&told.stderr));
    }

    fn command(&self, program: &str, arguments: impl FnOnce(&mut Command)) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        // A pipe would be held open by the server that it starts.
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        arguments(&mut command);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let data = self.path("data");
        let stopped = self.command("pg_ctl", |stop| {
            stop.args(["stop", "--wait", "--silent", "--mode=immediate", "-D"]).arg(&data);
        });
        // It may be stopped already.
        drop({ stopped }.output());
    }
}

/// What a process needs in its environment to have another clock: `+8d`, `-10m` or `@2026-01-01 00:00:57`. `None`, and loudly
/// so, where libfaketime is not installed.
pub(crate) fn clock(time: &str) -> Option<[(&'static str, String); 3]> {
    let directories = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let mut libraries = directories.map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    let Some(library) = libraries.find(|library| library.exists()) else {
        cannot("libfaketime is not installed (Debian: faketime)");
        return None;
    };
    let own = |name, value: &str| (name, value.to_owned());
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        own("FAKETIME", time),
        // Only the wall clock is wrong: that is what a machine's clock can be.
        own("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ])
}

/// The directory of the newest installed version. What is on the path may be links into it, or wrappers that are not for us.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest =
        versions.map(|entry| entry.path()).filter(|path| version(path).is_some()).max_by_key(|path| version(path));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = newest.map(|version| version.join("bin")).into_iter().chain(std::env::split_paths(&path));
    places.find(|place| ["initdb", "pg_ctl", "postgres"].iter().all(|program| place.join(program).exists()))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
