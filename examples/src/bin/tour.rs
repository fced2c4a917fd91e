//! `tour`: the main job, on real processes, told as a story. Exit code 0 only if every promise was kept.

use safe_tool_examples::soc::{Reached, contain, enrich};
use safe_tool_examples::tour;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("soc-enrich") => enrich::run(Reached::Stdio).await?,
        Some("soc-contain") => contain::run(Reached::Stdio).await?,
        Some(_) => return Err("`tour` takes no arguments".into()),
        None => {
            return Ok(if tour::run().await.map_err(|error| error.to_string())? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
