//! Tools and types written as users write them, run through the shims that the macros emit.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use safe_tool::__private as p;
use safe_tool::prelude::*;
use std::sync::Mutex;

/// Name of a host in the fleet.
#[derive(ToolInput, ToolOutput, Debug, Clone, PartialEq)]
#[text(pattern = "^[a-z][a-z0-9-]{0,62}$", example = "web-01")]
pub struct HostId(String);

#[derive(ToolInput, Debug)]
#[text(format = uuid)]
pub struct AlertId(String);

#[derive(ToolInput, Debug)]
#[text(free_text, max_len = 200)]
struct Reason(String);

#[derive(ToolInput, ToolOutput, Debug, Clone, Copy, PartialEq)]
#[number(min = 1, max = 50_000, unit = "cents", example = 1_250)]
struct Cents(u32);

#[derive(ToolInput, ToolOutput, Debug, Clone, Copy, PartialEq)]
enum Zone {
    /// Offices.
    Office,
    /// Machines that customers reach.
    #[arg(name = "dmz")]
    #[output(name = "dmz")]
    DemilitarizedZone,
}

#[derive(ToolInput, Debug, PartialEq)]
enum Target {
    /// One host.
    Host {
        /// Its name.
        host: HostId,
        /// How long, if not for good.
        #[arg(min = 1, max = 48, unit = "hours")]
        hours: Option<u32>,
    },
    /// All of a zone.
    Zone {
        /// Which.
        zone: Zone,
    },
    /// Everything.
    All,
}

#[derive(ToolInput, Debug, PartialEq)]
struct Order {
    /// Number of the order.
    #[arg(pattern = "^[0-9]{6}$")]
    id: String,
    /// What the customer wrote.
    #[arg(free_text, max_len = 50)]
    note: Option<String>,
    /// Labels.
    #[arg(max_items = 3, unique, each(pattern = "^[a-z]{1,9}$"))]
    labels: Vec<String>,
    /// What it is about.
    #[arg(name = "about")]
    r#type: Zone,
    /// The share that is refunded.
    #[arg(min = -0.5, max = 1)]
    share: f64,
    /// Hosts.
    #[arg(min_items = 1, max_items = 2)]
    hosts: Vec<HostId>,
}

#[derive(ToolOutput)]
struct Isolation {
    /// Since when.
    since: String,
    /// Hosts in the same segment.
    hosts: Page<HostId>,
    /// A remark.
    note: Option<String>,
}

#[derive(ToolOutput)]
enum Found {
    /// Nothing is known about it.
    Nothing,
    /// Seen.
    Seen {
        /// Where.
        zones: Page<Zone>,
    },
}

#[derive(ToolError, Debug)]
enum ContainError {
    #[tool_error(not_found, "no host `{host_id}` is enrolled", suggest = "find_host")]
    NoHost { host_id: HostId },
    #[tool_error(transient, "the EDR did not answer", effect = unknown, retry_after = "5s")]
    Down {
        #[detail]
        cause: std::io::Error,
        #[detail]
        r#type: u8,
    },
    #[tool_error(rejected, "{0} is {{critical}}, {1:>3}", code = "CRITICAL", stored)]
    Critical(HostId, u32, #[detail] &'static str),
}

/// Isolates and releases hosts.
#[derive(Credential)]
#[credential(audience = "https://edr.example", scopes("host:contain"), env = "EDR_CONTAIN_TOKEN")]
struct EdrContain;

#[derive(Default)]
struct Edr {
    seen: Mutex<Vec<String>>,
}

const HOSTS_ISOLATE: Scope = Scope::new("hosts:isolate");

/// Cuts a host off from the network; only the EDR channel stays open.
#[safe_tool(
    effect  = write,
    scope   = HOSTS_ISOLATE,
    key(host_id, alert_id, call.turn, order.id, every = "1h"),
    undo    = release_host(host_id, since = out.since),
    reconcile = find_isolation,
    timeout = "10s",
    retry   = 2,
    rate(principal = "30/minute", host_id = "2/hour", all = "100/minute"),
    source  = "edr",
    title   = "Isolate a host",
)]
async fn isolate_host(
    call: Call<Edr, EdrContain>,
    /// Host to isolate, as `find_host` returns it.
    #[arg(target = "host")]
    host_id: HostId,
    /// Alert that justifies the isolation.
    alert_id: AlertId,
    /// Why the host is isolated.
    reason: Reason,
    /// The order it hosts.
    order: Order,
    /// A code the user was given.
    #[arg(pattern = "^[0-9]{6}$", sensitive)]
    otp: Option<String>,
) -> Result<Isolation, ContainError> {
    if reason.as_str() == "fail" {
        return Err(ContainError::NoHost { host_id });
    }
    let line = format!("{host_id} {} {} {otp:?} {}", alert_id.as_str(), order.id, call.credential().expose());
    call.state().seen.lock().unwrap().push(line);
    Ok(Isolation { since: "now".to_owned(), hosts: Page::capped([host_id], 5), note: None })
}

async fn find_isolation(
    call: Call<Edr, EdrContain>,
    host_id: HostId,
    _: AlertId,
    reason: Reason,
    _: Order,
    _: Option<String>,
) -> Answer<Reconciled<Isolation>> {
    let _ = call.credential();
    match reason.as_str() {
        "fail" => Err(ContainError::NoHost { host_id }),
        "none" => Ok(Reconciled::NotApplied),
        "unsure" => Ok(Reconciled::Unknown),
        _ => {
            let hosts = Page::capped([host_id], 5);
            Ok(Reconciled::Applied(Isolation { since: call.action_key(), hosts, note: None }))
        }
    }
}

/// Lets a host back.
#[safe_tool(effect = write, scope = HOSTS_ISOLATE, key = natural("a free host stays free"), undo = by_hand("isolate the host again"))]
async fn release_host(
    call: Call<Edr>,
    /// Host.
    host_id: HostId,
    /// Since when it was isolated.
    #[arg(free_text, max_len = 20)]
    since: String,
    /// A remark.
    #[arg(free_text, max_len = 20)]
    _note: Option<String>,
) -> Result<Done, ContainError> {
    let _ = (call.id(), host_id, since);
    Ok(Done)
}

/// Looks something up.
#[safe_tool(effect = read, scope = HOSTS_ISOLATE, name = "find")]
async fn find_it(
    call: Call<Edr>,
    /// What.
    target: Target,
    /// How much at most.
    limit: Cents,
) -> Answer<Found> {
    let _ = call.state();
    Ok(match (target, limit.get()) {
        (Target::All, _) => Found::Nothing,
        (Target::Zone { zone }, 1) => Found::Seen { zones: Page::capped([zone, zone], 1) },
        _ => Found::Seen { zones: Page::capped([], 1) },
    })
}

type Answer<T> = Result<T, ContainError>;

/// Deletes everything.
#[safe_tool(effect = destroy, scope = HOSTS_ISOLATE, key = client, approve = operator)]
async fn purge() -> Result<Done, ContainError> {
    Ok(Done)
}

fn decode<T: ToolInput>(text: &str) -> Result<T, Vec<(String, &'static str)>> {
    let mut decoder = p::Decoder::new(text);
    let value = T::decode(&mut decoder);
    let (violations, _) = decoder.finish();
    value.ok_or_else(|| violations.into_iter().map(|violation| (violation.path, violation.rule)).collect())
}

fn arguments<T: p::SafeTool>(text: &str) -> Box<dyn p::Arguments> {
    let mut decoder = p::Decoder::new(text);
    let arguments = (T::descriptor().decode)(&mut decoder);
    let (violations, _) = decoder.finish();
    let Some(arguments) = arguments else { panic!("{violations:?}") };
    arguments
}

fn context(state: Edr) -> p::Context {
    p::bare_context(state, Some("s3cret".to_owned()))
}

fn at_once<T>(mut future: p::BoxFuture<'static, T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("the body waits"),
    }
}

fn run<T: p::SafeTool>(text: &str, state: Edr) -> p::Finished {
    at_once(arguments::<T>(text).run(context(state)))
}

fn reconcile(reason: &str) -> p::Reconciling {
    at_once(arguments::<isolate_host>(&isolate(reason)).reconcile(context(Edr::default())).unwrap())
}

const ORDER: &str = r#"{"id":"123456","labels":["a","b"],"about":"dmz","share":0.25,"hosts":["web-01"]}"#;

fn isolate(reason: &str) -> String {
    format!(
        r#"{{"host_id":"web-01","alert_id":"6f9619ff-8b86-d011-b42d-00c04fc964ff","reason":"{reason}","order":{ORDER},"otp":"000111"}}"#
    )
}

#[test]
fn a_write_tool_runs_through_its_shims() {
    let finished = run::<isolate_host>(&isolate("c2"), Edr::default()).unwrap();
    assert_eq!(String::from_utf8(finished.data).unwrap(), r#"{"since":"now","hosts":["web-01"]}"#);
    assert!(!finished.empty && !finished.truncated);
    assert_eq!(finished.undo, [b"\"now\""]);
    let error = run::<isolate_host>(&isolate("fail"), Edr::default()).unwrap_err();
    assert_eq!((error.code.as_ref(), error.message.as_str()), ("NO_HOST", "no host `web-01` is enrolled"));
    assert_eq!(error.suggest, Some("find_host"));
}

#[test]
fn a_doubt_is_looked_up_with_the_tools_own_arguments() {
    assert!(<isolate_host as p::SafeTool>::descriptor().reconcile);
    let Ok(p::Reconciliation::Applied(produced)) = reconcile("c2") else { panic!("not applied") };
    assert_eq!(String::from_utf8(produced.data).unwrap(), r#"{"since":"","hosts":["web-01"]}"#);
    assert_eq!(produced.undo, [b"\"\""]);
    assert!(matches!(reconcile("none"), Ok(p::Reconciliation::NotApplied)));
    assert!(matches!(reconcile("unsure"), Ok(p::Reconciliation::Unknown)));
    assert_eq!(reconcile("fail").unwrap_err().code, "NO_HOST");
    let other = arguments::<isolate_host>(&isolate("c2")).reconcile(p::bare_context((), Some(String::new()))).unwrap();
    assert_eq!(at_once(other).unwrap_err().code, "internal");
}

#[test]
fn a_tool_without_a_hook_has_nothing_to_look_up() {
    assert!(!<purge as p::SafeTool>::descriptor().reconcile);
    assert!(arguments::<purge>("{}").reconcile(context(Edr::default())).is_none());
}

#[test]
fn a_descriptor_holds_what_was_declared() {
    let tool = <isolate_host as p::SafeTool>::descriptor();
    assert_eq!((tool.name, tool.title, tool.source), ("isolate_host", Some("Isolate a host"), Some("edr")));
    assert_eq!(tool.description, "Cuts a host off from the network; only the EDR channel stays open.");
    assert_eq!((tool.effect, tool.scope.as_str()), (p::Effect::Write, "hosts:isolate"));
    let targets = [p::Target { argument: 0, thing: "host" }];
    assert_eq!((tool.targets, tool.retry, tool.timeout.as_secs()), (&targets[..], 2, 10));
    let p::Key::Parts { parts, every } = &tool.key else { panic!("{:?}", tool.key) };
    let expected = [
        p::Part::Argument(0, "host_id"),
        p::Part::Argument(1, "alert_id"),
        p::Part::Turn,
        p::Part::Argument(2, "order.id"),
    ];
    assert_eq!(*parts, expected);
    assert_eq!(every.unwrap().as_secs(), 3600);
    let rates: Vec<_> = tool.rates.iter().map(|rate| (rate.per, rate.count, rate.period.as_secs())).collect();
    assert_eq!(rates, [(p::Per::Principal, 30, 60), (p::Per::Argument(3, "host_id"), 2, 3600), (p::Per::All, 100, 60)]);
    let p::Undo::Tool { tool: undo, arguments } = &tool.undo else { panic!("{:?}", tool.undo) };
    assert_eq!(undo().name, "release_host");
    assert!(matches!(arguments[0], p::UndoArgument { name: "host_id", from: p::UndoFrom::Argument(0) }));
    assert!(matches!(arguments[1], p::UndoArgument { name: "since", from: p::UndoFrom::Output(0) }));
    assert_eq!(tool.credential.unwrap().env, Some("EDR_CONTAIN_TOKEN"));
    assert_eq!(tool.errors.len(), 3);
    assert_eq!(tool.arguments[4].name, "otp");
    assert!(!tool.arguments[4].required);

    let natural = <release_host as p::SafeTool>::descriptor();
    assert!(matches!(natural.key, p::Key::Natural("a free host stays free")));
    assert!(matches!(natural.undo, p::Undo::ByHand("isolate the host again")));
    assert_eq!(natural.arguments[2].name, "note", "an underscore marks what is not used");
    assert!(natural.credential.is_none());
    assert_eq!(natural.timeout.as_secs(), 30);
    assert_eq!(<find_it as p::SafeTool>::descriptor().name, "find");
}

#[test]
fn parts_and_arguments_are_encoded_by_place() {
    let text = isolate("c2");
    let mut decoder = p::Decoder::new(&text);
    let tool = <isolate_host as p::SafeTool>::descriptor();
    let arguments = (tool.decode)(&mut decoder).unwrap();
    let part = |index| String::from_utf8(p::plain(|writer| arguments.part(index, writer))).unwrap();
    assert_eq!(part(0), "\"web-01\"");
    assert_eq!(part(2), "\"123456\"");
    assert_eq!(part(3), "\"web-01\"");
    assert_eq!(part(9), "");
    let argument = |index| {
        let mut present = false;
        let bytes = p::plain(|writer| present = arguments.encode(index, writer));
        (String::from_utf8(bytes).unwrap(), present)
    };
    assert_eq!(
        argument(3),
        (r#"{"id":"123456","labels":["a","b"],"about":"dmz","share":0.25,"hosts":["web-01"]}"#.to_owned(), true)
    );
    assert_eq!(argument(4), ("\"000111\"".to_owned(), true));
    assert_eq!(argument(5), (String::new(), false));
}

#[test]
fn every_violation_is_told_with_its_path() {
    let wrong = r#"{"id":"12","labels":["a","a"],"about":"DMZ","share":2,"hosts":[],"x":1}"#;
    let rules = decode::<Order>(wrong).unwrap_err();
    let rules: Vec<_> = rules.iter().map(|(path, rule)| (path.as_str(), *rule)).collect();
    assert_eq!(
        rules,
        [
            ("/id", "pattern"),
            ("/labels", "uniqueItems"),
            ("/about", "enum"),
            ("/share", "maximum"),
            ("/hosts", "minItems"),
            ("", "additionalProperties")
        ]
    );
    assert_eq!(decode::<Order>("{}").unwrap_err().len(), 5);
    assert_eq!(decode::<Target>(r#"{"hours":0,"kind":"host","host":"X"}"#).unwrap_err().len(), 2);
    assert_eq!(decode::<Target>(r#"{"kind":"hosts"}"#).unwrap_err(), [("/kind".to_owned(), "enum")]);
}

#[test]
fn tagged_values_come_back_as_they_went() {
    let host = HostId::parse("web-01").unwrap();
    for (value, text) in [
        (Target::Host { host, hours: Some(3) }, r#"{"kind":"host","host":"web-01","hours":3}"#),
        (Target::Zone { zone: Zone::DemilitarizedZone }, r#"{"kind":"zone","zone":"dmz"}"#),
        (Target::All, r#"{"kind":"all"}"#),
    ] {
        assert_eq!(String::from_utf8(p::plain(|writer| ToolInput::encode(&value, writer))).unwrap(), text);
        assert_eq!(decode::<Target>(text).unwrap(), value);
    }
}

#[test]
fn newtypes_check_what_they_are_made_of() {
    assert_eq!(HostId::parse("web-01").unwrap().to_string(), "web-01");
    assert_eq!(HostId::parse("*").unwrap_err().rule, "pattern");
    assert_eq!(Cents::new(50_000).unwrap().get(), 50_000);
    assert_eq!(Cents::new(0).unwrap_err().rule, "minimum");
    assert_eq!(Cents::new(50_001).unwrap_err().rule, "maximum");
}

#[test]
fn outputs_say_when_they_are_empty_or_cut() {
    let find = |arguments: &str| run::<find_it>(arguments, Edr::default()).unwrap();
    let nothing = find(r#"{"target":{"kind":"all"},"limit":1}"#);
    assert_eq!((nothing.data.as_slice(), nothing.empty), (&br#"{"kind":"nothing"}"#[..], false));
    let cut = find(r#"{"target":{"kind":"zone","zone":"office"},"limit":1}"#);
    assert_eq!(
        (cut.data.as_slice(), cut.empty, cut.truncated),
        (&br#"{"kind":"seen","zones":["office"]}"#[..], false, true)
    );
    assert!(find(r#"{"target":{"kind":"zone","zone":"office"},"limit":2}"#).empty);
}

#[test]
fn schemas_advertise_the_same_rules() {
    let schema = <Order as ToolInput>::schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap().to_string();
    assert_eq!(at("/properties/about/enum"), r#"["office","dmz"]"#);
    assert_eq!(at("/required"), r#"["id","labels","about","share","hosts"]"#);
    assert_eq!(at("/properties/labels/items/pattern"), r#""^[a-z]{1,9}$""#);
    assert_eq!(at("/properties/share/minimum"), "-0.5");
    assert_eq!(at("/properties/note/description"), r#""What the customer wrote.""#);
    let host = <HostId as ToolOutput>::schema();
    assert_eq!(host, <HostId as ToolInput>::schema());
}

#[test]
fn errors_show_only_what_the_message_shows() {
    let cause = std::io::Error::other("secret path");
    let report = ToolError::report(&ContainError::Down { cause, r#type: 3 });
    assert_eq!((report.message.as_str(), report.effect), ("the EDR did not answer", p::EffectKnown::Unknown));
    assert_eq!(report.retry_after.unwrap().as_secs(), 5);
    assert_eq!(report.detail.unwrap(), "cause: Custom { kind: Other, error: \"secret path\" }; type: 3");
    let report = ToolError::report(&ContainError::Critical(HostId::parse("db").unwrap(), 7, "why"));
    assert_eq!((report.code.as_ref(), report.message.as_str()), ("CRITICAL", "db is {critical},   7"));
    assert!(report.stored && !ContainError::CASES[0].stored && ContainError::CASES[2].stored);
    assert_eq!(report.detail.unwrap(), "2: \"why\"");
}

#[test]
fn a_client_key_is_an_optional_argument() {
    let tool = <purge as p::SafeTool>::descriptor();
    assert_eq!((tool.arguments[0].name, tool.arguments[0].required), ("idempotency_key", false));
    let mut decoder = p::Decoder::new(r#"{"idempotency_key":"abcdefgh"}"#);
    assert!((tool.decode)(&mut decoder).is_some());
    assert_eq!(decoder.finish().1.idempotency_key.as_deref(), Some("abcdefgh"));
    assert!(run::<purge>("{}", Edr::default()).is_ok());
    assert!(matches!(tool.approve, p::Approve::Operator));
}

/// Nothing generated relies on what the user's module has in scope.
mod without_prelude {
    #![no_implicit_prelude]
    #![allow(dead_code)]

    use ::safe_tool::{Call, Done, Page, Scope, ToolError, ToolInput, ToolOutput, safe_tool};
    use ::std::option::Option;
    use ::std::result::Result::{self, Ok};
    use ::std::string::String;
    use ::std::vec::Vec;

    const LAB: Scope = Scope::new("lab");

    #[derive(ToolInput)]
    #[text(format = date_time)]
    struct When(String);

    #[derive(ToolInput, ToolOutput)]
    #[number(min = 0.5, max = 1)]
    struct Share(f64);

    #[derive(ToolInput)]
    enum Target {
        /// All.
        All,
        /// Some.
        Some {
            /// Names.
            #[arg(max_items = 2, each(pattern = "^[a-z]{1,9}$"))]
            names: Option<Vec<String>>,
        },
    }

    #[derive(ToolOutput)]
    struct Found {
        /// Shares.
        shares: Page<Share>,
        /// A remark.
        note: String,
    }

    #[derive(ToolError)]
    enum LabError {
        #[tool_error(unavailable, "closed until {until}", effect = none)]
        Closed {
            until: u8,
            #[detail]
            cause: String,
        },
    }

    /// Looks.
    #[safe_tool(effect = write, scope = LAB, key = client, undo = unlook(target = target, note = out.note))]
    async fn look(
        _call: Call<()>,
        /// Target.
        target: Target,
        /// When.
        _when: Option<When>,
    ) -> Result<Found, LabError> {
        let _ = target;
        Ok(Found { shares: Page::capped([], 1), note: String::new() })
    }

    /// Takes it back.
    #[safe_tool(effect = write, scope = LAB, key = natural("it stays back"), undo = by_hand("look again"))]
    async fn unlook(
        /// Target.
        target: Target,
        /// A remark; whoever names this tool may leave it out or give what is required there.
        #[arg(free_text, max_len = 9)]
        note: Option<String>,
    ) -> Result<Done, LabError> {
        let _ = (target, note);
        Ok(Done)
    }
}

/// The lints of a strict crate say nothing about what is generated.
#[deny(warnings, missing_docs, unreachable_pub, unused_qualifications, clippy::pedantic)]
pub mod strict {
    use safe_tool::prelude::*;

    const LAB: Scope = Scope::new("lab");

    /// Name of a host.
    #[derive(ToolInput, ToolOutput, Debug)]
    #[text(pattern = "^[a-z]{1,9}$")]
    pub struct Host(String);

    #[derive(ToolInput)]
    #[number(min = 1, max = 9)]
    pub(crate) struct Few(u8);

    /// What is looked at.
    #[derive(ToolInput, ToolOutput, Debug)]
    pub enum Target {
        /// One host.
        Host {
            /// Its name.
            host: Host,
        },
        /// All.
        All,
    }

    /// What went wrong.
    #[derive(ToolError, Debug)]
    pub enum LabError {
        /// It is not there.
        #[tool_error(not_found, "no host `{host}`")]
        Missing {
            /// Its name.
            host: Host,
        },
    }

    /// Looks.
    ///
    /// # Errors
    /// None.
    #[safe_tool(effect = read, scope = LAB, rate(host = "2/hour"))]
    pub async fn look(
        /// Host.
        host: Host,
        /// Target.
        target: Target,
    ) -> Result<Target, LabError> {
        if host.as_str() == "a" { Err(LabError::Missing { host }) } else { Ok(target) }
    }

    /// Marks a host.
    ///
    /// # Errors
    /// None.
    #[safe_tool(effect = write, scope = LAB, key(host), undo = unmark(host), approve = user)]
    pub async fn mark(
        /// Host.
        #[arg(target)]
        host: Host,
    ) -> Result<Done, LabError> {
        if host.as_str() == "a" { Err(LabError::Missing { host }) } else { Ok(Done) }
    }

    /// Takes a mark away.
    ///
    /// # Errors
    /// None.
    #[safe_tool(effect = write, scope = LAB, key = natural("it stays away"), undo = by_hand("mark it"))]
    pub async fn unmark(
        /// Host.
        host: Host,
    ) -> Result<Done, LabError> {
        if host.as_str() == "a" { Err(LabError::Missing { host }) } else { Ok(Done) }
    }

    #[test]
    fn it_is_registered() {
        assert_eq!(<mark as safe_tool::tool::SafeTool>::descriptor().targets[0].thing, "host");
        assert_eq!(<unmark as safe_tool::tool::SafeTool>::descriptor().name, "unmark");
        assert_eq!(<look as safe_tool::tool::SafeTool>::descriptor().name, "look");
        assert_eq!(Few::new(3).map(|few| few.get()), Ok(3));
    }
}

/// The user's names are the user's.
mod collisions {
    #![allow(dead_code, clippy::upper_case_acronyms, unreachable_pub)]
    use safe_tool::prelude::*;

    const LAB: Scope = Scope::new("lab");

    #[derive(ToolInput)]
    enum Arguments {
        /// One.
        RULE,
        /// Two.
        FIELDS {
            /// Walk.
            walk: bool,
            /// Index.
            index: bool,
        },
    }

    mod p {
        use safe_tool::prelude::*;

        #[derive(ToolInput)]
        pub struct S {
            /// Writer.
            pub writer: bool,
            /// Decoder.
            pub decoder: bool,
            /// Value.
            pub value: Option<bool>,
        }
    }

    #[derive(ToolError)]
    enum Undo {
        #[tool_error(denied, "no {p}")]
        Denied { p: u8 },
    }

    /// Looks.
    #[safe_tool(effect = write, scope = LAB, key(r#move, decoder.writer), undo = r#loop(r#type = r#move))]
    async fn look(
        context: Call<()>,
        /// Arguments.
        arguments: Arguments,
        /// Decoder.
        decoder: p::S,
        /// Move.
        r#move: bool,
        /// Index.
        index: bool,
        /// Writer.
        writer: bool,
    ) -> Result<Done, Undo> {
        let _ = (context.id(), arguments, decoder, r#move, index, writer);
        Ok(Done)
    }

    /// Loops.
    #[safe_tool(effect = write, scope = LAB, key = natural("it is a loop"), undo = by_hand("stop"))]
    async fn r#loop(
        /// Type.
        r#type: bool,
    ) -> Result<Done, Undo> {
        let _ = r#type;
        Ok(Done)
    }

    #[test]
    fn raw_names_are_plain_on_the_wire() {
        let tool = <r#loop as safe_tool::tool::SafeTool>::descriptor();
        assert_eq!((tool.name, tool.arguments[0].name), ("loop", "type"));
        let tool = <look as safe_tool::tool::SafeTool>::descriptor();
        let safe_tool::tool::Key::Parts { parts, .. } = &tool.key else { panic!("{:?}", tool.key) };
        assert_eq!(parts[0], safe_tool::tool::Part::Argument(0, "move"));
    }
}

/// Tools made by macros, from a crate of another name, and not at all.
mod elsewhere {
    #![forbid(unsafe_code)]
    #![allow(unreachable_pub)]
    pub use ::safe_tool as renamed;
    use renamed::prelude::{Done, Scope, ToolError, ToolInput, safe_tool};

    const LAB: Scope = Scope::new("lab");

    #[derive(ToolError)]
    #[tool_error(crate = crate::elsewhere::renamed)]
    pub enum Never {
        #[tool_error(denied, "no")]
        No,
    }

    #[derive(ToolInput)]
    #[text(format = uuid, crate = crate::elsewhere::renamed)]
    pub struct Id(String);

    macro_rules! tools {
        ($($name:ident($argument:ident: $ty:ty);)*) => {$(
            #[doc = "Looks."]
            #[safe_tool(effect = read, scope = LAB, crate = crate::elsewhere::renamed)]
            async fn $name(
                #[doc = "Value."]
                $argument: $ty,
            ) -> Result<Done, Never> {
                let _ = $argument;
                if false { Err(Never::No) } else { Ok(Done) }
            }
        )*};
    }
    tools! {
        one(id: Id);
        two(flag: Option<bool>);
    }

    /// Is not there.
    #[safe_tool(effect = read, scope = LAB)]
    #[cfg(any())]
    async fn three() -> Result<Nothing, Nobody> {}

    #[test]
    fn the_tools_are_there() {
        let required = |tool: &renamed::tool::Descriptor| tool.arguments[0].required;
        assert!(required(<one as renamed::tool::SafeTool>::descriptor()));
        assert!(!required(<two as renamed::tool::SafeTool>::descriptor()));
    }
}
