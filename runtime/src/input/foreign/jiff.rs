//! `jiff::Timestamp` and `jiff::civil::Date`.

use super::time::{ANY_DATE, ANY_INSTANT, DATE, INSTANT};
use super::{exact, text_form};
use jiff::Timestamp;
use jiff::civil::Date;

text_form!(
    Timestamp,
    input = INSTANT,
    output = ANY_INSTANT,
    parse = |text| text.parse().ok(),
    text = |instant| instant.to_string(),
);
exact!(Timestamp);

text_form!(Date, input = DATE, output = ANY_DATE, parse = |text| text.parse().ok(), text = |date| date.to_string(),);
exact!(Date);
