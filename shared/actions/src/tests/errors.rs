//! Errors and their handlers (D1 to D5).

use serde_json::json;

use super::fake::{Bench, Fake, Ran, World};
use super::jobs::{Add100, Count, Counts, Double, Fail};
use crate::attempt::Phase;
use crate::error::Wish;
use crate::{Action, Extension, Hook, HookExt, JobExt, JobResult, Place, Recover, Step, convert};

async fn run(step: Step<World, u32, u32>) -> Ran {
    let action = Action::define("a").then(step).build().unwrap();
    Bench::of(action).run(1).await
}

/// D1: the handler gets the step's own input, and the error is recorded.
#[tokio::test]
async fn a_handler_that_succeeds_is_the_success_of_the_job() {
    let ran = run(Fail("no").step().recover(Add100)).await;
    assert_eq!(ran.outputs, [json!(101)]);
    let entry = (Place::Execute, "no".to_owned());
    assert_eq!(ran.attempts[0].handled(), [entry]);
}

#[tokio::test]
async fn a_handler_waits_until_the_attempts_are_used_up() {
    let step = Fail("no").step().recover(Add100);
    let bench = Bench::of(Action::define("a").then(step).build().unwrap());
    let attempt = Fake::of(&bench.plan().jobs[0], Phase::Execute).with_retries_left();
    let failure = bench.execute(&attempt, json!(1)).await.unwrap_err();
    assert_eq!(failure.wish, Wish::Retry { after: None });
    assert!(bench.world.told().is_empty());
    assert!(attempt.handled().is_empty());
}

/// D2: one entry, which is the failure itself.
#[tokio::test]
async fn a_handler_that_passes_the_error_on_makes_it_final_and_records_it_once() {
    let ran = run(Fail("no").step().recover(Fail("no"))).await;
    let failure = ran.failure.unwrap();
    assert_eq!(failure.view().message, "no");
    assert_eq!(
        (failure.wish, failure.place),
        (Wish::Terminal, Some(Place::Execute))
    );
    assert!(ran.attempts[0].handled().is_empty());
}

/// D3: the first is recorded before the second.
#[tokio::test]
async fn a_handler_that_fails_otherwise_leaves_both_errors_in_the_log() {
    let ran = run(Fail("no").step().recover(Fail("nor this"))).await;
    let failure = ran.failure.unwrap();
    assert_eq!(failure.view().message, "nor this");
    assert_eq!(failure.wish, Wish::Terminal);
    let entry = (Place::Execute, "no".to_owned());
    assert_eq!(ran.attempts[0].handled(), [entry]);
}

/// D4.
#[tokio::test]
async fn ignored_errors_pass_on_the_fallback_or_the_input_and_are_recorded() {
    let entry = (Place::Execute, "no".to_owned());
    let ran = run(Fail("no").step().ignore_errors(9)).await;
    assert_eq!(ran.outputs, [json!(9)]);
    assert_eq!(ran.attempts[0].handled(), std::slice::from_ref(&entry));
    let ran = run(Fail("no").step().ignore_errors_keep_input()).await;
    assert_eq!(ran.outputs, [json!(1)]);
    assert_eq!(ran.attempts[0].handled(), [entry]);
}

fn failing_check() -> impl Hook<World, u32, u32> {
    Fail("after")
}

/// D5.
#[tokio::test]
async fn handlers_of_hooks_and_of_execute_each_answer_for_their_own_part() {
    let extension = Extension::new()
        .pre_hook(Fail("before").recover(Add100))
        .post_hook(failing_check().recover(Fail("after")));
    let ran = run(Fail("within").step().recover(Add100).extend(&extension)).await;
    let handled = [
        (Place::PreHook(0), "before".to_owned()),
        (Place::Execute, "within".to_owned()),
    ];
    assert_eq!(ran.attempts[0].handled(), handled);
    let failure = ran.failure.unwrap();
    assert_eq!(failure.place, Some(Place::PostHook(0)));
    assert_eq!(failure.wish, Wish::Terminal);
}

#[tokio::test]
async fn a_handler_answers_only_for_what_was_there_before_it() {
    let hook = || convert(|_: u32| -> JobResult<u32> { Err(crate::JobError::terminal("hook")) });
    let outside = run(Double.step().recover(Add100).after(hook())).await;
    assert_eq!(outside.failure.unwrap().place, Some(Place::PostHook(0)));
    let within = run(Double.step().after(hook()).recover(Add100)).await;
    assert_eq!(within.outputs, [json!(101)]);
    let handled = within.attempts[0].handled();
    assert_eq!(handled, [(Place::PostHook(0), "hook".to_owned())]);
}

/// A value that cannot be read is nobody's to handle: it is parked for.
#[tokio::test]
async fn a_handler_never_gets_an_unreadable_value() {
    fn any_handler() -> impl Recover<World, Counts, Counts> {
        Fail("handled")
    }
    let step = Count.step().recover(any_handler());
    let bench = Bench::of(Action::define("a").then(step).build().unwrap());
    let failure = bench.run("no counts").await.failure.unwrap();
    assert!(matches!(failure.wish, Wish::Park(_)));
}
