//! The pipeline under clocks that the test sets.

mod blocking;
mod guesses;
mod lease;
mod logs;
mod reads;
mod throttle;

use crate::InProcess;
use serde_json::{Value, json};

/// Calls a tool of one thing.
async fn call(server: &InProcess, tool: &str, thing: &str) -> Value {
    let answer = server.call(tool, &json!({ "thing": thing }).to_string()).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}
