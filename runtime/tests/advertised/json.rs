//! JSON as a tree that can also say what a parser would lose: names given twice, raw tokens, the spelling.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// Numbers and keywords as they stand, and whatever else is written raw.
    Raw(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Json::Text(text.clone()),
            Value::Array(items) => Json::List(items.iter().map(Json::from).collect()),
            Value::Object(members) => {
                Json::Object(members.iter().map(|(name, value)| (name.clone(), Json::from(value))).collect())
            }
            other => Json::Raw(other.to_string()),
        }
    }
}

impl Json {
    /// How deep containers are nested in it, itself included.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Json::Raw(text) => text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count(),
            Json::Text(_) => 0,
            Json::List(items) => 1 + items.iter().map(Json::depth).max().unwrap_or(0),
            Json::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        }
    }

    /// Whether an object names a member twice.
    pub(crate) fn repeats_a_name(&self) -> bool {
        match self {
            Json::Raw(_) | Json::Text(_) => false,
            Json::List(items) => items.iter().any(Json::repeats_a_name),
            Json::Object(members) => {
                let twice = |at: usize| members[..at].iter().any(|(name, _)| *name == members[at].0);
                (0..members.len()).any(twice) || members.iter().any(|(_, value)| value.repeats_a_name())
            }
        }
    }

    /// The paths of all nodes, the root's first.
    pub(crate) fn nodes(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        let children: Vec<&Json> = match self {
            Json::Raw(_) | Json::Text(_) => Vec::new(),
            Json::List(items) => items.iter().collect(),
            Json::Object(members) => members.iter().map(|(_, value)| value).collect(),
        };
        for (place, child) in children.into_iter().enumerate() {
            all.extend(child.nodes().into_iter().map(|path| [vec![place], path].concat()));
        }
        all
    }

    /// The node at a path of [`nodes`](Json::nodes).
    pub(crate) fn at(&mut self, path: &[usize]) -> &mut Json {
        let Some((first, rest)) = path.split_first() else { return self };
        match self {
            Json::List(items) => items[*first].at(rest),
            Json::Object(members) => members[*first].1.at(rest),
            Json::Raw(_) | Json::Text(_) => panic!("no such node"),
        }
    }

    /// Whether a JSON pointer names a value, or a member that its object could have.
    pub(crate) fn has_place(&self, pointer: &str) -> bool {
        if pointer.is_empty() {
            return true;
        }
        let Some(rest) = pointer.strip_prefix('/') else { return false };
        let (first, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        match self {
            Json::Raw(_) | Json::Text(_) => false,
            Json::List(items) => {
                let index = first.parse::<usize>().ok().filter(|index| index.to_string() == first);
                index.and_then(|index| items.get(index)).is_some_and(|item| item.has_place(rest))
            }
            Json::Object(members) => match members.iter().find(|(name, _)| name == first) {
                Some((_, value)) => value.has_place(rest),
                None => rest.is_empty(),
            },
        }
    }

    /// The text, spelled plainly.
    pub(crate) fn text(&self) -> String {
        self.spelled(None)
    }

    /// The text, spelled as a number says: order of members, white space, escapes and forms of numbers.
    pub(crate) fn spelled(&self, seed: Option<u64>) -> String {
        let mut out = String::new();
        self.write(&mut seed.map(Dice), &mut out);
        out
    }

    fn write(&self, dice: &mut Option<Dice>, out: &mut String) {
        space(dice, out);
        match self {
            Json::Raw(text) => out.push_str(&number(dice, text)),
            Json::Text(text) => string(dice, text, out),
            Json::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write(dice, out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                let mut order: Vec<&(String, Json)> = members.iter().collect();
                if let Some(dice) = dice {
                    for place in (1..order.len()).rev() {
                        order.swap(place, dice.below(place + 1));
                    }
                }
                out.push('{');
                for (place, (name, value)) in order.into_iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    space(dice, out);
                    string(dice, name, out);
                    space(dice, out);
                    out.push(':');
                    value.write(dice, out);
                }
                out.push('}');
            }
        }
        space(dice, out);
    }
}

fn space(dice: &mut Option<Dice>, out: &mut String) {
    if let Some(dice) = dice {
        out.push_str(["", "", "", " ", "\n\t", "\r\n  "][dice.below(6)]);
    }
}

/// Another spelling of the same number; other tokens as they are.
fn number(dice: &mut Option<Dice>, text: &str) -> String {
    let Some(dice) = dice else { return text.to_owned() };
    let plain = text.strip_prefix('-').unwrap_or(text);
    let whole = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = plain.contains('.') && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match dice.below(5) {
        0 if whole => format!("{text}.0"),
        1 if whole && plain != "0" => format!("{text}0e-1"),
        2 if whole => format!("{text}.000E+0"),
        3 if whole && plain != "0" && plain.ends_with('0') => format!("{}e1", &text[..text.len() - 1]),
        4 if whole && plain == "0" => "-0.0e5".to_owned(),
        0 if fraction => format!("{text}00"),
        1 if fraction => format!("{text}e0"),
        _ => text.to_owned(),
    }
}

fn string(dice: &mut Option<Dice>, text: &str, out: &mut String) {
    let Some(dice) = dice else {
        out.push_str(&Value::from(text).to_string());
        return;
    };
    out.push('"');
    for letter in text.chars() {
        let must = letter < ' ' || letter == '"' || letter == '\\';
        match (letter, dice.below(4)) {
            ('/', 0) => out.push_str("\\/"),
            ('\n', 0) => out.push_str("\\n"),
            ('\t', 0) => out.push_str("\\t"),
            ('"', 0) => out.push_str("\\\""),
            ('\\', 0) => out.push_str("\\\\"),
            (_, 1) => escape(letter, false, out),
            (_, 2) => escape(letter, true, out),
            _ if must => escape(letter, true, out),
            _ => out.push(letter),
        }
    }
    out.push('"');
}

fn escape(letter: char, upper: bool, out: &mut String) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
    }
}

/// SplitMix64: choices that a seed repeats.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
