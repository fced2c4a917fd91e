//! What the gates cost: a read tool through all of them against the same tool with rmcp's `#[tool]`. What durability costs is
//! `durable.rs`.
//!
//! The two sides of a comparison run in one process and in turn: every iteration runs both, and the clock runs for one.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;

const LAB_READ: Scope = Scope::new("lab:read");

/// A user account.
#[derive(ToolInput)]
#[text(pattern = "^[a-z][a-z0-9-]{0,31}$")]
struct User(String);

/// A login.
#[derive(ToolOutput)]
struct Login {
    /// Host it was for.
    host: String,
    /// Address it came from.
    address: String,
    /// Whether the user got in.
    success: bool,
}

/// Logins of one user.
#[derive(ToolOutput)]
struct Logins {
    /// The logins.
    logins: Page<Login>,
}

/// Finds logins of one user, newest first.
#[safe_tool(effect = read, scope = LAB_READ)]
async fn lookup_login(
    /// User whose logins to find.
    #[arg(target)]
    user: User,
    /// How far back to look.
    #[arg(min = 1, max = 168, unit = "hours")]
    since_hours: u32,
    /// The most logins to answer with.
    #[arg(min = 1, max = 100)]
    limit: u32,
) -> Result<Logins, Infallible> {
    let _ = (user, since_hours);
    let logins = (0..5u8.min(limit as u8)).map(|n| Login {
        host: format!("web-{n:02}"),
        address: format!("10.0.1.{n}"),
        success: n % 2 == 0,
    });
    Ok(Logins { logins: Page::capped(logins, 100) })
}

/// The same read tool in rmcp's own way.
mod theirs {
    use super::*;
    use rmcp::handler::server::router::tool::ToolRouter;
    use rmcp::schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, JsonSchema)]
    #[schemars(crate = "rmcp::schemars")]
    #[serde(deny_unknown_fields)]
    pub(super) struct Lookup {
        #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,31}$"))]
        pub(super) user: String,
        #[schemars(range(min = 1, max = 168))]
        pub(super) since_hours: u32,
        #[schemars(range(min = 1, max = 100))]
        pub(super) limit: u32,
    }

    #[derive(Serialize, JsonSchema)]
    #[schemars(crate = "rmcp::schemars")]
    pub(super) struct Login {
        host: String,
        address: String,
        success: bool,
    }

    #[derive(Serialize, JsonSchema)]
    #[schemars(crate = "rmcp::schemars")]
    pub(super) struct Logins {
        logins: Vec<Login>,
    }

    #[derive(Clone)]
    pub(super) struct Theirs {
        pub(super) tool_router: ToolRouter<Self>,
    }

    #[tool_router]
    impl Theirs {
        pub(super) fn new() -> Self {
            Theirs { tool_router: Self::tool_router() }
        }

        #[tool(description = "Finds logins of one user, newest first.")]
        async fn lookup_login(&self, Parameters(lookup): Parameters<Lookup>) -> Json<Logins> {
            let _ = (&lookup.user, lookup.since_hours);
            let logins = (0..5u8.min(lookup.limit as u8))
                .map(|n| Login { host: format!("web-{n:02}"), address: format!("10.0.1.{n}"), success: n % 2 == 0 })
                .collect();
            Json(Logins { logins })
        }
    }

    #[tool_handler(router = self.tool_router)]
    impl ServerHandler for Theirs {}
}

/// The lightest client there is: one line out, one line in.
struct Line {
    writer: WriteHalf<DuplexStream>,
    reader: BufReader<ReadHalf<DuplexStream>>,
    answer: String,
}

const OPEN: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"bench","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
);
const CALL: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"lookup_login","#,
    r#""arguments":{"user":"alice","since_hours":24,"limit":5}}}"#,
    "\n",
);
const ARGUMENTS: &str = r#"{"user":"alice","since_hours":24,"limit":5}"#;

impl Line {
    async fn open(stream: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let mut line = Line { writer, reader: BufReader::new(reader), answer: String::new() };
        line.ask(OPEN).await;
        line.ask(CALL).await;
        assert!(line.answer.contains("web-04"), "{}", line.answer);
        line
    }

    async fn ask(&mut self, text: &str) {
        self.answer.clear();
        self.writer.write_all(text.as_bytes()).await.unwrap();
        self.reader.read_line(&mut self.answer).await.unwrap();
    }
}

fn principal() -> Principal {
    Principal::agent("bench").with_scope("lab:read")
}

struct Bench;
impl safe_tool::Identity for Bench {
    fn authenticate(&self, _: Option<&str>) -> Option<Principal> {
        Some(principal())
    }
}

fn fresh(name: &str) -> String {
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&place));
    place.to_str().unwrap().to_owned()
}

fn reads(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let ledger = Ledger::open(&fresh("bench-reads")).unwrap();
    let (ours, theirs) = runtime.block_on(async {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(far);
        let server = Server::read("bench", ()).tool::<lookup_login>().identity(Bench).ledger(ledger.clone());
        tokio::spawn(server.serve_io(reader, writer));
        let ours = Line::open(near).await;
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move { theirs::Theirs::new().serve(far).await.unwrap().waiting().await });
        (ours, Line::open(near).await)
    });
    let mut lines = [ours, theirs];
    let mut group = criterion.benchmark_group("read over a pipe in memory");
    for (which, name) in ["safe_tool", "rmcp"].into_iter().enumerate() {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    for (place, line) in lines.iter_mut().enumerate() {
                        let start = Instant::now();
                        runtime.block_on(line.ask(CALL));
                        if place == which {
                            spent += start.elapsed();
                        }
                    }
                }
                spent
            });
        });
    }
    group.finish();

    let here: InProcess = runtime
        .block_on(Server::read("bench", ()).tool::<lookup_login>().ledger(ledger).in_process(principal()))
        .unwrap();
    criterion.bench_function("read in process, arguments to envelope", |bencher| {
        bencher.to_async(&runtime).iter(|| here.call("lookup_login", ARGUMENTS));
    });
}

criterion_group!(benches, reads);
criterion_main!(benches);
