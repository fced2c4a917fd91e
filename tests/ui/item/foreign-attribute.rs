#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
#[serde(rename_all = "camelCase")]
struct Window {
    /// Hours.
    #[arg(min = 1, max = 48)]
    hours: u32,
}

fn main() {}
