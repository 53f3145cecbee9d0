//! The way forward, and back.

use std::sync::Arc;

use super::world::{Outside, World};
use crate::{
    Action, ErrorView, Handled, Job, JobCx, JobError, JobResult, JobState, Outcome, Registry,
    RegistryBuilder, Rollback, RollbackCause, StartOptions,
};

struct Zero;
struct One;
struct Fail;

macro_rules! adding {
    ($job:ident, $name:literal) => {
        impl Job<Outside> for $job {
            type Input = i64;
            type Output = i64;
            type Undo = Handled;
            const NAME: &'static str = $name;

            async fn execute(&self, cx: &JobCx<'_, Outside>, input: i64) -> JobResult<i64> {
                cx.resources().call(format!("{} {input}", $name));
                Ok(input + 1)
            }
        }

        impl Rollback<Outside> for $job {
            async fn rollback(
                &self,
                cx: &JobCx<'_, Outside>,
                why: &RollbackCause,
                state: JobState<i64, i64>,
            ) -> JobResult<()> {
                let state = match state {
                    JobState::Completed { input, output } => format!("{input} {output}"),
                    JobState::Interrupted { input } => format!("{input} ?"),
                };
                cx.resources()
                    .call(format!("undo {} {state}: {}", $name, why.error.code));
                Ok(())
            }
        }
    };
}

adding!(Zero, "zero");
adding!(One, "one");

impl Job<Outside> for Fail {
    type Input = i64;
    type Output = i64;
    type Undo = Handled;
    const NAME: &'static str = "fail";

    async fn execute(&self, cx: &JobCx<'_, Outside>, input: i64) -> JobResult<i64> {
        cx.resources().call(format!("fail {input}"));
        if input > 5 {
            return Err(JobError::terminal(ErrorView::new("too_large", "too large")));
        }
        Ok(input + 1)
    }
}

impl Rollback<Outside> for Fail {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Outside>,
        _why: &RollbackCause,
        _state: JobState<i64, i64>,
    ) -> JobResult<()> {
        cx.resources().call("undo fail");
        Ok(())
    }
}

fn registry() -> (Registry<Outside>, crate::ActionKey<i64, i64>) {
    let mut builder = RegistryBuilder::new();
    let action = Action::define("count")
        .then(Zero)
        .then(One)
        .then(Fail)
        .build()
        .unwrap();
    let key = builder.register(action).unwrap();
    (builder.build(), key)
}

#[tokio::test(start_paused = true)]
async fn jobs_run_in_order_and_the_outcome_is_that_of_the_last() {
    let world = World::new();
    let (registry, key) = registry();
    let engine = world.engine(registry).await;
    let outside = Arc::new(Outside::default());
    let worker = world.worker(&engine, &outside, "a");
    let handle = engine
        .client()
        .start(&key, &0, StartOptions::default())
        .await
        .unwrap();
    assert_eq!(handle.outcome().await.unwrap(), Outcome::Succeeded(3));
    assert_eq!(outside.calls(), ["zero 0", "one 1", "fail 2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_undoes_the_failed_job_and_all_before_it() {
    let world = World::new();
    let (registry, key) = registry();
    let engine = world.engine(registry).await;
    let outside = Arc::new(Outside::default());
    let worker = world.worker(&engine, &outside, "a");
    let handle = engine
        .client()
        .start(&key, &7, StartOptions::default())
        .await
        .unwrap();
    let Outcome::RolledBack { cause, residue } = handle.outcome().await.unwrap() else {
        panic!("it rolls back");
    };
    assert_eq!((cause.error.code.as_str(), residue), ("too_large", vec![]));
    assert_eq!(
        outside.calls(),
        [
            "zero 7",
            "one 8",
            "fail 9",
            "undo fail",
            "undo one 8 9: too_large",
            "undo zero 7 8: too_large"
        ]
    );
    worker.drain().await;
}
