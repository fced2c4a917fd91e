//! Walks the JSON of a call's arguments once, without building a tree.

use super::field::{Field, Variant, names};
use super::violation::{Example, Violation};
use std::borrow::Cow;

/// More violations than this help nobody, and an answer must stay small.
const MOST_VIOLATIONS: usize = 64;

/// A position in the arguments, the path to it, and what was found wrong so far.
///
/// Gate 0 has checked the text already; a text that is not JSON is still answered with a violation,
/// never with a panic.
#[derive(Debug)]
pub struct Decoder<'a> {
    text: &'a str,
    at: usize,
    path: Vec<Step>,
    violations: Vec<Violation>,
    published: Published,
}

/// The published arguments that the pipeline reads and the body does not see.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Published {
    /// The key that a caller gives a tool with `key = client`.
    pub idempotency_key: Option<String>,
    /// The id of the call after which the same is to be done again.
    pub again_after: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Name(&'static str),
    Index(usize),
}

/// The state of a walk over one object or list.
#[derive(Debug)]
pub struct Walk {
    fields: &'static [Field],
    seen: u128,
    steps: usize,
    unknown: bool,
    /// The path holds the step of the member that was answered last.
    open: bool,
}

impl<'a> Decoder<'a> {
    /// Starts at the beginning of a JSON text.
    pub fn new(text: &'a str) -> Self {
        Decoder { text, at: 0, path: Vec::new(), violations: Vec::new(), published: Published::default() }
    }

    /// Ends the walk: the violations that were noted, and the published arguments that were read.
    pub fn finish(mut self) -> (Vec<Violation>, Published) {
        self.space();
        if self.at < self.text.len() && self.violations.is_empty() {
            self.broken();
        }
        (self.violations, self.published)
    }

    /// Notes a violation at the present path.
    pub fn violation(&mut self, rule: &'static str, expected: impl Into<Cow<'static, str>>, example: Option<Example>) {
        let path = self.pointer(None);
        self.note(path, rule, expected.into(), example);
    }

    fn note(&mut self, path: String, rule: &'static str, expected: Cow<'static, str>, example: Option<Example>) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation { path, rule, expected, example });
        }
    }

    fn pointer(&self, last: Option<&str>) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        for step in &self.path {
            out.push('/');
            match step {
                // Wire names match `[a-z][a-z0-9_]*`, so nothing in them needs escaping.
                Step::Name(name) => out.push_str(name),
                Step::Index(index) => {
                    // Writing to a `String` cannot fail.
                    let _ok = write!(out, "{index}");
                }
            }
        }
        if let Some(last) = last {
            out.push('/');
            out.push_str(last);
        }
        out
    }

    fn broken(&mut self) {
        self.at = self.text.len();
        // What is under way ends here too, and would say it again at every level.
        if self.violations.last().is_some_and(|violation| violation.rule == "json") {
            return;
        }
        self.note(String::new(), "json", Cow::Borrowed("a JSON text"), None);
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        if hit {
            self.at += 1;
        }
        hit
    }

    /// Skips one value, whatever it is.
    pub fn skip(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(b'"') => {
                    if self.raw_string().is_none() {
                        return;
                    }
                }
                Some(b',' | b':') => self.at += 1,
                Some(_) => {
                    let bytes = self.text.as_bytes();
                    while !matches!(
                        bytes.get(self.at),
                        None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | b':' | b'"' | b'{' | b'[')
                    ) {
                        self.at += 1;
                    }
                }
                None => return self.broken(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The string's text between its quotes, as it stands, and whether it holds an escape.
    fn raw_string(&mut self) -> Option<(&'a str, bool)> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
                None => {
                    self.broken();
                    return None;
                }
            }
        }
        self.at = end + 1;
        Some((self.text.get(start..end)?, escaped))
    }

    fn unescaped(&mut self) -> Option<Cow<'a, str>> {
        let quote = self.at;
        let (raw, escaped) = self.raw_string()?;
        if !escaped {
            if raw.bytes().any(|byte| byte < 0x20) {
                self.broken();
                return None;
            }
            return Some(Cow::Borrowed(raw));
        }
        match serde_json::from_str(self.text.get(quote..self.at)?) {
            Ok(text) => Some(Cow::Owned(text)),
            Err(_) => {
                self.broken();
                None
            }
        }
    }

    /// Reads a string; anything else is a violation of `type`.
    pub fn string(&mut self, example: Option<Example>) -> Option<Cow<'a, str>> {
        if self.peek() == Some(b'"') {
            return self.unescaped();
        }
        self.wrong_type("a string", example);
        None
    }

    /// Reads a number's text as it stands; anything else is a violation of `type`.
    pub(crate) fn number_text(&mut self, expected: &'static str, example: Option<Example>) -> Option<&'a str> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            self.wrong_type(expected, example);
            return None;
        }
        let bytes = self.text.as_bytes();
        let start = self.at;
        while matches!(bytes.get(self.at), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = self.text.get(start..self.at)?;
        // Rust's parser of floats takes more than JSON does: `01`, `1.`, `1_0` or `inf` must not pass for numbers.
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            self.broken();
            return None;
        }
        Some(text)
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Option<bool> {
        let rest = {
            self.space();
            self.text.get(self.at..).unwrap_or_default()
        };
        if rest.starts_with("true") {
            self.at += 4;
            Some(true)
        } else if rest.starts_with("false") {
            self.at += 5;
            Some(false)
        } else {
            self.wrong_type("`true` or `false`", None);
            None
        }
    }

    fn wrong_type(&mut self, expected: &'static str, example: Option<Example>) {
        self.violation("type", expected, example);
        self.skip();
    }

    /// Enters an object; anything else is a violation of `type`.
    pub fn object(&mut self, fields: &'static [Field]) -> Option<Walk> {
        if self.eat(b'{') {
            return Some(Walk { fields, seen: 0, steps: 0, unknown: false, open: false });
        }
        self.wrong_type("an object", None);
        None
    }

    /// Steps to the next known member and answers its place in the field table; `None` at the end, when
    /// missing members have been noted. Unknown and repeated members are noted and skipped.
    pub fn member(&mut self, walk: &mut Walk) -> Option<usize> {
        if std::mem::take(&mut walk.open) {
            self.path.pop();
        }
        loop {
            if self.eat(b'}') {
                self.missing(walk);
                return None;
            }
            if walk.steps > 0 && !self.eat(b',') {
                self.broken();
                return None;
            }
            walk.steps += 1;
            if self.peek() != Some(b'"') {
                self.broken();
                return None;
            }
            let name = self.unescaped()?;
            if !self.eat(b':') {
                self.broken();
                return None;
            }
            match walk.fields.iter().position(|field| field.name == name) {
                Some(index) if walk.seen & (1 << index) == 0 => {
                    walk.seen |= 1 << index;
                    walk.open = true;
                    self.path.push(Step::Name(walk.fields[index].name));
                    return Some(index);
                }
                Some(_) => {
                    self.violation("unique_names", "each name once", None);
                    self.skip();
                }
                None => {
                    // The caller chose the name, so it is not repeated; one note an object is enough.
                    if !walk.unknown {
                        walk.unknown = true;
                        self.violation("additionalProperties", names(walk.fields), None);
                    }
                    self.skip();
                }
            }
        }
    }

    fn missing(&mut self, walk: &Walk) {
        for (index, field) in walk.fields.iter().enumerate() {
            if field.required && walk.seen & (1 << index) == 0 {
                let path = self.pointer(Some(field.name));
                self.note(path, "required", Cow::Owned(field.expected()), field.shape.example());
            }
        }
    }

    /// Enters a list; anything else is a violation of `type`.
    pub fn items(&mut self) -> Option<Walk> {
        if self.eat(b'[') {
            return Some(Walk { fields: &[], seen: 0, steps: 0, unknown: false, open: false });
        }
        self.wrong_type("a list", None);
        None
    }

    /// Steps to the next item of a list; `false` at its end.
    pub fn item(&mut self, walk: &mut Walk) -> bool {
        if walk.steps > 0 {
            self.path.pop();
        }
        if self.eat(b']') {
            return false;
        }
        if (walk.steps > 0 && !self.eat(b',')) || self.peek().is_none() {
            self.broken();
            return false;
        }
        self.path.push(Step::Index(walk.steps));
        walk.steps += 1;
        true
    }

    /// Finds the `kind` of a tagged object, wherever it stands in it, without moving.
    pub fn tag(&mut self, variants: &'static [Variant]) -> Option<usize> {
        if self.peek() != Some(b'{') {
            self.wrong_type("an object", None);
            return None;
        }
        let start = self.at;
        let found = self.find_tag();
        self.at = start;
        let expected = || {
            let list: Vec<String> = variants.iter().map(|v| format!("`{}`", v.name)).collect();
            format!("one of {}", list.join(", "))
        };
        let path = self.pointer(Some("kind"));
        match found {
            Some(Some(kind)) => {
                let place = variants.iter().position(|variant| variant.name == kind);
                if place.is_none() {
                    self.note(path, "enum", Cow::Owned(expected()), None);
                    self.skip();
                }
                place
            }
            Some(None) => {
                self.note(path, "type", Cow::Owned(expected()), None);
                self.skip();
                None
            }
            None => {
                self.note(path, "required", Cow::Owned(expected()), None);
                self.skip();
                None
            }
        }
    }

    /// Outer `None`: no `kind`; inner `None`: it is not a string.
    fn find_tag(&mut self) -> Option<Option<Cow<'a, str>>> {
        self.at += 1;
        loop {
            self.eat(b',');
            if self.peek() != Some(b'"') {
                return None;
            }
            let name = self.unescaped()?;
            if !self.eat(b':') {
                return None;
            }
            if name == "kind" {
                return Some(if self.peek() == Some(b'"') { self.unescaped() } else { None });
            }
            self.skip();
        }
    }

    /// Reads a closed string enum and answers the variant's place.
    pub fn one_of(&mut self, variants: &'static [Variant]) -> Option<usize> {
        let value = self.string(variants.first().map(|v| Example::Text(v.name)))?;
        let place = variants.iter().position(|variant| variant.name == value);
        if place.is_none() {
            let list: Vec<String> = variants.iter().map(|v| format!("`{}`", v.name)).collect();
            self.violation("enum", format!("one of {}", list.join(", ")), None);
        }
        place
    }

    /// Reads the published `idempotency_key` argument of a tool with `key = client`.
    pub fn idempotency_key(&mut self) {
        self.published.idempotency_key = super::text::<String>(self, &crate::action::CLIENT_KEY);
    }

    /// Reads the published `again_after` argument of a tool that may be called again on purpose.
    pub fn again_after(&mut self) {
        self.published.again_after = super::text::<String>(self, &crate::action::AGAIN_AFTER);
    }
}
