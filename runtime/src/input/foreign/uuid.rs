//! `uuid::Uuid`: hyphenated, in lower case when written.

use super::{exact, text_form};
use crate::input::{Format, TextRule};
use uuid::Uuid;

static RULE: TextRule =
    TextRule::new(None, Some(Format::Uuid), false, None, None, Some("3f0c1b9e-7d5a-4a53-9c1e-0d6f7a2b8c11"));

text_form!(
    Uuid,
    input = RULE,
    output = RULE,
    parse = |text| Uuid::try_parse(text).ok(),
    text = |uuid| uuid.hyphenated().to_string(),
);
exact!(Uuid);
