//! What a tool accepts: strict decode, schema and canonical encoding from one model.
//!
//! A value is decoded while the JSON is walked once. Every violation is collected with its JSON
//! pointer; nothing is coerced; no value that the caller chose is repeated in a violation.

mod canonical;
mod decoder;
mod field;
mod foreign;
mod list;
mod number;
mod text;
mod violation;

pub use decoder::{Decoder, Published, Walk};
pub use field::{Field, Shape, Variant, enum_schema, object_schema, tagged_schema};
#[cfg(feature = "money")]
pub use foreign::{Currency, Money, MoneyPolicy};
#[cfg(feature = "url")]
pub use foreign::{Hosts, UrlPolicy, WebUrl};
pub use list::{ListRule, list};
pub use number::{NumberRule, PlainNumber, number};
pub use text::{Format, PlainText, TextRule, text};
pub use violation::{Example, Violation};

use crate::writer::Writer;
use schemars::Schema;

/// A type whose values an agent may send: derive it.
///
/// The derive writes the three methods from one model, so that what is advertised
/// ([`schema`](Self::schema)) is what is enforced ([`decode`](Self::decode)).
///
/// ```
/// use safe_tool::prelude::*;
///
/// /// Name of a host in the fleet.
/// #[derive(ToolInput)]
/// #[text(pattern = "^[a-z][a-z0-9-]{0,62}$", example = "web-01")]
/// struct HostId(String);
///
/// assert_eq!(HostId::parse("web-01").unwrap().as_str(), "web-01");
/// assert!(HostId::parse("*; rm -rf /").is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a safe tool as it stands",
    label = "has no bounds that a schema could state",
    note = "text needs `#[arg(pattern = \"^..$\")]`, `#[arg(format = ..)]` or `#[arg(free_text, max_len = ..)]`; numbers need `#[arg(min = .., max = ..)]`; lists need `#[arg(max_items = ..)]`; for your own type write `#[derive(ToolInput)]`"
)]
pub trait ToolInput: Sized + Send + Sync + 'static {
    /// Reads one value at the decoder's position; on `None` at least one violation was noted.
    fn decode(decoder: &mut Decoder<'_>) -> Option<Self>;

    /// Writes the canonical encoding: compact JSON, fields in declared order, absent options left out.
    fn encode(&self, writer: &mut Writer<'_>);

    /// The JSON Schema (2020-12) of the type, inlined.
    fn schema() -> Schema;

    /// Whether a value of it holds a part that records hide: free text, or a field that is sensitive.
    const HIDDEN: bool;

    /// Whether it is free text, which a policy or a limit cannot compare.
    const FREE_TEXT: bool = false;

    /// How many levels of JSON it takes at most. A type that holds itself has no such number and does not compile.
    const DEPTH: u32 = 1;
}

impl ToolInput for bool {
    const HIDDEN: bool = false;

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        decoder.boolean()
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bool(*self);
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "type": "boolean" })
    }
}

/// A value exact enough to take part in an idempotency key or to be rated.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of an idempotency key or a rate",
    label = "not an exact value",
    note = "a key part has one exact form: text with a pattern or a format other than `duration`, an integer, `bool`, or a unit-only enum; floats, lists, options, free text and secrets differ between retries or must not be stored"
)]
pub trait KeyPart {
    /// Writes the value's canonical encoding.
    fn part(&self, writer: &mut Writer<'_>);
}

impl KeyPart for String {
    fn part(&self, writer: &mut Writer<'_>) {
        writer.str(self);
    }
}

impl KeyPart for bool {
    fn part(&self, writer: &mut Writer<'_>) {
        writer.bool(*self);
    }
}

macro_rules! integer_parts {
    ($($ty:ty)*) => {$(
        impl KeyPart for $ty {
            fn part(&self, writer: &mut Writer<'_>) {
                PlainNumber::encode(self, writer);
            }
        }
    )*};
}
integer_parts!(u8 u16 u32 u64 i8 i16 i32 i64);
