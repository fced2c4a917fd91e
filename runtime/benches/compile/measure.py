"""What one more tool costs to compile: ours against rmcp's own macros.

    measure.py            the whole table: 1, 50 and 200 tools in both styles (a quarter of an hour on two cores)
    measure.py --budget   LLVM lines of one more tool of ours; fails when they are over the budget (CI)

Every tool has its own closed enum, four arguments with bounds, a result of three fields, and, in our style, its own error
of two variants. LLVM lines are counted in the unoptimised IR of the generated crate alone, one codegen unit, so they are
exact and repeatable; CPU seconds are user and system time of one run without incremental compilation.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLACE = ROOT / "target" / "compile-cost"
# The workspace's own, where what is compiled already is used again.
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BUDGET = 3_500

MANIFEST = """[package]
name = "{name}"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
{dependencies}

[profile.dev]
debug = "line-tables-only"

[profile.dev.package.sled]
opt-level = 2
[profile.dev.package.sha2]
opt-level = 2

[profile.release]
strip = true
"""

OURS = """
/// How urgent it is.
#[derive(ToolInput)]
pub enum Urgency{n} {{
    /// It can wait.
    Low,
    /// It cannot.
    High,
}}

/// What became of it.
#[derive(ToolOutput)]
pub struct Ticket{n} {{
    /// Number of the ticket.
    number: u32,
    /// Who has it.
    owner: String,
    /// Whether it is open.
    open: bool,
}}

#[derive(ToolError)]
pub enum TicketError{n} {{
    #[tool_error(rejected, "the queue is closed")]
    Closed,
    #[tool_error(transient, "the queue did not answer", effect = none)]
    Silent,
}}

/// Opens a ticket in queue {n}.
#[safe_tool(effect = write, scope = QUEUE, key(subject), undo = by_hand("close the ticket"))]
pub async fn open_ticket_{n}(
    /// What it is about.
    #[arg(pattern = "^[a-z0-9-]{{1,63}}$")]
    subject: String,
    /// How urgent it is.
    urgency: Urgency{n},
    /// How long it may take.
    #[arg(min = 1, max = 720, unit = "hours")]
    hours: u32,
    /// Whether to tell the owner.
    notify: Option<bool>,
) -> Result<Ticket{n}, TicketError{n}> {{
    let open = notify.unwrap_or(matches!(urgency, Urgency{n}::High));
    Ok(Ticket{n} {{ number: hours, owner: subject, open }})
}}
"""

THEIRS = """
/// How urgent it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Urgency{n} {{
    /// It can wait.
    Low,
    /// It cannot.
    High,
}}

/// What became of it.
#[derive(Serialize, JsonSchema)]
pub struct Ticket{n} {{
    /// Number of the ticket.
    number: u32,
    /// Who has it.
    owner: String,
    /// Whether it is open.
    open: bool,
}}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open{n} {{
    /// What it is about.
    #[schemars(regex(pattern = "^[a-z0-9-]{{1,63}}$"))]
    subject: String,
    /// How urgent it is.
    urgency: Urgency{n},
    /// How long it may take.
    #[schemars(range(min = 1, max = 720))]
    hours: u32,
    /// Whether to tell the owner.
    notify: Option<bool>,
}}
"""

THEIR_METHOD = """
    #[tool(description = "Opens a ticket in queue {n}.")]
    async fn open_ticket_{n}(&self, Parameters(a): Parameters<Open{n}>) -> Result<Json<Ticket{n}>, String> {{
        let open = a.notify.unwrap_or(matches!(a.urgency, Urgency{n}::High));
        Ok(Json(Ticket{n} {{ number: a.hours, owner: a.subject, open }}))
    }}
"""


def ours(count):
    tools = "".join(OURS.format(n=n) for n in range(count))
    served = "".join(f"\n        .tool::<open_ticket_{n}>()" for n in range(count))
    return f"""#![allow(dead_code)]
use safe_tool::prelude::*;

const QUEUE: Scope = Scope::new("queue:write");
{tools}
#[tokio::main]
async fn main() -> Result<(), ServeError> {{
    Server::write("queues", ()){served}
        .serve_stdio()
        .await
}}
"""


def theirs(count):
    types = "".join(THEIRS.format(n=n) for n in range(count))
    methods = "".join(THEIR_METHOD.format(n=n) for n in range(count))
    return f"""#![allow(dead_code)]
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::{{Json, Parameters}};
use rmcp::schemars::{{self, JsonSchema}};
use rmcp::{{ServerHandler, ServiceExt, tool, tool_handler, tool_router}};
use serde::{{Deserialize, Serialize}};
{types}
#[derive(Clone)]
pub struct Queues {{
    tool_router: ToolRouter<Self>,
}}

#[tool_router]
impl Queues {{{methods}}}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Queues {{}}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {{
    let queues = Queues {{ tool_router: Queues::tool_router() }};
    queues.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}}
"""


TOKIO = 'tokio = { version = "1.54", features = ["macros", "rt-multi-thread"] }'
STYLES = {
    "safe_tool": (ours, f'safe-tool = {{ path = "{ROOT / "runtime"}" }}\n{TOKIO}'),
    "rmcp": (
        theirs,
        'rmcp = { version = "3.9", features = ["transport-io"] }\n'
        f'serde = {{ version = "1", features = ["derive"] }}\n{TOKIO}',
    ),
}


def generate(style, count):
    source, dependencies = STYLES[style]
    name = f"{style}-{count}".replace("_", "-")
    crate = PLACE / name
    (crate / "src").mkdir(parents=True, exist_ok=True)
    (crate / "Cargo.toml").write_text(MANIFEST.format(name=name, dependencies=dependencies))
    (crate / "src" / "main.rs").write_text(source(count))
    # The versions that the workspace pins, as far as they are the same crates.
    shutil.copy(ROOT / "Cargo.lock", crate / "Cargo.lock")
    return crate


def cargo(crate, *arguments):
    """Runs cargo; the answer is the CPU seconds it took, all its children included."""
    environment = dict(os.environ, CARGO_INCREMENTAL="0", CARGO_TARGET_DIR=str(TARGET))
    environment.pop("RUSTFLAGS", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["cargo", *arguments], cwd=crate, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"cargo {' '.join(arguments)} in {crate.name}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def touched(crate, *arguments):
    """The same for this crate alone: its dependencies are built first."""
    cargo(crate, *arguments)
    (crate / "src" / "main.rs").touch()
    return cargo(crate, *arguments)


def llvm_lines(crate):
    emitted = crate / "out.ll"
    emitted.unlink(missing_ok=True)
    (crate / "src" / "main.rs").touch()
    flags = ["-Ccodegen-units=1", "-Cno-prepopulate-passes", f"--emit=llvm-ir={emitted}"]
    cargo(crate, "rustc", "--quiet", "--bin", crate.name, "--", *flags)
    return sum(1 for _ in emitted.open())


def binary_kb(crate):
    cargo(crate, "build", "--quiet", "--release")
    return (TARGET / "release" / crate.name).stat().st_size / 1000


def budget():
    one, more = (llvm_lines(generate("safe_tool", count)) for count in (1, 21))
    each = (more - one) / 20
    print(f"one more tool: {each:.0f} LLVM lines (budget {BUDGET})")
    sys.exit(each > BUDGET)


def table():
    counts = (1, 50, 200)
    measured = {}
    for style in STYLES:
        for count in counts:
            crate = generate(style, count)
            measured[style, count] = (
                llvm_lines(crate),
                touched(crate, "check", "--quiet") * 1000,
                touched(crate, "build", "--quiet") * 1000,
                binary_kb(crate),
            )
            print(style, count, *(f"{value:.0f}" for value in measured[style, count]), flush=True)
    print("\n| per added tool | safe_tool | rmcp |\n|---|---|---|")
    names = ("LLVM lines", "`cargo check`, ms CPU", "`cargo build`, ms CPU", "stripped release binary, kB")
    for place, name in enumerate(names):
        each = [(measured[style, 200][place] - measured[style, 1][place]) / 199 for style in STYLES]
        print(f"| {name} | {each[0]:.1f} | {each[1]:.1f} |")


if __name__ == "__main__":
    budget() if sys.argv[1:] == ["--budget"] else table()
