//! The error log, and handlers (spec 5, group D).

use super::acting::{Acts, Adds, At, Key, Play, action, job, registry, retryable, terminal, three};
use super::world::{Stand, outcome_of, rolled_back};
use crate::deployment::{Class, ErrorEntry};
use crate::{
    ErrorView, HookExt, JobCx, JobError, JobName, JobPolicy, JobResult, Outcome, Phase, Place,
    Recover, Registry, RetryPolicy,
};

/// Makes good, or fails with another error of that code.
#[derive(Clone, Copy)]
struct Handler(Option<&'static str>);

impl Recover<Acts, i64, i64> for Handler {
    async fn recover(&self, _: &JobCx<'_, Acts>, input: i64, _: &ErrorView) -> JobResult<i64> {
        match self.0 {
            None => Ok(input),
            Some(code) => Err(JobError::terminal(ErrorView::new(code, "handler"))),
        }
    }
}

fn wrapped() -> (Registry<Acts>, Key) {
    let step = job("j0")
        .recover(Handler(None))
        .before(Adds(At::PreHook, 10).recover(Handler(None)))
        .after(Adds(At::PostHook, 100).recover(Handler(Some("worse"))));
    registry(action([step]))
}

fn codes(entries: &[ErrorEntry]) -> Vec<(&str, bool)> {
    entries
        .iter()
        .map(|entry| (entry.error.code.as_str(), entry.handled))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn handlers_of_hooks_and_execute_leave_an_entry_each_and_the_last_one_decides() {
    let stand = Stand::new(wrapped).await;
    for (at, code) in [
        (At::PreHook, "pre"),
        (At::Begin, "execute"),
        (At::PostHook, "post"),
    ] {
        stand.acts.script("j0", at, [terminal(code)]);
    }
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await.0, "worse");
    let entries = stand.client().errors(handle.id(), None).await.unwrap();
    assert_eq!(
        codes(&entries),
        [
            ("pre", true),
            ("execute", true),
            ("post", true),
            ("worse", false)
        ]
    );
    let places: Vec<_> = entries.iter().map(|entry| entry.place).collect();
    let post = Some(Place::PostHook(0));
    assert_eq!(
        places,
        [Some(Place::PreHook(0)), Some(Place::Execute), post, post]
    );
    assert!(entries.iter().all(|entry| entry.attempt == Some(1)));
    worker.drain().await;
}

fn handled() -> (Registry<Acts>, Key) {
    let step = job("j1").recover(Handler(None));
    registry(action([job("j0"), step]))
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_kept_with_its_text_undone_and_no_matter_for_a_handler() {
    let stand = Stand::new(handled).await;
    stand
        .acts
        .script("j1", At::Effect, [Play::Panic("out of cheese")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let (code, residue) = rolled_back(&handle).await;
    assert_eq!((code.as_str(), residue), ("panicked", vec![]));
    let entries = stand.client().errors(handle.id(), None).await.unwrap();
    assert_eq!(codes(&entries), [("panicked", false)]);
    assert_eq!(entries[0].error.message, "out of cheese");
    assert_eq!(stand.classes(handle.id()).await, [Class::Panicked]);
    assert_eq!(
        stand.acts.calls(),
        ["j0 0", "j1 1", "undo j1 1 ?", "undo j0 0 1"]
    );
    // The worker has survived.
    let next = stand.start(0).await;
    assert_eq!(outcome_of(&next).await, Outcome::Succeeded(2));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_error_log_is_asked_for_whole_by_job_and_by_deployment() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j0", At::Begin, [retryable("a")])
        .script("j1", At::Begin, ["b", "c", "d"].map(retryable))
        .script("j2", At::Begin, [terminal("e")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await.0, "e");
    let other = stand.start(0).await;
    assert_eq!(outcome_of(&other).await, Outcome::Succeeded(3));
    let client = stand.client();
    let all = client.errors(handle.id(), None).await.unwrap();
    let all: Vec<_> = codes(&all).into_iter().map(|(code, _)| code).collect();
    assert_eq!(all, ["a", "b", "c", "d", "e"]);
    let j1 = JobName::parse("j1").unwrap();
    let of_j1 = client.errors(handle.id(), Some(&j1)).await.unwrap();
    assert_eq!(of_j1.len(), 3);
    assert!(of_j1.is_sorted_by_key(|entry| entry.at_ms));
    assert_eq!(client.errors(other.id(), None).await.unwrap(), []);
    worker.drain().await;
}

fn handled_late() -> (Registry<Acts>, Key) {
    let policy = JobPolicy::default().with_execute(RetryPolicy {
        initial_ms: 1,
        delay_max_ms: 1,
        elapsed_max_ms: None,
        ..RetryPolicy::once().with_attempts_max(23.try_into().unwrap())
    });
    registry(action([job("j0").policy(policy).recover(Handler(None))]))
}

#[tokio::test(start_paused = true)]
async fn a_handler_waits_for_the_last_attempt_also_where_one_start_stands_for_several() {
    let stand = Stand::new(handled_late).await;
    let fails = (0..23).map(|_| retryable("no"));
    stand.acts.script("j0", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(0));
    assert_eq!(stand.acts.of("j0", Phase::Execute).len(), 23);
    worker.drain().await;
}
