//! What a value means, whatever the spelling of the texts in it that have a format.

use serde_json::Value;

/// The value with each text of a format replaced by one that stands for what it means.
pub(crate) fn meaning(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| meaning(&schema["items"], item)).collect(),
        Value::Object(members) => {
            let properties = &form(schema, value)["properties"];
            members.iter().map(|(name, member)| (name.clone(), meaning(&properties[name], member))).collect()
        }
        Value::String(text) => match schema["format"].as_str() {
            Some("uuid" | "hostname") => text.to_lowercase().into(),
            Some("email") => {
                let (local, domain) = text.split_once('@').unwrap();
                format!("{local}@{}", domain.to_lowercase()).into()
            }
            Some("ipv6") => text.parse::<std::net::Ipv6Addr>().unwrap().to_bits().to_string().into(),
            Some("date-time") => nanoseconds(text).to_string().into(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// The schema of an object, or of the one among several whose `kind` it has.
fn form<'a>(schema: &'a Value, value: &Value) -> &'a Value {
    let forms = ["oneOf", "anyOf"].into_iter().find_map(|name| schema.get(name)?.as_array());
    let is_meant = |form: &&Value| {
        let kind = &form["properties"]["kind"];
        kind["const"] == value["kind"] || kind["enum"][0] == value["kind"]
    };
    forms.map_or(schema, |forms| forms.iter().find(is_meant).unwrap())
}

/// The instant, counted from the year 0.
fn nanoseconds(text: &str) -> i128 {
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, "+00:00"),
        None => text.split_at(text.len() - "+00:00".len()),
    };
    let local: jiff::civil::DateTime = local.parse().unwrap();
    let (hours, minutes) = offset[1..].split_once(':').unwrap();
    let minutes = hours.parse::<i128>().unwrap() * 60 + minutes.parse::<i128>().unwrap();
    let minutes = if offset.starts_with('-') { -minutes } else { minutes };
    local.duration_since(jiff::civil::date(0, 1, 1).into()).as_nanos() - minutes * 60_000_000_000
}
