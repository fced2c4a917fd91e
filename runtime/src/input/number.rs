//! Numbers: always within a stated range.

use super::{Decoder, Example};
use crate::writer::Writer;
use schemars::Schema;
use serde_json::{Value, json};

/// Beyond this, readers of JSON that hold numbers as doubles lose integers.
const MOST: f64 = 9_007_199_254_740_991.0;

/// The range of a number.
#[derive(Debug)]
pub struct NumberRule {
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The unit; the schema's description names it.
    pub unit: Option<&'static str>,
    /// A value that passes.
    pub example: Option<&'static str>,
}

impl NumberRule {
    /// The schema of the rule.
    pub fn schema(&self, integer: bool) -> Schema {
        let bound = |value: f64| if integer { json!(value as i64) } else { json!(value) };
        let mut schema = schemars::json_schema!({
            "type": if integer { "integer" } else { "number" },
            "minimum": bound(self.min),
            "maximum": bound(self.max),
        });
        if let Some(unit) = self.unit {
            schema.insert("description".to_owned(), Value::from(format!("Unit: {unit}.")));
        }
        if let Some(example) = self.example.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            schema.insert("examples".to_owned(), Value::Array(vec![example]));
        }
        schema
    }

    /// Whether the range lies within what a type holds; a constant, so that the compiler refuses the rest.
    pub const fn fits<T: PlainNumber>(&self) -> bool {
        self.min <= self.max && self.min >= T::LEAST && self.max <= T::GREATEST
    }
}

/// The number types that an argument may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that JSON carries safely",
    label = "`min` and `max` are for integers up to 64 bits and for `f64`",
    note = "JSON readers lose integers beyond 2^53; send wider ones as text under a pattern"
)]
pub trait PlainNumber: Copy + Sized {
    /// Whether only integers are taken.
    const INTEGER: bool;
    /// The least value that type and JSON hold exactly.
    const LEAST: f64;
    /// The greatest value that type and JSON hold exactly.
    const GREATEST: f64;
    /// Takes a checked number.
    fn from_number(number: f64) -> Self;
    /// Writes the canonical encoding.
    fn encode(&self, writer: &mut Writer<'_>);
}

macro_rules! integers {
    ($($ty:ty: $least:expr, $greatest:expr;)*) => {$(
        impl PlainNumber for $ty {
            const INTEGER: bool = true;
            const LEAST: f64 = $least;
            const GREATEST: f64 = $greatest;
            fn from_number(number: f64) -> Self {
                // The rule has kept it within ±(2^53 − 1) and within the type, so nothing is cut.
                number as $ty
            }
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.int(*self);
            }
        }
    )*};
}
integers! {
    u8: 0.0, u8::MAX as f64;
    u16: 0.0, u16::MAX as f64;
    u32: 0.0, u32::MAX as f64;
    u64: 0.0, MOST;
    i8: i8::MIN as f64, i8::MAX as f64;
    i16: i16::MIN as f64, i16::MAX as f64;
    i32: i32::MIN as f64, i32::MAX as f64;
    i64: -MOST, MOST;
}

impl PlainNumber for f64 {
    const INTEGER: bool = false;
    const LEAST: f64 = -MOST;
    const GREATEST: f64 = MOST;
    fn from_number(number: f64) -> Self {
        number
    }
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.float(*self);
    }
}

/// Decodes a number under a rule. `5.0` and `1e2` are integers, as JSON Schema has it; `"5"` is not.
pub fn number<T: PlainNumber>(decoder: &mut Decoder<'_>, rule: &'static NumberRule) -> Option<T> {
    checked(decoder, rule, T::INTEGER).map(T::from_number)
}

fn checked(decoder: &mut Decoder<'_>, rule: &'static NumberRule, integer: bool) -> Option<f64> {
    let kind = if integer { "an integer" } else { "a number" };
    let example = rule.example.map(Example::Number);
    let text = decoder.number_text(kind, example)?;
    let Some(value) = text.parse::<f64>().ok().filter(|value| value.is_finite()) else {
        decoder.violation("type", kind, example);
        return None;
    };
    if integer && value.fract() != 0.0 {
        decoder.violation("type", kind, example);
        return None;
    }
    if value < rule.min {
        decoder.violation("minimum", format!("at least {}", rule.min), example);
        return None;
    }
    if value > rule.max {
        decoder.violation("maximum", format!("at most {}", rule.max), example);
        return None;
    }
    // `-0` is the number 0, and a body must not see two values of one action.
    Some(value + 0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    static MINUTES: NumberRule = NumberRule { min: 1.0, max: 60.0, unit: None, example: None };
    static WIDE: NumberRule = NumberRule { min: -MOST, max: MOST, unit: None, example: None };
    static SHARE: NumberRule = NumberRule { min: 0.0, max: 1.0, unit: None, example: None };

    fn decode<T: PlainNumber>(text: &str, rule: &'static NumberRule) -> Result<T, &'static str> {
        let mut decoder = Decoder::new(text);
        let value = number(&mut decoder, rule);
        let (violations, _) = decoder.finish();
        value.ok_or_else(|| violations.first().unwrap().rule)
    }

    #[test]
    fn an_integer_is_what_json_schema_calls_one() {
        for text in ["5", "5.0", "5e0", "0.5e1", "50e-1"] {
            assert_eq!(decode::<u8>(text, &MINUTES), Ok(5), "{text}");
        }
        for text in ["5.5", "\"5\"", "true", "null", "[5]", "{}"] {
            assert_eq!(decode::<u8>(text, &MINUTES), Err("type"), "{text}");
        }
        assert_eq!(decode::<u8>("0", &MINUTES), Err("minimum"));
        assert_eq!(decode::<u8>("99999", &MINUTES), Err("maximum"));
    }

    #[test]
    fn integers_that_readers_would_lose_are_refused() {
        assert_eq!(decode::<i64>("9007199254740991", &WIDE), Ok(9_007_199_254_740_991));
        for text in ["9007199254740992", "9007199254740993", "-9007199254740992", "1e400", "18446744073709551616"] {
            assert!(decode::<i64>(text, &WIDE).is_err(), "{text}");
        }
        assert_eq!(decode::<i64>("-0", &WIDE), Ok(0));
    }

    #[test]
    fn floats_are_finite_and_in_range() {
        assert_eq!(decode::<f64>("0.25", &SHARE), Ok(0.25));
        assert_eq!(decode::<f64>("1", &SHARE), Ok(1.0));
        assert_eq!(decode::<f64>("1.0000001", &SHARE), Err("maximum"));
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for text in ["01", "-01", "1.", "1.e1", "1e", "1-1", "--1", "-"] {
            assert_eq!(decode::<f64>(text, &WIDE), Err("json"), "{text}");
        }
    }

    #[test]
    fn a_body_sees_one_value_for_one_encoding() {
        for text in ["-0", "-0.0", "-1e-400"] {
            assert!(decode::<f64>(text, &SHARE).unwrap().is_sign_positive(), "{text}");
        }
    }

    #[test]
    fn a_range_must_fit_its_type() {
        assert!(MINUTES.fits::<u8>());
        assert!(!WIDE.fits::<u32>());
    }
}
