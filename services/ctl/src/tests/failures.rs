//! How troubles are told: one sentence, what to do next, an exit status.

use nogfso_bus::MemoryBus;
use serde_json::{Value, json};

use super::played::{Paper, REPO, REQUEST, alone, ok, refused, typed};
use crate::console::{Console, Format};
use crate::exit::Exit;
use crate::trouble::Trouble;

async fn told(code: &str, details: Value) -> String {
    let bus = MemoryBus::new();
    typed(&["workers"], &bus, async |_: &str, _| {
        refused(code, "the reason", details.clone())
    })
    .await
    .err
}

#[tokio::test]
async fn an_error_is_told_with_what_to_do_next() {
    for (code, details, advice) in [
        ("host-unavailable", json!({}), "start nogfsostad"),
        (
            "timed-out",
            json!({"repo": REPO, "request": REQUEST}),
            "request get --wait 0b5e",
        ),
        ("busy", json!({"retry_after_ms": 1_500}), "try again in 2 s"),
        ("unavailable", json!({}), "try again"),
        ("version-conflict", json!({"stored_vid": "X"}), "--vid=X"),
        ("denied", json!({}), "--context"),
        ("work-failed", json!({"repo": REPO}), "get repo 0b5e"),
        ("outcome-unknown", json!({}), "repeat the command"),
    ] {
        let err = told(code, details).await;
        assert!(err.starts_with("fatal: the reason"), "{code}: {err}");
        assert!(err.contains(advice), "{code}: {err}");
    }
    assert_eq!(told("not-found", json!({})).await, "fatal: the reason\n");
}

#[tokio::test]
async fn errors_are_json_where_output_is() {
    let bus = MemoryBus::new();
    let ended = typed(
        &["info", "exreg", "--output=json"],
        &bus,
        async |_: &str, _| refused("version-conflict", "no", json!({"stored_vid": "X"})),
    )
    .await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Refused, ""));
    let document: Value = serde_json::from_str(&ended.err).unwrap();
    let error =
        json!({"code": "version-conflict", "message": "no", "details": {"stored_vid": "X"}});
    assert_eq!(document, json!({ "error": error }));
}

#[tokio::test]
async fn without_a_gateway_the_operator_is_told_to_start_one() {
    let (out, err) = (Paper::default(), Paper::default());
    let exit = alone(&["workers"], &MemoryBus::new(), &out, &err).await;
    assert_eq!(exit, Exit::Failed);
    assert!(
        err.text()
            .starts_with("fatal: no gateway answers; is `nogfso up` running?\n")
    );
}

#[tokio::test]
async fn without_a_server_the_operator_is_told_where_to_look() {
    let bus = MemoryBus::new();
    let gateway = crate::gateway::Gateway::new(
        std::sync::Arc::new(bus.clone()),
        std::time::Duration::from_secs(1),
    );
    bus.disconnect();
    let trouble = gateway
        .ask(&nogfso_contract::query::GetRegistries {})
        .await
        .unwrap_err();
    assert_eq!(trouble.exit(), Exit::Failed);
    assert!(trouble.advice().unwrap().contains("--context"));
}

#[tokio::test(start_paused = true)]
async fn a_command_without_a_reply_may_have_been_carried_out() {
    let bus = MemoryBus::new();
    let words = [
        "init",
        "root",
        "--host=h",
        "exreg",
        "/ex",
        "--command-id=c1",
    ];
    let named = typed(&words, &bus, async |_: &str, _| None).await;
    assert_eq!(named.exit, Exit::Open);
    assert!(
        named.err.contains("nogfsoctl outcome c1 --registry=exreg"),
        "{}",
        named.err
    );

    let unnamed = typed(&words[..5], &bus, async |_: &str, _| None).await;
    assert!(
        unnamed.err.contains("repeat the command"),
        "{}",
        unnamed.err
    );

    let stat = typed(
        &["stat", REPO, "--command-id=c2"],
        &bus,
        async |_: &str, _| None,
    )
    .await;
    assert!(
        stat.err.contains(&format!("outcome c2 --repo={REPO}")),
        "{}",
        stat.err
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_without_a_reply_is_open() {
    let bus = MemoryBus::new();
    let ended = typed(&["workers", "--timeout=2s"], &bus, async |_: &str, _| None).await;
    assert_eq!(ended.exit, Exit::Open);
    assert!(
        ended
            .err
            .starts_with("fatal: no reply on fso.get.workers within 2000 ms\n")
    );
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_a_failure() {
    let bus = MemoryBus::new();
    let ended = typed(&["workers"], &bus, async |_: &str, _| {
        ok(json!({"other": 1}))
    })
    .await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("not understood"), "{}", ended.err);
}

#[tokio::test]
async fn what_is_unknown_in_an_answer_is_passed_on_as_json() {
    let bus = MemoryBus::new();
    let ended = typed(&["workers", "--output=json"], &bus, async |_: &str, _| {
        ok(json!({"from_the_future": 1, "workers": []}))
    })
    .await;
    assert_eq!(ended.out, "{\"from_the_future\":1,\"workers\":[]}\n");
}

#[test]
fn one_who_leaves_a_wait_is_told_how_to_come_back() {
    let (out, err) = (Paper::default(), Paper::default());
    let (to_out, to_err) = (Box::new(out), Box::new(err.clone()));
    let mut console = Console::writing_to(Format::Text, to_out, to_err);
    let left = Trouble::Detached {
        reattach: "request get --wait a b".to_owned(),
    };
    console.tell(&left);
    assert_eq!(left.exit(), Exit::Interrupted);
    let told =
        "# detached; the work goes on\n  wait for it with: nogfsoctl request get --wait a b\n";
    assert_eq!(err.text(), told);
    console.tell(&Trouble::Stopped);
    assert_eq!(err.text(), told);
}

#[test]
fn a_reader_who_went_away_ends_the_command_quietly() {
    let gone = Trouble::Output(std::io::ErrorKind::BrokenPipe.into());
    assert!(gone.is_silent());
    assert_eq!(gone.exit(), Exit::Done);
    let full = Trouble::Output(std::io::ErrorKind::StorageFull.into());
    assert!(!full.is_silent());
    assert_eq!(full.exit(), Exit::Failed);
}
