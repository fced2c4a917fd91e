//! `safe-tool hash`: how a hidden value appears in records.

use super::Failed;
use super::output::Output;
#[cfg(feature = "postgres")]
use crate::ledger::Database;
use crate::ledger::local::reader::redactor;
use crate::operate::place::Place;
use clap::Args;
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;
use serde_json::Value;
use std::io::Read;

const MANUAL: &str = "\
Records hold sensitive arguments and free text as `hmac:v1:..`, a hash under the key of the ledger. This prints the hash of \
a value, so that records about it can be found:

    safe-tool audit show LEDGER --json | grep \"$(safe-tool hash LEDGER --tool T --argument A -)\"

Equal values of other arguments, tools or ledgers have other hashes. A value of a format is hashed in its canonical text: \
host names, UUIDs and the domain of an address in lower case, times in UTC with `Z`.";

/// What a hidden value looks like in this ledger, to find records by it
#[derive(Args)]
#[command(
    after_long_help = MANUAL,
    override_usage = "safe-tool hash [OPTIONS] --tool <TOOL> --argument <NAME> [LEDGER] <VALUE>"
)]
pub(super) struct Arguments {
    /// The ledger, as in SAFE_TOOL_LEDGER, from which it is taken where only the value is given
    #[arg(value_name = "LEDGER", allow_hyphen_values = true)]
    first: String,
    /// The tool
    #[arg(long)]
    tool: String,
    /// The argument; of a field inside it the path, as `customer.email`
    #[arg(long, value_name = "NAME")]
    argument: String,
    /// The value is JSON and no text: a number, `true`, an object as the tool encodes it
    #[arg(long)]
    json: bool,
    /// The value; `-` reads it from stdin, so that it stands in no list of processes and no history
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    second: Option<String>,
}

pub(super) fn run(arguments: Arguments, output: &mut Output) -> Result<(), Failed> {
    let (ledger, value) = match arguments.second {
        Some(value) => (arguments.first, value),
        None => (from_environment()?, arguments.first),
    };
    let redactor = match super::place(&ledger)? {
        Place::Directory(directory) => redactor(&directory)?,
        #[cfg(feature = "postgres")]
        Place::Database(url) => Database::open(url.expose_secret())?.redactor()?,
    };
    let value = if value == "-" { from_stdin()? } else { value };
    let value = match arguments.json {
        false => Value::String(value),
        true => serde_json::from_str(&value).map_err(|_| Failed::unusable("the value is not JSON"))?,
    };
    let hash = redactor.hash(&arguments.tool, &arguments.argument, value.to_string().as_bytes());
    Ok(output.line(&format!("hmac:v1:{hash}"))?)
}

fn from_environment() -> Result<String, Failed> {
    std::env::var("SAFE_TOOL_LEDGER")
        .map_err(|_| Failed::unusable("which ledger? give LEDGER before the value, or set SAFE_TOOL_LEDGER"))
}

/// All of stdin, without the line break that `echo` puts behind it.
fn from_stdin() -> Result<String, Failed> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failed::unusable(format_args!("cannot read the value from stdin: {error}")))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
