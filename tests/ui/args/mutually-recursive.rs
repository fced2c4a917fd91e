#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct Folder {
    /// Files.
    #[arg(max_items = 2)]
    files: Vec<File>,
}

#[derive(ToolInput)]
struct File {
    /// Folder it links to.
    link: Option<Folder>,
}

fn main() {}
