//! One server, started to be killed or failed at one point, and its witness.

use safe_tool_tests::witness::PATIENCE;
use safe_tool_tests::witness::history::{History, Seen};
use safe_tool_tests::witness::line::{Told, word};
use safe_tool_tests::witness::script::Script;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// It is killed before the system call is done.
    Kill,
    /// The system call fails, once, with this error.
    Error(&'static str),
    /// The system call fails from then on.
    Errors(&'static str),
}

/// A system call on some of the ledger's files.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its name.
    pub(super) syscall: &'static str,
    /// The files.
    pub(super) paths: Vec<PathBuf>,
}

/// Where it is done.
#[derive(Clone, Debug)]
pub(super) enum Point {
    /// Nowhere: the script is played to its end.
    Nowhere,
    /// At the nth such call of any one thread, from the start on.
    Any(Call, u32),
    /// At the nth such call of the thread of this name, once the ledger is open.
    Thread(&'static str, Call, u32),
    /// When the nth message arrives; a message of an effect is counted or lost with it.
    Message {
        /// From 1.
        nth: usize,
        /// Whether the effect happens.
        counted: bool,
    },
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Went {
    /// The point was never reached.
    NotReached,
    /// The server was killed.
    Killed,
    /// The ledger did not open, and the server said so.
    Refused,
    /// It went on after the error, and closed well.
    ClosedWell,
    /// It went on after the error, and said that its ledger did not close.
    ClosedBadly,
    /// Something did not hold.
    Broken,
}

/// A point and what is done there.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The script.
    pub(super) script: Script,
    /// The point.
    pub(super) point: Point,
    /// The blow.
    pub(super) blow: Blow,
}

/// Plays the script on the ledger in `ledger` and strikes.
///
/// # Errors
/// When the server hangs, ends in another way than it may, or cannot be traced.
pub(super) fn run(ledger: &Path, plan: &Plan, history: &mut History) -> Result<Went, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safe-tool-crash-writer"));
    if let Point::Any(call, nth) = &plan.point {
        command = strace(&ledger.with_extension("strace"), call, plan.blow, *nth);
        command.args(["-f", "-qq"]).arg(env!("CARGO_BIN_EXE_safe-tool-crash-writer"));
    }
    play(command, ledger, plan, history)
}

fn play(mut command: Command, ledger: &Path, plan: &Plan, history: &mut History) -> Result<Went, String> {
    history.seen.push(Seen::Started);
    let trace = ledger.with_extension("strace");
    let (here, there) = UnixStream::pair().map_err(|error| error.to_string())?;
    here.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    command.arg(ledger).arg(plan.script.to_string()).stdin(OwnedFd::from(there));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // It holds the other end of the socket, whose end tells that the server has ended.
    drop(command);
    let heard = attend(&here, &mut child, plan, &trace, history);
    if heard.is_err() {
        child.kill().map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let heard = heard?;
    let struck = status.signal() == Some(9);
    let injected = || std::fs::read_to_string(&trace).is_ok_and(|text| text.contains("(INJECTED)"));
    match heard {
        _ if struck => Ok(Went::Killed),
        _ if !status.success() => Err(format!("the server ended with {status} after {heard:?}")),
        Some(Told::Refused(_)) if injected() => Ok(Went::Refused),
        Some(Told::Refused(why)) => Err(format!("the ledger did not open: {why}")),
        Some(Told::Closed(true)) if injected() => Ok(Went::ClosedWell),
        Some(Told::Closed(true)) => Ok(Went::NotReached),
        Some(Told::Closed(false)) if injected() => Ok(Went::ClosedBadly),
        other => Err(format!("the server ended after {other:?}")),
    }
}

/// Plays the script to its end, and gives the trace of all that makes something durable or tells somebody.
///
/// # Errors
/// When the server does not end well.
pub(super) fn traced(ledger: &Path, script: Script) -> Result<String, String> {
    const CALLS: &str = "trace=openat,mkdir,rename,renameat,write,pwritev2,fsync,fdatasync,sendto";
    let trace = ledger.with_extension("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-s", "200000", "-e", CALLS, "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_safe-tool-crash-writer"));
    let plan = Plan { script, point: Point::Nowhere, blow: Blow::Kill };
    match play(command, ledger, &plan, &mut History::default())? {
        Went::NotReached => std::fs::read_to_string(&trace).map_err(|error| error.to_string()),
        other => Err(format!("{other:?}")),
    }
}

fn strace(trace: &Path, call: &Call, blow: Blow, nth: u32) -> Command {
    let mut command = Command::new("strace");
    let inject = match blow {
        Blow::Kill => format!("inject={}:signal=KILL:when={nth}", call.syscall),
        Blow::Error(error) => format!("inject={}:error={error}:when={nth}", call.syscall),
        Blow::Errors(error) => format!("inject={}:error={error}:when={nth}+", call.syscall),
    };
    // All of what is written, so that a part of it can be put on the disk afterwards.
    command.args(["-xx", "-s", "1000000"]);
    command.arg("-o").arg(trace).arg("-e").arg(format!("trace={}", call.syscall)).arg("-e").arg(inject);
    for path in &call.paths {
        command.arg("-P").arg(path);
    }
    command
}

/// Hears the server to its end; gives its last message.
fn attend(
    socket: &UnixStream,
    child: &mut Child,
    plan: &Plan,
    trace: &Path,
    history: &mut History,
) -> Result<Option<Told>, String> {
    let mut tracer: Option<Child> = None;
    let mut last = None;
    for (number, line) in BufReader::new(socket).lines().enumerate() {
        let line = match line {
            Ok(line) => line,
            // It died with our answer unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(format!("after {last:?} the server hangs: {error}")),
        };
        let told = Told::parse(&line).ok_or_else(|| format!("the server said {line:?}"))?;
        let mut killed = false;
        if let Point::Message { nth, counted } = plan.point
            && number + 1 == nth
        {
            killed = true;
            if !counted {
                child.kill().map_err(|error| error.to_string())?;
                break;
            }
        }
        let answer = history.take(&told).map_or_else(|| "go".to_owned(), word);
        if killed {
            child.kill().map_err(|error| error.to_string())?;
            break;
        }
        if told == Told::Ready
            && let Point::Thread(thread, call, nth) = &plan.point
        {
            tracer = Some(attach(child.id(), thread, strace(trace, call, plan.blow, *nth))?);
        }
        last = Some(told);
        let mut socket = socket;
        // A server that was killed meanwhile does not hear it.
        if socket.write_all(format!("{answer}\n").as_bytes()).is_err() {
            break;
        }
    }
    if let Some(mut tracer) = tracer {
        tracer.wait().map_err(|error| error.to_string())?;
    }
    Ok(last)
}

/// Traces one thread of a process; from the answer on.
fn attach(process: u32, thread: &str, mut command: Command) -> Result<Child, String> {
    let patience = Instant::now() + PATIENCE;
    let id = loop {
        match named(process, thread).map_err(|error| error.to_string())? {
            Some(id) => break id,
            // A thread names itself once it runs.
            None if Instant::now() < patience => std::thread::yield_now(),
            None => return Err(format!("there is no thread {thread}")),
        }
    };
    let mut tracer = command.arg("-p").arg(id).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut told = String::new();
    let stderr = tracer.stderr.take().ok_or("no pipe")?;
    BufReader::new(stderr).read_line(&mut told).map_err(|error| error.to_string())?;
    if told.contains("attached") { Ok(tracer) } else { Err(format!("strace said {told:?}")) }
}

/// The id of the thread of this name.
fn named(process: u32, thread: &str) -> io::Result<Option<OsString>> {
    for entry in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let entry = entry?;
        if std::fs::read_to_string(entry.path().join("comm"))?.trim_end() == thread {
            return Ok(Some(entry.file_name()));
        }
    }
    Ok(None)
}
