//! One attempt at a time: what it finds, and what is said of it.

use super::jobs::{Keep, Make};
use crate::testing::{FakeWorld, cause, given};
use crate::{
    ErrorView, HookExt, JobCx, JobError, JobExt, JobResult, JobState, NotNeeded, Recover,
    StopReason, convert,
};

#[tokio::test]
async fn a_job_is_given_its_input_and_its_output_is_looked_at() {
    let ran = given(FakeWorld::new()).input(1).execute(&Make).await;
    let world = ran
        .then_output(2)
        .then_no_data()
        .then_handled(&[])
        .into_resources();
    given(world)
        .rollback(&Make, JobState::Interrupted { input: 1 }, &cause("why"))
        .await
        .then_done()
        .then(|world| assert!(world.remaining().is_empty()));
}

#[tokio::test]
async fn what_a_job_keeps_is_seen() {
    let keys = ["00000000-0000-0000-0000-000000000000/keep/execute"];
    let keys = ["a", "b"].map(|part| format!("{}/{part}", keys[0]));
    given(FakeWorld::new())
        .input(4)
        .execute(&Keep)
        .await
        .then_output("4".to_owned())
        .then_data("keys", &keys);
}

#[tokio::test]
async fn a_step_runs_with_its_hooks_and_is_undone_by_its_own_values() {
    let step = Keep
        .step()
        .before(convert(|text: String| Ok(text.parse::<i64>()?)))
        .after(convert(|text: String| Ok(text.len())));
    given(FakeWorld::new())
        .input("123".to_owned())
        .execute_step(&step)
        .await
        .then_output(3);
    given(FakeWorld::new())
        .input("no number".to_owned())
        .execute_step(&step)
        .await
        .then_retry()
        .then_error("error");
    let done = JobState::Completed {
        input: 123,
        output: "123".to_owned(),
    };
    given(FakeWorld::new())
        .rollback_step(&step, done, &cause("why"))
        .await
        .then_done();
}

struct Attempts;

impl crate::Job<FakeWorld> for Attempts {
    type Input = ();
    type Output = (u32, bool, u64, Option<String>, i64);
    type Undo = NotNeeded;
    const NAME: &'static str = "attempts";

    async fn execute(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        (): (),
    ) -> JobResult<(u32, bool, u64, Option<String>, i64)> {
        if let Err(reason) = cx.heartbeat() {
            let error = ErrorView::new("stopped", format!("{reason:?}"));
            return Err(JobError::terminal_no_effect(error));
        }
        let kept = cx.get_data("kept").await?;
        let before = cx.output_of::<Make>().await?;
        Ok((
            cx.attempt().get(),
            cx.maybe_ran_before(),
            cx.fence(),
            kept,
            before,
        ))
    }
}

#[tokio::test]
async fn an_attempt_finds_what_is_given() {
    given(FakeWorld::new())
        .attempt(3)
        .maybe_ran_before()
        .fence(9)
        .data("kept", &"this".to_owned())
        .output_of("make", &5)
        .execute(&Attempts)
        .await
        .then_output((3, true, 9, Some("this".to_owned()), 5));
    given(FakeWorld::new())
        .told_to_stop(StopReason::Cancelled)
        .execute(&Attempts)
        .await
        .then_no_effect("stopped");
    given(FakeWorld::new())
        .execute(&Attempts)
        .await
        .then_terminal("no_output");
}

struct Zero;

impl Recover<FakeWorld, i64, i64> for Zero {
    async fn recover(&self, _: &JobCx<'_, FakeWorld>, _: i64, _: &ErrorView) -> JobResult<i64> {
        Ok(0)
    }
}

#[tokio::test]
async fn hooks_and_handlers_run_alone() {
    let odd = convert(|value: i64| match value % 2 {
        0 => Err(JobError::terminal(ErrorView::new("even", "it is even"))),
        _ => Ok(value),
    });
    let odd = HookExt::<FakeWorld, i64, i64>::recover(odd, Zero);
    let hooked = given(FakeWorld::new()).input(3).hook(&odd).await;
    hooked.then_output(3).then_handled(&[]);
    let handled = given(FakeWorld::new()).input(4).hook(&odd).await;
    handled.then_output(0).then_handled(&["even"]);
    given(FakeWorld::new())
        .input(4)
        .recover(&Zero, &ErrorView::new("even", "it is even"))
        .await
        .then_output(0);
}

#[tokio::test]
async fn a_handler_of_a_step_has_its_say_in_the_last_attempt() {
    let world = || {
        let world = FakeWorld::new();
        world.cancel("00000000-0000-0000-0000-000000000000/make/execute");
        given(world).input(1)
    };
    let step = Make.step().recover(Zero);
    world().execute_step(&step).await.then_retry();
    let ran = world().last_attempt().execute_step(&step).await;
    ran.then_output(0).then_handled(&["error"]);
}
