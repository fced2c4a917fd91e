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

/// What a tool's `reconcile` function found out about an effect whose outcome is not known.
///
/// The server asks when the action is asked for again, and when it starts (then only `Applied` is taken for an answer, because
/// nobody is there to go on): a crash, a timeout or an error that may have come
/// after the effect leaves an action in doubt. `T` is the tool's own output.
///
/// ```
/// use safe_tool::prelude::*;
/// # use std::{collections::HashMap, sync::Mutex};
/// # const ORDERS_REFUND: Scope = Scope::new("orders:refund");
/// # #[derive(ToolError)]
/// # enum RefundError {
/// #     #[tool_error(unavailable, "the bank did not answer", effect = unknown)]
/// #     Silent,
/// # }
/// # struct Bank(Mutex<HashMap<String, u32>>);
/// # impl Bank {
/// #     async fn pay(&self, key: String, cents: u32) -> Result<(), RefundError> { Ok(()) }
/// #     async fn paid(&self, key: &str) -> Result<Option<u32>, RefundError> { Ok(None) }
/// # }
///
/// /// A refund.
/// #[derive(ToolOutput)]
/// struct Refund {
///     /// What was paid back, in cents.
///     cents: u32,
/// }
///
/// /// Pays money back to a customer.
/// #[safe_tool(
///     effect = write,
///     scope = ORDERS_REFUND,
///     key(order),
///     undo = by_hand("collect the money again"),
///     reconcile = find_refund,
/// )]
/// async fn refund(
///     call: Call<Bank>,
///     /// The order.
///     #[arg(pattern = "^ord-[0-9]{1,9}$")] order: String,
///     /// How much, in cents.
///     #[arg(min = 1, max = 50_000)] cents: u32,
/// ) -> Result<Refund, RefundError> {
///     // The bank keeps the key, so that the refund can be found by it.
///     call.state().pay(call.action_key(), cents).await?;
///     Ok(Refund { cents })
/// }
///
/// async fn find_refund(call: Call<Bank>, _order: String, _cents: u32) -> Result<Reconciled<Refund>, RefundError> {
///     Ok(match call.state().paid(&call.action_key()).await? {
///         Some(cents) => Reconciled::Applied(Refund { cents }),
///         None => Reconciled::NotApplied,
///     })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled<T> {
    /// The effect happened: this is what the call would have answered with.
    Applied(T),
    /// The effect did not happen; or it happened in part, and the body does only what is missing. The action may be run again.
    ///
    /// The runtime sees to it that the earlier body has ended, and its [`Call::blocking`](crate::Call::blocking) with it. What
    /// else may be under way (a request that a frozen machine had sent, a task of the tool's own) is for the backend to refuse,
    /// by [`Call::action_key`](crate::Call::action_key).
    NotApplied,
    /// It cannot be said: the action stays in doubt.
    Unknown,
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
