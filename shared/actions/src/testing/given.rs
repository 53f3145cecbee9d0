//! One job at a time: given, when, then.

use std::num::NonZeroU32;

use super::scripted::{Script, Scripted};
use super::then::Then;
use crate::attempt::Phase;
use crate::cause::{CauseKind, RollbackCause};
use crate::context::JobCx;
use crate::error::{ErrorView, JobResult, Place, StopReason};
use crate::job::{Job, JobState, Payload, Resources, Rollback};
use crate::name::{DeploymentId, JobName};
use crate::plan::Schema;
use crate::step::{ErasedStep, Hook, Recover, Step};
use crate::value::{Reader, Upcasters, decode, encode};

/// Begins a test of one attempt on `resources`.
///
/// An undo is tested alike, with how far execute came and with a cause:
///
/// ```
/// use nogfso_actions::testing::{FakeWorld, cause, given};
/// use nogfso_actions::{Handled, Job, JobCx, JobResult, JobState, Rollback, RollbackCause};
///
/// struct Rent;
///
/// impl Job<FakeWorld> for Rent {
///     type Input = u32;
///     type Output = u32;
///     type Undo = Handled;
///     const NAME: &'static str = "rent";
///
///     async fn execute(&self, cx: &JobCx<'_, FakeWorld>, rooms: u32) -> JobResult<u32> {
///         cx.put_data("rooms", &rooms).await?;
///         cx.resources().effect(cx.idempotency_key())?;
///         Ok(rooms * 80)
///     }
/// }
///
/// impl Rollback<FakeWorld> for Rent {
///     async fn rollback(
///         &self,
///         cx: &JobCx<'_, FakeWorld>,
///         _: &RollbackCause,
///         _: JobState<u32, u32>,
///     ) -> JobResult<()> {
///         cx.resources().cancel(cx.execute_key());
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let rented = given(FakeWorld::new()).input(2).execute(&Rent).await;
/// let world = rented
///     .then_output(160)
///     .then_data("rooms", &2)
///     .into_resources();
///
/// given(world)
///     .maybe_ran_before()
///     .rollback(&Rent, JobState::Interrupted { input: 2 }, &cause("sold_out"))
///     .await
///     .then_done()
///     .then(|world| assert!(world.remaining().is_empty()));
/// # }
/// ```
pub fn given<R: Resources>(resources: R) -> Given<R, ()> {
    Given {
        resources,
        input: (),
        script: Script::default(),
    }
}

/// A cause with that code, for undos.
#[must_use]
pub fn cause(code: &str) -> RollbackCause {
    RollbackCause {
        kind: CauseKind::JobFailed,
        job: None,
        error: ErrorView::new(code, "a later job failed"),
    }
}

/// What an attempt finds.
#[derive(Debug)]
pub struct Given<R, I> {
    resources: R,
    input: I,
    script: Script,
}

impl<R: Resources, I: Payload> Given<R, I> {
    /// What the job, step or hook is given.
    #[must_use]
    pub fn input<T: Payload>(self, input: T) -> Given<R, T> {
        Given {
            resources: self.resources,
            input,
            script: self.script,
        }
    }

    /// Which attempt of its phase it is. 0 is taken for 1.
    #[must_use]
    pub fn attempt(self, number: u32) -> Self {
        let number = NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        self.with(|script| script.number = number)
    }

    /// An earlier attempt has no recorded end.
    #[must_use]
    pub fn maybe_ran_before(self) -> Self {
        self.with(|script| script.maybe_ran_before = true)
    }

    /// There will be no further attempt: a retryable error is offered to handlers.
    #[must_use]
    pub fn last_attempt(self) -> Self {
        self.with(|script| script.is_last = true)
    }

    /// The attempt has been told to stop.
    #[must_use]
    pub fn told_to_stop(self, reason: StopReason) -> Self {
        self.with(|script| script.stop = Some(reason))
    }

    /// The deployment, and so the keys.
    #[must_use]
    pub fn deployment(self, id: DeploymentId) -> Self {
        self.with(|script| script.deployment = id)
    }

    /// The number that grows with each worker.
    #[must_use]
    pub fn fence(self, fence: u64) -> Self {
        self.with(|script| script.fence = fence)
    }

    /// The job has kept `value` in an earlier attempt.
    ///
    /// # Panics
    ///
    /// Panics if the value has no JSON.
    #[must_use]
    pub fn data<T: Payload>(self, key: &str, value: &T) -> Self {
        let value = encode(value).expect("the value of a test has JSON");
        self.with(|script| drop(script.data.insert(key.to_owned(), value)))
    }

    /// An earlier job of that name passed on `output`.
    ///
    /// # Panics
    ///
    /// Panics if the output has no JSON, or the name is none.
    #[must_use]
    pub fn output_of<T: Payload>(self, job: &str, output: &T) -> Self {
        let output = encode(output).expect("the output of a test has JSON");
        self.with(|script| drop(script.outputs.insert(name(job), output)))
    }

    fn with(mut self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.script);
        self
    }

    /// Runs the execute of a job, without what stands round it.
    pub async fn execute<J: Job<R, Input = I>>(self, job: &J) -> Then<R, J::Output> {
        let Self {
            resources,
            input,
            script,
        } = self;
        let attempt = Scripted::new(script, name(J::NAME), schema_of::<R, J>(), Phase::Execute);
        let ran = async |cx: JobCx<'_, R>| job.execute(&cx.at(Place::Execute), input).await;
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }

    /// Runs a step: hooks, execute and handlers.
    pub async fn execute_step<O: Payload, Own: Payload, Raw: Payload>(
        self,
        step: &Step<R, I, O, Own, Raw>,
    ) -> Then<R, O> {
        let Self {
            resources,
            input,
            script,
        } = self;
        let attempt = of_step(script, step, Phase::Execute);
        let ran = async |cx: JobCx<'_, R>| {
            let output = step.run(&cx, encode(&input)?).await?;
            Ok(decode(output)?)
        };
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }

    /// Runs the undo of a job that came as far as `state`.
    pub async fn rollback<J: Rollback<R>>(
        self,
        job: &J,
        state: JobState<J::Input, J::Output>,
        why: &RollbackCause,
    ) -> Then<R, ()> {
        let Self {
            resources, script, ..
        } = self;
        let schema = schema_of::<R, J>();
        let attempt = Scripted::new(script, name(J::NAME), schema, Phase::Rollback);
        let ran = async |cx: JobCx<'_, R>| job.rollback(&cx, why, state).await;
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }

    /// Runs the undo of a step, given what its execute was given and returned.
    pub async fn rollback_step<StepIn: Payload, O: Payload, Own: Payload, Raw: Payload>(
        self,
        step: &Step<R, StepIn, O, Own, Raw>,
        state: JobState<Own, Raw>,
        why: &RollbackCause,
    ) -> Then<R, ()> {
        let Self {
            resources, script, ..
        } = self;
        let attempt = of_step(script, step, Phase::Rollback);
        let ran = async |cx: JobCx<'_, R>| {
            let (input, output) = match state {
                JobState::Completed { input, output } => (input, Some(encode(&output)?)),
                JobState::Interrupted { input } => (input, None),
            };
            step.undo(&cx, why, encode(&input)?, output).await
        };
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }

    /// Runs a hook.
    pub async fn hook<B: Payload, H: Hook<R, I, B>>(self, hook: &H) -> Then<R, B> {
        let Self {
            resources,
            input,
            script,
        } = self;
        let attempt = Scripted::new(script, name(HOOKED), nameless(), Phase::Execute);
        let ran = async |cx: JobCx<'_, R>| hook.call(&cx.at_pre_hook(), input).await;
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }

    /// Runs a handler on an error.
    pub async fn recover<O: Payload, H: Recover<R, I, O>>(
        self,
        handler: &H,
        error: &ErrorView,
    ) -> Then<R, O> {
        let Self {
            resources,
            input,
            script,
        } = self;
        let attempt = Scripted::new(script, name(HOOKED), nameless(), Phase::Execute);
        let ran = async |cx: JobCx<'_, R>| handler.recover(&cx, input, error).await;
        let result = on(&resources, &attempt, ran).await;
        Then::new(resources, result, &attempt)
    }
}

/// The name of the job round a hook that is tested alone.
const HOOKED: &str = "hooked";

async fn on<R: Resources, T>(
    resources: &R,
    attempt: &Scripted,
    code: impl AsyncFnOnce(JobCx<'_, R>) -> JobResult<T>,
) -> JobResult<T> {
    let (schemas, upcasters) = (attempt.schemas(), Upcasters::default());
    let reader = Reader {
        schemas: &schemas,
        upcasters: &upcasters,
    };
    code(JobCx::new(resources, attempt, reader)).await
}

fn of_step<R: Resources, I: Payload, O: Payload, Own: Payload, Raw: Payload>(
    script: Script,
    step: &Step<R, I, O, Own, Raw>,
    phase: Phase,
) -> Scripted {
    let planned = step
        .planned()
        .expect("the names of a tested step are names");
    Scripted::new(script, planned.job, planned.schema, phase)
}

fn schema_of<R: Resources, J: Job<R>>() -> Schema {
    Schema {
        job: name(J::NAME),
        version: J::SCHEMA,
    }
}

fn nameless() -> Schema {
    Schema {
        job: name(HOOKED),
        version: 1,
    }
}

fn name(name: &str) -> JobName {
    JobName::parse(name.to_owned()).expect("the names of a test are names")
}
