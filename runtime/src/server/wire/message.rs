//! What a surveyed message is: something for rmcp, a call with bad arguments, or refused.

use rmcp::model::{CallToolRequestMethod, ConstString, RequestId, RequestMetaObject};

use super::{
    json::{Kind, Seen, Spot, Survey, rule},
    refusal::Refusal,
};

/// A `tools/call` that can be read, and whose arguments break the rules of gate 0: answered as a tool result.
#[derive(Debug, PartialEq)]
pub(crate) struct BadArguments {
    /// The id of the request.
    pub id: RequestId,
    /// The tool it names, known or not.
    pub tool: String,
    /// What is wrong; never empty.
    pub spots: Vec<Spot>,
    /// The request is of revision 2026-07-28 or later, whose results carry a `resultType`.
    pub modern: bool,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// A message for rmcp. Every name in it is unique, every string and number means something.
    Sound {
        /// The id to answer, if it is a request.
        request: Option<RequestId>,
    },
    /// Answered by the pipeline.
    BadArguments(BadArguments),
    /// Answered with a JSON-RPC error, or dropped.
    Refused(Refusal),
}

/// Judges a message by its survey.
pub(super) fn judge(survey: &Survey<'_>) -> Verdict {
    verdict(survey).unwrap_or_else(Verdict::Refused)
}

fn verdict(survey: &Survey<'_>) -> Result<Verdict, Refusal> {
    let id = survey.id.filter(|_| !survey.id_repeated).and_then(request_id);
    if let Some(reason) = survey.unreadable {
        return Err(Refusal::unreadable(id, reason));
    }
    match survey.root {
        Some(Kind::Object) => {}
        Some(Kind::Array) => return Err(Refusal::invalid(None, "batches are not supported")),
        _ => return Err(Refusal::invalid(None, "the message is not an object")),
    }
    // Nobody waits for an answer to a notification or to a response.
    let awaited = match survey.method {
        Some(_) => survey.id.is_some(),
        None => survey.result.is_none() && survey.error.is_none(),
    };
    let refuse = |refusal: Refusal| Err(if awaited { refusal } else { refusal.unanswered() });
    if let Some(rule) = survey.outside {
        return refuse(Refusal::invalid(id, fault(rule)));
    }
    if survey.id.is_some() && id.is_none() && survey.method.is_some() {
        let reason = "the id is neither a string nor an integer";
        return refuse(Refusal::invalid(None, reason));
    }
    if survey.jsonrpc.and_then(|version| version.string()).as_deref() != Some("2.0") {
        return refuse(Refusal::invalid(id, "the message is not JSON-RPC 2.0"));
    }
    let method = survey.method.map(|method| method.string());
    let answers = [survey.result, survey.error].iter().flatten().count();
    let call = match (method, answers) {
        (Some(Some(method)), 0) => method == CallToolRequestMethod::VALUE,
        (None, 1) => false,
        _ => {
            let reason = "the message is no request, notification or response";
            return refuse(Refusal::invalid(id, reason));
        }
    };
    // rmcp has a type for every request and notification, provided that these are objects.
    if !absent_or_object(survey.params) || !absent_or_object(survey.meta) {
        let reason = "params or params._meta is not an object";
        return refuse(Refusal::bad_params(id, reason));
    }
    let id = match id {
        Some(id) if call => id,
        request => {
            return match survey.spots.first() {
                Some(spot) => refuse(Refusal::invalid(request, fault(spot.rule))),
                None => Ok(Verdict::Sound { request: request.filter(|_| survey.method.is_some()) }),
            };
        }
    };
    let Some(tool) = survey.name.and_then(|name| name.string()) else {
        return Err(Refusal::bad_params(Some(id), "params.name is not a string"));
    };
    if survey.arguments.is_some_and(|arguments| arguments.kind != Kind::Object) {
        return Err(Refusal::bad_params(Some(id), "params.arguments is not an object"));
    }
    if survey.spots.is_empty() {
        return Ok(Verdict::Sound { request: Some(id) });
    }
    Ok(Verdict::BadArguments(BadArguments {
        id,
        tool: tool.into_owned(),
        spots: survey.spots.clone(),
        modern: is_modern(survey.meta),
    }))
}

fn request_id(id: Seen<'_>) -> Option<RequestId> {
    match id.kind {
        Kind::String => Some(RequestId::String(id.string()?.into())),
        Kind::Number => serde_json::from_str(id.text).ok(),
        _ => None,
    }
}

fn absent_or_object(seen: Option<Seen<'_>>) -> bool {
    seen.is_none_or(|seen| seen.kind == Kind::Object || seen.text == "null")
}

fn is_modern(meta: Option<Seen<'_>>) -> bool {
    meta.and_then(|meta| serde_json::from_str::<RequestMetaObject>(meta.text).ok())
        .and_then(|meta| meta.protocol_version())
        .is_some_and(|version| !version.has_initialize())
}

fn fault(broken: &'static str) -> &'static str {
    match broken {
        rule::UNIQUE_NAMES => "an object names a member twice",
        rule::UNICODE => "a string holds half of a surrogate pair",
        rule::FINITE => "a number is out of range",
        _ => "the message is nested too deep",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use rmcp::model::ErrorCode;

    use super::{
        super::{Limits, json::Step, scan},
        *,
    };

    fn number(id: i64) -> Option<RequestId> {
        Some(RequestId::Number(id))
    }

    fn judged(message: &str) -> Verdict {
        scan(message.as_bytes(), &Limits::default())
    }

    /// Refused with this code and id, and answered.
    #[track_caller]
    fn refused(message: &[u8], code: ErrorCode, id: Option<RequestId>) {
        match scan(message, &Limits::default()) {
            Verdict::Refused(refusal) => {
                let text = String::from_utf8_lossy(message);
                assert_eq!((refusal.code, refusal.id), (code, id), "{text}");
                assert!(refusal.answered, "{text}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn dropped(message: &str) {
        match judged(message) {
            Verdict::Refused(refusal) => assert!(!refusal.answered, "{message}"),
            other => panic!("{message}: {other:?}"),
        }
    }

    #[test]
    fn messages_are_sound() {
        for (message, request) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, number(1)),
            (r#"{"id":1.0,"method":"x","jsonrpc":"2.0"}"#, number(1)),
            (
                r#" {"method":"tools\/call","params":{"name":"t"},"jsonrpc":"2.0","id":"\u0061"} "#,
                Some(RequestId::String("a".into())),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":1,"b":[]},"_meta":{"x":1}}}"#,
                number(1),
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, None),
            (r#"{"jsonrpc":"2.0","method":"tools/call"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, number(1)),
        ] {
            assert_eq!(judged(message), Verdict::Sound { request }, "{message}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_parse_error() {
        let code = ErrorCode::PARSE_ERROR;
        refused(b"hello", code, None);
        refused(b"{", code, None);
        refused(br#"{"jsonrpc":"2.0","id":7,"method":"x""#, code, number(7));
        refused(br#"{"jsonrpc":"2.0","id":7,"method":"x"} {}"#, code, number(7));
        refused(br#"{"jsonrpc":"2.0","id":7,"id":8,"method":"x" x"#, code, None);
        refused(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xff\"}", code, number(7));
        refused(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\"}\xff", code, number(7));
        refused(b"\xef\xbb\xbf{}", code, None);
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        let code = ErrorCode::INVALID_REQUEST;
        refused(b"1", code, None);
        refused(br#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#, code, None);
        refused(b"{}", code, None);
        refused(br#"{"id":1,"method":"x"}"#, code, number(1));
        refused(br#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, code, number(1));
        refused(br#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, code, number(1));
        refused(br#"{"jsonrpc":"2.0","id":1}"#, code, number(1));
        refused(br#"{"jsonrpc":"2.0","id":1,"method":5}"#, code, number(1));
        refused(br#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#, code, number(1));
        for id in ["null", "1.5", "true", "{}", "[]", "1e30", "9223372036854775808", r#""\ud800""#] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
            refused(message.as_bytes(), code, None);
        }
    }

    #[test]
    fn faults_outside_of_arguments_are_invalid_requests() {
        let code = ErrorCode::INVALID_REQUEST;
        for params in [
            r#"{"name":"t","name":"u","arguments":{}}"#,
            r#"{"name":"t","arguments":{},"arguments":{"a":1}}"#,
            r#"{"name":"t","arguments":{},"_meta":{"k":1,"k":2}}"#,
            r#"{"name":"t","arguments":{},"_meta":{"k":1e999}}"#,
            r#"{"name":"\ud800","arguments":{}}"#,
            r#"{"name":"t","arguments":"\ud800"}"#,
            r#"{"name":"t","other":{"a":1,"a":2}}"#,
        ] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
            refused(message.as_bytes(), code, number(1));
        }
        refused(br#"{"jsonrpc":"2.0","id":1,"id":1,"method":"x"}"#, code, None);
        refused(br#"{"jsonrpc":"2.0","id":1,"method":"x","method":"tools/call"}"#, code, number(1));
        refused(
            br#"{"jsonrpc":"2.0","id":1,"method":"x","other":{"arguments":0},"params":[{"a":1,"a":2}]}"#,
            code,
            number(1),
        );
        // Arguments are special in a call only.
        refused(
            br#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"t","arguments":{"a":1,"a":2}}}"#,
            code,
            number(1),
        );
    }

    #[test]
    fn a_call_has_a_name_and_an_object_of_arguments() {
        let code = ErrorCode::INVALID_PARAMS;
        for params in [
            "",
            r#","params":null"#,
            r#","params":[]"#,
            r#","params":{}"#,
            r#","params":{"name":5}"#,
            r#","params":{"arguments":{"name":"t"}}"#,
            r#","params":{"name":"t","_meta":[]}"#,
            r#","params":{"name":"t","arguments":[]}"#,
            r#","params":{"name":"t","arguments":null}"#,
            r#","params":{"name":"t","arguments":"{}"}"#,
        ] {
            // However the method is spelled.
            for method in ["tools/call", "tools\\/call", "\\u0074ools/call"] {
                let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"{params}}}"#);
                refused(message.as_bytes(), code, number(1));
            }
        }
        refused(
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"a":1,"a":2}}}"#,
            code,
            number(1),
        );
    }

    #[test]
    fn parameters_are_objects() {
        for params in ["7", "[]", "\"x\"", "false", r#"{"_meta":[]}"#, r#"{"_meta":0}"#] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
            refused(message.as_bytes(), ErrorCode::INVALID_PARAMS, number(1));
            dropped(&message.replace(r#""id":1,"#, ""));
        }
    }

    #[test]
    fn bad_arguments_of_a_call_are_for_the_pipeline() {
        let bad = |modern| {
            Verdict::BadArguments(BadArguments {
                id: RequestId::Number(1),
                tool: "t".to_owned(),
                spots: vec![
                    Spot { steps: vec![], rule: rule::UNIQUE_NAMES },
                    Spot { steps: vec![Step::Name("b".to_owned())], rule: rule::FINITE },
                ],
                modern,
            })
        };
        let arguments = r#""arguments":{"a":1,"a":1,"b":1e999}"#;
        let call = |meta: &str| {
            judged(&format!(
                r#"{{"method":"tools/call","params":{{{arguments},"name":"\u0074"{meta}}},"jsonrpc":"2.0","id":1}}"#
            ))
        };
        assert_eq!(call(""), bad(false));
        let version = "io.modelcontextprotocol/protocolVersion";
        assert_eq!(call(&format!(r#","_meta":{{"{version}":"2025-11-25"}}"#)), bad(false));
        assert_eq!(call(&format!(r#","_meta":{{"{version}":"2026-07-28"}}"#)), bad(true));
        assert_eq!(call(r#","_meta":null"#), bad(false));
    }

    #[test]
    fn what_nobody_waits_for_is_not_answered() {
        dropped(r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1,"a":1}}"#);
        dropped(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t","arguments":{"a":1,"a":1}}}"#);
        dropped(r#"{"method":"notifications/x"}"#);
        dropped(r#"{"jsonrpc":"2.0","id":1,"error":{"a":1,"a":1}}"#);
        dropped(r#"{"id":1,"result":{}}"#);
        dropped(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#);
    }

    #[test]
    fn size_is_limited() {
        let limits = Limits { max_bytes: 60, ..Limits::default() };
        let message = r#"{"jsonrpc":"2.0","method":"x","params":{"a":"xx"},"id":"i"}"#;
        assert_eq!(message.len(), 59);
        for (space, sound) in [("", true), (" ", true), ("  ", false)] {
            let verdict = scan(format!("{message}{space}").as_bytes(), &limits);
            let id = Some(RequestId::String("i".into()));
            let expected = if sound { Verdict::Sound { request: id } } else { Verdict::Refused(Refusal::too_long(id)) };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn ten_thousand_levels_are_a_fault_and_no_more() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"t","arguments":{{"a":{}{}}}}},"id":3}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000),
        );
        match judged(&deep) {
            Verdict::BadArguments(bad) => {
                assert_eq!((bad.id, bad.spots.len()), (RequestId::Number(3), 1));
            }
            other => panic!("{other:?}"),
        }
        refused(
            format!(r#"{{"jsonrpc":"2.0","id":4,"method":"x","params":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000))
                .as_bytes(),
            ErrorCode::INVALID_REQUEST,
            number(4),
        );
    }
}
