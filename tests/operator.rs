//! The command line of operators, `safe-tool`, for tests to run.

fn main() -> std::process::ExitCode {
    safe_tool::operate::cli::run(std::env::args_os())
}
