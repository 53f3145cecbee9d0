//! What a job sees while it runs.

use std::fmt;
use std::num::NonZeroU32;

use crate::attempt::{Attempt, Phase, Reached};
use crate::error::{ErrorView, JobError, JobResult, Place, StopReason};
use crate::job::{Job, Payload, Resources};
use crate::name::{DeploymentId, IdempotencyKey, JobName};
use crate::value::{self, Reader};

/// One attempt of a job, seen from inside.
pub struct JobCx<'a, R> {
    resources: &'a R,
    attempt: &'a dyn Attempt,
    reader: Reader<'a>,
    place: Place,
    pre_hooks: u32,
}

impl<R> Clone for JobCx<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for JobCx<'_, R> {}

impl<R> fmt::Debug for JobCx<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobCx")
            .field("deployment", &self.attempt.deployment())
            .field("job", self.attempt.job())
            .field("phase", &self.attempt.phase())
            .field("attempt", &self.attempt.number())
            .finish_non_exhaustive()
    }
}

impl<R: Resources> JobCx<'_, R> {
    /// What the jobs of the application share.
    #[must_use]
    pub fn resources(&self) -> &R {
        self.resources
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> DeploymentId {
        self.attempt.deployment()
    }

    /// The name of the job in this action.
    #[must_use]
    pub fn job(&self) -> &JobName {
        self.attempt.job()
    }

    /// Whether it is being done or undone.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.attempt.phase()
    }

    /// Which attempt of this phase it is, from 1.
    #[must_use]
    pub fn attempt(&self) -> NonZeroU32 {
        self.attempt.number()
    }

    /// Whether an earlier attempt of this phase has no recorded end, so that its effect may exist.
    #[must_use]
    pub fn maybe_ran_before(&self) -> bool {
        self.attempt.maybe_ran_before()
    }

    /// What the other side is to know a repeat by: the same for every attempt, another one for the undo.
    #[must_use]
    pub fn idempotency_key(&self) -> IdempotencyKey {
        self.key(self.phase())
    }

    /// The key that execute uses, also in the undo: to find there what execute has made.
    #[must_use]
    pub fn execute_key(&self) -> IdempotencyKey {
        self.key(Phase::Execute)
    }

    /// A number that grows whenever another worker takes the deployment; for stores that refuse a smaller one.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.attempt.epoch()
    }

    /// Keeps `value` for later attempts of this job and for its undo; lasting on return. The last one of a key counts.
    ///
    /// # Errors
    ///
    /// Fails for good if the value has no JSON, and as the journal fails.
    pub async fn put_data<T: Payload>(&self, key: &str, value: &T) -> JobResult<()> {
        let value = value::encode(value)?;
        self.attempt.put_data(key, value).await
    }

    /// What this job has kept under `key`, in whichever attempt or phase.
    ///
    /// # Errors
    ///
    /// Fails for good if it was kept as another type; the deployment is parked if no upcaster leads to the job's schema.
    pub async fn get_data<T: Payload>(&self, key: &str) -> JobResult<Option<T>> {
        let Some(kept) = self.attempt.data(key).await? else {
            return Ok(None);
        };
        let kept = self.reader.load(kept)?;
        value::decode(kept).map(Some).map_err(|error| {
            let message = format!("the data {key:?} is of another type: {error}");
            JobError::terminal(ErrorView::new(value::DATA_MISMATCH, message))
        })
    }

    /// The output of the earlier job `J`, after its hooks. A renamed job is found by [`output_named`](Self::output_named).
    ///
    /// # Errors
    ///
    /// Fails for good if the plan has no such job that is done; the deployment is parked if the value is not of that type.
    pub async fn output_of<J: Job<R>>(&self) -> JobResult<J::Output> {
        let job = JobName::parse(J::NAME).map_err(|error| {
            JobError::terminal(ErrorView::new("invalid_name", error.to_string()))
        })?;
        self.output_named(&job).await
    }

    /// The output of the earlier job of that name, after its hooks.
    ///
    /// # Errors
    ///
    /// As for [`output_of`](Self::output_of).
    pub async fn output_named<T: Payload>(&self, job: &JobName) -> JobResult<T> {
        let output = self.attempt.output_of(job).await?;
        value::decode_stored(self.reader.load(output)?)
    }

    /// Tells that the attempt lives, and hears whether it is to end.
    ///
    /// # Errors
    ///
    /// Returns why the attempt is to end, if it is.
    pub fn heartbeat(&self) -> Result<(), StopReason> {
        self.attempt.heartbeat()
    }

    /// Waits until the attempt is to end; for `select!` beside the work.
    pub async fn stopped(&self) -> StopReason {
        self.attempt.stopped().await
    }

    fn key(&self, phase: Phase) -> IdempotencyKey {
        let phase = match phase {
            Phase::Execute => "execute",
            Phase::Rollback => "rollback",
        };
        IdempotencyKey::of(self.deployment(), self.job(), phase)
    }
}

impl<'a, R: Resources> JobCx<'a, R> {
    pub(crate) fn new(resources: &'a R, attempt: &'a dyn Attempt, reader: Reader<'a>) -> Self {
        let place = match attempt.phase() {
            Phase::Execute => Place::Execute,
            Phase::Rollback => Place::Rollback,
        };
        Self {
            resources,
            attempt,
            reader,
            place,
            pre_hooks: 0,
        }
    }

    pub(crate) fn served(&self) -> &'a dyn Attempt {
        self.attempt
    }

    /// Where an error without a place has happened.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The same attempt, served by another one that passes on to it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn served_by<'b>(&self, attempt: &'b dyn Attempt) -> JobCx<'b, R>
    where
        'a: 'b,
    {
        JobCx { attempt, ..*self }
    }

    /// Lets the test kit step in; nothing in a product.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn reach(&self, step: Reached) -> JobResult<()> {
        self.attempt.reached(step).await
    }

    /// Lets the test kit step in; nothing in a product.
    #[cfg(not(any(test, feature = "testing")))]
    pub(crate) async fn reach(&self, _step: Reached) -> JobResult<()> {
        Ok(())
    }

    pub(crate) fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// For the pre-hook that runs next.
    pub(crate) fn at_pre_hook(self) -> Self {
        self.at(Place::PreHook(self.pre_hooks))
    }

    /// After it.
    pub(crate) fn past_pre_hook(self) -> Self {
        Self {
            pre_hooks: self.pre_hooks + 1,
            ..self
        }
    }
}
