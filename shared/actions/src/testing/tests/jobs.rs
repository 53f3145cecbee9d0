//! The actions that are explored.

use crate::testing::{Explorer, FakeWorld};
use crate::{
    Action, Extension, Handled, Hook, Impossible, Job, JobCx, JobExt, JobResult, JobState,
    NotNeeded, RegistryBuilder, Rollback, RollbackCause, convert,
};

/// Makes the effect of its key.
pub(super) struct Make;

impl Job<FakeWorld> for Make {
    type Input = i64;
    type Output = i64;
    type Undo = Handled;
    const NAME: &'static str = "make";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        cx.resources().effect(cx.idempotency_key())?;
        Ok(input + 1)
    }
}

impl Rollback<FakeWorld> for Make {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, i64>,
    ) -> JobResult<()> {
        cx.resources().cancel(cx.execute_key());
        Ok(())
    }
}

/// Keeps what it is about to do, makes two effects, and undoes by what it kept.
pub(super) struct Keep;

impl Job<FakeWorld> for Keep {
    type Input = i64;
    type Output = String;
    type Undo = Handled;
    const NAME: &'static str = "keep";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<String> {
        let keys = [cx.idempotency_key().sub("a"), cx.idempotency_key().sub("b")];
        cx.put_data("keys", &keys).await?;
        for key in &keys {
            cx.resources().effect(key)?;
        }
        Ok(input.to_string())
    }
}

impl Rollback<FakeWorld> for Keep {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, String>,
    ) -> JobResult<()> {
        // A replaced worker may be about to keep them, and to make the effects after that.
        let key = cx.execute_key();
        for part in ["a", "b"] {
            cx.resources().cancel(key.sub(part));
        }
        Ok(())
    }
}

/// Makes an effect that nobody can take back.
pub(super) struct Send;

impl Job<FakeWorld> for Send {
    type Input = i64;
    type Output = i64;
    type Undo = Impossible;
    const NAME: &'static str = "send";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        cx.resources().effect(cx.idempotency_key())?;
        Ok(input)
    }
}

/// Changes nothing.
pub(super) struct Look;

impl Job<FakeWorld> for Look {
    type Input = i64;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "look";

    async fn execute(&self, _: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        Ok(input)
    }
}

struct AddOne;

impl Hook<FakeWorld, i64, i64> for AddOne {
    async fn call(&self, _: &JobCx<'_, FakeWorld>, value: i64) -> JobResult<i64> {
        Ok(value + 1)
    }
}

/// An explorer of what `define` makes, on the world that `world` makes.
pub(super) fn exploring<Out: crate::Payload>(
    world: fn() -> FakeWorld,
    define: fn() -> Action<FakeWorld, i64, Out>,
) -> Explorer<FakeWorld, i64, Out> {
    Explorer::new(move || {
        let mut builder = RegistryBuilder::new();
        let key = builder.register(define()).unwrap();
        (builder.build(), world(), key, 1)
    })
    .effects(|world| world)
}

/// Five jobs: a plain one, one that keeps data, one with hooks on both sides, one that handles its errors, one that only
/// reads.
pub(super) fn five() -> Action<FakeWorld, i64, i64> {
    Action::define("five")
        .then(Make)
        .then(
            Keep.step()
                .after(convert(|text: String| Ok(text.parse::<i64>()?))),
        )
        .then(
            Make.renamed("hooked").extend(
                &Extension::new()
                    .pre_hook(AddOne)
                    .pre_hook(AddOne)
                    .post_hook(AddOne),
            ),
        )
        .then(Make.renamed("handled").ignore_errors_keep_input())
        .then(Look)
        .build()
        .unwrap()
}

/// As many jobs alike.
pub(super) fn many(count: usize) -> Action<FakeWorld, i64, i64> {
    let mut action = Action::define("many").then(Make);
    for number in 1..count {
        action = action.then(Make.renamed(format!("make-{number}")));
    }
    action.build().unwrap()
}
