//! Right actions: no fault makes them lose, double or leave an effect without a word.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use nogfso_testkit::is_full;

use super::jobs::{Keep, Look, Make, Send, exploring, five, many};
use crate::testing::{At, Case, Ending, Explorer, FakeWorld, Fault, Injection, Report, Zombies};
use crate::{
    Action, Extension, Handled, INLINE_BYTES_MAX, Job, JobCx, JobExt, JobName, JobPolicy,
    JobResult, JobState, OnExhausted, Outcome, Payload, Rollback, RollbackCause, RollbackPolicy,
    convert,
};

/// How many of its cases a sample of the large exploration takes.
const SAMPLE_RUNS: usize = 500;
const PAIRS: usize = 300;
const PAIRS_FULL: usize = 10_000;

fn told(what: &str, explore: impl FnOnce() -> Report) -> Report {
    let began = Instant::now();
    let report = explore();
    let (runs, idle) = (report.runs, report.idle);
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {runs} runs in {seconds:.1} s, {idle} without their fault");
    report
}

fn sampled<Out: Payload>(
    explorer: Explorer<FakeWorld, i64, Out>,
    seed: u64,
) -> Explorer<FakeWorld, i64, Out> {
    match is_full() {
        true => explorer,
        false => explorer.sample(seed, SAMPLE_RUNS),
    }
}

#[test]
fn five_jobs_lose_double_and_leave_nothing_whatever_goes_wrong_once() {
    // One of the jobs passes its input on where it gives up.
    let explorer = exploring(FakeWorld::new, five).invariant(
        "the sum",
        |_, outcome| !matches!(outcome, Outcome::Succeeded(sum) if ![6, 7].contains(sum)),
    );
    let report = told("five jobs", || explorer.every_single_fault());
    report.assert_holds();
    assert!(report.runs > 500, "{report}");
    assert_eq!(report.idle, 0, "every fault comes to pass");
}

#[test]
fn five_jobs_lose_double_and_leave_nothing_if_two_things_go_wrong() {
    let runs = if is_full() { PAIRS_FULL } else { PAIRS };
    let seed = 1;
    println!("seed {seed}");
    let explorer = exploring(FakeWorld::new, five);
    told("pairs", || explorer.random_pairs(seed, runs)).assert_holds();
}

#[test]
fn a_cancellation_that_a_worker_cannot_know_of_any_more_starts_another_one() {
    let injection = |at, fault| Injection {
        job: JobName::parse("keep").unwrap(),
        at,
        pass: 1,
        fault,
    };
    let case = Case {
        seed: 1,
        ending: Ending::Cancelled,
        injections: vec![
            injection(At::Loading, Fault::CorruptPayload),
            injection(At::AfterOutcomeRecord, Fault::Delay(Duration::from_secs(5))),
        ],
    };
    let failure = exploring(FakeWorld::new, five).replay(&case);
    assert!(failure.is_none(), "{}", failure.unwrap());
}

#[test]
fn thirty_eight_jobs_are_explored_in_seconds() {
    let seed = 38;
    println!("seed {seed}");
    let explorer = sampled(exploring(FakeWorld::new, || many(38)), seed);
    let report = told("38 jobs", || explorer.every_single_fault());
    report.assert_holds();
}

#[test]
fn past_the_point_of_no_return_all_is_done_in_the_end() {
    let pivot = || {
        let action = Action::define("pivot").then(Make).then(Send).then(Look);
        action.build().unwrap()
    };
    let explorer = exploring(FakeWorld::new, pivot);
    told("pivot", || explorer.every_single_fault()).assert_holds();
    told("pivot, pairs", || explorer.random_pairs(5, 100)).assert_holds();
}

#[test]
fn a_key_that_stays_dead_needs_no_quiet_period() {
    let explorer = exploring(FakeWorld::new, || many(2)).quiet_period(Duration::ZERO);
    told("tombstones", || explorer.every_single_fault()).assert_holds();
}

#[test]
fn an_undo_that_only_deletes_is_safe_while_replaced_workers_stop_in_time() {
    let explorer = exploring(FakeWorld::deleting_only, || many(2));
    let explorer = explorer.zombies(Zombies::WithinQuietPeriod);
    told("quiet", || explorer.every_single_fault()).assert_holds();
}

/// Jobs that are parked at the first thing that goes wrong.
fn touchy(rollback: RollbackPolicy) -> Action<FakeWorld, i64, i64> {
    let policy = JobPolicy {
        lost_attempts_max: NonZeroU32::MIN,
        on_exhausted: OnExhausted::Park,
        ..JobPolicy::as_original()
    };
    let hooked = Extension::new().post_hook(convert(|value: i64| Ok(value)));
    Action::define("touchy")
        .rollback_policy(rollback)
        .then(Make.step().policy(policy.clone()))
        .then(
            Make.renamed("hooked")
                .extend(&hooked)
                .policy(policy.clone()),
        )
        .then(Make.renamed("last").policy(policy))
        .build()
        .unwrap()
}

#[test]
fn what_is_parked_at_every_occasion_ends_well_once_somebody_has_seen_to_it() {
    let stop = || touchy(RollbackPolicy::StopAndPark);
    let explorer = exploring(FakeWorld::new, stop);
    told("parked", || explorer.every_single_fault()).assert_holds();
    told("parked, pairs", || explorer.random_pairs(7, 100)).assert_holds();
}

#[test]
fn an_undo_that_was_passed_over_is_made_up_for() {
    let go_on = || touchy(RollbackPolicy::ContinueThenPark);
    let explorer = exploring(FakeWorld::new, go_on);
    told("passed over", || explorer.every_single_fault()).assert_holds();
    told("passed over, pairs", || explorer.random_pairs(8, 100)).assert_holds();
}

#[test]
fn a_job_without_a_sign_of_life_is_tried_again() {
    let silent = || {
        let policy = JobPolicy {
            heartbeat_timeout_ms: Some(60_000),
            ..JobPolicy::default()
        };
        let action = Action::define("silent").then(Make.step().policy(policy));
        action.build().unwrap()
    };
    let explorer = exploring(FakeWorld::new, silent);
    told("silent", || explorer.every_single_fault()).assert_holds();
}

/// Passes on more than a commit may hold.
struct Large;

impl Job<FakeWorld> for Large {
    type Input = i64;
    type Output = String;
    type Undo = Handled;
    const NAME: &'static str = "large";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, _: i64) -> JobResult<String> {
        let large = "x".repeat(INLINE_BYTES_MAX);
        cx.put_data("large", &large).await?;
        cx.resources().effect(cx.idempotency_key())?;
        Ok(large)
    }
}

impl Rollback<FakeWorld> for Large {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, String>,
    ) -> JobResult<()> {
        cx.resources().cancel(cx.execute_key());
        Ok(())
    }
}

#[test]
fn values_that_lie_outside_the_journal_are_as_safe_as_others() {
    let large = || {
        let action = Action::define("large").then(Large);
        let shorten = convert(|text: String| Ok(i64::try_from(text.len())?));
        action.then(Make.step().before(shorten)).build().unwrap()
    };
    let explorer = exploring(FakeWorld::new, large);
    told("large", || explorer.every_single_fault()).assert_holds();
    told("large, pairs", || explorer.random_pairs(9, 50)).assert_holds();
}

/// Passes its fence on.
struct Fenced;

impl Job<FakeWorld> for Fenced {
    type Input = i64;
    type Output = i64;
    type Undo = Handled;
    const NAME: &'static str = "fenced";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        let world = cx.resources();
        world.effect_fenced(cx.idempotency_key(), cx.fence())?;
        Ok(input)
    }
}

impl Rollback<FakeWorld> for Fenced {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, i64>,
    ) -> JobResult<()> {
        let world = cx.resources();
        Ok(world.cancel_fenced(cx.execute_key(), cx.fence())?)
    }
}

#[test]
fn a_fence_is_as_good_as_a_key_that_stays_dead() {
    let fenced = || {
        let action = Action::define("fences").then(Fenced);
        action.then(Fenced.renamed("second")).build().unwrap()
    };
    let explorer = exploring(FakeWorld::fencing, fenced).quiet_period(Duration::ZERO);
    told("fences", || explorer.every_single_fault()).assert_holds();
}

#[test]
fn one_seed_gives_one_course() {
    let keep = || Action::define("keep").then(Keep).build().unwrap();
    let explorer = exploring(FakeWorld::deleting_only, keep);
    let report = explorer.every_single_fault();
    let failure = report.failures.first().unwrap();
    for _ in 0..2 {
        let again = explorer.replay(&failure.case).unwrap();
        assert_eq!(again.timeline, failure.timeline);
        assert_eq!(again.problems, failure.problems);
    }
    assert!(failure.timeline.len() > 3, "{failure}");
    assert_ne!(failure.case.ending, Ending::Succeeds);
}
