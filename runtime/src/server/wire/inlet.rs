//! From bytes to messages: framing, scan and rmcp's own parse in one step.

use rmcp::model::{ClientJsonRpcMessage, RequestId};

use super::{BadArguments, Frame, Framer, Limits, Verdict, refusal::Refusal, scan};

/// One message of a client, as far as it could be read.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message rmcp understands.
    Message(Box<ClientJsonRpcMessage>),
    /// A call to be refused by the pipeline.
    BadArguments(BadArguments),
    /// What is no message.
    Refused(Refusal),
}

/// Reads a client's stream. No line is lost: each becomes an [`Incoming`].
#[derive(Debug)]
pub(crate) struct Inlet {
    framer: Framer,
    limits: Limits,
}

impl Inlet {
    /// An inlet for one stream.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { framer: Framer::new(limits.max_bytes), limits }
    }

    /// Appends what `piece` completes to `incoming`.
    pub(crate) fn push(&mut self, piece: &[u8], incoming: &mut Vec<Incoming>) {
        let limits = self.limits;
        self.framer.push(piece, |frame| incoming.push(judge(frame, &limits)));
    }

    /// The stream has ended: appends what was left of it.
    pub(crate) fn finish(&mut self, incoming: &mut Vec<Incoming>) {
        let limits = self.limits;
        self.framer.finish(|frame| incoming.push(judge(frame, &limits)));
    }
}

/// Parses a message that [`scan`] found sound.
///
/// # Errors
/// Refuses what rmcp has no type for.
pub(crate) fn read(message: &[u8], request: Option<RequestId>) -> Result<ClientJsonRpcMessage, Refusal> {
    // serde's error text may quote the message, so it goes nowhere.
    serde_json::from_slice(message).map_err(|_| {
        let awaited = request.is_some();
        let refusal = Refusal::invalid(request, "the message is not part of MCP");
        if awaited { refusal } else { refusal.unanswered() }
    })
}

fn judge(frame: Frame<'_>, limits: &Limits) -> Incoming {
    let line = match frame {
        Frame::Line(line) => line,
        Frame::TooLong(id) => return Incoming::Refused(Refusal::too_long(id)),
        Frame::Half(half) => return Incoming::Refused(half_refusal(half, limits)),
    };
    match scan(line, limits) {
        Verdict::BadArguments(bad) => Incoming::BadArguments(bad),
        Verdict::Refused(refusal) => Incoming::Refused(refusal),
        Verdict::Sound { request } => match read(line, request) {
            Ok(message) => Incoming::Message(Box::new(message)),
            Err(refusal) => Incoming::Refused(refusal),
        },
    }
}

/// A line without its newline may have lost its end, whatever it looks like, so it is never run.
fn half_refusal(half: &[u8], limits: &Limits) -> Refusal {
    let id = match scan(half, limits) {
        Verdict::Sound { request } => request,
        Verdict::BadArguments(bad) => Some(bad.id),
        Verdict::Refused(refusal) => refusal.id,
    };
    Refusal::unreadable(id, "the message ends without a newline")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]

    use super::*;

    /// If not, rmcp would answer an HTTP client with serde's error text, which quotes the message.
    #[test]
    fn rmcp_reads_every_sound_request_and_notification() {
        let methods = [
            "initialize",
            "ping",
            "server/discover",
            "tools/list",
            "tools/call",
            "prompts/get",
            "prompts/list",
            "resources/list",
            "resources/read",
            "resources/subscribe",
            "resources/templates/list",
            "subscriptions/listen",
            "completion/complete",
            "logging/setLevel",
            "tasks/get",
            "tasks/update",
            "tasks/cancel",
            "skills/list",
            "skills/get",
            "notifications/cancelled",
            "notifications/progress",
            "notifications/initialized",
            "notifications/roots/list_changed",
            "x",
            "",
        ];
        let params = [
            "null",
            "7",
            "[]",
            "[1]",
            "{}",
            r#"{"name":5}"#,
            r#"{"name":"t"}"#,
            r#"{"cursor":5}"#,
            r#"{"uri":[]}"#,
            r#"{"name":"t","arguments":{"a":1}}"#,
            r#"{"name":"t","inputResponses":5}"#,
            r#"{"requestId":{}}"#,
            r#"{"name":"t","requestState":5}"#,
            r#"{"_meta":null}"#,
            r#"{"_meta":5}"#,
            r#"{"_meta":{"progressToken":{}}}"#,
            r#"{"name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":5}}"#,
            r#"{"protocolVersion":5,"capabilities":[],"clientInfo":0}"#,
            r#"{"progressToken":1,"progress":1e308}"#,
        ];
        let mut sound = 0;
        for method in methods {
            for params in params {
                for id in ["", r#""id":1,"#, r#""id":"x","extra":[],"#] {
                    let message = format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{params}}}"#);
                    let Verdict::Sound { request } = scan(message.as_bytes(), &Limits::default()) else {
                        continue;
                    };
                    assert_eq!(request.is_some(), !id.is_empty(), "{message}");
                    assert!(read(message.as_bytes(), request).is_ok(), "{message}");
                    sound += 1;
                }
            }
        }
        assert!(sound > 500, "{sound}");
    }

    #[test]
    fn what_rmcp_cannot_read_is_refused_and_not_quoted() {
        let message = br#"{"jsonrpc":"2.0","id":1,"error":{"code":"a secret"}}"#;
        let refusal = read(message, None).map(|message| panic!("{message:?}")).unwrap_err();
        assert!(!refusal.answered);
        assert!(!format!("{refusal:?}").contains("secret"));
    }
}
