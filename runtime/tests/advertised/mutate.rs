//! What an agent might send instead of a valid value.

use super::json::{Dice, Json};
use serde_json::Value;

/// In every name and value that a mutation makes up, so that an answer that repeats one is seen.
pub(crate) const CANARY: &str = "Canary";

/// Numbers and words that a schema names, for values on and beside its bounds.
pub(crate) struct Pool {
    numbers: Vec<String>,
    words: Vec<String>,
    names: Vec<String>,
    lengths: Vec<usize>,
}

impl Pool {
    pub(crate) fn of(schema: &Value) -> Self {
        let mut pool = Pool { numbers: Vec::new(), words: Vec::new(), names: Vec::new(), lengths: Vec::new() };
        pool.collect(schema);
        pool
    }

    fn collect(&mut self, schema: &Value) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(members) => {
                for (keyword, value) in members {
                    match (keyword.as_str(), value) {
                        ("minimum" | "maximum", Value::Number(bound)) => self.around(bound),
                        ("minLength" | "maxLength", Value::Number(length)) => {
                            self.lengths.push(usize::try_from(length.as_u64().unwrap()).unwrap());
                        }
                        ("const", Value::String(word)) => self.words.push(word.clone()),
                        ("enum" | "examples", Value::Array(words)) => {
                            self.words.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
                        }
                        ("properties", Value::Object(properties)) => self.names.extend(properties.keys().cloned()),
                        _ => {}
                    }
                    self.collect(value);
                }
            }
            _ => {}
        }
    }

    fn around(&mut self, bound: &serde_json::Number) {
        self.numbers.push(bound.to_string());
        if let Some(whole) = bound.as_i64() {
            self.numbers.extend([
                (whole - 1).to_string(),
                (whole + 1).to_string(),
                format!("{whole}.0"),
                format!("{whole}.5"),
                format!("{whole}e0"),
                format!("{whole}.0000000000000000000001"),
            ]);
        }
        let exact = bound.as_f64().unwrap();
        self.numbers.extend([exact.next_up(), exact.next_down(), exact + 0.5].map(|number| format!("{number:?}")));
    }
}

/// Numbers that readers of JSON treat in different ways.
const NUMBERS: [&str; 28] = [
    "0",
    "-0",
    "-0.0",
    "0e0",
    "1",
    "5",
    "5.0",
    "5.5",
    "1e2",
    "1E+2",
    "100e-2",
    "1.0",
    "-1",
    "0.1",
    "1e-400",
    "-1e-400",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740992",
    "9007199254740991.5",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "1.7976931348623157e308",
    "1e400",
    "-1e400",
    "0.1000000000000000055511151231257827021181583404541015625",
];

/// Tokens that are not JSON, or no text that Rust can hold.
const BROKEN: [&str; 18] = [
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "1e",
    "-",
    "NaN",
    "Infinity",
    "0x10",
    "1_0",
    "truE",
    "nul",
    "'a'",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"a\nb\"",
    "\"\\x41\"",
];

const HIDDEN: [char; 16] = [
    '\0',
    '\n',
    '\t',
    '\r',
    '\u{1b}',
    '\u{7f}',
    '\u{85}',
    '\u{200b}',
    '\u{200d}',
    '\u{202e}',
    '\u{2028}',
    '\u{2066}',
    '\u{feff}',
    '\u{61c}',
    '\u{a0}',
    '\u{1f600}',
];

const TEXTS: [&str; 26] = [
    "",
    " ",
    "a",
    "A",
    "1",
    "-1",
    "null",
    "true",
    "{}",
    "١٢٣٤٥٦",
    "000111",
    "é",
    "e\u{301}",
    "\\u0041",
    "A",
    "$",
    "x",
    "2024-02-30",
    "2023-02-29",
    "PT1H5S",
    "P1DT12H",
    "1.2.3.4.5",
    "::ffff:1.2.3.4",
    "ab--cd",
    "xn--mnchen-3ya.de",
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
];

/// Changes one thing somewhere in the value.
pub(crate) fn mutate(json: &mut Json, pool: &Pool, dice: &mut Dice) {
    let nodes = json.nodes();
    let others: Vec<Json> = nodes.iter().map(|path| json.at(path).clone()).collect();
    let path = dice.pick(&nodes).clone();
    let node = json.at(&path);
    match (dice.below(10), &mut *node) {
        (0..=2, Json::Object(members)) => members_of(members, pool, dice),
        (3 | 4, Json::Object(members)) if !members.is_empty() => {
            let place = dice.below(members.len());
            members.remove(place);
        }
        (0..=4, Json::List(items)) => items_of(items, dice),
        (0..=6, Json::Text(text)) => *text = reworded(text, pool, dice),
        (0..=6, Json::Raw(token)) if token.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            let known = !pool.numbers.is_empty() && dice.below(2) == 0;
            *token = if known { dice.pick(&pool.numbers).clone() } else { (*dice.pick(&NUMBERS)).to_owned() };
        }
        (7, _) => *node = dice.pick(&others).clone(),
        (8, _) => *node = Json::Raw((*dice.pick(&BROKEN)).to_owned()),
        _ => *node = other(dice, node.clone()),
    }
}

/// A value of another type, or of the same.
fn other(dice: &mut Dice, node: Json) -> Json {
    let deep = |mut node: Json, levels: usize| {
        for _ in 0..levels {
            node = Json::List(vec![node]);
        }
        node
    };
    match dice.below(12) {
        0 => Json::Raw("null".to_owned()),
        1 => Json::Raw("true".to_owned()),
        2 => Json::Raw((*dice.pick(&NUMBERS)).to_owned()),
        3 => Json::Text(node.text()),
        4 => Json::Text(CANARY.to_owned()),
        5 => Json::List(Vec::new()),
        6 => Json::Object(Vec::new()),
        7 => deep(node, 1),
        8 => deep(node, 70),
        9 => Json::Object(vec![("kind".to_owned(), Json::Text(CANARY.to_owned()))]),
        10 => Json::Object(vec![("kind".to_owned(), node)]),
        _ => Json::Raw("false".to_owned()),
    }
}

fn members_of(members: &mut Vec<(String, Json)>, pool: &Pool, dice: &mut Dice) {
    let place = dice.below(members.len() + 1);
    let value = Json::Text(CANARY.to_owned());
    match dice.below(6) {
        0 => members.insert(place, (format!("{CANARY}\u{202e}/~"), value)),
        1 => members.insert(place, (String::new(), Json::Raw("1".to_owned()))),
        2 if !pool.names.is_empty() => members.insert(place, (dice.pick(&pool.names).clone(), value)),
        3 if !members.is_empty() => {
            let twice = dice.pick(members).clone();
            members.insert(place, twice);
        }
        4 if !members.is_empty() => {
            let renamed = dice.below(members.len());
            members[renamed].0 = members[renamed].0.to_uppercase();
        }
        _ => {
            let tree = Json::Object(vec![(CANARY.to_owned(), Json::List(vec![value]))]);
            members.insert(place, (CANARY.to_owned(), tree));
        }
    }
}

fn items_of(items: &mut Vec<Json>, dice: &mut Dice) {
    match dice.below(5) {
        0 => items.clear(),
        1 => items.push(Json::Text(CANARY.to_owned())),
        2 | 3 if !items.is_empty() => {
            let mut twice = dice.pick(items).clone();
            // The same number in another form is the same item.
            if let Json::Raw(token) = &mut twice
                && token.bytes().all(|byte| byte.is_ascii_digit())
            {
                token.push_str(".0");
            }
            items.push(twice);
        }
        4 if !items.is_empty() => {
            let item = dice.pick(items).clone();
            items.extend(std::iter::repeat_n(item, 40));
        }
        _ => items.push(Json::Raw("0".to_owned())),
    }
}

fn reworded(text: &str, pool: &Pool, dice: &mut Dice) -> String {
    let letters: Vec<char> = text.chars().collect();
    let place = dice.below(letters.len() + 1);
    let put = |c: char| letters[..place].iter().chain([&c]).chain(&letters[place..]).collect::<String>();
    match dice.below(10) {
        0 => put(*dice.pick(&HIDDEN)),
        1 => put('x'),
        2 => letters.iter().skip(1).collect(),
        3 => format!("{text}\n"),
        4 => text.to_uppercase(),
        5 if text.len() < 100 => text.repeat(400),
        6 if !pool.words.is_empty() => dice.pick(&pool.words).clone(),
        7 if !pool.lengths.is_empty() => {
            let length = *dice.pick(&pool.lengths) + dice.below(3);
            let letter = *dice.pick(&['a', 'Z', 'ä', '\u{1f600}']);
            std::iter::repeat_n(letter, length.saturating_sub(1)).collect()
        }
        8 => format!("{text}{CANARY}"),
        _ => (*dice.pick(&TEXTS)).to_owned(),
    }
}
