//! Attempts served from memory, and a bench on which an action runs once without a journal.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::attempt::{Attempt, Phase};
use crate::error::{ErrorView, JobError, JobResult, Place, StopReason, Wish};
use crate::name::{ActionRef, DeploymentId, JobName};
use crate::plan::{Plan, PlannedJob, Schema};
use crate::step::ErasedStep;
use crate::value::Tagged;
use crate::{Action, CauseKind, JobCx, Payload, Registry, RegistryBuilder, RollbackCause};

/// The resources of the tests: a place where jobs tell what they do.
#[derive(Default)]
pub(super) struct World {
    lines: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn tell(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    /// What was told since the last time.
    pub(super) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

/// One attempt, and what its job asked for.
pub(super) struct Fake {
    job: JobName,
    schema: Schema,
    phase: Phase,
    /// Whether a retryable error is the last one.
    is_last: bool,
    earlier: BTreeMap<JobName, Tagged>,
    pub(super) data: Mutex<BTreeMap<String, Value>>,
    pub(super) prepared: Mutex<Option<Value>>,
    pub(super) returned: Mutex<Option<Value>>,
    pub(super) handled: Mutex<Vec<(Place, ErrorView)>>,
}

impl Fake {
    pub(super) fn of(planned: &PlannedJob, phase: Phase) -> Self {
        Self {
            job: planned.job.clone(),
            schema: planned.schema.clone(),
            phase,
            is_last: true,
            earlier: BTreeMap::new(),
            data: Mutex::default(),
            prepared: Mutex::default(),
            returned: Mutex::default(),
            handled: Mutex::default(),
        }
    }

    pub(super) fn with_retries_left(self) -> Self {
        Self {
            is_last: false,
            ..self
        }
    }

    pub(super) fn handled(&self) -> Vec<(Place, String)> {
        let handled = self.handled.lock().unwrap();
        handled
            .iter()
            .map(|(place, error)| (*place, error.message.clone()))
            .collect()
    }
}

#[async_trait]
impl Attempt for Fake {
    fn deployment(&self) -> DeploymentId {
        DeploymentId(Uuid::nil())
    }

    fn job(&self) -> &JobName {
        &self.job
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn number(&self) -> NonZeroU32 {
        NonZeroU32::MIN
    }

    fn maybe_ran_before(&self) -> bool {
        false
    }

    fn epoch(&self) -> u64 {
        7
    }

    async fn prepared(&self, input: Value) -> JobResult<()> {
        *self.prepared.lock().unwrap() = Some(input);
        Ok(())
    }

    fn returned(&self, output: &Value) {
        *self.returned.lock().unwrap() = Some(output.clone());
    }

    async fn put_data(&self, key: &str, value: Value) -> JobResult<()> {
        self.data.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }

    async fn data(&self, key: &str) -> JobResult<Option<Tagged>> {
        let data = self.data.lock().unwrap();
        let kept = data.get(key).cloned();
        Ok(kept.map(|value| Tagged::data(&self.schema, key, value)))
    }

    async fn output_of(&self, job: &JobName) -> JobResult<Tagged> {
        let found = self.earlier.get(job).cloned();
        found.ok_or_else(|| JobError::terminal(format!("no job {job} is done")))
    }

    fn gives_up(&self, error: &JobError) -> bool {
        match error.wish {
            Wish::Retry { .. } => self.is_last,
            Wish::Terminal | Wish::TerminalNoEffect => true,
            Wish::Park(_) => false,
        }
    }

    async fn handled(&self, place: Place, error: &ErrorView) -> JobResult<()> {
        self.handled.lock().unwrap().push((place, error.clone()));
        Ok(())
    }

    fn heartbeat(&self) -> Result<(), StopReason> {
        Ok(())
    }

    async fn stopped(&self) -> StopReason {
        std::future::pending().await
    }
}

/// An action and the world that it runs in.
pub(super) struct Bench {
    pub(super) world: World,
    registry: Registry<World>,
    action: ActionRef,
    revision: NonZeroU32,
}

/// One run, up to the first failure.
pub(super) struct Ran {
    /// What the steps passed on.
    pub(super) outputs: Vec<Value>,
    pub(super) attempts: Vec<Fake>,
    pub(super) failure: Option<JobError>,
    input: Value,
}

impl Bench {
    pub(super) fn of<I: Payload, O: Payload>(action: Action<World, I, O>) -> Self {
        Self::with(RegistryBuilder::new(), action)
    }

    pub(super) fn with<I: Payload, O: Payload>(
        mut builder: RegistryBuilder<World>,
        action: Action<World, I, O>,
    ) -> Self {
        let revision = action.plan().revision;
        let key = builder.register(action).unwrap();
        Self {
            world: World::default(),
            registry: builder.build(),
            action: key.action().clone(),
            revision,
        }
    }

    pub(super) fn step(&self, job: &str) -> Arc<dyn ErasedStep<World>> {
        let job = JobName::parse(job.to_owned()).unwrap();
        let found = self.registry.step(&self.action, self.revision, &job);
        found.unwrap()
    }

    pub(super) fn plan(&self) -> &Plan {
        self.registry.plan(&self.action, self.revision).unwrap()
    }

    pub(super) async fn run(&self, input: impl Into<Value>) -> Ran {
        let input = input.into();
        let mut ran = Ran {
            outputs: vec![],
            attempts: vec![],
            failure: None,
            input: input.clone(),
        };
        let mut earlier = BTreeMap::new();
        let mut given = input;
        for planned in &self.plan().jobs {
            let attempt = Fake {
                earlier: earlier.clone(),
                ..Fake::of(planned, Phase::Execute)
            };
            let ended = self.execute(&attempt, given).await;
            ran.attempts.push(attempt);
            match ended {
                Ok(output) => given = output,
                Err(error) => {
                    ran.failure = Some(error);
                    break;
                }
            }
            ran.outputs.push(given.clone());
            let tagged = Tagged::output(&planned.schema, given.clone());
            earlier.insert(planned.job.clone(), tagged);
        }
        ran
    }

    pub(super) async fn execute(&self, attempt: &Fake, input: Value) -> JobResult<Value> {
        let step = self.step(attempt.job.as_str());
        step.run(&self.cx(attempt), input).await
    }

    /// Undoes what ran, last job first, as a runner would: from what it has recorded.
    pub(super) async fn undo(&self, ran: &Ran) {
        let cause = RollbackCause {
            kind: CauseKind::Cancelled,
            job: None,
            error: ErrorView::new("execution_stopped", "enough"),
        };
        for (index, executed) in ran.attempts.iter().enumerate().rev() {
            let job = &self.plan().jobs[index].job;
            let planned = self.registry.planned(&self.action, self.revision, job);
            let planned = planned.unwrap();
            let given = match index.checked_sub(1) {
                Some(before) => ran.outputs[before].clone(),
                None => ran.input.clone(),
            };
            let prepared = executed.prepared.lock().unwrap().clone();
            let input = match planned.has_pre_hooks {
                true => prepared.unwrap(),
                false => given,
            };
            let output = match planned.has_post_hooks {
                true => executed.returned.lock().unwrap().clone(),
                false => ran.outputs.get(index).cloned(),
            };
            let attempt = Fake {
                data: Mutex::new(executed.data.lock().unwrap().clone()),
                ..Fake::of(planned, Phase::Rollback)
            };
            let step = self.step(attempt.job.as_str());
            step.undo(&self.cx(&attempt), &cause, input, output)
                .await
                .unwrap();
        }
    }

    fn cx<'a>(&'a self, attempt: &'a Fake) -> JobCx<'a, World> {
        let reader = self.registry.reader(&self.action, self.revision).unwrap();
        JobCx::new(&self.world, attempt, reader)
    }
}
