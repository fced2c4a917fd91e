//! How a message that is not a call is refused: as a JSON-RPC error.

use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId};

/// A refused message. Its text is fixed: nothing the caller wrote is in it, except the id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// The id of the request, if it could be read. Without one the answer has none: MCP omits what JSON-RPC writes as
    /// `null`.
    pub id: Option<RequestId>,
    /// JSON-RPC error code.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: &'static str,
    /// False for what must never be answered: notifications, and responses (or two peers could answer each other's
    /// errors for ever).
    pub answered: bool,
}

impl Refusal {
    /// The message cannot be read: -32700.
    pub(crate) fn unreadable(id: Option<RequestId>, message: &'static str) -> Self {
        Self::new(id, ErrorCode::PARSE_ERROR, message)
    }

    /// The message can be read and is not a request: -32600.
    pub(crate) fn invalid(id: Option<RequestId>, message: &'static str) -> Self {
        Self::new(id, ErrorCode::INVALID_REQUEST, message)
    }

    /// The parameters of the request do not fit its method: -32602.
    pub(crate) fn bad_params(id: Option<RequestId>, message: &'static str) -> Self {
        Self::new(id, ErrorCode::INVALID_PARAMS, message)
    }

    /// The message is longer than [`super::Limits::max_bytes`]: -32600.
    pub(crate) fn too_long(id: Option<RequestId>) -> Self {
        Self::invalid(id, "the message is too long")
    }

    fn new(id: Option<RequestId>, code: ErrorCode, message: &'static str) -> Self {
        Self { id, code, message, answered: true }
    }

    /// The same refusal, kept silent.
    pub(crate) fn unanswered(self) -> Self {
        Self { answered: false, ..self }
    }

    /// The JSON-RPC error.
    pub(crate) fn into_error(self) -> JsonRpcError {
        JsonRpcError::new(self.id, ErrorData::new(self.code, self.message, None))
    }
}
