//! Which jobs are undone, and with what (spec 5, E13 to E22).

use nogfso_journal::Log as _;

use super::acting::{
    Acts, At, Key, Play, action, hooked, job, lasting, registry, terminal, three, three_hooked,
};
use super::rollback::skips;
use super::world::{Stand, rolled_back};
use crate::deployment::{Forced, Operation, ParkReason, SkipReason, Stage, Stored};
use crate::{
    Action, ErrorView, Handled, Job, JobCx, JobError, JobResult, JobState, Phase, Registry,
    Rollback, RollbackCause, StartOptions,
};

fn no_effect() -> Play {
    Play::Fail(JobError::terminal_no_effect(ErrorView::new(
        "no",
        "nothing done",
    )))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_says_that_it_did_nothing_is_not_undone() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [no_effect()]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "undo j0 0 1"]);
    assert_eq!(
        skips(&stand, &handle).await,
        [(1, SkipReason::DeclaredNoEffect)]
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn that_promise_is_not_believed_after_a_lost_attempt() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Begin, [Play::Pass, no_effect()])
        .script("j1", At::Effect, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Effect, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.of("j1", Phase::Rollback).len(), 1);
    assert!(stand.acts.there().is_empty());
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_before_its_first_job_ends_without_any_code() {
    let stand = Stand::new(three).await;
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..StartOptions::default()
    };
    let handle = stand.start_with(0, options).await;
    handle.cancel("ann", "not needed").await.unwrap();
    let worker = stand.worker("w1").await;
    let (code, residue) = rolled_back(&handle).await;
    assert_eq!((code.as_str(), residue), ("execution_stopped", vec![]));
    assert_eq!(stand.acts.invocations(), []);
    assert_eq!(
        skips(&stand, &handle).await,
        [(0, SkipReason::NeverStarted)]
    );
    worker.drain().await;
}

fn with_a_lasting_one() -> (Registry<Acts>, Key) {
    registry(action([job("j0"), lasting("j1"), job("j2")]))
}

#[tokio::test(start_paused = true)]
async fn past_the_pivot_a_person_decides_and_what_cannot_be_undone_is_residue() {
    let stand = Stand::new(with_a_lasting_one).await;
    stand.acts.script("j2", At::Effect, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let Stage::Parked(parked) = stand.until_parked(handle.id()).await.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::RetriesExhausted);
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2"]);
    let force = Operation::Force {
        job: "j2".to_owned(),
        outcome: Forced::Failed {
            error: ErrorView::new("enough", "give it up"),
        },
        note: "nobody needs it".to_owned(),
    };
    stand.operate(handle.id(), force).await;
    let resume = Operation::Resume {
        note: "go back".to_owned(),
        rebind: None,
        reset_attempts: false,
    };
    stand.operate(handle.id(), resume).await;
    let residue = vec!["j1".to_owned()];
    assert_eq!(rolled_back(&handle).await, ("enough".to_owned(), residue));
    assert_eq!(stand.acts.calls()[3..], ["undo j2 2 ?", "undo j0 0 1"]);
    worker.drain().await;
}

/// A job with a large output.
struct Large;

impl Job<Acts> for Large {
    type Input = i64;
    type Output = String;
    type Undo = Handled;
    const NAME: &'static str = "large";

    async fn execute(&self, _: &JobCx<'_, Acts>, _: i64) -> JobResult<String> {
        Ok("x".repeat(100 * 1024))
    }
}

impl Rollback<Acts> for Large {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Acts>,
        _: &RollbackCause,
        state: JobState<i64, String>,
    ) -> JobResult<()> {
        let JobState::Completed { output, .. } = state else {
            return Err(JobError::terminal("it was completed"));
        };
        cx.put_data("undone", &output.len()).await
    }
}

struct Small;

impl Job<Acts> for Small {
    type Input = String;
    type Output = i64;
    type Undo = crate::NotNeeded;
    const NAME: &'static str = "small";

    async fn execute(&self, _: &JobCx<'_, Acts>, text: String) -> JobResult<i64> {
        Ok(i64::try_from(text.len()).unwrap())
    }
}

fn large() -> (Registry<Acts>, Key) {
    let action = Action::define("a").then(Large).then(Small).then(job("j2"));
    registry(action.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_gone_when_it_is_needed_for_an_undo_parks_and_is_not_passed_over() {
    let stand = Stand::new(large).await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    stand.acts.script(
        "j2",
        At::Begin,
        [Play::Wait(std::sync::Arc::clone(&gate)), Play::Pass],
    );
    stand.acts.script("j2", At::Effect, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j2", At::Begin, 1).await;
    let deployment = stand.deployment(handle.id()).await;
    let Some(Stored::Blob(blob)) = &deployment.jobs[0].output else {
        panic!("it lies outside");
    };
    let subject = format!("fso.blob.{}", blob.sha256);
    stand.world.log.purge(&subject, None).await.unwrap();
    gate.notify_one();
    let Stage::Parked(parked) = stand.until_parked(handle.id()).await.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::PayloadMissing);
    assert_eq!(parked.index, Some(0));
    let skipped = skips(&stand, &handle).await;
    assert!(skipped.iter().all(|(index, _)| *index != 0), "{skipped:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_hooks_fail_before_execute_is_not_undone() {
    let stand = Stand::new(three_hooked).await;
    stand.acts.script("j1", At::PreHook, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls(), ["j0 10", "undo j0 10 11"]);
    assert_eq!(
        skips(&stand, &handle).await,
        [(1, SkipReason::NeverStarted)]
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_once_got_past_its_hooks_is_undone_with_what_they_made() {
    let stand = Stand::new(three_hooked).await;
    stand
        .acts
        .script("j1", At::PreHook, [Play::Pass, terminal("no")])
        .script("j1", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    let undo = &stand.acts.of("j1", Phase::Rollback)[0];
    assert_eq!(undo.values, (121, None));
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_gets_what_execute_was_given_and_returned_whatever_hooks_made_of_it() {
    let stand = Stand::new(three_hooked).await;
    stand.acts.script("j2", At::Begin, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    rolled_back(&handle).await;
    let execute = &stand.acts.of("j1", Phase::Execute)[0];
    let undo = &stand.acts.of("j1", Phase::Rollback)[0];
    assert_eq!(undo.values, (execute.values.0, Some(execute.values.0 + 1)));
    assert_eq!(stand.acts.of("j2", Phase::Rollback)[0].values.1, None);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_after_a_failed_post_hook_gets_a_completed_job_also_after_a_crash() {
    let make = || registry(action([job("j0"), hooked("j1")]));
    let stand = Stand::new(make).await;
    stand
        .acts
        .script("j1", At::PostHook, [terminal("no")])
        .script("j1", At::Undo, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Undo, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    rolled_back(&handle).await;
    let undos = stand.acts.of("j1", Phase::Rollback);
    assert_eq!(undos.len(), 2);
    assert!(undos.iter().all(|undo| undo.values == (11, Some(12))));
    second.drain().await;
}
