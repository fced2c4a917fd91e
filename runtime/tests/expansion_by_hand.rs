//! CONTRACT for the macros: what they emit, written by hand.
#![allow(clippy::unwrap_used, missing_docs, unused)]
use safe_tool::prelude::*;

// ---- #[derive(ToolInput)] #[text(pattern = "^[a-z][a-z0-9-]{0,62}$", example = "web-01")] pub struct HostId(String);
pub struct HostId(String);
#[automatically_derived]
const _: () = {
    use ::safe_tool::__private as p;
    static RULE: p::TextRule = p::TextRule::new(
        ::core::option::Option::Some("^[a-z][a-z0-9-]{0,62}$"),
        ::core::option::Option::None, // format: Some(p::Format::Uuid)
        false,                        // free_text
        ::core::option::Option::None, // min_len
        ::core::option::Option::None, // max_len
        ::core::option::Option::Some("web-01"),
    );
    impl p::ToolInput for HostId {
        fn decode(decoder: &mut p::Decoder<'_>) -> ::core::option::Option<Self> {
            p::text::<::std::string::String>(decoder, &RULE).map(Self)
        }
        fn encode(&self, writer: &mut p::Writer<'_>) {
            RULE.encode(&self.0, writer);
        }
        fn schema() -> p::Schema {
            RULE.schema()
        }
    }
    // not for free_text newtypes:
    impl p::KeyPart for HostId {
        fn part(&self, writer: &mut p::Writer<'_>) {
            RULE.encode(&self.0, writer);
        }
    }
    impl HostId {
        /// Checks a text and makes a `HostId` of it.
        ///
        /// # Errors
        /// The first rule that the text breaks.
        pub fn parse(text: impl ::core::convert::Into<::std::string::String>) -> ::core::result::Result<Self, p::Violation> {
            let text = text.into();
            p::check_text(&RULE, &text)?;
            ::core::result::Result::Ok(Self(text))
        }
        /// The text.
        pub fn as_str(&self) -> &str {
            &self.0
        }
    }
    impl ::core::fmt::Display for HostId {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str(&self.0)
        }
    }
};
// ---- with #[derive(ToolOutput)] on the same newtype
const _: () = {
    use ::safe_tool::__private as p;
    impl p::ToolOutput for HostId {
        fn encode(&self, writer: &mut p::Writer<'_>) {
            writer.str(&self.0);
        }
        fn schema() -> p::Schema {
            // when ToolInput's attributes (#[text]) are present, the derive publishes the same rule (own static)
            <HostId as p::ToolInput>::schema()
        }
    }
};

// ---- #[derive(ToolInput)] struct Window { /// From. #[arg(min = 1, max = 48, unit = "hours")] hours: u32, #[arg(pattern="^[a-z]{1,9}$")] zone: Option<String>, /// Tags. #[arg(max_items = 3, unique, each(pattern = "^[a-z]{1,9}$"))] tags: Vec<String> }
pub struct Window {
    hours: u32,
    zone: Option<String>,
    tags: Vec<String>,
}
const _: () = {
    use ::safe_tool::__private as p;
    static RULE_0: p::NumberRule = p::NumberRule { min: 1f64, max: 48f64, unit: ::core::option::Option::Some("hours"), example: ::core::option::Option::None };
    const _: () = p::assert_range::<u32>(&RULE_0);
    static RULE_1: p::TextRule = p::TextRule::new(Some("^[a-z]{1,9}$"), None, false, None, None, None);
    static RULE_2: p::ListRule = p::ListRule { min_items: 0, max_items: 3, unique: true };
    static RULE_2_EACH: p::TextRule = p::TextRule::new(Some("^[a-z]{1,9}$"), None, false, None, None, None);
    static SHAPE_2_EACH: p::Shape = p::Shape::Text(&RULE_2_EACH);
    static FIELDS: &[p::Field] = &[
        p::Field { name: "hours", description: "From.", required: true, shape: p::Shape::Number(&RULE_0, <u32 as p::PlainNumber>::INTEGER) },
        p::Field { name: "zone", description: "Zone.", required: false, shape: p::Shape::Text(&RULE_1) },
        p::Field { name: "tags", description: "Tags.", required: true, shape: p::Shape::List(&RULE_2, &SHAPE_2_EACH) },
    ];
    impl p::ToolInput for Window {
        fn decode(decoder: &mut p::Decoder<'_>) -> ::core::option::Option<Self> {
            let mut field_0: ::core::option::Option<u32> = None;
            let mut field_1: ::core::option::Option<String> = None;
            let mut field_2: ::core::option::Option<Vec<String>> = None;
            let mut walk = decoder.object(FIELDS)?;
            while let Some(index) = decoder.member(&mut walk) {
                match index {
                    0 => field_0 = p::number::<u32>(decoder, &RULE_0),
                    1 => field_1 = p::text::<String>(decoder, &RULE_1),
                    _ => {
                        field_2 = p::list(
                            decoder,
                            &RULE_2,
                            |decoder| p::text::<String>(decoder, &RULE_2_EACH),
                            |value, writer| RULE_2_EACH.encode(p::PlainText::as_text(value), writer),
                        )
                    }
                }
            }
            Some(Self { hours: field_0?, zone: field_1, tags: field_2? })
        }
        fn encode(&self, writer: &mut p::Writer<'_>) {
            writer.begin_object();
            writer.member("hours");
            p::PlainNumber::encode(&self.hours, writer);
            writer.end_member();
            if let Some(value) = &self.zone {
                writer.member("zone");
                RULE_1.encode(p::PlainText::as_text(value), writer);
                writer.end_member();
            }
            // `#[arg(sensitive)]`: let start = writer.hide(); <encode>; writer.hidden(start, false);
            writer.member("tags");
            writer.begin_list();
            for value in &self.tags {
                RULE_2_EACH.encode(p::PlainText::as_text(value), writer);
            }
            writer.end_list();
            writer.end_member();
            writer.end_object();
        }
        fn schema() -> p::Schema {
            p::object_schema(FIELDS)
        }
    }
};

// ---- closed string enum: static VARIANTS: &[p::Variant]; decode = match decoder.one_of(VARIANTS)? { 0 => .. };
//      encode = writer.str("wire_name"); schema = p::enum_schema(VARIANTS); KeyPart too.
// ---- tagged enum: static FIELDS_n (kind first: Shape::Type(<bool..>) placeholder is replaced by tagged_schema),
//      decode = match decoder.tag(VARIANTS)? { n => { let mut walk = decoder.object(VARIANTS[n].fields)?; members..: index 0 (kind) => decoder.skip() } }
//      schema = p::tagged_schema(VARIANTS); encode writes `kind` first.

// ---- #[derive(ToolError)]
pub enum ContainError {
    // #[tool_error(not_found, "no host `{host_id}` is enrolled", suggest = "find_host")]
    NoHost { host_id: HostId },
    // #[tool_error(transient, "the EDR did not answer", effect = unknown, retry_after = "5s")]
    Down { /* #[detail] */ cause: std::io::Error },
}
const _: () = {
    use ::safe_tool::__private as p;
    impl p::ToolError for ContainError {
        const CASES: &'static [p::ErrorCase] = &[
            p::ErrorCase { code: "NO_HOST", kind: p::Kind::NotFound, effect: None },
            p::ErrorCase { code: "DOWN", kind: p::Kind::Transient, effect: Some(p::EffectKnown::Unknown) },
        ];
        fn report(&self) -> p::ErrorReport {
            match self {
                Self::NoHost { host_id } => p::ErrorReport {
                    code: p::Cow::Borrowed("NO_HOST"),
                    kind: p::Kind::NotFound,
                    message: ::std::format!("no host `{host_id}` is enrolled"),
                    suggest: Some("find_host"),
                    retry_after: None,
                    effect: p::EffectKnown::None, // unstated = none
                    detail: None,
                },
                Self::Down { cause } => p::ErrorReport {
                    code: p::Cow::Borrowed("DOWN"),
                    kind: p::Kind::Transient,
                    message: ::std::format!("the EDR did not answer"),
                    suggest: None,
                    retry_after: Some(p::Duration::from_millis(5000)),
                    effect: p::EffectKnown::Unknown,
                    detail: Some(::std::format!("cause: {cause:?}")), // all #[detail] fields, Debug, joined by "; "
                },
            }
        }
    }
};

// ---- #[derive(Credential)] #[credential(audience = "https://edr.example", scopes("host:contain"), env = "EDR_CONTAIN_TOKEN")]
pub struct EdrContain;
const _: () = {
    use ::safe_tool::__private as p;
    impl p::Credential for EdrContain {
        const SPEC: &'static p::CredentialSpec = &p::CredentialSpec {
            name: "EdrContain",
            audience: "https://edr.example",
            scopes: &["host:contain"],
            env: Some("EDR_CONTAIN_TOKEN"),
        };
    }
};

// ---- #[derive(ToolOutput)] struct Isolation { /// Since when. since: String, /// Hosts. hosts: Page<HostId> }
pub struct Isolation {
    since: String,
    hosts: Page<HostId>,
    note: Option<String>,
}
const _: () = {
    use ::safe_tool::__private as p;
    static FIELDS: &[p::Field] = &[
        p::Field { name: "since", description: "Since when.", required: true, shape: p::Shape::Type(<String as p::ToolOutput>::schema) },
        p::Field { name: "hosts", description: "Hosts.", required: true, shape: p::Shape::Type(<Page<HostId> as p::ToolOutput>::schema) },
        p::Field { name: "note", description: "Note.", required: false, shape: p::Shape::Type(<String as p::ToolOutput>::schema) },
    ];
    impl p::ToolOutput for Isolation {
        fn encode(&self, writer: &mut p::Writer<'_>) {
            writer.begin_object();
            writer.member("since");
            p::ToolOutput::encode(&self.since, writer);
            writer.end_member();
            writer.member("hosts");
            p::ToolOutput::encode(&self.hosts, writer);
            writer.end_member();
            if let Some(value) = &self.note {
                writer.member("note");
                p::ToolOutput::encode(value, writer);
                writer.end_member();
            }
            writer.end_object();
        }
        fn schema() -> p::Schema {
            p::object_schema(FIELDS)
        }
        // one `Page` field (by last path segment) or #[output(empty_when = hosts)]
        fn is_empty(&self) -> bool {
            p::ToolOutput::is_empty(&self.hosts)
        }
        // every field, or-ed
        fn is_truncated(&self) -> bool {
            p::ToolOutput::is_truncated(&self.since) || p::ToolOutput::is_truncated(&self.hosts) || self.note.as_ref().is_some_and(p::ToolOutput::is_truncated)
        }
    }
};

pub struct Edr;
const HOSTS_ISOLATE: Scope = Scope::new("hosts:isolate");

// ---- the tool. The function is emitted as written, minus doc comments and #[arg] on parameters, with #[doc] of its own kept.
async fn release_host(call: Call<Edr, EdrContain>, host_id: HostId) -> Result<Done, ContainError> {
    let _ = (call.credential().expose(), host_id.as_str());
    Ok(Done)
}
/// [generated docs: "The tool `release_host`: " + the function's docs]
#[allow(non_camel_case_types)]
pub struct release_host {} // visibility of the fn
#[automatically_derived]
const _: () = {
    use ::safe_tool::__private as p;
    static FIELDS: &[p::Field] = &[p::Field { name: "host_id", description: "Host.", required: true, shape: p::Shape::Type(<HostId as p::ToolInput>::schema) }];
    pub struct Arguments {
        pub host_id: HostId,
    }
    static DESCRIPTOR: p::Descriptor = p::Descriptor {
        name: "release_host",
        title: None,
        description: "Lets a host back.",
        effect: p::Effect::Write,
        scope: &HOSTS_ISOLATE,
        arguments: FIELDS,
        targets: &[0],
        key: p::Key::Parts { parts: &[p::Part::Argument(0, "host_id")], every: None },
        undo: p::Undo::ByHand("isolate the host again"),
        approve: p::Approve::None(""),
        timeout: p::Duration::from_millis(10_000),
        retry: 0,
        rates: &[],
        source: None,
        output: <Done as p::ToolOutput>::schema,
        errors: <ContainError as p::ToolError>::CASES,
        credential: <Call<Edr, EdrContain> as p::CallContext>::CREDENTIAL,
        decode,
    };
    const _: () = p::assert_states_effect::<ContainError>();
    fn decode(decoder: &mut p::Decoder<'_>) -> Option<Box<dyn p::Arguments>> {
        let mut field_0: Option<HostId> = None;
        let mut walk = decoder.object(FIELDS)?;
        while let Some(index) = decoder.member(&mut walk) {
            match index {
                _ => field_0 = <HostId as p::ToolInput>::decode(decoder),
            }
        }
        Some(Box::new(Arguments { host_id: field_0? }))
    }
    impl p::Arguments for Arguments {
        fn encode(&self, index: usize, writer: &mut p::Writer<'_>) -> bool {
            match index {
                0 => {
                    // an optional one: if let Some(value) = &self.x { .. true } else { false }
                    p::ToolInput::encode(&self.host_id, writer);
                    true
                }
                _ => false,
            }
        }
        fn part(&self, index: usize, writer: &mut p::Writer<'_>) {
            match index {
                0 => p::KeyPart::part(&self.host_id, writer), // key parts first, then rated arguments; `order.id` => &self.order.id
                _ => {}
            }
        }
        fn run(self: Box<Self>, context: p::Context) -> p::BoxFuture<'static, p::Finished> {
            Box::pin(async move {
                let Some(call) = <Call<Edr, EdrContain> as p::CallContext>::from_context(context) else {
                    return p::no_state();
                };
                p::finish(release_host(call, self.host_id).await, &[])
            })
        }
    }
    impl p::SafeTool for release_host {
        type Effect = p::effect::Write;
        type Arguments = Arguments;
        fn descriptor() -> &'static p::Descriptor {
            &DESCRIPTOR
        }
    }
    impl p::RunsOn<<Call<Edr, EdrContain> as p::CallContext>::State> for release_host {}
    // without a context parameter: impl<S> p::RunsOn<S> for release_host {}
};

// undo = release_host(host_id, other = out.ticket):
//   undo: p::Undo::Tool { tool: <release_host as p::SafeTool>::descriptor, arguments: &[p::UndoArgument { name: "host_id", from: p::UndoFrom::Argument(0) }, p::UndoArgument { name: "other", from: p::UndoFrom::Output(0) }] }
//   finish(.., &[|out, writer| p::ToolInput::encode(&out.ticket, writer)])     // the output's field type must be the undo tool's argument type
//   type check, never called:
//   const _: fn(&Arguments, &Out) -> <release_host as p::SafeTool>::Arguments = |arguments, out| { type Undo = <release_host as p::SafeTool>::Arguments; Undo { host_id: p::same(&arguments.host_id), other: p::same(&out.ticket) } };
//   an optional argument of the undo tool that is not named must be accepted as absent if that can be done simply; else say so in the report.
//   Is the type check possible when an undo argument is of plain type with differing rules? types only; fine.

#[test]
fn the_hand_written_expansion_decodes() {
    use safe_tool::__private as p;
    let descriptor = <release_host as p::SafeTool>::descriptor();
    let mut decoder = p::Decoder::new(r#"{"host_id":"web-01"}"#);
    assert!((descriptor.decode)(&mut decoder).is_some());
    let mut decoder = p::Decoder::new(r#"{"hours":0,"zone":"UTC","tags":["a","a"],"x":1}"#);
    assert!(<Window as p::ToolInput>::decode(&mut decoder).is_none());
    let (violations, _) = decoder.finish();
    let rules: Vec<_> = violations.iter().map(|v| (v.path.as_str(), v.rule)).collect();
    assert_eq!(rules, [("/hours", "minimum"), ("/zone", "pattern"), ("/tags", "uniqueItems"), ("", "additionalProperties")]);
}
