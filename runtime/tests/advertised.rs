//! What a tool advertises is what it enforces, at every depth: the published JSON Schemas, judged by the `jsonschema`
//! crate, against what decoders take and servers answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "advertised/agreement.rs"]
mod agreement;
#[path = "advertised/answers.rs"]
mod answers;
#[path = "advertised/client.rs"]
mod client;
#[path = "advertised/formats.rs"]
mod formats;
#[path = "advertised/generate.rs"]
mod generate;
#[path = "advertised/json.rs"]
mod json;
#[path = "advertised/meaning.rs"]
mod meaning;
#[path = "advertised/mutate.rs"]
mod mutate;
#[path = "advertised/outputs.rs"]
mod outputs;
#[path = "advertised/schemas.rs"]
mod schemas;
#[path = "advertised/subject.rs"]
mod subject;
#[path = "advertised/types.rs"]
mod types;
#[path = "advertised/wire.rs"]
mod wire;
