//! Lines out of a stream of bytes, in bounded memory.

use std::mem;

use rmcp::model::RequestId;

use super::stray_id::StrayId;

/// What the stream holds next.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    /// A line without its newline, never blank.
    Line(&'a [u8]),
    /// A line over the limit, thrown away except for its id.
    TooLong(Option<RequestId>),
    /// What stood after the last newline when the stream ended.
    Half(&'a [u8]),
}

/// Cuts a stream into lines. Pieces may be of any size.
#[derive(Debug)]
pub(crate) struct Framer {
    max_bytes: usize,
    /// The line under way; empty while one is thrown away.
    line: Vec<u8>,
    discarded: Option<StrayId>,
}

impl Framer {
    /// A framer whose lines have at most `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, line: Vec::new(), discarded: None }
    }

    /// Hands every frame that `piece` completes to `each`, in order.
    pub(crate) fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(Frame<'_>)) {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let (head, tail) = piece.split_at(end);
            piece = tail.get(1..).unwrap_or_default();
            if self.line.is_empty() && self.discarded.is_none() && head.len() <= self.max_bytes {
                // The usual case: a whole line in one piece, not copied.
                Self::emit(head, &mut each);
                continue;
            }
            self.keep(head);
            match self.discarded.take() {
                Some(id) => each(Frame::TooLong(id.take())),
                None => {
                    Self::emit(&self.line, &mut each);
                    self.line.clear();
                }
            }
        }
        self.keep(piece);
    }

    /// The stream has ended: what is left of it, if anything.
    pub(crate) fn finish(&mut self, each: impl FnOnce(Frame<'_>)) {
        if let Some(id) = self.discarded.take() {
            each(Frame::TooLong(id.take()));
        } else if !self.line.trim_ascii().is_empty() {
            each(Frame::Half(&mem::take(&mut self.line)));
        }
    }

    fn emit(line: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        if !line.trim_ascii().is_empty() {
            each(Frame::Line(line));
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(id) = &mut self.discarded {
            id.feed(bytes);
        } else if self.line.len().saturating_add(bytes.len()) <= self.max_bytes {
            self.line.extend_from_slice(bytes);
        } else {
            let mut id = StrayId::default();
            id.feed(&mem::take(&mut self.line));
            id.feed(bytes);
            self.discarded = Some(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 24;

    /// What a framer makes of `stream`, cut into pieces of `size`.
    fn frames(stream: &[u8], size: usize) -> Vec<String> {
        let mut framer = Framer::new(MAX);
        let mut seen = Vec::new();
        let mut note = |frame: Frame<'_>| {
            seen.push(match frame {
                Frame::Line(line) => format!("line {}", String::from_utf8_lossy(line)),
                Frame::TooLong(id) => format!("too long {id:?}"),
                Frame::Half(half) => format!("half {}", String::from_utf8_lossy(half)),
            });
            assert!(note_is_bounded(&seen));
        };
        for piece in stream.chunks(size) {
            framer.push(piece, &mut note);
            assert!(framer.line.len() <= MAX);
        }
        framer.finish(&mut note);
        seen
    }

    fn note_is_bounded(seen: &[String]) -> bool {
        seen.iter().all(|frame| frame.len() <= MAX + 16)
    }

    #[test]
    fn lines_are_the_same_whatever_the_pieces() {
        let long = format!("{{\"method\":\"{}\",\"id\":5}}\n", "x".repeat(4 * MAX));
        let exact = "y".repeat(MAX);
        let over = "z".repeat(MAX + 1);
        let stream = format!("one\n\n  \r\ntwo\r\n{long}{exact}\n{over}\nthree\n{{\"id\":");
        let expected = vec![
            "line one".to_owned(),
            "line two\r".to_owned(),
            "too long Some(Number(5))".to_owned(),
            format!("line {exact}"),
            "too long None".to_owned(),
            "line three".to_owned(),
            "half {\"id\":".to_owned(),
        ];
        for size in 1..=stream.len() {
            assert_eq!(frames(stream.as_bytes(), size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_stream_may_end_blank_or_in_a_line_that_is_too_long() {
        assert_eq!(frames(b"one\n \t\r", 3), ["line one"]);
        assert_eq!(frames(b"", 1), Vec::<String>::new());
        let long = format!("{{\"id\":3,\"method\":\"{}", "x".repeat(2 * MAX));
        assert_eq!(frames(long.as_bytes(), 7), ["too long Some(Number(3))"]);
    }
}
