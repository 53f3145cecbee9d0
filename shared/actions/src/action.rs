//! Actions: named lists of steps, in which each takes what the one before passes on.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::job::{Job, Payload, Resources};
use crate::name::{ActionRef, InvalidName, JobName};
use crate::plan::{JOBS_MAX, JobPolicy, Plan, PlannedJob, RetryPolicy, RollbackPolicy};
use crate::step::{ErasedStep, Step};

/// An action that was checked: it has jobs, their names are unique, their policies possible.
pub struct Action<R, In, Out> {
    pub(crate) name: ActionRef,
    pub(crate) plan: Plan,
    pub(crate) steps: Vec<Arc<dyn ErasedStep<R>>>,
    types: PhantomData<fn(In) -> Out>,
}

/// An action without jobs yet, and so without `build`.
pub struct Definition<R, In> {
    name: Cow<'static, str>,
    application: Option<Cow<'static, str>>,
    revision: u32,
    input_schema: u16,
    deadline: Option<Duration>,
    rollback: RollbackPolicy,
    types: PhantomData<fn(In, R)>,
}

/// An action in the making, the last job of which passes on a `Cur`.
pub struct ActionBuilder<R, In, Cur> {
    definition: Definition<R, In>,
    steps: Vec<Arc<dyn ErasedStep<R>>>,
    types: PhantomData<fn() -> Cur>,
}

/// Why an action cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The action, its application or a job is called what cannot be a name.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// Two jobs have the same name.
    #[error("two jobs are called {0}")]
    DuplicateJobName(JobName),
    /// Two jobs store their values under the same name and different versions.
    #[error("the values of {0} are stored under two versions")]
    TwoSchemas(JobName),
    /// There are more than [`JOBS_MAX`] jobs.
    #[error("{0} jobs, more than {JOBS_MAX}")]
    TooManyJobs(usize),
    /// A revision or a schema is numbered 0.
    #[error("the {of} is 0, and counts from 1")]
    ZeroVersion {
        /// Which.
        of: String,
    },
    /// No attempt could follow a policy.
    #[error("the policy of {job}: {why}")]
    InvalidPolicy {
        /// Of which job.
        job: JobName,
        /// What is wrong.
        why: &'static str,
    },
}

impl<R: Resources, In: Payload> Action<R, In, In> {
    /// Starts an action: [`Definition::then`] adds the first job.
    #[must_use]
    pub fn define(name: impl Into<Cow<'static, str>>) -> Definition<R, In> {
        Definition {
            name: name.into(),
            application: None,
            revision: 1,
            input_schema: 1,
            deadline: None,
            rollback: RollbackPolicy::default(),
            types: PhantomData,
        }
    }
}

impl<R, In, Out> Action<R, In, Out> {
    /// Which action it is.
    #[must_use]
    pub fn name(&self) -> &ActionRef {
        &self.name
    }

    /// What a deployment that starts now will run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl<R: Resources, In: Payload> Definition<R, In> {
    /// Makes it the action of one application; an empty name makes it that of none.
    #[must_use]
    pub fn for_application(self, application: impl Into<Cow<'static, str>>) -> Self {
        let application = Some(application.into());
        Self {
            application,
            ..self
        }
    }

    /// Sets the version of the action, from 1; raised when its list of jobs changes.
    #[must_use]
    pub fn revision(self, revision: u32) -> Self {
        Self { revision, ..self }
    }

    /// Sets the version of the input's type, from 1; raised when that changes.
    #[must_use]
    pub fn input_schema(self, version: u16) -> Self {
        let input_schema = version;
        Self {
            input_schema,
            ..self
        }
    }

    /// Sets how long after its start a deployment rolls back unless it is done.
    #[must_use]
    pub fn deadline(self, after_start: Duration) -> Self {
        let deadline = Some(after_start);
        Self { deadline, ..self }
    }

    /// Sets what happens when an undo fails for good.
    #[must_use]
    pub fn rollback_policy(self, rollback: RollbackPolicy) -> Self {
        Self { rollback, ..self }
    }

    /// Adds the first job or step.
    #[must_use]
    pub fn then<Via, S>(self, step: S) -> ActionBuilder<R, In, S::Output>
    where
        S: IntoStep<R, Via, Input = In>,
        S::Output: Payload,
    {
        ActionBuilder {
            definition: self,
            steps: vec![step.into_step().0],
            types: PhantomData,
        }
    }
}

impl<R: Resources, In: Payload, Cur: Payload> ActionBuilder<R, In, Cur> {
    /// Adds the next job or step.
    #[must_use]
    pub fn then<Via, S>(mut self, step: S) -> ActionBuilder<R, In, S::Output>
    where
        S: IntoStep<R, Via, Input = Cur>,
        S::Output: Payload,
    {
        self.steps.push(step.into_step().0);
        ActionBuilder {
            definition: self.definition,
            steps: self.steps,
            types: PhantomData,
        }
    }

    /// Checks all that the compiler could not.
    ///
    /// # Errors
    ///
    /// Returns the first problem found.
    pub fn build(self) -> Result<Action<R, In, Cur>, DefinitionError> {
        let Self {
            definition, steps, ..
        } = self;
        let name = ActionRef::parse(definition.application.as_deref(), &definition.name)?;
        let jobs: Result<Vec<_>, _> = steps.iter().map(|step| step.planned()).collect();
        let jobs = jobs?;
        check_jobs(&jobs)?;
        if definition.input_schema == 0 {
            return Err(zero("schema of the input"));
        }
        let deadline_ms = definition
            .deadline
            .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let plan = Plan {
            revision: NonZeroU32::new(definition.revision).ok_or_else(|| zero("revision"))?,
            jobs,
            input_schema: definition.input_schema,
            rollback: definition.rollback,
            deadline_ms,
        };
        Ok(Action {
            name,
            plan,
            steps,
            types: PhantomData,
        })
    }
}

fn check_jobs(jobs: &[PlannedJob]) -> Result<(), DefinitionError> {
    if jobs.len() > JOBS_MAX {
        return Err(DefinitionError::TooManyJobs(jobs.len()));
    }
    let mut names = BTreeSet::new();
    let mut versions = BTreeMap::new();
    for planned in jobs {
        let (name, schema) = (&planned.job, &planned.schema);
        if !names.insert(name) {
            return Err(DefinitionError::DuplicateJobName(name.clone()));
        }
        if schema.version == 0 {
            return Err(zero(format!("schema of {}", schema.job)));
        }
        if *versions.entry(&schema.job).or_insert(schema.version) != schema.version {
            return Err(DefinitionError::TwoSchemas(schema.job.clone()));
        }
        if let Some(why) = impossible(&planned.policy) {
            let job = name.clone();
            return Err(DefinitionError::InvalidPolicy { job, why });
        }
    }
    Ok(())
}

fn impossible(policy: &JobPolicy) -> Option<&'static str> {
    if policy.heartbeat_timeout_ms == Some(0) {
        return Some("no sign of life comes within 0 ms");
    }
    [&policy.execute, &policy.rollback]
        .into_iter()
        .find_map(never_kept)
}

fn never_kept(retry: &RetryPolicy) -> Option<&'static str> {
    let limits = [retry.attempt_timeout_ms, retry.elapsed_max_ms];
    if limits.contains(&Some(0)) {
        return Some("nothing is done within 0 ms");
    }
    if !retry.factor.is_finite() || retry.factor < 1.0 {
        return Some("delays must grow by a factor of at least 1");
    }
    (retry.initial_ms > retry.delay_max_ms).then_some("the first delay is above the longest")
}

fn zero(of: impl Into<String>) -> DefinitionError {
    DefinitionError::ZeroVersion { of: of.into() }
}

/// A step of any type of job, on its way into an action.
pub struct AnyStep<R>(Arc<dyn ErasedStep<R>>);

/// What an action may be made of: jobs, and steps. `Via` only keeps the two apart.
pub trait IntoStep<R, Via> {
    /// What it is given.
    type Input;
    /// What it passes on.
    type Output;

    #[doc(hidden)]
    fn into_step(self) -> AnyStep<R>;
}

/// See [`IntoStep`].
#[derive(Debug)]
pub struct ViaJob;

/// See [`IntoStep`].
#[derive(Debug)]
pub struct ViaStep;

impl<R: Resources, J: Job<R>> IntoStep<R, ViaJob> for J {
    type Input = J::Input;
    type Output = J::Output;

    fn into_step(self) -> AnyStep<R> {
        AnyStep(Arc::new(Step::of(self)))
    }
}

impl<R: Resources, I: Payload, O: Payload, Own: Payload, Raw: Payload> IntoStep<R, ViaStep>
    for Step<R, I, O, Own, Raw>
{
    type Input = I;
    type Output = O;

    fn into_step(self) -> AnyStep<R> {
        AnyStep(Arc::new(self))
    }
}

impl<R> fmt::Debug for AnyStep<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyStep")
    }
}

impl<R, In, Out> fmt::Debug for Action<R, In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("name", &self.name)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl<R, In> fmt::Debug for Definition<R, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("application", &self.application)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl<R, In, Cur> fmt::Debug for ActionBuilder<R, In, Cur> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionBuilder")
            .field("definition", &self.definition)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}
