//! From bytes to messages: framing, scan and rmcp's own parse in one step.

use rmcp::model::{ClientJsonRpcMessage, RequestId};

use super::{
    BadArguments, Frame, Framer, Limits, Verdict,
    refusal::Refusal,
    scan,
};

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
        Self {
            framer: Framer::new(limits.max_bytes),
            limits,
        }
    }

    /// Appends what `piece` completes to `incoming`.
    pub(crate) fn push(&mut self, piece: &[u8], incoming: &mut Vec<Incoming>) {
        let limits = self.limits;
        self.framer
            .push(piece, |frame| incoming.push(judge(frame, &limits)));
    }

    /// The stream has ended: appends what was left of it.
    pub(crate) fn finish(&mut self, incoming: &mut Vec<Incoming>) {
        let limits = self.limits;
        self.framer
            .finish(|frame| incoming.push(judge(frame, &limits)));
    }
}

/// Parses a message that [`scan`] found sound.
///
/// # Errors
/// Refuses what rmcp has no type for.
pub(crate) fn read(
    message: &[u8],
    request: Option<RequestId>,
) -> Result<ClientJsonRpcMessage, Refusal> {
    // serde's error text may quote the message, so it goes nowhere.
    serde_json::from_slice(message).map_err(|_| {
        let awaited = request.is_some();
        let refusal = Refusal::invalid(request, "the message is not part of MCP");
        if awaited {
            refusal
        } else {
            refusal.unanswered()
        }
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
