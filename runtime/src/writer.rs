//! Writes compact JSON: the canonical encoding of arguments and the data of results.

/// HMAC over a hidden value: field path and value in, lower hex out.
pub type Redact<'a> = &'a dyn Fn(&str, &[u8]) -> String;

/// What becomes of values that are sensitive or free text.
enum Mode<'a> {
    /// Everything as it is.
    Plain,
    /// Free text left out: what must agree between two calls of one key.
    Exact,
    /// Sensitive values and free text replaced by their HMAC: what the ledger may hold.
    Redacted(Redact<'a>),
}

/// A JSON writer that knows which values are hidden from records.
pub struct Writer<'a> {
    out: Vec<u8>,
    mode: Mode<'a>,
    names: Vec<&'static str>,
    hid: bool,
    reworded: bool,
    formless: bool,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was written may be a secret.
        f.debug_struct("Writer").field("bytes", &self.out.len()).finish_non_exhaustive()
    }
}

/// What one encoding held.
#[derive(Clone)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// It holds a sensitive value or free text.
    pub(crate) hid: bool,
    /// It holds free text.
    pub(crate) reworded: bool,
    /// It holds a value that JSON has no form for, written as `null`.
    pub(crate) formless: bool,
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was written may be a secret.
        f.debug_struct("Encoded").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Encodes as is.
pub(crate) fn plain(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    encode(Mode::Plain, write).bytes
}

/// Encodes as is and tells what it holds.
pub(crate) fn full(write: impl FnOnce(&mut Writer<'_>)) -> Encoded {
    encode(Mode::Plain, write)
}

/// Encodes without free text.
pub(crate) fn exact(write: impl FnOnce(&mut Writer<'_>)) -> Encoded {
    encode(Mode::Exact, write)
}

/// Encodes with hidden values replaced.
pub(crate) fn redacted(redact: Redact<'_>, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    encode(Mode::Redacted(redact), write).bytes
}

fn encode<'a>(mode: Mode<'a>, write: impl FnOnce(&mut Writer<'a>)) -> Encoded {
    let mut writer =
        Writer { out: Vec::with_capacity(64), mode, names: Vec::new(), hid: false, reworded: false, formless: false };
    write(&mut writer);
    Encoded { bytes: writer.out, hid: writer.hid, reworded: writer.reworded, formless: writer.formless }
}

impl Writer<'_> {
    fn comma(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(b',');
        }
    }

    /// Begins an object.
    pub fn begin_object(&mut self) {
        self.comma();
        self.out.push(b'{');
    }

    /// Ends an object.
    pub fn end_object(&mut self) {
        self.out.push(b'}');
    }

    /// Begins a list.
    pub fn begin_list(&mut self) {
        self.comma();
        self.out.push(b'[');
    }

    /// Ends a list.
    pub fn end_list(&mut self) {
        self.out.push(b']');
    }

    /// Writes a member's name; its value follows, then [`end_member`](Self::end_member).
    pub fn member(&mut self, name: &'static str) {
        self.names.push(name);
        self.str(name);
        self.out.push(b':');
    }

    /// Ends the member begun last.
    pub fn end_member(&mut self) {
        self.names.pop();
    }

    /// Writes a member whose value may be absent: `value` answers whether it wrote one.
    pub(crate) fn optional_member(&mut self, name: &'static str, value: impl FnOnce(&mut Self) -> bool) {
        let start = self.out.len();
        self.member(name);
        let present = value(self);
        self.end_member();
        if !present {
            self.out.truncate(start);
        }
    }

    /// Writes a string.
    pub fn str(&mut self, text: &str) {
        self.comma();
        if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else if serde_json::to_writer(&mut self.out, text).is_err() {
            // Writing a string into memory does not fail; were it to, `null` keeps the text JSON.
            self.out.extend_from_slice(b"null");
        }
    }

    /// Writes an integer.
    pub fn int(&mut self, value: impl Into<i128>) {
        use std::io::Write as _;
        self.comma();
        // Writing into memory does not fail.
        let _ok = write!(self.out, "{}", value.into());
    }

    /// Writes a float in its shortest form; `-0` as `0`, what is not finite as `null`.
    pub fn float(&mut self, value: f64) {
        self.comma();
        let value = if value == 0.0 { 0.0 } else { value };
        self.formless |= !value.is_finite();
        if serde_json::to_writer(&mut self.out, &value).is_err() {
            self.out.extend_from_slice(b"null");
        }
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.comma();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.comma();
        self.out.extend_from_slice(b"null");
    }

    /// Begins a value that records must not show; hand the answer to [`hidden`](Self::hidden).
    pub fn hide(&mut self) -> usize {
        self.comma();
        self.out.len()
    }

    /// Ends a value that records must not show; `free_text` when its wording does not tell actions apart.
    pub fn hidden(&mut self, start: usize, free_text: bool) {
        self.hid = true;
        self.reworded |= free_text;
        match &self.mode {
            Mode::Plain => {}
            Mode::Exact if free_text => {
                self.out.truncate(start);
                self.out.extend_from_slice(b"null");
            }
            Mode::Exact => {}
            Mode::Redacted(redact) => {
                let replaced = redact(&self.names.join("."), self.out.get(start..).unwrap_or_default());
                self.out.truncate(start);
                self.out.extend_from_slice(b"\"hmac:v1:");
                self.out.extend_from_slice(replaced.as_bytes());
                self.out.push(b'"');
            }
        }
    }
}
