//! What only the whole server can tell: it does not start, and says why.
#![allow(clippy::unwrap_used, missing_docs)]

use safe_tool::prelude::*;
use safe_tool::{Allowlist, Ledger, Principal, WriteServer};
use std::convert::Infallible;

const LAB: Scope = Scope::new("lab");

/// Switches on.
#[safe_tool(effect = write, scope = LAB, key = natural("it sets a value"), undo = off())]
async fn on() -> Result<Done, Infallible> {
    Ok(Done)
}

/// Switches off.
#[safe_tool(effect = write, scope = LAB, key = natural("it sets a value"), undo = by_hand("switch it on"))]
async fn off() -> Result<Done, Infallible> {
    Ok(Done)
}

mod attic {
    use super::*;

    /// Switches off in the attic.
    #[safe_tool(effect = write, scope = LAB, key = natural("it sets a value"), undo = by_hand("switch it on"))]
    pub(super) async fn off() -> Result<Done, Infallible> {
        Ok(Done)
    }
}

async fn refused(server: Server<WriteServer, ()>) -> String {
    let server = server.ledger(Ledger::open("memory:").unwrap());
    server.in_process(Principal::agent("test")).await.unwrap_err().to_string()
}

fn lab() -> Server<WriteServer, ()> {
    Server::write("lab", ())
}

#[tokio::test]
async fn a_server_has_tools() {
    assert!(refused(lab()).await.contains(".tool::<name>()"));
}

#[tokio::test]
async fn an_undo_is_on_the_same_server() {
    let told = refused(lab().tool::<on>()).await;
    assert!(told.contains("`on`") && told.contains("`off`"), "{told}");
    // A tool of the undo's name is not the undo.
    let told = refused(lab().tool::<on>().tool::<attic::off>()).await;
    assert!(told.contains("`on`") && told.contains("`off`"), "{told}");
    let ledger = Ledger::open("memory:").unwrap();
    let server = lab().tool::<on>().tool::<off>().ledger(ledger);
    assert!(server.in_process(Principal::agent("test")).await.is_ok());
}

#[tokio::test]
async fn two_tools_of_one_name_are_both_named() {
    let told = refused(lab().tool::<off>().tool::<attic::off>()).await;
    assert!(told.contains("start::off`") && told.contains("start::attic::off`"), "{told}");
}

#[tokio::test]
async fn a_policy_names_tools_that_are_there() {
    let policy = "[roles.r]\nagents = [\"a\"]\n[[allow]]\nrole = \"r\"\ntools = [\"of\"]";
    let told = refused(lab().tool::<off>().policy(Allowlist::parse(policy).unwrap())).await;
    assert!(told.contains("`of`"), "{told}");
}
