//! `safe-tool hash`: how a hidden value appears in records.

use super::output::Output;
use super::{Failed, audit};
use crate::ledger::reader::redactor;
use clap::Args;
use serde_json::Value;
use std::io::Read;

const MANUAL: &str = "\
Records hold sensitive arguments and free text as `hmac:v1:..`, a hash under the key of the ledger. This prints the hash of \
a value, so that records about it can be found:

    safe-tool audit show LEDGER --json | grep \"$(safe-tool hash LEDGER --tool T --argument A -)\"

Equal values of other arguments, tools or ledgers have other hashes.";

/// What a hidden value looks like in this ledger, to find records by it
#[derive(Args)]
#[command(after_long_help = MANUAL)]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: audit::Ledger,
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
    #[arg(allow_hyphen_values = true)]
    value: String,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failed> {
    let directory = arguments.ledger.directory()?;
    let redactor = redactor(&directory).map_err(Failed::unusable)?;
    let value = match arguments.value.as_str() {
        "-" => from_stdin()?,
        value => value.to_owned(),
    };
    let value = match arguments.json {
        false => Value::String(value),
        true => serde_json::from_str(&value).map_err(|_| Failed::unusable("the value is not JSON"))?,
    };
    let hash = redactor.hash(&arguments.tool, &arguments.argument, value.to_string().as_bytes());
    Ok(output.line(&format!("hmac:v1:{hash}"))?)
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
