//! What an operator can do to a ledger that is open: see and resolve doubts, decide on approvals.

use super::request::{Case, PAGE, Request, Response};
use crate::envelope::{Body, ErrorBody};
use crate::error::{EffectKnown, Kind};
use crate::ledger::{
    Action, Decide, Decision, Entry, Hash, How, Ledger, LedgerError, Listed, Outcome, Settle, State, now_ms,
};
use std::borrow::Cow;

/// Characters of an operator's name.
const MOST_NAME: usize = 128;

/// Answers one request.
pub(super) async fn serve(ledger: &Ledger, request: Request) -> Response {
    let answered = match request {
        Request::Doubts { after } => listed(ledger, Listed::InDoubt, after).await,
        Request::Doubt { key } => shown(ledger, &key).await,
        Request::Resolve { key, applied, by } => resolved(ledger, &key, applied, by).await,
        Request::Approvals { after } => listed(ledger, Listed::AwaitingApproval, after).await,
        Request::Decide { id, approved, by } => decided(ledger, &id, approved, by).await,
    };
    answered.unwrap_or_else(|Refusal(reason)| Response::Refused { reason })
}

/// Why it is not done.
struct Refusal(String);

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Refusal {
        Refusal(match error {
            LedgerError::Superseded => "the action has moved on meanwhile; look at it again".to_owned(),
            error => error.to_string(),
        })
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(reason.into()))
}

async fn listed(ledger: &Ledger, which: Listed, after: Option<Hash>) -> Result<Response, Refusal> {
    let actions = ledger.list(which, after, PAGE).await?;
    let more = actions.last().filter(|_| actions.len() == PAGE).map(|last| last.key);
    let mut cases = Vec::with_capacity(actions.len());
    for action in actions {
        cases.push(case(ledger, &action).await?.0);
        // Each is read from the journal on this thread: calls go on in between.
        tokio::task::yield_now().await;
    }
    Ok(Response::Listed { cases, more })
}

async fn shown(ledger: &Ledger, key: &str) -> Result<Response, Refusal> {
    let action = doubt(ledger, key).await?;
    Ok(Response::Shown { case: case(ledger, &action).await?.0 })
}

async fn resolved(ledger: &Ledger, key: &str, applied: bool, by: String) -> Result<Response, Refusal> {
    let by = name(by)?;
    let action = doubt(ledger, key).await?;
    let (case, entry) = case(ledger, &action).await?;
    if !applied && !ledger.ended(&action).await? {
        return refuse("it is still running behind its deadline; wait for its end, which may settle it");
    }
    let outcome = if applied { done_by_hand() } else { Outcome::Failed { code: "resolved_not_applied".into() } };
    // What it asked for stands in the record that began it.
    let entry = Entry { arguments: None, ..entry };
    tracing::info!(call = case.call, tool = case.tool, applied, "an operator resolves a doubt");
    let settle = Settle { entry, key: action.key, version: action.version, outcome, how: How::Operator(by) };
    let receipt = ledger.settle(settle).await?.receipt;
    Ok(Response::Done { case, receipt })
}

/// What calls with the key are answered from now on: nobody has the result.
fn done_by_hand() -> Outcome {
    let error = ErrorBody {
        kind: Kind::Rejected,
        code: Cow::Borrowed("resolved_applied"),
        message: Cow::Borrowed("an operator found that this was done; its result is not known"),
        retry_after_ms: None,
        suggested_action: Some(Cow::Borrowed("go on as if it had been done; read its state where you need it")),
        effect: EffectKnown::Applied,
        violations: Vec::new(),
        superseded: None,
    };
    let payload = Body::error(&error, "operator").stored();
    Outcome::Completed { payload, code: error.code, subjects: Vec::new(), stored_error: false }
}

async fn decided(ledger: &Ledger, id: &str, approved: bool, by: String) -> Result<Response, Refusal> {
    let by = name(by)?;
    let action = awaiting(ledger, id).await?;
    let (case, entry) = case(ledger, &action).await?;
    let State::AwaitingApproval(approval) = &action.state else {
        return refuse("the action has moved on meanwhile; look at it again");
    };
    if let Some(decision) = &approval.decision {
        let word = if decision.approved { "approved" } else { "refused" };
        return refuse(format!("{} has {word} it already", decision.operator));
    }
    if approval.expires_ms <= now_ms() {
        return refuse("its time is over; the next call asks anew");
    }
    if by == entry.agent || Some(&by) == entry.user.as_ref() {
        return refuse(format!("{by} asked for it, so somebody else has to decide"));
    }
    tracing::info!(call = case.call, tool = case.tool, approved, "an operator decides on an approval");
    let decision = Decision { approved, operator: by };
    let receipt = ledger.decide(Decide { key: action.key, version: action.version, decision }).await?.receipt;
    Ok(Response::Done { case, receipt })
}

/// The one action in doubt whose key begins with `digits`.
async fn doubt(ledger: &Ledger, digits: &str) -> Result<Action, Refusal> {
    let Some(after) = before(digits) else {
        return refuse("a key is 64 lower-case hex digits, of which the first 8 or more are enough");
    };
    let mut found = ledger.list(Listed::InDoubt, after, 2).await?;
    found.retain(|action| action.key.to_string().starts_with(digits));
    match (found.pop(), found.pop()) {
        (Some(action), None) => Ok(action),
        (None, _) => refuse("no action in doubt has a key that begins so"),
        _ => refuse("several actions in doubt have keys that begin so; give more digits"),
    }
}

/// The last key before those that begin with `digits`, if there is one; `None` when these are no digits of a key.
fn before(digits: &str) -> Option<Option<Hash>> {
    if !(8..=64).contains(&digits.len()) {
        return None;
    }
    let Hash(mut key) = Hash::parse(&format!("{digits:0<64}"))?;
    for byte in key.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            return Some(Some(Hash(key)));
        }
    }
    Some(None)
}

/// The action that awaits the approval `id`.
async fn awaiting(ledger: &Ledger, id: &str) -> Result<Action, Refusal> {
    let mut after = None;
    loop {
        let actions = ledger.list(Listed::AwaitingApproval, after, PAGE).await?;
        let Some(last) = actions.last() else { return refuse("no action awaits an approval of this id") };
        after = Some(last.key);
        let asked = |action: &Action| matches!(&action.state, State::AwaitingApproval(approval) if approval.id == id);
        if let Some(found) = actions.into_iter().find(asked) {
            return Ok(found);
        }
    }
}

async fn case(ledger: &Ledger, action: &Action) -> Result<(Case, Entry), Refusal> {
    let intent = ledger.intent(action).await?;
    let entry = intent.entry;
    let approval = match &action.state {
        State::AwaitingApproval(approval) => Some(approval.clone()),
        _ => None,
    };
    let case = Case {
        key: action.key,
        tool: action.tool.clone(),
        tenant: action.tenant.clone(),
        agent: entry.agent.clone(),
        user: entry.user.clone(),
        investigation: entry.investigation.clone(),
        call: action.call.clone(),
        asked_at: intent.at,
        changed_ms: action.at_ms,
        arguments: entry.arguments.as_ref().map(|arguments| arguments.get().to_owned()),
        approval,
    };
    Ok((case, entry))
}

/// An operator's name: it goes into a record for good.
fn name(by: String) -> Result<String, Refusal> {
    let fits = (1..=MOST_NAME).contains(&by.chars().count()) && by.trim() == by && !by.chars().any(char::is_control);
    if fits { Ok(by) } else { refuse("who decides is a name of at most 128 characters, without control characters") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::request::{Case, Request, Response};
    use super::{Hash, before, now_ms, serve};
    use crate::envelope::Body;
    use crate::ledger::{Ask, Claim, Claimed, Entry, How, Ledger, Outcome, Settle, State};

    fn claim(key: Hash) -> Claim {
        let entry = Entry {
            call: "C1".to_owned(),
            tenant: "acme".to_owned(),
            agent: "triage-agent".to_owned(),
            user: Some("ann".to_owned()),
            investigation: None,
            tool: "isolate_host".into(),
            key: None,
            digest: None,
            arguments: Some(serde_json::from_str(r#"{"host_id":"web-01"}"#).unwrap()),
        };
        Claim {
            entry,
            key,
            digest: key,
            arguments: Vec::new(),
            subjects: Vec::new(),
            natural: false,
            needs_approval: false,
            again_after: None,
            every: None,
            approved: None,
            lives: std::time::Duration::ZERO,
        }
    }

    async fn in_doubt(ledger: &Ledger, key: Hash) {
        let Claimed::Won { version, .. } = ledger.claim(claim(key)).await.unwrap() else { panic!("known") };
        let outcome = Outcome::InDoubt { code: "timeout".into(), running: false };
        let settle = Settle { entry: claim(key).entry, key, version, outcome, how: How::Call };
        ledger.settle(settle).await.unwrap();
    }

    async fn awaits(ledger: &Ledger, key: Hash, id: &str, expires_ms: u64) {
        ledger.ask(Ask { claim: claim(key), id: id.to_owned(), expires_ms }).await.unwrap();
    }

    fn key(first: u8) -> Hash {
        let mut key = [0x11; 32];
        key[4] = first;
        Hash(key)
    }

    async fn refused(ledger: &Ledger, request: Request) -> String {
        match serve(ledger, request).await {
            Response::Refused { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    async fn done(ledger: &Ledger, request: Request) -> Case {
        match serve(ledger, request).await {
            Response::Done { case, receipt } => {
                assert!(receipt.sequence > 0);
                case
            }
            other => panic!("{other:?}"),
        }
    }

    fn resolve(key: &str, applied: bool) -> Request {
        Request::Resolve { key: key.to_owned(), applied, by: "olga".to_owned() }
    }

    fn decide(id: &str, approved: bool, by: &str) -> Request {
        Request::Decide { id: id.to_owned(), approved, by: by.to_owned() }
    }

    #[tokio::test]
    async fn a_doubt_is_resolved_both_ways() {
        let ledger = Ledger::open("memory:").unwrap();
        in_doubt(&ledger, key(1)).await;
        in_doubt(&ledger, key(2)).await;
        let (first, second) = (key(1).to_string(), key(2).to_string());

        assert!(refused(&ledger, resolve(&first[..8], true)).await.contains("several"));
        assert!(refused(&ledger, resolve("22222222", true)).await.contains("no action"));
        for wrong in ["1111111", "11111111g", ""] {
            assert!(refused(&ledger, resolve(wrong, true)).await.contains("hex"), "{wrong}");
        }
        let Response::Shown { case } = serve(&ledger, Request::Doubt { key: first[..10].to_owned() }).await else {
            panic!("not shown")
        };
        assert_eq!((case.agent.as_str(), case.arguments.as_deref()), ("triage-agent", Some(r#"{"host_id":"web-01"}"#)));

        done(&ledger, resolve(&first[..10], true)).await;
        let action = ledger.lookup(&key(1)).await.unwrap().unwrap();
        assert_eq!(action.state, State::Completed);
        let body = Body::from_stored(ledger.payload(&action).await.unwrap()).unwrap();
        assert!(body.is_error && body.code() == "resolved_applied");

        done(&ledger, resolve(&second, false)).await;
        assert_eq!(ledger.lookup(&key(2)).await.unwrap().unwrap().state, State::Failed);
        assert!(matches!(ledger.claim(claim(key(2))).await.unwrap(), Claimed::Won { .. }), "it may run again");
        assert!(refused(&ledger, resolve(&second, false)).await.contains("no action"));
    }

    /// 800 of them took 33 s, and no call was answered meanwhile.
    #[tokio::test(flavor = "current_thread")]
    async fn other_work_goes_on_while_doubts_are_listed() {
        let ledger = Ledger::open("memory:").unwrap();
        for number in 0..10 {
            in_doubt(&ledger, key(number)).await;
        }
        let (turns, listed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let others = async {
            while !listed.load(Ordering::SeqCst) {
                turns.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        };
        let listing = async {
            let Response::Listed { cases, .. } = serve(&ledger, Request::Doubts { after: None }).await else {
                panic!("not listed")
            };
            listed.store(true, Ordering::SeqCst);
            cases.len()
        };
        assert_eq!(tokio::join!(listing, others).0, 10);
        assert!(turns.load(Ordering::SeqCst) >= 10, "{turns:?}");
    }

    #[tokio::test]
    async fn a_decision_is_made_once_in_time_and_by_somebody_else() {
        let ledger = Ledger::open("memory:").unwrap();
        let later = now_ms() + 60_000;
        awaits(&ledger, key(1), "A1", later).await;
        awaits(&ledger, key(2), "A2", now_ms()).await;
        assert!(refused(&ledger, decide("A3", true, "olga")).await.contains("no action"));
        assert!(refused(&ledger, decide("A2", true, "olga")).await.contains("time is over"));
        for requester in ["triage-agent", "ann"] {
            assert!(refused(&ledger, decide("A1", true, requester)).await.contains("somebody else"));
        }
        for nobody in ["", " ", "olga\n", "olga ", &"o".repeat(129)] {
            assert!(refused(&ledger, decide("A1", true, nobody)).await.contains("name"), "{nobody:?}");
        }
        let case = done(&ledger, decide("A1", true, "olga")).await;
        assert_eq!(case.approval.unwrap().id, "A1");
        assert!(refused(&ledger, decide("A1", false, "otto")).await.contains("olga has approved"));
    }

    #[tokio::test]
    async fn lists_come_in_pages() {
        let ledger = Ledger::open("memory:").unwrap();
        for number in 0..40 {
            in_doubt(&ledger, key(number)).await;
        }
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let Response::Listed { cases, more } = serve(&ledger, Request::Doubts { after }).await else {
                panic!("not listed")
            };
            assert!(cases.len() <= super::PAGE);
            seen.extend(cases.into_iter().map(|case| case.key));
            match more {
                Some(more) => after = Some(more),
                None => break,
            }
        }
        assert_eq!(seen, (0..40).map(key).collect::<Vec<_>>());
    }

    #[test]
    fn the_key_before_a_prefix() {
        assert_eq!(before("00000000"), Some(None));
        let Some(Some(found)) = before("11111111") else { panic!("none") };
        assert_eq!(found.to_string(), format!("11111110{}", "f".repeat(56)));
        assert_eq!(before("1111111"), None);
        assert_eq!(before("1111111G"), None);
    }
}
