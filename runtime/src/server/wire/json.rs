//! One pass over the raw text of a message: is it JSON, what is wrong in it, and where are the members that say what the
//! message is.
//!
//! Iterative, so depth costs memory and not stack. Faults that leave the text readable (a name given twice, half a
//! surrogate pair, a number beyond every float, too many levels) are noted and the pass goes on, so that the request is
//! found and can be answered.

use std::{borrow::Cow, collections::HashSet};

/// Faults that are told; more of them say nothing new.
const MAX_SPOTS: usize = 32;

/// Up to this many names an object's names are compared one by one, which is cheaper than hashing and, because it is a
/// constant, not quadratic.
const FEW_NAMES: usize = 16;

/// A number of this many characters without exponent is below the largest float, which has one digit more.
const FINITE_DIGITS: usize = 308;

/// Why a readable text is refused. The names are wire names.
pub(crate) mod rule {
    /// An object names a member twice.
    pub(crate) const UNIQUE_NAMES: &str = "unique_names";
    /// A `\u` escape is half of a surrogate pair.
    pub(crate) const UNICODE: &str = "unicode";
    /// A number is beyond the range of a float.
    pub(crate) const FINITE: &str = "finite";
    /// Arrays and objects are nested too deep.
    pub(crate) const DEPTH: &str = "depth";
}

/// One step from a container to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member, by the name the caller wrote.
    Name(String),
    /// An item of an array.
    Index(usize),
}

/// A fault inside the arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Where, from the arguments object on. A name that stands twice is at its object.
    pub steps: Vec<Step>,
    /// Which rule is broken.
    pub rule: &'static str,
}

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Keyword,
}

/// A value of interest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub kind: Kind,
    /// Its JSON text.
    pub text: &'a str,
}

impl<'a> Seen<'a> {
    /// What a string says; `None` for other values and for strings with a surrogate fault.
    pub(super) fn string(&self) -> Option<Cow<'a, str>> {
        if self.kind != Kind::String {
            return None;
        }
        let inside = self.text.get(1..self.text.len() - 1)?;
        if inside.contains('\\') {
            serde_json::from_str(self.text).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inside))
        }
    }
}

/// What one pass has found.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    /// What makes the text unreadable; everything else is then what came before.
    pub unreadable: Option<&'static str>,
    /// What the text is, once read to its end.
    pub root: Option<Kind>,
    pub jsonrpc: Option<Seen<'a>>,
    pub id: Option<Seen<'a>>,
    /// Which of two ids is meant cannot be known.
    pub id_repeated: bool,
    pub method: Option<Seen<'a>>,
    pub params: Option<Seen<'a>>,
    pub result: Option<Seen<'a>>,
    pub error: Option<Seen<'a>>,
    /// `params.name`
    pub name: Option<Seen<'a>>,
    /// `params.arguments`
    pub arguments: Option<Seen<'a>>,
    /// `params._meta`
    pub meta: Option<Seen<'a>>,
    /// Faults inside `params.arguments`.
    pub spots: Vec<Spot>,
    /// The first rule that is broken anywhere else.
    pub outside: Option<&'static str>,
}

/// Goes over `bytes` once.
pub(super) fn survey(bytes: &[u8], max_depth: usize) -> Survey<'_> {
    let (source, invalid) = match std::str::from_utf8(bytes) {
        Ok(source) => (source, false),
        // What stands before may hold the id.
        Err(error) => {
            let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(sound).unwrap_or_default(), true)
        }
    };
    let mut pass = Pass {
        source,
        bytes: source.as_bytes(),
        at: 0,
        max_depth,
        frames: Vec::with_capacity(8),
        too_deep: Vec::new(),
        names: Vec::with_capacity(FEW_NAMES),
        member: Member::Other,
        param: Param::Other,
        survey: Survey::default(),
    };
    let end = pass.run();
    let mut survey = pass.survey;
    survey.unreadable =
        if invalid { Some("the message is not UTF-8") } else { end.err().map(|Broken| "the message is not JSON") };
    survey
}

/// The text breaks the grammar, or ends too early.
struct Broken;

/// A container under way.
struct Frame<'a> {
    kind: Kind,
    start: usize,
    /// Which item, in an array.
    index: usize,
    /// Where in [`Pass::names`] this object's names begin.
    first_name: usize,
    /// Where in [`Pass::names`] the member under way is.
    name: usize,
    /// All its names, once they are more than [`FEW_NAMES`].
    many_names: Option<HashSet<Cow<'a, str>>>,
    /// A second name given twice in one object says nothing new.
    repeated: bool,
}

/// The member of the message that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Other,
}

/// The member of `params` that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Param {
    Name,
    Arguments,
    Meta,
    Other,
}

/// How a string was spelled.
#[derive(Default)]
struct Spelling {
    escaped: bool,
    broken_pair: bool,
}

struct Pass<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    frames: Vec<Frame<'a>>,
    /// Containers beyond the depth limit: only their kind is kept, because there may be a million of them.
    too_deep: Vec<Kind>,
    /// The names of all objects under way, the innermost object's last.
    names: Vec<Cow<'a, str>>,
    member: Member,
    param: Param,
    survey: Survey<'a>,
}

impl<'a> Pass<'a> {
    fn run(&mut self) -> Result<(), Broken> {
        loop {
            self.skip_space();
            let start = self.at;
            let kind = match self.peek().ok_or(Broken)? {
                b'{' => {
                    self.open(Kind::Object);
                    if self.peek() != Some(b'}') {
                        self.name()?;
                        continue;
                    }
                    self.close();
                    Kind::Object
                }
                b'[' => {
                    self.open(Kind::Array);
                    if self.peek() != Some(b']') {
                        continue;
                    }
                    self.close();
                    Kind::Array
                }
                b'"' => {
                    if self.string()?.broken_pair {
                        self.note(rule::UNICODE, self.frames.len());
                    }
                    Kind::String
                }
                b'-' | b'0'..=b'9' => {
                    if !self.number()? {
                        self.note(rule::FINITE, self.frames.len());
                    }
                    Kind::Number
                }
                b't' => self.keyword("true")?,
                b'f' => self.keyword("false")?,
                b'n' => self.keyword("null")?,
                _ => return Err(Broken),
            };
            if !matches!(kind, Kind::Object | Kind::Array) {
                self.note_value(kind, start);
            }
            if self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Goes to where the next value begins. True at the end of the text.
    fn after_value(&mut self) -> Result<bool, Broken> {
        loop {
            self.skip_space();
            let Some(kind) = self.container() else {
                return if self.peek().is_none() { Ok(true) } else { Err(Broken) };
            };
            match (kind, self.peek().ok_or(Broken)?) {
                (Kind::Object, b'}') | (Kind::Array, b']') => self.close(),
                (Kind::Object, b',') => {
                    self.at += 1;
                    self.skip_space();
                    self.name()?;
                    return Ok(false);
                }
                (Kind::Array, b',') => {
                    self.at += 1;
                    if self.too_deep.is_empty()
                        && let Some(frame) = self.frames.last_mut()
                    {
                        frame.index += 1;
                    }
                    return Ok(false);
                }
                _ => return Err(Broken),
            }
        }
    }

    /// The kind of the container under way.
    fn container(&self) -> Option<Kind> {
        let inside = || self.frames.last().map(|frame| frame.kind);
        self.too_deep.last().copied().or_else(inside)
    }

    /// Enters the container that begins here.
    fn open(&mut self, kind: Kind) {
        if self.frames.len() == self.max_depth {
            self.note(rule::DEPTH, self.frames.len());
            self.too_deep.push(kind);
        } else {
            self.frames.push(Frame {
                kind,
                start: self.at,
                index: 0,
                first_name: self.names.len(),
                name: self.names.len(),
                many_names: None,
                repeated: false,
            });
            if self.frames.len() == 2 {
                // `params` may be an array, and then has no members.
                self.param = Param::Other;
            }
        }
        self.at += 1;
        self.skip_space();
    }

    /// Leaves the container that ends here.
    fn close(&mut self) {
        self.at += 1;
        if self.too_deep.pop().is_none()
            && let Some(frame) = self.frames.pop()
        {
            self.names.truncate(frame.first_name);
            self.note_value(frame.kind, frame.start);
        }
    }

    /// Reads a member's name and the colon.
    fn name(&mut self) -> Result<(), Broken> {
        if self.peek() != Some(b'"') {
            return Err(Broken);
        }
        let start = self.at;
        let spelling = self.string()?;
        if self.too_deep.is_empty() {
            let name = self.unescape(start, &spelling);
            self.note_name(name, &spelling);
        }
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Broken);
        }
        self.at += 1;
        Ok(())
    }

    /// What the name between `start` and here says. Names are compared as they read, not as they are spelled.
    fn unescape(&self, start: usize, spelling: &Spelling) -> Cow<'a, str> {
        let raw = |from, to| self.source.get(from..to).unwrap_or_default();
        let plain = Cow::Borrowed(raw(start + 1, self.at - 1));
        if !spelling.escaped {
            return plain;
        }
        // Only a broken pair fails, and then the message is refused for that.
        serde_json::from_str(raw(start, self.at)).map_or(plain, Cow::Owned)
    }

    fn note_name(&mut self, name: Cow<'a, str>, spelling: &Spelling) {
        let depth = self.frames.len();
        match depth {
            1 => {
                self.member = match &*name {
                    "jsonrpc" => Member::Jsonrpc,
                    "id" => Member::Id,
                    "method" => Member::Method,
                    "params" => Member::Params,
                    "result" => Member::Result,
                    "error" => Member::Error,
                    _ => Member::Other,
                };
            }
            2 => {
                self.param = match &*name {
                    "name" => Param::Name,
                    "arguments" => Param::Arguments,
                    "_meta" => Param::Meta,
                    _ => Param::Other,
                };
            }
            _ => {}
        }
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let before = self.names.get(frame.first_name..).unwrap_or_default();
        let repeated = match &mut frame.many_names {
            Some(names) => !names.insert(name.clone()),
            None if before.len() < FEW_NAMES => before.contains(&name),
            none => {
                let mut names: HashSet<_> = before.iter().cloned().collect();
                let repeated = !names.insert(name.clone());
                *none = Some(names);
                repeated
            }
        };
        let first_repeat = repeated && !frame.repeated;
        frame.repeated |= repeated;
        frame.name = self.names.len();
        self.names.push(name);
        if first_repeat {
            self.note(rule::UNIQUE_NAMES, depth - 1);
        }
        if spelling.broken_pair {
            self.note(rule::UNICODE, depth - 1);
        }
    }

    /// Remembers a value that has just ended, if the message is judged by it.
    fn note_value(&mut self, kind: Kind, start: usize) {
        let depth = self.frames.len();
        if depth > 2 || !self.too_deep.is_empty() {
            return;
        }
        let survey = &mut self.survey;
        let slot = match (depth, self.member, self.param) {
            (0, ..) => {
                survey.root = Some(kind);
                return;
            }
            (1, Member::Jsonrpc, _) => &mut survey.jsonrpc,
            (1, Member::Id, _) => {
                survey.id_repeated |= survey.id.is_some();
                &mut survey.id
            }
            (1, Member::Method, _) => &mut survey.method,
            (1, Member::Params, _) => &mut survey.params,
            (1, Member::Result, _) => &mut survey.result,
            (1, Member::Error, _) => &mut survey.error,
            (2, Member::Params, Param::Name) => &mut survey.name,
            (2, Member::Params, Param::Arguments) => &mut survey.arguments,
            (2, Member::Params, Param::Meta) => &mut survey.meta,
            _ => return,
        };
        let text = self.source.get(start..self.at).unwrap_or_default();
        *slot = Some(Seen { kind, text });
    }

    /// Notes a fault at what the outer `depth` containers have under way.
    fn note(&mut self, rule: &'static str, depth: usize) {
        // Beyond the depth limit the one fault of being there is enough.
        if !self.too_deep.is_empty() {
            return;
        }
        // Inside the message, `params` and `arguments`; not `arguments` itself, which is then no object.
        let in_arguments = self.member == Member::Params && self.param == Param::Arguments && self.frames.len() > 2;
        if !in_arguments {
            self.survey.outside.get_or_insert(rule);
        } else if self.survey.spots.len() < MAX_SPOTS {
            let steps = self.frames.iter().take(depth).skip(2).map(|frame| {
                if frame.kind == Kind::Array {
                    return Step::Index(frame.index);
                }
                let name = self.names.get(frame.name).cloned().unwrap_or_default();
                Step::Name(name.into_owned())
            });
            let steps = steps.collect();
            self.survey.spots.push(Spot { steps, rule });
        }
    }

    /// Goes over the string that begins here.
    fn string(&mut self) -> Result<Spelling, Broken> {
        self.at += 1;
        let mut spelling = Spelling::default();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += rest.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\').ok_or(Broken)?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(spelling);
                }
                Some(b'\\') => self.escape(&mut spelling)?,
                _ => return Err(Broken),
            }
        }
    }

    fn escape(&mut self, spelling: &mut Spelling) -> Result<(), Broken> {
        spelling.escaped = true;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.unit()? {
                0xD800..=0xDBFF => {
                    let paired = self.starts_with(b"\\u") && matches!(self.unit()?, 0xDC00..=0xDFFF);
                    spelling.broken_pair |= !paired;
                }
                0xDC00..=0xDFFF => spelling.broken_pair = true,
                _ => {}
            },
            _ => return Err(Broken),
        }
        Ok(())
    }

    /// The UTF-16 unit of the `\uXXXX` that begins here.
    fn unit(&mut self) -> Result<u16, Broken> {
        let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or(Broken)?;
        let mut unit = 0;
        for &digit in digits {
            let value = char::from(digit).to_digit(16).ok_or(Broken)?;
            unit = unit * 16 + value;
        }
        self.at += 6;
        u16::try_from(unit).map_err(|_| Broken)
    }

    /// Goes over the number that begins here. False if it is beyond the range of a float.
    fn number(&mut self) -> Result<bool, Broken> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if !exponent && self.at - start <= FINITE_DIGITS {
            return Ok(true);
        }
        let text = self.source.get(start..self.at).unwrap_or_default();
        // Asked of the parser that reads the message next, so the two cannot disagree at the border.
        Ok(serde_json::from_str::<f64>(text).is_ok())
    }

    fn digits(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Broken) } else { Ok(()) }
    }

    fn keyword(&mut self, word: &str) -> Result<Kind, Broken> {
        if !self.starts_with(word.as_bytes()) {
            return Err(Broken);
        }
        self.at += word.len();
        Ok(Kind::Keyword)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts_with(&self, word: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt};

    use proptest::prelude::*;
    use serde::{
        Deserialize, Deserializer,
        de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    };

    use super::*;

    const MAX_DEPTH: usize = 64;

    /// The oracle: serde_json, with names counted and depth measured.
    struct Strict {
        depth: usize,
    }

    impl<'de> Deserialize<'de> for Strict {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Look;

            impl<'de> Visitor<'de> for Look {
                type Value = Strict;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("JSON")
                }
                fn visit_unit<E>(self) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
                    Ok(Strict { depth: 0 })
                }
                fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
                    let mut depth = 0;
                    while let Some(item) = items.next_element::<Strict>()? {
                        depth = depth.max(item.depth);
                    }
                    Ok(Strict { depth: depth + 1 })
                }
                fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
                    let mut depth = 0;
                    let mut names = HashSet::new();
                    while let Some((name, value)) = members.next_entry::<String, Strict>()? {
                        if !names.insert(name) {
                            return Err(A::Error::custom("twice"));
                        }
                        depth = depth.max(value.depth);
                    }
                    Ok(Strict { depth: depth + 1 })
                }
            }
            deserializer.deserialize_any(Look)
        }
    }

    /// Both oracles must agree with the survey.
    fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
        let survey = survey(bytes, MAX_DEPTH);
        // serde_json skips values by grammar alone: this says whether the text can be read.
        let grammatical = std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        prop_assert_eq!(survey.unreadable.is_none(), grammatical);
        let strict = serde_json::from_slice::<Strict>(bytes).is_ok_and(|it| it.depth <= MAX_DEPTH);
        let faultless = survey.outside.is_none() && survey.spots.is_empty();
        prop_assert_eq!(grammatical && faultless, strict);
        Ok(())
    }

    fn space() -> impl Strategy<Value = String> {
        "[ \t\r\n]{0,2}"
    }

    fn string() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "b",
            "é",
            "\u{7f}",
            "😀",
            "\\n",
            "\\/",
            "\\\\",
            "\\\"",
            "\\u0061",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\\uD83D",
            "\\uDE00",
            "\\ud83d\\u0061",
            "\\u0000",
        ]);
        // Mostly short, so that names repeat.
        prop_oneof![3 => prop::collection::vec(piece.clone(), 0..2), 1 => prop::collection::vec(piece, 0..6)]
            .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
            "-?[1-9][0-9]{15,40}",
            "[1-9][0-9]{306,310}",
            "0\\.0{300,330}1",
            Just("1.7976931348623157e308".to_owned()),
            Just("1.7976931348623159e308".to_owned()),
            Just("0e99999999999".to_owned()),
            Just("-0".to_owned()),
        ]
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            number(),
            string(),
        ];
        let tree = leaf.prop_recursive(5, 48, 24, |inner| {
            let item = (space(), inner.clone(), space()).prop_map(|(a, it, b)| a + &it + &b);
            let member = (space(), string(), space(), inner, space())
                .prop_map(|(a, name, b, it, c)| format!("{a}{name}{b}:{c}{it}"));
            prop_oneof![
                prop::collection::vec(item, 0..5).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(member, 0..24).prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        });
        let levels = prop_oneof![9 => Just(0_usize), 1 => 60..70_usize, 1 => 120..140_usize];
        (tree, levels, any::<bool>()).prop_map(|(tree, levels, arrays)| {
            let (open, close) = if arrays { ("[", "]") } else { ("{\"k\":", "}") };
            open.repeat(levels) + &tree + &close.repeat(levels)
        })
    }

    fn mutated() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![prop::sample::select(b"{}[]\",:\\u0-1.eE+tfn \n\x00\xff\xc3".to_vec()), any::<u8>(),];
        let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, byte), 1..4);
        (json(), edits).prop_map(|(text, edits)| {
            let mut bytes = text.into_bytes();
            for (at, edit, byte) in edits {
                let at = at.index(bytes.len() + 1);
                match edit {
                    0 => bytes.insert(at, byte),
                    1 if at < bytes.len() => bytes[at] = byte,
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    3 => bytes.truncate(at),
                    _ => {}
                }
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_serde_json_on_json(text in json()) {
            check(text.as_bytes())?;
        }

        #[test]
        fn agrees_with_serde_json_on_broken_json(bytes in mutated()) {
            check(&bytes)?;
        }

        #[test]
        fn agrees_with_serde_json_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            check(&bytes)?;
        }
    }

    /// The rules broken inside the arguments of a call, with their places.
    fn spots(arguments: &str) -> Vec<String> {
        let message = format!(r#"{{"params":{{"arguments":{arguments}}}}}"#);
        let survey = survey(message.as_bytes(), MAX_DEPTH);
        assert_eq!(survey.unreadable, None);
        assert_eq!(survey.outside, None);
        let place = |spot: &Spot| {
            let steps = spot.steps.iter().map(|step| match step {
                Step::Name(name) => format!("/{name}"),
                Step::Index(index) => format!("/{index}"),
            });
            steps.collect::<String>() + " " + spot.rule
        };
        survey.spots.iter().map(place).collect()
    }

    #[test]
    fn faults_are_told_where_they_are() {
        assert_eq!(spots(r#"{"a":1,"b":[{}],"c":"\ud83d\ude00","d":1e308}"#), [""; 0]);
        assert_eq!(spots(r#"{"a":1,"a":2}"#), [" unique_names"]);
        assert_eq!(spots(r#"{"a":1,"\u0061":2,"a":3}"#), [" unique_names"]);
        assert_eq!(spots(r#"{"x":[0,{"y":{"a":1,"b":2,"a":3}}],"z":{"a":1},"a":1}"#), ["/x/1/y unique_names"]);
        assert_eq!(spots(r#"{"x":[0,1e400],"y":"\udc00"}"#), ["/x/1 finite", "/y unicode"]);
        assert_eq!(spots(r#"{"x":{"\ud800":1}}"#), ["/x unicode"]);
        assert_eq!(spots(r#"{"x":"\ud800\ud83d\ude00","y":"\ud800\n"}"#), ["/x unicode", "/y unicode"]);
        let deep = format!(r#"{{"x":{}1e400{},"y":1e400}}"#, "[".repeat(90), "]".repeat(90));
        let place = "/x".to_owned() + &"/0".repeat(MAX_DEPTH - 3);
        assert_eq!(spots(&deep), [place + " depth", "/y finite".to_owned()]);
    }

    #[test]
    fn many_names_are_compared_as_they_read_too() {
        let name = |at: usize| format!("\"n{at}\":0");
        for count in [FEW_NAMES - 1, FEW_NAMES, FEW_NAMES + 1, 3 * FEW_NAMES] {
            let names: Vec<_> = (0..count).map(name).collect();
            assert_eq!(spots(&format!("{{{}}}", names.join(","))), [""; 0]);
            for again in ["n0", "\\u006e0", &format!("n{}", count - 1)] {
                let repeated = format!("{{{},\"{again}\":1}}", names.join(","));
                assert_eq!(spots(&repeated), [" unique_names"], "{again} after {count}");
            }
        }
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        let flood = vec!["1e999"; 10 * MAX_SPOTS].join(",");
        assert_eq!(spots(&format!(r#"{{"x":[{flood}]}}"#)).len(), MAX_SPOTS);
    }
}
