//! The id of a message that is too long to keep.
//!
//! Whoever sent it waits for an answer to that id, and clients differ in where they put it: Python's and rmcp's write it
//! first, the TypeScript SDK writes it last. So it is looked for while the message goes by, in constant memory.

use rmcp::model::RequestId;

/// Longest id that is remembered, as JSON text.
const MAX_ID: usize = 512;

/// Looks for the top-level `id` of a message that is fed to it piece by piece. Checks nothing: it may only name the
/// request that a refusal answers.
#[derive(Debug, Default)]
pub(super) struct StrayId {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The name or value under way at the top level.
    token: Vec<u8>,
    after_id: bool,
    found: Vec<RequestId>,
}

/// The id of a message that is at hand as a whole.
pub(super) fn find(message: &[u8]) -> Option<RequestId> {
    let mut id = StrayId::default();
    id.feed(message);
    id.take()
}

impl StrayId {
    /// Goes over the next piece of the message.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.step(byte);
        }
    }

    /// The id, unless there was none or more than one.
    pub(super) fn take(self) -> Option<RequestId> {
        match <[RequestId; 1]>::try_from(self.found) {
            Ok([id]) => Some(id),
            Err(_) => None,
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b':' if self.depth == 1 => {
                self.after_id = self.token == b"\"id\"";
                self.token.clear();
            }
            b',' if self.depth == 1 => self.end_value(),
            b'{' | b'[' => {
                // Spoils the token, because a container is no id.
                self.keep(byte);
                self.depth += 1;
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_value();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() < MAX_ID {
            self.token.push(byte);
        }
    }

    fn end_value(&mut self) {
        if self.after_id
            && self.found.len() < 2
            && let Ok(id) = serde_json::from_slice(&self.token)
        {
            self.found.push(id);
        }
        self.token.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn number(id: i64) -> Option<RequestId> {
        Some(RequestId::Number(id))
    }

    #[test]
    fn finds_the_id_wherever_it_stands() {
        assert_eq!(find(br#"{"id":7,"method":"x"}"#), number(7));
        assert_eq!(find(br#"{"method":"x", "id" : 7 }"#), number(7));
        assert_eq!(find(br#"{"params":{"id":1,"a":[{"id":2}]},"id":"q\"7"}"#), Some(RequestId::String("q\"7".into())));
    }

    #[test]
    fn finds_it_in_pieces_of_any_size() {
        let message = br#"{"params":{"text":"\\\"id\":9,"},"id":42,"method":"x"}"#;
        for size in 1..message.len() {
            let mut id = StrayId::default();
            for piece in message.chunks(size) {
                id.feed(piece);
            }
            assert_eq!(id.take(), number(42), "pieces of {size}");
        }
    }

    #[test]
    fn is_not_misled() {
        for message in [
            &br#"{"params":{"id":1}}"#[..],
            br#"["id",1]"#,
            br#"{"x":"\"id\":3,","y":"id"}"#,
            br#"{"id":1,"id":2}"#,
            br#"{"id":{"id":1}}"#,
            br#"{"id":[1]}"#,
            br#"{"id":null}"#,
            br#"{"id":1"#,
            b"\"id\":1,",
            b"",
        ] {
            assert_eq!(find(message), None, "{}", String::from_utf8_lossy(message));
        }
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_ID));
        assert_eq!(find(long.as_bytes()), None);
    }
}
