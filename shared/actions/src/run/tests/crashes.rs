//! Workers that die on the way forward (spec 5, group C).

use std::time::Duration;

use nogfso_journal::memory::PublishOddity;
use tokio::time::{Instant, sleep};

use super::acting::{At, Play, action, hooked, job, registry, retryable, three, three_hooked};
use super::world::{ACK_WAIT, Stand, outcome_of, rolled_back};
use crate::deployment::{Operation, ParkReason, Stage};
use crate::{JobPolicy, Outcome, Phase, RetryPolicy};

const JOBS: [&str; 3] = ["j0", "j1", "j2"];

#[tokio::test(start_paused = true)]
async fn a_job_that_was_under_way_runs_again_and_what_was_done_before_it_does_not() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(4).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(7));
    assert_eq!(stand.acts.calls(), ["j0 4", "j1 5", "j1 5", "j2 6"]);
    let attempts = stand.acts.of("j1", Phase::Execute);
    let again = &attempts[1];
    assert_eq!((again.attempt, again.maybe_ran_before), (2, true));
    assert!(again.fence > attempts[0].fence);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_job_resumes_with_the_stored_input() {
    let stand = Stand::new(three).await;
    stand.acts.script("j0", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(4).await;
    stand.acts.passed("j0", At::Begin, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(7));
    assert_eq!(stand.acts.calls()[..2], ["j0 4", "j0 4"]);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_point_of_any_job_leaves_each_effect_once() {
    for name in JOBS {
        for at in [At::PreHook, At::Begin, At::Effect, At::PostHook] {
            let stand = Stand::new(three_hooked).await;
            stand.acts.script(name, at, [Play::Hang]);
            let first = stand.worker("w1").await;
            let handle = stand.start(0).await;
            stand.acts.passed(name, at, 1).await;
            first.kill().await;
            let second = stand.worker("w2").await;
            assert_eq!(
                outcome_of(&handle).await,
                Outcome::Succeeded(333),
                "{name} {at:?}"
            );
            assert_eq!(stand.acts.there().len(), 3);
            assert!(stand.acts.is_each_made_once(), "{name} {at:?}");
            for other in JOBS {
                let mut attempts = stand.acts.of(other, Phase::Execute);
                let last = attempts.pop().unwrap();
                // A lost attempt may have run whether or not it came past its hooks.
                assert_eq!(
                    last.maybe_ran_before,
                    other == name,
                    "{name} {at:?} {other}"
                );
            }
            second.drain().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_start_is_recorded_leaves_no_trace() {
    let stand = Stand::new(three).await;
    let first = stand.worker("w1").await;
    first.line.before_commit(".action.", std::future::pending());
    let handle = stand.start(0).await;
    sleep(Duration::from_secs(1)).await;
    first.kill().await;
    assert_eq!(stand.events(handle.id()).await.len(), 1);
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    let attempts = stand.acts.invocations();
    assert!(
        attempts
            .iter()
            .all(|one| !one.maybe_ran_before && one.attempt == 1)
    );
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_success_of_a_job_runs_nothing_twice() {
    for oddity in [
        PublishOddity::LostAnswer,
        PublishOddity::OwnConflict,
        PublishOddity::DuplicateAtZero,
        PublishOddity::LostRequest,
        PublishOddity::InFlight,
    ] {
        let stand = Stand::new(three).await;
        let log = stand.world.log.clone();
        let odd = move || log.script_publish("fso.ev.test.action.>", oddity);
        stand
            .acts
            .script("j1", At::Effect, [Play::Do(Box::new(odd))]);
        let worker = stand.worker("w1").await;
        let handle = stand.start(0).await;
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        assert_eq!(stand.acts.calls(), JOBS.map(called), "{oddity:?}");
        assert_eq!(stand.frames(handle.id()).await.len(), 5, "{oddity:?}");
        assert_eq!(stand.world.log.played().values().sum::<u64>(), 1);
        worker.drain().await;
    }
}

fn called(job: &str) -> String {
    format!("{job} {}", &job[1..])
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_success_is_stored_does_not_run_again() {
    // The next one's start is in the same commit: whoever dies then dies before its code.
    let stand = Stand::new(three).await;
    stand.acts.script("j2", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j2", At::Begin, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2", "j2 2"]);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_after_the_success_of_the_last_job_is_stored() {
    let stand = Stand::new(three).await;
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    // The worker dies as soon as it may, its lease not acknowledged.
    let ended = |state: &crate::deployment::Deployment| state.stage == Stage::Succeeded;
    stand.until(handle.id(), "ends", ended).await;
    first.kill().await;
    stand.world.log.restart_forgetting_acks(10);
    let second = stand.worker("w2").await;
    sleep(3 * ACK_WAIT).await;
    assert_eq!(stand.acts.calls().len(), 3);
    assert_eq!(stand.frames(handle.id()).await.len(), 5);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_attempt_kept_is_there_for_the_next_and_for_the_undo() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Begin, [Play::Keep("note", 7), Play::Pass])
        .script(
            "j1",
            At::Effect,
            [Play::Hang, super::acting::terminal("no")],
        );
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Effect, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    let attempts = stand.acts.of("j1", Phase::Execute);
    let kept: Vec<_> = attempts.iter().map(|one| one.kept).collect();
    assert_eq!(kept, [None, Some(7)]);
    assert_eq!(stand.acts.of("j1", Phase::Rollback)[0].kept, Some(7));
    second.drain().await;
}

fn patient() -> (crate::Registry<super::acting::Acts>, super::acting::Key) {
    let policy = JobPolicy::default().with_execute(RetryPolicy {
        initial_ms: 40_000,
        delay_max_ms: 40_000,
        ..JobPolicy::default().execute
    });
    registry(action([job("j0"), job("j1").policy(policy), job("j2")]))
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_retry_lasts_through_a_crash_and_a_drain() {
    for is_killed in [true, false] {
        let stand = Stand::new(patient).await;
        let waits = |_| {
            let error = crate::ErrorView::new("busy", "later");
            Play::Fail(crate::JobError::retry_after(error, Duration::from_secs(50)))
        };
        stand.acts.script("j1", At::Begin, (0..2).map(waits));
        let first = stand.worker("w1").await;
        let handle = stand.start(0).await;
        stand.acts.passed("j1", At::Begin, 2).await;
        let second_began = Instant::now();
        sleep(Duration::from_secs(49)).await;
        if is_killed {
            first.kill().await;
        } else {
            first.drain().await;
        }
        let second = stand.worker("w2").await;
        stand.acts.passed("j1", At::Begin, 3).await;
        assert!(second_began.elapsed() >= Duration::from_secs(50));
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        let attempts = stand.acts.of("j1", Phase::Execute);
        let third = &attempts[2];
        assert_eq!((third.attempt, third.maybe_ran_before), (3, false));
        second.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_kills_its_worker_each_time_parks_and_the_others_go_on() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Begin, [Play::Hang, Play::Hang, Play::Hang]);
    let mut worker = stand.worker("w0").await;
    let bad = stand.start(0).await;
    for (death, name) in (1..=3).zip(["w1", "w2", "w3"]) {
        stand.acts.passed("j1", At::Begin, death).await;
        worker.kill().await;
        worker = stand.worker(name).await;
    }
    let parked = stand.until_parked(bad.id()).await;
    let Stage::Parked(parked) = parked.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(
        (parked.reason, parked.index),
        (ParkReason::CrashLoop, Some(1))
    );
    let good = stand.start(0).await;
    assert_eq!(outcome_of(&good).await, Outcome::Succeeded(3));
    // A person has looked.
    let resume = Operation::Resume {
        note: "fixed".to_owned(),
        rebind: None,
        reset_attempts: false,
    };
    stand.operate(bad.id(), resume).await;
    assert_eq!(outcome_of(&bad).await, Outcome::Succeeded(3));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_stored_value_that_does_not_decode_parks_and_nothing_is_undone() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.kill().await;
    let other = super::versions::three_of_text();
    let second = stand.worker_with("w2", other).await;
    let parked = stand.until_parked(handle.id()).await;
    let Stage::Parked(parked) = parked.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::SchemaMismatch);
    assert_eq!(stand.acts.there().len(), 1);
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1"]);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_lost_on_the_way_comes_again_within_an_ack_wait() {
    let stand = Stand::new(three).await;
    // It is delivered to a worker that dies before it has done anything with it.
    let first = stand.worker("w1").await;
    first.line.before_commit(".action.", std::future::pending());
    let handle = stand.start(0).await;
    sleep(Duration::from_millis(10)).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    let began = Instant::now();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert!(began.elapsed() <= ACK_WAIT + Duration::from_secs(1));
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_range_of_attempts_that_was_lost_goes_on_behind_it() {
    let endless = || {
        let policy = JobPolicy::default().with_execute(RetryPolicy {
            initial_ms: 1,
            delay_max_ms: 10,
            attempts_max: None,
            elapsed_max_ms: None,
            ..JobPolicy::default().execute
        });
        registry(action([hooked("j0").policy(policy)]))
    };
    let stand = Stand::new(endless).await;
    let fails = (0..24).map(|_| retryable("no")).chain([Play::Hang]);
    stand.acts.script("j0", At::Begin, fails);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j0", At::Begin, 25).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(111));
    // Attempts 21 to 41 were granted with one start; how many of them were made nobody knows.
    let last = stand.acts.invocations().pop().unwrap();
    assert_eq!((last.attempt, last.maybe_ran_before), (42, true));
    let job = &stand.deployment(handle.id()).await.jobs[0];
    assert_eq!(job.execute.started, 42);
    second.drain().await;
}
