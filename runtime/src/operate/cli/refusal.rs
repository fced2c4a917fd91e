//! What is said of a wrong command line. A ledger's URL in it is not repeated: it may hold a password.

use clap::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints help to stdout and what is wrong with the command line `given` to stderr.
pub(super) fn tell(error: &Error, given: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // Help and version, which are no error.
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let told = io::stderr().write_all(without_urls(error.to_string(), given).as_bytes());
    // Where nobody reads stderr, the exit code still tells.
    drop(told);
    ExitCode::from(2)
}

/// `text` without the URLs among what was `given` as arguments or by the environment.
pub(super) fn without_urls(mut text: String, given: &[OsString]) -> String {
    for argument in given {
        let argument = argument.to_string_lossy();
        if let Some(start) = url(&argument) {
            text = text.replace(argument.get(start..).unwrap_or_default(), "URL");
        }
    }
    text
}

/// Where a URL begins in an argument, which may be an option with a value. One that is mistyped counts.
fn url(argument: &str) -> Option<usize> {
    let colon = argument.find(':')?;
    let (before, after) = argument.split_at(colon);
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |place| place + 1);
    let scheme = argument.get(start..colon).unwrap_or_default();
    let is_url = after.starts_with(":/") || after.contains('@') || scheme.starts_with("postgres");
    (is_url && scheme != "sled").then_some(start)
}

#[cfg(test)]
mod tests {
    use super::{url, without_urls};

    #[test]
    fn no_password_is_repeated() {
        for argument in [
            "postgres://me:secret@host/db",
            "postgres:secret",
            "postgre://me:secret@host/db",
            "postgres:/me:secret@host/db",
            "--ledgr=postgresql://me:secret@host/db",
            "-postgres://me:secret@host/db",
            "me:secret@host",
        ] {
            for text in [format!("unexpected argument '{argument}' found"), format!("to pass '{argument}' as a value")]
            {
                let told = without_urls(text, &["audit".into(), argument.into()]);
                assert!(!told.contains("secret") && told.contains("URL"), "{told}");
            }
        }
        for path in ["./a:b", "/srv/postgres/a@b", "sled:/srv/postgres"] {
            assert_eq!(url(path), None, "{path}");
        }
    }
}
