//! The static field tables that drive decode and schema alike.

use super::{Example, ListRule, NumberRule, TextRule};
use schemars::Schema;
use serde_json::{Map, Value, json};

/// One member of an object on the wire.
#[derive(Debug)]
pub struct Field {
    /// The name on the wire.
    pub name: &'static str,
    /// What a model reads about it.
    pub description: &'static str,
    /// Whether it must be sent.
    pub required: bool,
    /// What values it takes.
    pub shape: Shape,
}

/// What values a field takes.
#[derive(Debug)]
pub enum Shape {
    /// Text under a rule.
    Text(&'static TextRule),
    /// A number under a rule; `true` for integers.
    Number(&'static NumberRule, bool),
    /// A list: its rule and the shape of an item.
    List(&'static ListRule, &'static Shape),
    /// A type with a schema of its own.
    Type(fn() -> Schema),
}

impl Shape {
    /// The schema of the shape.
    pub fn schema(&self) -> Schema {
        match self {
            Shape::Text(rule) => rule.schema(),
            Shape::Number(rule, integer) => rule.schema(*integer),
            Shape::List(rule, item) => rule.schema(item),
            Shape::Type(schema) => schema(),
        }
    }

    pub(crate) fn example(&self) -> Option<Example> {
        match self {
            Shape::Text(rule) => rule.example.map(Example::Text),
            Shape::Number(rule, _) => rule.example.map(Example::Number),
            Shape::List(..) | Shape::Type(_) => None,
        }
    }
}

impl Field {
    /// The expected form in words; only error paths ask for it.
    pub(crate) fn expected(&self) -> String {
        let schema = self.shape.schema();
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(pattern) = text("pattern") {
            return pattern;
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            let list: Vec<String> = values.iter().filter_map(Value::as_str).map(|v| format!("`{v}`")).collect();
            return format!("one of {}", list.join(", "));
        }
        match text("type").as_deref() {
            Some(kind @ ("integer" | "number")) => match (schema.get("minimum"), schema.get("maximum")) {
                (Some(min), Some(max)) => format!("{kind} from {min} to {max}"),
                _ => kind.to_owned(),
            },
            Some("array") => "a list".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("string") => "a string".to_owned(),
            _ => "an object".to_owned(),
        }
    }
}

/// One variant of a closed set.
#[derive(Debug)]
pub struct Variant {
    /// The name on the wire.
    pub name: &'static str,
    /// What a model reads about it.
    pub description: &'static str,
    /// The members of the variant's object, `kind` first; empty for a plain string.
    pub fields: &'static [Field],
}

pub(super) fn names(fields: &'static [Field]) -> String {
    if fields.is_empty() {
        return "no members".to_owned();
    }
    let list: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    format!("only {}", list.join(", "))
}

/// The schema of a closed object.
pub fn object_schema(fields: &[Field]) -> Schema {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.shape.schema();
        // The type's own text (the variants of an enum, a unit) stays behind the field's.
        let own = schema.get("description").and_then(Value::as_str);
        let texts: Vec<&str> =
            [Some(field.description), own].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            let description = texts.join("\n");
            schema.insert("description".to_owned(), Value::from(description));
        }
        properties.insert(field.name.to_owned(), schema.into());
    }
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    Schema::from(object)
}

/// The schema of a closed string enum; the variants' texts go into its description, which every client shows.
pub fn enum_schema(variants: &[Variant]) -> Schema {
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    let texts: Vec<String> =
        variants.iter().map(|variant| format!("`{}`: {}", variant.name, variant.description)).collect();
    schemars::json_schema!({ "type": "string", "enum": names, "description": texts.join("\n") })
}

/// The schema of a set of objects told apart by `kind`.
pub fn tagged_schema(variants: &[Variant]) -> Schema {
    let each: Vec<Value> = variants
        .iter()
        .map(|variant| {
            let mut schema = object_schema(variant.fields);
            if let Some(kind) = schema.pointer_mut("/properties/kind") {
                *kind =
                    json!({ "const": variant.name, "type": "string", "description": "Which of the forms this is." });
            }
            schema.insert("description".to_owned(), Value::from(variant.description));
            schema.into()
        })
        .collect();
    schemars::json_schema!({ "type": "object", "oneOf": each })
}
