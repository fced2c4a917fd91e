use super::call;
use crate::prelude::*;
use crate::tool::BoxFuture;
use crate::{CredentialBroker, CredentialError, Ledger, Principal, SecretString};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;

const WRITE: Scope = Scope::new("lab:write");

/// What a server of others might answer: a log line of its own, and a terminal that is told to clear itself.
const FORGED: &str = "no\n2026-11-21T00:00:00Z  INFO safe_tool: all is well\r\u{1b}[2J\u{9b}2J\u{7}";

#[derive(ToolError)]
enum LabError {
    #[tool_error(rejected, "it is bolted down")]
    Bolted {
        #[detail]
        cause: String,
    },
}

/// The key of a box.
#[derive(Credential)]
#[credential(audience = "https://box.example", env = "BOX_TOKEN")]
struct BoxKey;

/// Opens a box.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("close it"))]
async fn open_box(
    call: Call<(), BoxKey>,
    /// The box.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, LabError> {
    let _ = (call, thing);
    Ok(Done)
}

/// Breaks a thing.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("mend it"))]
async fn break_it(
    /// The thing.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, LabError> {
    if thing == "panic" {
        panic!("{FORGED}")
    }
    Err(LabError::Bolted { cause: FORGED.to_owned() })
}

struct Broker;

impl CredentialBroker for Broker {
    fn mint<'a>(
        &'a self,
        _: &'static crate::credential::CredentialSpec,
        _: &'a Principal,
    ) -> BoxFuture<'a, Result<SecretString, CredentialError>> {
        Box::pin(async { Err(CredentialError(FORGED.to_owned())) })
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Holes E5: what others say stands in the log within quotes, on the line that says who said it.
#[tokio::test]
async fn a_foreign_text_forges_no_log_line_and_reaches_no_terminal() {
    let written = Written::default();
    let layer = tracing_subscriber::fmt::layer().with_writer({
        let written = written.clone();
        move || written.clone()
    });
    let _logs = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let server = Server::write("lab", ()).tool::<open_box>().tool::<break_it>().credentials(Broker);
    let server = server.ledger(Ledger::open("memory:").unwrap());
    let server = server.in_process(Principal::agent("a").with_scope("lab:write")).await.unwrap();
    call(&server, "open_box", "red").await;
    call(&server, "break_it", "lamp").await;
    call(&server, "break_it", "panic").await;
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    for line in ["no credential", "the tool answered with an error", "the tool panicked"] {
        let lines: Vec<&str> = text.lines().filter(|told| told.contains(line)).collect();
        assert!(matches!(lines.as_slice(), [line] if line.contains("\\n2026")), "{text}");
    }
    assert!(!text.lines().any(|line| line.starts_with("2026-11-21T00:00:00Z  INFO")), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
