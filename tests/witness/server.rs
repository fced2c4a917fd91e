//! The server of the witnessed tools, called in process.

use super::World;
use super::tools::{ITEMS_CHANGE, drop_item, put_item, set_level};
use safe_tool::ledger::LedgerOptions;
use safe_tool::{InProcess, Ledger, LedgerError, Principal, ServeError, Server};
use std::path::Path;
use std::time::Duration;

/// Short, so that every script makes several segments.
const SEGMENT_BYTES: u64 = 8 * 1024;
/// For scripts that write enough to have segments of this length filled ahead.
const LONG_BYTES: u64 = 128 * 1024;

/// Opens a ledger whose segments are short.
///
/// # Errors
/// As [`Ledger::open`].
pub fn open(ledger: &Path) -> Result<Ledger, LedgerError> {
    options().open(&ledger.to_string_lossy())
}

/// The same with segments that are long enough to be filled ahead.
///
/// # Errors
/// As [`Ledger::open`].
pub fn open_long(ledger: &Path) -> Result<Ledger, LedgerError> {
    options().segment_bytes(LONG_BYTES).open(&ledger.to_string_lossy())
}

/// The same as [`open`], and what is completed from now on expires at once.
///
/// # Errors
/// As [`Ledger::open`].
pub fn open_forgetful(ledger: &Path) -> Result<Ledger, LedgerError> {
    options().retention(Duration::from_millis(1)).open(&ledger.to_string_lossy())
}

/// The clock is trusted at once: otherwise nothing would expire while a test runs.
fn options() -> LedgerOptions {
    Ledger::options().segment_bytes(SEGMENT_BYTES).distrust(Duration::ZERO)
}

/// Serves the witnessed tools with `ledger`.
///
/// # Errors
/// As [`Server::in_process`].
pub async fn serve(world: World, ledger: Ledger) -> Result<InProcess, ServeError> {
    Server::write("witnessed", world)
        .tool::<put_item>()
        .tool::<drop_item>()
        .tool::<set_level>()
        .ledger(ledger)
        .in_process(Principal::agent("crash-test").with_scope(ITEMS_CHANGE.as_str()))
        .await
}
