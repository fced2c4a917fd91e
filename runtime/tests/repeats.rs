//! Who takes `again_after`, by default and by declaration.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use safe_tool::__private as p;
use safe_tool::input::object_schema;
use safe_tool::prelude::*;
use std::convert::Infallible;

const LAB: Scope = Scope::new("lab");
const CALL: &str = "01KAJ6Q0M3Z5T8W2V9C4X7B1RD";

/// Makes tools that differ in their settings only; in brackets stands what is behind `item` in the key.
macro_rules! tools {
    ($($name:ident([$($key:tt)*] $($setting:tt)*))*) => {$(
        /// Changes the item.
        #[safe_tool(scope = LAB, key(item, $($key)*), $($setting)*)]
        async fn $name(
            /// The item.
            #[arg(target, pattern = "^[a-z]{1,9}$")]
            item: String,
        ) -> Result<Done, Infallible> {
            let _ = item;
            Ok(Done)
        }
    )*};
    ($($name:ident($($setting:tt)*))*) => {$(
        /// Changes the item.
        #[safe_tool(scope = LAB, $($setting)*)]
        async fn $name(
            /// The item.
            #[arg(target, pattern = "^[a-z]{1,9}$")]
            item: String,
        ) -> Result<Done, Infallible> {
            let _ = item;
            Ok(Done)
        }
    )*};
}

tools! {
    by_person([] effect = write, undo = by_hand("change it back"))
    declared([] effect = write, undo = by_hand("change it back"), repeat = explicit)
    by_tool([] effect = write, undo = declared(item))
    silenced([] effect = write, undo = declared(item), repeat = never)
    by_setter([] effect = write, undo = set(item))
    agreed([] effect = write, undo = by_hand("change it back"), approve = user)
    hourly([every = "1m"] effect = write, undo = declared(item), approve = operator)
    destroyed([] effect = destroy, approve = operator)
    swept([] effect = destroy, approve = none("it is a copy"))
}
tools! {
    look(effect = read)
    set(effect = write, key = natural("it sets a value"), undo = by_hand("set the old value"))
    by_caller(effect = write, key = client, undo = declared(item), approve = operator)
}

fn takes<T: p::SafeTool>() -> bool {
    let tool = T::descriptor();
    assert_eq!(T::TAKES_AGAIN_AFTER, tool.takes_again_after());
    let published = tool.arguments.iter().any(|field| field.name == "again_after");
    assert_eq!(published, tool.takes_again_after(), "{}", tool.name);
    published
}

#[test]
fn a_caller_may_repeat_what_can_be_undone_by_a_call_or_was_agreed_to() {
    let all = [takes::<declared>(), takes::<by_tool>(), takes::<by_setter>(), takes::<set>(), takes::<agreed>()];
    assert_eq!((all, takes::<destroyed>()), ([true; 5], true));
    let none = [takes::<look>(), takes::<by_person>(), takes::<silenced>(), takes::<hourly>(), takes::<by_caller>()];
    assert_eq!((none, takes::<swept>()), ([false; 5], false));
}

#[test]
fn again_after_is_an_optional_argument_that_the_body_does_not_see() {
    let tool = <by_tool as p::SafeTool>::descriptor();
    let decoded = |text: &str| {
        let mut decoder = p::Decoder::new(text);
        let arguments = (tool.decode)(&mut decoder);
        let (violations, published) = decoder.finish();
        (arguments.is_some() && violations.is_empty(), published)
    };
    let (accepted, published) = decoded(r#"{"item":"lamp"}"#);
    assert!(accepted && published.again_after.is_none());
    let (accepted, published) = decoded(&format!(r#"{{"again_after":"{CALL}","item":"lamp"}}"#));
    assert!(accepted && published.idempotency_key.is_none());
    assert_eq!(published.again_after.as_deref(), Some(CALL));
    for wrong in ["", "latest", &CALL.to_lowercase(), "01KAJ6Q0M3Z5T8W2V9C4X7B1RU", "01KAJ6Q0M3Z5T8W2V9C4X7B1RDD"] {
        let (accepted, published) = decoded(&format!(r#"{{"again_after":"{wrong}","item":"lamp"}}"#));
        assert!(!accepted && published.again_after.is_none(), "{wrong}");
    }
    let schema = object_schema(tool.arguments);
    assert_eq!(schema.pointer("/properties/again_after/pattern").unwrap(), p::AGAIN_AFTER.pattern.unwrap());
    assert_eq!(schema.pointer("/required").unwrap(), &serde_json::json!(["item"]));
}

/// What was there before.
#[derive(ToolOutput)]
struct Before {
    /// Replicas.
    before: u8,
}

/// Scales a service; its own undo, because the output says what was there before.
#[safe_tool(effect = write, scope = LAB, key(service, replicas), undo = self::scale(service, replicas = out.before))]
async fn scale(
    /// The service.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    service: String,
    /// How many.
    #[arg(min = 0, max = 9)]
    replicas: u8,
) -> Result<Before, Infallible> {
    let _ = (service, replicas);
    Ok(Before { before: 1 })
}

#[test]
fn a_setter_is_its_own_undo() {
    let tool = <scale as p::SafeTool>::descriptor();
    let p::Undo::Tool { tool: undo, arguments } = &tool.undo else { panic!("{:?}", tool.undo) };
    assert!(std::ptr::eq(undo(), tool) && takes::<scale>());
    assert!(matches!(arguments[1].from, p::UndoFrom::Output(0)));
}
