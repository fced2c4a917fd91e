//! What the README claims about itself; its server is compiled by the doc tests.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

const README: &str = include_str!("../README.md");

#[test]
fn the_server_has_at_most_thirty_lines() {
    let (_, rest) = README.split_once("```rust,no_run\n").unwrap();
    let (server, _) = rest.split_once("```").unwrap();
    assert!(server.contains("serve_stdio") && server.contains("#[safe_tool("));
    assert!(server.lines().count() <= 30, "{} lines", server.lines().count());
}

#[test]
fn every_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut links = 0;
    for piece in README.split("](").skip(1) {
        let (target, _) = piece.split_once(')').unwrap();
        assert!(root.join(target).exists(), "{target}");
        links += 1;
    }
    assert!(links > 8);
}
