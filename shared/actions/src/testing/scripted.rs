//! An attempt that answers what a test has written down, and keeps what the job says.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::attempt::{Attempt, Phase};
use crate::error::{ErrorView, JobError, JobResult, Place, StopReason, Wish};
use crate::name::{DeploymentId, JobName};
use crate::plan::Schema;
use crate::value::{Schemas, Tagged};

/// What a test has written down.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) deployment: DeploymentId,
    pub(super) number: NonZeroU32,
    pub(super) maybe_ran_before: bool,
    pub(super) fence: u64,
    pub(super) is_last: bool,
    pub(super) stop: Option<StopReason>,
    pub(super) data: BTreeMap<String, Value>,
    pub(super) outputs: BTreeMap<JobName, Value>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            deployment: DeploymentId(Uuid::nil()),
            number: NonZeroU32::MIN,
            maybe_ran_before: false,
            fence: 1,
            is_last: false,
            stop: None,
            data: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }
}

/// One attempt that goes by a script.
#[derive(Debug)]
pub(super) struct Scripted {
    script: Script,
    job: JobName,
    schema: Schema,
    phase: Phase,
    put: Mutex<BTreeMap<String, Value>>,
    handled: Mutex<Vec<(Place, ErrorView)>>,
}

impl Scripted {
    pub(super) fn new(script: Script, job: JobName, schema: Schema, phase: Phase) -> Self {
        Self {
            script,
            job,
            schema,
            phase,
            put: Mutex::default(),
            handled: Mutex::default(),
        }
    }

    /// The schemas of everything that the attempt may load.
    pub(super) fn schemas(&self) -> Schemas {
        let outputs = self.script.outputs.keys().map(|job| (job.clone(), 1));
        let own = (self.schema.job.clone(), self.schema.version);
        Schemas {
            start: 1,
            jobs: outputs.chain([own]).collect(),
        }
    }

    pub(super) fn put(&self) -> BTreeMap<String, Value> {
        lock(&self.put).clone()
    }

    pub(super) fn all_handled(&self) -> Vec<(Place, ErrorView)> {
        lock(&self.handled).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Attempt for Scripted {
    fn deployment(&self) -> DeploymentId {
        self.script.deployment
    }

    fn job(&self) -> &JobName {
        &self.job
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn number(&self) -> NonZeroU32 {
        self.script.number
    }

    fn maybe_ran_before(&self) -> bool {
        self.script.maybe_ran_before
    }

    fn epoch(&self) -> u64 {
        self.script.fence
    }

    async fn prepared(&self, _input: Value) -> JobResult<()> {
        Ok(())
    }

    fn returned(&self, _output: &Value) {}

    async fn put_data(&self, key: &str, value: Value) -> JobResult<()> {
        lock(&self.put).insert(key.to_owned(), value);
        Ok(())
    }

    async fn data(&self, key: &str) -> JobResult<Option<Tagged>> {
        let put = lock(&self.put).get(key).cloned();
        let kept = put.or_else(|| self.script.data.get(key).cloned());
        Ok(kept.map(|value| Tagged::data(&self.schema, key, value)))
    }

    async fn output_of(&self, job: &JobName) -> JobResult<Tagged> {
        let Some(output) = self.script.outputs.get(job).cloned() else {
            let message = format!("the test gives no output of {job}");
            return Err(JobError::terminal(ErrorView::new("no_output", message)));
        };
        let schema = Schema {
            job: job.clone(),
            version: 1,
        };
        Ok(Tagged::output(&schema, output))
    }

    fn gives_up(&self, error: &JobError) -> bool {
        match error.wish {
            _ if self.script.stop.is_some() => false,
            Wish::Retry { .. } => self.script.is_last,
            Wish::Terminal | Wish::TerminalNoEffect => true,
            Wish::Park(_) => false,
        }
    }

    async fn handled(&self, place: Place, error: &ErrorView) -> JobResult<()> {
        lock(&self.handled).push((place, error.clone()));
        Ok(())
    }

    fn heartbeat(&self) -> Result<(), StopReason> {
        self.script.stop.map_or(Ok(()), Err)
    }

    async fn stopped(&self) -> StopReason {
        match self.script.stop {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }
}
