//! Gate 0: what a message must be before any parser of others sees it.
//!
//! rmcp turns `arguments` into a map, which loses duplicate names, and never answers some lines at all. So every stdio
//! line and HTTP body is scanned here first; what does not pass is answered here, and rmcp sees only what it can read.
//!
//! The scan is on the path of every call: it borrows from the message and allocates two small vectors.

mod framer;
mod inlet;
mod json;
mod message;
mod published;
mod refusal;
mod stray_id;

pub(crate) use self::{
    framer::{Frame, Framer},
    inlet::{Incoming, Inlet, read},
    message::{BadArguments, Verdict},
    published::paths,
    refusal::Refusal,
};

/// What a message may weigh.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one message, without its newline.
    pub max_bytes: usize,
    /// Arrays and objects inside each other, the message's own object included.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024, max_depth: 64 }
    }
}

/// Judges one message by its raw bytes.
///
/// Accepts exactly what `serde_json` accepts, minus what is over `limits` and objects that name a member twice; and of
/// those only what has the form of a JSON-RPC message, a `tools/call` that of a call.
pub(crate) fn scan(bytes: &[u8], limits: &Limits) -> Verdict {
    if bytes.len() > limits.max_bytes {
        return Verdict::Refused(Refusal::too_long(stray_id::find(bytes)));
    }
    message::judge(&json::survey(bytes, limits.max_depth))
}
