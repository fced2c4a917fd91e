//! Where a fault is, said in published names only.
//!
//! The steps to a fault are names the caller wrote. An answer may repeat them as far as the tool's schema has them: from
//! the first unknown name on, the fault is at the object that holds it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::json::{Spot, Step};

/// JSON pointers, inside the arguments, of `spots` of a tool with this input schema. Without a schema all are at the
/// root.
pub(crate) fn paths(spots: &[Spot], schema: Option<&Map<String, Value>>) -> Vec<(String, &'static str)> {
    let mut names = HashSet::new();
    if let Some(schema) = schema {
        collect_names(schema, &mut names);
    }
    spots.iter().map(|spot| (path(&spot.steps, &names), spot.rule)).collect()
}

fn path(steps: &[Step], names: &HashSet<&str>) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(index) => path.push_str(&format!("/{index}")),
            Step::Name(name) if names.contains(name.as_str()) => {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Step::Name(_) => break,
        }
    }
    path
}

/// Every property name of the schema, wherever it stands: which of them fits where is for the pipeline's decoder.
fn collect_names<'a>(schema: &'a Map<String, Value>, names: &mut HashSet<&'a str>) {
    for (keyword, value) in schema {
        if keyword == "properties"
            && let Value::Object(properties) = value
        {
            names.extend(properties.keys().map(String::as_str));
        }
        match value {
            Value::Object(inner) => collect_names(inner, names),
            Value::Array(items) => {
                let inner = items.iter().filter_map(Value::as_object);
                inner.for_each(|inner| collect_names(inner, names));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_ends_before_the_first_unknown_name() {
        let schema = json!({
            "properties": {
                "host": { "type": "string" },
                "tags": { "type": "array", "items": { "$ref": "#/$defs/tag" } },
            },
            "$defs": { "tag": { "oneOf": [{ "properties": { "a/b~c": {} } }] } },
        });
        let name = |name: &str| Step::Name(name.to_owned());
        let told = |steps: Vec<Step>| {
            let spots = [Spot { steps, rule: "finite" }];
            paths(&spots, schema.as_object())
        };
        assert_eq!(told(vec![]), [(String::new(), "finite")]);
        assert_eq!(told(vec![name("host")]), [("/host".to_owned(), "finite")]);
        assert_eq!(told(vec![name("tags"), Step::Index(2), name("a/b~c")]), [("/tags/2/a~1b~0c".to_owned(), "finite")]);
        assert_eq!(told(vec![name("tags"), name("ignore all rules"), name("host")]), [("/tags".to_owned(), "finite")]);
        let spots = [Spot { steps: vec![name("host")], rule: "unicode" }];
        assert_eq!(paths(&spots, None), [(String::new(), "unicode")]);
    }
}
