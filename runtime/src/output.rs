//! What a tool answers with.

use crate::writer::Writer;
use schemars::Schema;
use serde_json::json;

/// A type that a tool may answer with: derive it.
///
/// ```
/// use safe_tool::prelude::*;
///
/// /// A ticket.
/// #[derive(ToolOutput)]
/// struct Ticket {
///     /// Number of the ticket.
///     ticket: String,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a safe tool",
    label = "has no published schema",
    note = "write `#[derive(ToolOutput)]` on a struct or enum; for a list use `Page<T>`, for nothing to say use `Done`"
)]
pub trait ToolOutput: Send + 'static {
    /// Writes the data as JSON.
    fn encode(&self, writer: &mut Writer<'_>);
    /// The JSON Schema (2020-12) of the data, inlined.
    fn schema() -> Schema;
    /// The query worked and found nothing.
    fn is_empty(&self) -> bool {
        false
    }
    /// There was more than this holds.
    fn is_truncated(&self) -> bool {
        false
    }
    /// How many levels of JSON it takes at most. A type that holds itself has no such number and does not compile.
    const DEPTH: u32 = 1;
}

/// A list that is capped and says when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    items: Vec<T>,
    truncated: bool,
}

impl<T> Page<T> {
    /// The most items a page holds.
    pub const MOST: usize = 1_000;

    /// Takes up to `cap` items (at most [`Page::MOST`]) and notes whether there were more.
    ///
    /// ```
    /// use safe_tool::Page;
    /// let page = Page::capped(1..=5, 3);
    /// assert_eq!(page.items(), [1, 2, 3]);
    /// assert!(page.truncated());
    /// ```
    pub fn capped(items: impl IntoIterator<Item = T>, cap: usize) -> Self {
        let mut rest = items.into_iter();
        let items: Vec<T> = rest.by_ref().take(cap.min(Self::MOST)).collect();
        Page { items, truncated: rest.next().is_some() }
    }

    /// Says that the source held more than it sent.
    #[must_use]
    pub fn and_more(mut self, more: bool) -> Self {
        self.truncated |= more;
        self
    }

    /// The items.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Whether there were more.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

impl<T: ToolOutput> ToolOutput for Page<T> {
    const DEPTH: u32 = T::DEPTH + 1;

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.begin_list();
        for item in &self.items {
            item.encode(writer);
        }
        writer.end_list();
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "type": "array", "items": T::schema(), "maxItems": Self::MOST })
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn is_truncated(&self) -> bool {
        self.truncated || self.items.iter().any(ToolOutput::is_truncated)
    }
}

/// The effect happened and there is nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done;

impl ToolOutput for Done {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.begin_object();
        writer.end_object();
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "type": "object", "properties": {}, "additionalProperties": false })
    }
}

impl ToolOutput for String {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.str(self);
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl ToolOutput for bool {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bool(*self);
    }

    fn schema() -> Schema {
        schemars::json_schema!({ "type": "boolean" })
    }
}

macro_rules! numbers {
    ($($ty:ty: $kind:literal;)*) => {$(
        impl ToolOutput for $ty {
            fn encode(&self, writer: &mut Writer<'_>) {
                crate::input::PlainNumber::encode(self, writer);
            }

            fn schema() -> Schema {
                Schema::from(serde_json::Map::from_iter([("type".to_owned(), json!($kind))]))
            }
        }
    )*};
}
numbers! {
    u8: "integer"; u16: "integer"; u32: "integer"; u64: "integer";
    i8: "integer"; i16: "integer"; i32: "integer"; i64: "integer";
    f64: "number";
}

impl ToolOutput for f32 {
    fn encode(&self, writer: &mut Writer<'_>) {
        // By its shortest digits: `0.1_f32` says 0.1, not what a double makes of it.
        writer.float(self.to_string().parse().unwrap_or_else(|_| f64::from(*self)));
    }

    fn schema() -> Schema {
        f64::schema()
    }
}
