//! The tour: the security pair driven by a real MCP client, told as a story.

mod print;
mod steps;

pub use steps::run;
