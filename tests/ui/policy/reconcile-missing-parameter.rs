#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

#[derive(ToolOutput)]
struct Ticket {
    /// Number.
    number: u8,
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = by_hand("undo it"), reconcile = find_ticket)]
async fn look(
    call: Call<u8>,
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Ticket, LabError> {
    Ok(Ticket { number: 1 })
}

async fn find_ticket(call: Call<u8>) -> Result<Reconciled<Ticket>, LabError> {
    Ok(Reconciled::NotApplied)
}

fn main() {}
