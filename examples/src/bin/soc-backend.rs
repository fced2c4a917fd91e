//! The backend of the security pair as a process of its own; see `safe_tool_examples::soc::backend`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use safe_tool_examples::soc::backend::{Backend, BackendConfig, Scope, Tokens};

const USAGE: &str = "usage: soc-backend --listen 127.0.0.1:0 --state FILE [--token TOKEN=SCOPE,SCOPE]..
scopes: siem:read, edr:read, edr:contain, idp:accounts";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr gone too there is nobody left to tell.
            drop(writeln!(io::stderr(), "soc-backend: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> io::Result<()> {
    let config = config(std::env::args().skip(1))
        .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, format!("{why}\n{USAGE}")))?;
    let backend = Backend::start(config).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", backend.url())?;
    stdout.flush()?;
    tokio::signal::ctrl_c().await?;
    backend.stop().await
}

/// Reads the arguments by hand because a parser's own error texts would repeat a token.
fn config(mut args: impl Iterator<Item = String>) -> Result<BackendConfig, &'static str> {
    let mut listen = None;
    let mut state = None;
    let mut tokens = Tokens::default();
    while let Some(flag) = args.next() {
        let value = args.next().ok_or("a flag has no value")?;
        match flag.as_str() {
            "--listen" => listen = Some(value.parse().map_err(|_| "--listen is not ADDRESS:PORT")?),
            "--state" => state = Some(PathBuf::from(value)),
            "--token" => {
                let (token, names) = value.split_once('=').ok_or("--token is not TOKEN=SCOPE,SCOPE")?;
                if token.is_empty() {
                    return Err("--token has an empty token");
                }
                let scopes: Option<Vec<_>> = names.split(',').map(Scope::named).collect();
                tokens = tokens.grant(token, scopes.ok_or("--token names an unknown scope")?);
            }
            _ => return Err("unknown flag"),
        }
    }
    Ok(BackendConfig {
        listen: listen.ok_or("--listen is missing")?,
        state: state.ok_or("--state is missing")?,
        tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(args: &[&str]) -> Option<&'static str> {
        config(args.iter().map(ToString::to_string)).err()
    }

    #[test]
    fn complete_arguments_are_taken() {
        let args =
            ["--listen", "127.0.0.1:0", "--state", "f", "--token", "a=siem:read,edr:read", "--token", "b=edr:contain"];
        assert_eq!(refusal(&args), None);
    }

    #[test]
    fn what_is_missing_or_unknown_is_refused() {
        assert_eq!(refusal(&["--state", "f"]), Some("--listen is missing"));
        assert_eq!(refusal(&["--listen", "127.0.0.1:0"]), Some("--state is missing"));
        assert_eq!(refusal(&["--listen", "localhost"]), Some("--listen is not ADDRESS:PORT"));
        assert_eq!(refusal(&["--state"]), Some("a flag has no value"));
        assert_eq!(refusal(&["--verbose", "1"]), Some("unknown flag"));
        assert_eq!(refusal(&["--token", "=siem:read"]), Some("--token has an empty token"));
        assert_eq!(refusal(&["--token", "a"]), Some("--token is not TOKEN=SCOPE,SCOPE"));
        assert_eq!(refusal(&["--token", "a=edr:everything"]), Some("--token names an unknown scope"));
        assert_eq!(refusal(&["--token", "a="]), Some("--token names an unknown scope"));
    }
}
