//! The ways out of doubt that need no operator: `reconcile` on the next call and at start-up.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::{call, records};
use safe_tool::ledger::Listed;
use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PAY: Scope = Scope::new("bank:pay");

/// A bank whose answers get lost, with what it did under which key.
#[derive(Clone, Default)]
struct Bank(Arc<Inner>);

#[derive(Default)]
struct Inner {
    paid: Mutex<Vec<(String, u32)>>,
    /// How the next payment goes.
    next: Mutex<Way>,
    asked: AtomicU32,
}

#[derive(Clone, Copy, Default)]
enum Way {
    #[default]
    Well,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It is not done, and nobody knows.
    RequestLost,
}

impl Bank {
    fn goes(&self, way: Way) {
        *self.0.next.lock().unwrap() = way;
    }

    fn paid(&self) -> usize {
        self.0.paid.lock().unwrap().len()
    }

    fn asked(&self) -> u32 {
        self.0.asked.load(Ordering::SeqCst)
    }
}

#[derive(ToolError)]
enum BankError {
    #[tool_error(unavailable, "the bank did not answer", effect = unknown)]
    Silent,
}

/// A payment.
#[derive(ToolOutput)]
struct Payment {
    /// Its number at the bank.
    number: u32,
}

/// Pays.
#[safe_tool(effect = write, scope = PAY, key(invoice), undo = refund(number = out.number), reconcile = find_payment, timeout = "200ms")]
async fn pay(
    call: Call<Bank>,
    /// The invoice.
    #[arg(pattern = "^inv-[0-9]{1,9}$")]
    invoice: String,
    /// What the payee reads.
    #[arg(free_text, max_len = 40)]
    note: Option<String>,
) -> Result<Payment, BankError> {
    let _ = (invoice, note);
    let bank = &call.state().0;
    let way = std::mem::take(&mut *bank.next.lock().unwrap());
    if matches!(way, Way::RequestLost) {
        return Err(BankError::Silent);
    }
    let mut paid = bank.paid.lock().unwrap();
    let number = u32::try_from(paid.len()).unwrap();
    paid.push((call.action_key(), number));
    if matches!(way, Way::AnswerLost) { Err(BankError::Silent) } else { Ok(Payment { number }) }
}

async fn find_payment(call: Call<Bank>, invoice: String, _: Option<String>) -> Result<Reconciled<Payment>, BankError> {
    let bank = &call.state().0;
    bank.asked.fetch_add(1, Ordering::SeqCst);
    match invoice.as_str() {
        "inv-404" => return Ok(Reconciled::Unknown),
        "inv-500" => return Err(BankError::Silent),
        "inv-13" => panic!("secret of the bank"),
        "inv-99" => std::future::pending::<()>().await,
        _ => {}
    }
    let paid = bank.paid.lock().unwrap();
    let found = paid.iter().find(|(key, _)| *key == call.action_key());
    Ok(found.map_or(Reconciled::NotApplied, |(_, number)| Reconciled::Applied(Payment { number: *number })))
}

/// Pays back.
#[safe_tool(effect = write, scope = PAY, key(number), undo = by_hand("pay again"), repeat = explicit)]
async fn refund(
    call: Call<Bank>,
    /// The payment.
    #[arg(min = 0, max = 9_999)]
    number: u32,
) -> Result<Done, BankError> {
    call.state().0.paid.lock().unwrap().retain(|(_, paid)| *paid != number);
    Ok(Done)
}

async fn server(bank: &Bank, ledger: &Ledger) -> InProcess {
    Server::write("bank", bank.clone())
        .tool::<pay>()
        .tool::<refund>()
        .ledger(ledger.clone())
        .in_process(Principal::agent("clerk").with_scope("bank:pay"))
        .await
        .unwrap()
}

async fn doubts(ledger: &Ledger) -> usize {
    ledger.list(Listed::InDoubt, None, 9).await.unwrap().len()
}

#[tokio::test]
async fn what_happened_is_found_on_the_next_call_and_replayed_from_then_on() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let ledger = Ledger::open(directory.path().to_str().unwrap()).unwrap();
    let bank = Bank::default();
    let server = server(&bank, &ledger).await;
    bank.goes(Way::AnswerLost);
    let first = call(&server, "pay", json!({ "invoice": "inv-1" })).await;
    assert_eq!((&first["error"]["kind"], &first["error"]["effect"]), (&json!("in_doubt"), &json!("unknown")));
    for _ in 0..2 {
        let answer = call(&server, "pay", json!({ "invoice": "inv-1" })).await;
        assert_eq!((&answer["status"], &answer["data"]), (&json!("ok"), &json!({ "number": 0 })), "{answer}");
        assert_eq!((&answer["replayed"], &answer["first_call"]), (&json!(true), &first["call"]));
        assert_eq!(answer["undo"], json!({ "tool": "refund", "arguments": { "number": 0 } }));
    }
    assert_eq!((bank.paid(), bank.asked(), doubts(&ledger).await), (1, 1, 0));
    // What was found is undone and repeated like any effect.
    assert_eq!(call(&server, "refund", json!({ "number": 0 })).await["status"], "ok");
    let again = json!({ "invoice": "inv-1", "again_after": first["call"] });
    assert_eq!(call(&server, "pay", again).await["replayed"], false);
    server.close().await.unwrap();
    let resolved: Vec<Value> = records(directory.path()).into_iter().filter(|r| r["event"] == "resolved").collect();
    let [resolved] = resolved.as_slice() else { panic!("{resolved:?}") };
    assert_eq!((&resolved["outcome"], &resolved["by"]), (&json!("completed"), &json!("reconcile")));
}

#[tokio::test]
async fn what_did_not_happen_runs_on_the_next_call() {
    let ledger = Ledger::open("memory:").unwrap();
    let bank = Bank::default();
    let server = server(&bank, &ledger).await;
    bank.goes(Way::RequestLost);
    call(&server, "pay", json!({ "invoice": "inv-1" })).await;
    assert_eq!((bank.paid(), doubts(&ledger).await), (0, 1));
    let answer = call(&server, "pay", json!({ "invoice": "inv-1" })).await;
    assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)));
    assert_eq!((bank.paid(), bank.asked(), doubts(&ledger).await), (1, 1, 0));
}

#[tokio::test]
async fn without_an_answer_it_stays_in_doubt_and_nothing_runs() {
    let ledger = Ledger::open("memory:").unwrap();
    let bank = Bank::default();
    let server = server(&bank, &ledger).await;
    for invoice in ["inv-404", "inv-500", "inv-13", "inv-99"] {
        bank.goes(Way::AnswerLost);
        call(&server, "pay", json!({ "invoice": invoice })).await;
        let answer = call(&server, "pay", json!({ "invoice": invoice })).await;
        assert_eq!(answer["error"]["kind"], "in_doubt", "{invoice}");
        assert!(!answer.to_string().contains("secret"));
    }
    assert_eq!((bank.paid(), bank.asked(), doubts(&ledger).await), (4, 4, 4));
}

#[tokio::test]
async fn other_arguments_are_a_conflict_before_anybody_is_asked() {
    let ledger = Ledger::open("memory:").unwrap();
    let bank = Bank::default();
    let server = server(&bank, &ledger).await;
    bank.goes(Way::AnswerLost);
    call(&server, "pay", json!({ "invoice": "inv-1", "note": "thanks" })).await;
    // Free text is no other argument: it was reworded.
    let answer = call(&server, "pay", json!({ "invoice": "inv-1", "note": "many thanks" })).await;
    assert_eq!((&answer["status"], &answer["differs"]), (&json!("ok"), &json!(["note"])));
    assert_eq!((bank.paid(), bank.asked()), (1, 1));
}

#[tokio::test]
async fn at_start_up_it_is_asked_about_what_the_ledger_knows_in_full() {
    let ledger = Ledger::open("memory:").unwrap();
    let bank = Bank::default();
    let before = server(&bank, &ledger).await;
    for arguments in [json!({ "invoice": "inv-1" }), json!({ "invoice": "inv-2", "note": "thanks" })] {
        bank.goes(Way::AnswerLost);
        call(&before, "pay", arguments).await;
    }
    assert_eq!((doubts(&ledger).await, bank.asked()), (2, 0));
    let after = server(&bank, &ledger).await;
    let settled = async {
        while doubts(&ledger).await == 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
    let answer = call(&after, "pay", json!({ "invoice": "inv-1" })).await;
    assert_eq!((&answer["replayed"], &answer["data"]), (&json!(true), &json!({ "number": 0 })));
    // The note stands in the ledger as a hash only, so this one waits for its call.
    assert_eq!((doubts(&ledger).await, bank.asked()), (1, 1));
    let answer = call(&after, "pay", json!({ "invoice": "inv-2", "note": "thanks" })).await;
    assert_eq!((&answer["replayed"], &answer["data"]), (&json!(true), &json!({ "number": 1 })));
    assert_eq!((bank.paid(), bank.asked()), (2, 2));
}
