//! The tools of the strictest crate, run.
#![allow(clippy::unwrap_used, missing_docs)]

use renamed::{Ledger, Principal, Server};
use safe_tool_hygiene::nested::deeper::{look, put};
use safe_tool_hygiene::{darken, light};

fn who() -> Principal {
    Principal::agent("test").with_scope("lab:look").with_scope("lab:change")
}

#[renamed_tokio::test(crate = "renamed_tokio")]
async fn the_tools_run() {
    let ledger = Ledger::open("memory:").unwrap();
    let server = Server::read("lab", 7_u32).tool::<look>().ledger(ledger).in_process(who()).await.unwrap();
    let arguments = r#"{"in":{"type":"top","kind":"shelf"},"type":"none","decoder":0,"walk":0,"writer":0,"index":0}"#;
    let looked = server.call("look", arguments).await.unwrap();
    assert!(looked.starts_with(r#"{"status":"ok","data":{"shelves":["top"],"type":"none"}"#), "{looked}");

    let ledger = Ledger::open("memory:").unwrap();
    let server = Server::write("lab", ()).tool::<put>().tool::<light>().tool::<darken>().ledger(ledger);
    let server = server.in_process(who()).await.unwrap();
    for tool in ["put", "light", "darken"] {
        let answer = server.call(tool, r#"{"shelf":"top"}"#).await.unwrap();
        assert!(answer.starts_with(r#"{"status":"ok""#), "{tool}: {answer}");
    }
    let refused = server.call("put", r#"{"shelf":"low"}"#).await.unwrap();
    assert!(refused.contains(r#""code":"NOTHING""#), "{refused}");
}
