//! Input types and tools as users write them: every kind of constraint, and every way to nest.

#![allow(dead_code, reason = "most values are decoded and encoded, and not looked at")]

use safe_tool::prelude::*;

pub(crate) const LAB: Scope = Scope::new("lab:all");

#[derive(ToolInput, ToolOutput, Debug, Clone)]
#[text(pattern = "^[a-z][a-z0-9-]{0,30}$", example = "lamp-1")]
pub(crate) struct Thing(String);

/// Escapes that Rust and ECMA 262 read alike, a backslash before a `u` among them.
#[derive(ToolInput)]
#[text(pattern = "^(\\\\u0041|[\\u0042-\\u0044äß😀]|\\x45[.]\\.|[}\\]\\[{]|F\\$){1,8}$")]
pub(crate) struct Odd(String);

#[derive(ToolInput)]
#[text(free_text, min_len = 2, max_len = 40)]
pub(crate) struct Reason(String);

#[derive(ToolInput)]
#[text(pattern = "^[a-z]*$", min_len = 3, max_len = 6)]
pub(crate) struct Bounded(String);

#[derive(ToolInput, ToolOutput, Debug, Clone, Copy)]
#[number(min = 1, max = 50_000, unit = "cents", example = 1_250)]
pub(crate) struct Cents(u32);

#[derive(ToolInput)]
#[number(min = -273.15, max = 1e6)]
pub(crate) struct Degrees(f64);

#[derive(ToolInput, ToolOutput, Debug, Clone, Copy)]
pub(crate) enum Zone {
    /// Offices.
    Office,
    /// Machines that customers reach.
    #[arg(name = "dmz")]
    #[output(name = "dmz")]
    Exposed,
    /// Machines of the plant.
    PlantFloor,
}

#[derive(ToolInput)]
pub(crate) struct Numbers {
    /// A byte.
    #[arg(min = 0, max = 255)]
    byte: u8,
    /// A signed byte.
    #[arg(min = -128, max = 127)]
    signed: i8,
    /// A port.
    #[arg(min = 1, max = 65_535)]
    port: u16,
    /// Below zero.
    #[arg(min = -300, max = -20)]
    below: i16,
    /// A count.
    #[arg(min = 0, max = 4_294_967_295)]
    count: u32,
    /// Anything.
    #[arg(min = -2_147_483_648, max = 2_147_483_647)]
    any: i32,
    /// As wide as JSON carries.
    #[arg(min = 0, max = 9_007_199_254_740_991)]
    wide: u64,
    /// The same on both sides.
    #[arg(min = -9_007_199_254_740_991, max = 9_007_199_254_740_991)]
    both: i64,
    /// One value only.
    #[arg(min = 7, max = 7)]
    seven: u8,
}

#[derive(ToolInput)]
pub(crate) struct Floats {
    /// A share.
    #[arg(min = 0, max = 1)]
    share: f64,
    /// Around zero.
    #[arg(min = -0.5, max = 0.25)]
    around: f64,
    /// Tiny.
    #[arg(min = 1e-7, max = 0.1)]
    tiny: f64,
    /// Wide.
    #[arg(min = -9_007_199_254_740_991, max = 9_007_199_254_740_991)]
    wide: f64,
}

#[derive(ToolInput)]
pub(crate) struct Formats {
    /// A UUID.
    #[arg(format = uuid)]
    uuid: String,
    /// A day.
    #[arg(format = date)]
    date: String,
    /// A moment.
    #[arg(format = date_time)]
    date_time: Option<String>,
    /// A time span.
    #[arg(format = duration)]
    duration: String,
    /// An address.
    #[arg(format = email)]
    email: Option<String>,
    /// A short address.
    #[arg(format = email, max_len = 20)]
    short_email: Option<String>,
    /// A host.
    #[arg(format = hostname)]
    hostname: String,
    /// An IPv4 address.
    #[arg(format = ipv4)]
    ipv4: Option<String>,
    /// An IPv6 address.
    #[arg(format = ipv6)]
    ipv6: String,
}

#[derive(ToolInput)]
pub(crate) struct Texts {
    /// Words for people.
    #[arg(free_text, max_len = 12)]
    note: String,
    /// More of them.
    #[arg(free_text, min_len = 5, max_len = 5)]
    exact: Option<String>,
    /// Digits.
    #[arg(pattern = "^[0-9]{6}$", sensitive, example = "000111")]
    code: Option<String>,
    /// Letters, with a length beside the pattern.
    #[arg(pattern = "^[^a-z]*$", min_len = 1, max_len = 9)]
    shout: String,
    /// Of a type of its own.
    odd: Odd,
    /// Bounded twice.
    bounded: Option<Bounded>,
    /// With a name on the wire.
    #[arg(name = "kind", pattern = "^(a|bc|)$")]
    r#type: String,
}

#[derive(ToolInput)]
pub(crate) struct Point {
    /// Across.
    #[arg(min = -10, max = 10)]
    x: f64,
    /// Down.
    #[arg(min = -10, max = 10)]
    y: Option<i8>,
}

#[derive(ToolInput)]
pub(crate) struct Lists {
    /// Words, each once.
    #[arg(max_items = 3, unique, each(pattern = "^[a-z]{1,3}$"))]
    words: Vec<String>,
    /// Numbers, each once.
    #[arg(min_items = 1, max_items = 4, unique, each(min = -3, max = 3))]
    whole: Vec<i32>,
    /// Floats, each once.
    #[arg(max_items = 4, unique, each(min = -1, max = 1))]
    floats: Option<Vec<f64>>,
    /// Free words.
    #[arg(max_items = 2, each(free_text, max_len = 5))]
    free: Vec<String>,
    /// Days.
    #[arg(max_items = 2, each(format = date))]
    days: Vec<String>,
    /// Things.
    #[arg(min_items = 2, max_items = 2)]
    things: Vec<Thing>,
    /// Points, each once.
    #[arg(max_items = 4, unique)]
    points: Vec<Point>,
    /// Places.
    #[arg(max_items = 3, unique)]
    places: Vec<Place>,
    /// Zones.
    #[arg(max_items = 3, unique)]
    zones: Option<Vec<Zone>>,
    /// Yes or no.
    #[arg(max_items = 2, unique)]
    flags: Vec<bool>,
}

#[derive(ToolInput)]
pub(crate) enum Place {
    /// At a point.
    Point {
        /// Which.
        point: Point,
    },
    /// In a zone.
    #[arg(name = "zone")]
    InZone {
        /// Which.
        zone: Zone,
        /// How deep in it.
        #[arg(min = 0, max = 9)]
        depth: Option<u8>,
    },
    /// Anywhere.
    Anywhere,
}

#[derive(ToolInput)]
pub(crate) struct Inner {
    /// Where.
    place: Place,
    /// What it is worth.
    cents: Option<Cents>,
}

#[derive(ToolInput)]
pub(crate) struct Outer {
    /// The first.
    inner: Inner,
    /// Others.
    #[arg(max_items = 2)]
    others: Vec<Inner>,
    /// One more.
    more: Option<Inner>,
    /// How warm.
    degrees: Option<Degrees>,
    /// Whether at all.
    #[arg(name = "on_2")]
    on: bool,
}

macro_rules! many_fields {
    ($name:ident: $($field:ident)*) => {
        #[derive(ToolInput)]
        pub(crate) struct $name {
            $(
                /// One of many.
                #[arg(min = 0, max = 9)]
                $field: Option<u8>,
            )*
            /// The last one.
            last: bool,
        }
    };
}
many_fields! { Many:
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9
    d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9
    g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7 h8 h9 i0 i1 i2 i3 i4 i5 i6 i7 i8 i9
}

#[derive(ToolError)]
pub(crate) enum Never {
    #[tool_error(rejected, "it does not want to")]
    Unwilling,
}

/// Takes what there is.
#[safe_tool(effect = read, scope = LAB)]
pub(crate) async fn take_all(
    /// A thing.
    #[arg(target)]
    thing: Thing,
    /// Why.
    reason: Option<Reason>,
    /// How many.
    #[arg(min = 1, max = 10, unit = "things", example = 3)]
    limit: u8,
    /// Where.
    place: Place,
    /// All of it.
    outer: Option<Outer>,
    /// Labels.
    #[arg(max_items = 3, unique, each(pattern = "^[a-z]{1,9}$"))]
    labels: Vec<String>,
    /// The tone.
    #[arg(name = "tone_of_it", pattern = "^(calm|loud)$", example = "calm")]
    tone: Option<String>,
) -> Result<Done, Never> {
    drop((thing, reason, limit, place, outer, labels, tone));
    Ok(Done)
}

/// Takes nothing.
#[safe_tool(effect = read, scope = LAB)]
pub(crate) async fn take_nothing() -> Result<Done, Never> {
    Ok(Done)
}

/// Takes a key of the caller's.
#[safe_tool(effect = write, scope = LAB, key = client, undo = by_hand("give it back"))]
pub(crate) async fn take_keyed(
    /// The day.
    #[arg(format = date)]
    day: String,
) -> Result<Done, Never> {
    drop(day);
    Ok(Done)
}
