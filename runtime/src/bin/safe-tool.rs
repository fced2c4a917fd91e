//! `safe-tool`: what operators do with the ledger of a server. All of it is in `safe_tool::operate`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    safe_tool::operate::cli::run(std::env::args_os())
}
