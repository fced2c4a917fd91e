//! Types of the standard library and of other crates as arguments, results and key parts.
//!
//! Each is text on the wire under one rule, which is what is published and what is checked. Several texts may mean one
//! value; digests, keys and answers hold the value's one canonical text, which the rule accepts too.

// First, for its patterns of addresses.
#[macro_use]
mod net;

#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "ipnet")]
mod ipnet;
#[cfg(feature = "jiff")]
mod jiff;
#[cfg(feature = "money")]
mod money;
#[cfg(any(feature = "money", feature = "url"))]
mod policy;
#[cfg(any(feature = "chrono", feature = "jiff"))]
mod time;
#[cfg(feature = "url")]
mod url;
#[cfg(feature = "uuid")]
mod uuid;

#[cfg(feature = "money")]
pub use self::money::{Currency, Money, MoneyPolicy};
#[cfg(feature = "url")]
pub use self::url::{Hosts, UrlPolicy, WebUrl};

pub(super) use self::net::V6Text;

use super::{Decoder, Example, TextRule, Violation};

/// Reads a text and makes a value of it.
fn read<T>(decoder: &mut Decoder<'_>, rule: &TextRule, parse: impl FnOnce(&str) -> Result<T, Violation>) -> Option<T> {
    let text = decoder.string(rule.example.map(Example::Text))?;
    match parse(&text) {
        Ok(value) => Some(value),
        Err(Violation { rule, expected, example, .. }) => {
            decoder.violation(rule, expected, example);
            None
        }
    }
}

/// Makes a value of a text that a rule accepts.
fn made<T>(rule: &TextRule, text: &str, parse: fn(&str) -> Option<T>) -> Result<T, Violation> {
    rule.check(text)?;
    // A rule lets through only what parses; where it does not, a value must not appear from nowhere.
    parse(text).ok_or(Violation {
        path: String::new(),
        rule: "format",
        expected: "a text that means a value".into(),
        example: rule.example.map(Example::Text),
    })
}

/// Makes a type an argument and a result: the rule of its texts, the rule of those it is written as, how a text that
/// passed is parsed, and the canonical text.
macro_rules! text_form {
    ($ty:ty, input = $input:path, output = $output:path, parse = $parse:expr, text = $text:expr $(,)?) => {
        // Else the compiler would show this macro wherever a type is refused.
        #[diagnostic::do_not_recommend]
        impl crate::input::ToolInput for $ty {
            const HIDDEN: bool = false;

            fn decode(decoder: &mut crate::input::Decoder<'_>) -> Option<Self> {
                crate::input::foreign::read(decoder, &$input, |text| crate::input::foreign::made(&$input, text, $parse))
            }

            fn encode(&self, writer: &mut crate::writer::Writer<'_>) {
                let text: fn(&Self) -> String = $text;
                writer.str(&text(self));
            }

            fn schema() -> schemars::Schema {
                $input.schema()
            }
        }

        #[diagnostic::do_not_recommend]
        impl crate::output::ToolOutput for $ty {
            fn encode(&self, writer: &mut crate::writer::Writer<'_>) {
                crate::input::ToolInput::encode(self, writer);
            }

            fn schema() -> schemars::Schema {
                $output.schema()
            }
        }
    };
}

/// Makes a type a key part: its canonical text tells its values apart and nothing else.
macro_rules! exact {
    ($ty:ty) => {
        #[diagnostic::do_not_recommend]
        impl crate::input::KeyPart for $ty {
            fn part(&self, writer: &mut crate::writer::Writer<'_>) {
                crate::input::ToolInput::encode(self, writer);
            }
        }
    };
}

use {exact, text_form};
