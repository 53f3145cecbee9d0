//! The registry: which actions a process has code for, in which revisions, and how old values become today's.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::action::Action;
use crate::error::JobResult;
use crate::job::{Payload, Resources};
use crate::name::{ActionRef, JobName};
use crate::plan::{Manifest, Plan, PlannedJob};
use crate::step::ErasedStep;
use crate::value::{self, Reader, Schemas, Tag, Upcasters, decode};

/// The actions of a process, and the code of their jobs.
pub struct Registry<R> {
    actions: BTreeMap<ActionRef, Revisions<R>>,
    upcasters: Upcasters,
}

/// A registry in the making.
pub struct RegistryBuilder<R> {
    registry: Registry<R>,
}

/// Proof that an action with these types was registered: starting through it needs no check of types.
pub struct ActionKey<In, Out> {
    action: ActionRef,
    types: PhantomData<fn(In) -> Out>,
}

struct Revisions<R> {
    /// What new deployments run; absent if only retired revisions are known.
    current: Option<NonZeroU32>,
    known: BTreeMap<NonZeroU32, Code<R>>,
}

struct Code<R> {
    plan: Plan,
    steps: Vec<Arc<dyn ErasedStep<R>>>,
    schemas: Schemas,
    check_input: fn(&Value) -> Result<(), serde_json::Error>,
}

/// Why something was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is such an action, or such a retired revision; it stays.
    #[error("the action {0} is registered already")]
    ActionExists(ActionRef),
    /// The revision is registered with other jobs: whoever changes the list raises the revision.
    #[error("revision {revision} of the action {action} is registered with another plan")]
    RevisionChanged {
        /// The action.
        action: ActionRef,
        /// The revision.
        revision: NonZeroU32,
    },
    /// There is an upcaster from that version; it stays.
    #[error("there is an upcaster for the {tag} from version {from} already")]
    UpcasterExists {
        /// For which value.
        tag: Tag,
        /// From which version.
        from: u16,
    },
}

/// Why an action does not start by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is none, or it is retired. One of an application never stands in for that of none, nor the other way round.
    #[error("there is no action {0}")]
    ActionNotFound(ActionRef),
    /// The input is not of its type.
    #[error("the input does not fit the action {action}: {why}")]
    InputMismatch {
        /// The action.
        action: ActionRef,
        /// What does not fit.
        why: String,
    },
}

impl<R: Resources> Default for RegistryBuilder<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Resources> RegistryBuilder<R> {
    /// One without actions.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry {
            actions: BTreeMap::new(),
            upcasters: Upcasters::default(),
        };
        Self { registry }
    }

    /// Adds an action that deployments may start from.
    ///
    /// # Errors
    ///
    /// Fails if there is one of that name already, or a retired one with another plan under the same revision.
    pub fn register<I: Payload, O: Payload>(
        &mut self,
        action: Action<R, I, O>,
    ) -> Result<ActionKey<I, O>, RegisterError> {
        let (name, revision) = (action.name.clone(), action.plan.revision);
        let is_taken = self
            .registry
            .actions
            .get(&name)
            .is_some_and(|revisions| revisions.current.is_some());
        self.add(action, is_taken)?.current = Some(revision);
        Ok(ActionKey {
            action: name,
            types: PhantomData,
        })
    }

    /// Adds an old revision, for the deployments that started on it.
    ///
    /// # Errors
    ///
    /// Fails if that revision is there already.
    pub fn register_retired<I: Payload, O: Payload>(
        &mut self,
        action: Action<R, I, O>,
    ) -> Result<(), RegisterError> {
        self.add(action, false).map(drop)
    }

    fn add<I: Payload, O: Payload>(
        &mut self,
        action: Action<R, I, O>,
        is_taken: bool,
    ) -> Result<&mut Revisions<R>, RegisterError> {
        let Action {
            name, plan, steps, ..
        } = action;
        let revision = plan.revision;
        let revisions = self.registry.actions.entry(name.clone()).or_default();
        match revisions.known.get(&revision) {
            Some(known) if known.plan.digest() != plan.digest() => {
                return Err(RegisterError::RevisionChanged {
                    action: name,
                    revision,
                });
            }
            Some(_) => return Err(RegisterError::ActionExists(name)),
            None if is_taken => return Err(RegisterError::ActionExists(name)),
            None => {}
        }
        let schemas = Schemas {
            start: plan.input_schema,
            jobs: plan.jobs.iter().map(version_of).collect(),
        };
        let code = Code {
            plan,
            steps,
            schemas,
            check_input: |input| decode::<I>(input.clone()).map(drop),
        };
        revisions.known.insert(revision, code);
        Ok(revisions)
    }

    /// Adds what makes values of version `from` into those of the next version. A `&str` names the output of that job.
    ///
    /// # Errors
    ///
    /// Fails if there is one already.
    pub fn upcast<Old: Payload, New: Payload>(
        &mut self,
        tag: impl Into<Tag>,
        from: u16,
        lift: fn(Old) -> New,
    ) -> Result<&mut Self, RegisterError> {
        let tag = tag.into();
        match self.registry.upcasters.add(tag.clone(), from, lift) {
            true => Ok(self),
            false => Err(RegisterError::UpcasterExists { tag, from }),
        }
    }

    /// Says that the next version of a job's schema leaves values with this tag as they were.
    ///
    /// # Errors
    ///
    /// Fails if there is an upcaster already.
    pub fn unchanged(
        &mut self,
        tag: impl Into<Tag>,
        from: u16,
    ) -> Result<&mut Self, RegisterError> {
        let tag = tag.into();
        match self.registry.upcasters.add_unchanged(tag.clone(), from) {
            true => Ok(self),
            false => Err(RegisterError::UpcasterExists { tag, from }),
        }
    }

    /// The registry.
    #[must_use]
    pub fn build(self) -> Registry<R> {
        self.registry
    }
}

impl<R: Resources> Registry<R> {
    /// All actions and revisions, readable: kept as a file in the repository, it shows in review what a change does to plans.
    #[must_use]
    pub fn manifest(&self) -> Value {
        let actions = self.actions.iter().flat_map(|(name, revisions)| {
            let known = revisions.known.iter();
            known.map(|(revision, code)| {
                let mut entry = json!({
                    "action": name.name,
                    "revision": revision,
                    "input_schema": code.plan.input_schema,
                    "digest": code.plan.digest(),
                    "jobs": code.plan.jobs.iter().map(job_entry).collect::<Vec<_>>(),
                });
                if let Some(application) = &name.application {
                    entry["application"] = json!(application);
                }
                if revisions.current != Some(*revision) {
                    entry["retired"] = json!(true);
                }
                entry
            })
        });
        json!({ "actions": actions.collect::<Vec<_>>() })
    }

    /// The plan that a deployment of `action` would start on.
    ///
    /// # Errors
    ///
    /// Fails if there is no such action.
    pub fn plan_for_start(&self, action: &ActionRef) -> Result<&Plan, LookupError> {
        self.current(action).map(|code| &code.plan)
    }

    /// The same for an action known by its name only, whose input must be of the right type.
    ///
    /// # Errors
    ///
    /// Fails if there is no such action, or if it takes no such input.
    pub fn plan_for_named(&self, action: &ActionRef, input: &Value) -> Result<&Plan, LookupError> {
        let code = self.current(action)?;
        match (code.check_input)(input) {
            Ok(()) => Ok(&code.plan),
            Err(error) => Err(LookupError::InputMismatch {
                action: action.clone(),
                why: error.to_string(),
            }),
        }
    }

    /// What can be run with this code.
    #[must_use]
    pub fn runnable(&self) -> Manifest {
        let mut manifest = Manifest::default();
        for (name, revisions) in &self.actions {
            for (revision, code) in &revisions.known {
                let jobs = code.plan.jobs.iter().map(|planned| planned.job.clone());
                manifest.add(name.clone(), *revision, jobs.collect());
            }
        }
        manifest
    }

    /// The plan of a revision as this code has it, also of a retired one.
    #[must_use]
    pub fn plan(&self, action: &ActionRef, revision: NonZeroU32) -> Option<&Plan> {
        self.code(action, revision).map(|code| &code.plan)
    }

    /// The code of a job.
    pub(crate) fn step(
        &self,
        action: &ActionRef,
        revision: NonZeroU32,
        job: &JobName,
    ) -> Option<Arc<dyn ErasedStep<R>>> {
        let code = self.code(action, revision)?;
        code.steps.get(code.plan.index_of(job)?).map(Arc::clone)
    }

    /// What a plan would say of a job today. What is written now is of this schema, and is there for these hooks, whatever the
    /// plan of the deployment says.
    pub(crate) fn planned(
        &self,
        action: &ActionRef,
        revision: NonZeroU32,
        job: &JobName,
    ) -> Option<&PlannedJob> {
        let plan = &self.code(action, revision)?.plan;
        plan.jobs.get(plan.index_of(job)?)
    }

    /// What brings values stored by deployments of that revision to the schemas of its code.
    pub(crate) fn reader(&self, action: &ActionRef, revision: NonZeroU32) -> Option<Reader<'_>> {
        self.code(action, revision).map(|code| Reader {
            schemas: &code.schemas,
            upcasters: &self.upcasters,
        })
    }

    /// The same with other code in place of each step, made by `wrap` of its place in the list and of what stands there.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn wrapped(
        &self,
        wrap: impl Fn(usize, &Arc<dyn ErasedStep<R>>) -> Arc<dyn ErasedStep<R>>,
    ) -> Self {
        let wrapped = |code: &Code<R>| {
            let steps = code.steps.iter().enumerate();
            Code {
                plan: code.plan.clone(),
                steps: steps.map(|(index, step)| wrap(index, step)).collect(),
                schemas: code.schemas.clone(),
                ..*code
            }
        };
        let actions = self.actions.iter().map(|(name, revisions)| {
            let known = revisions.known.iter();
            let revisions = Revisions {
                current: revisions.current,
                known: known
                    .map(|(revision, code)| (*revision, wrapped(code)))
                    .collect(),
            };
            (name.clone(), revisions)
        });
        Self {
            actions: actions.collect(),
            upcasters: self.upcasters.clone(),
        }
    }

    fn current(&self, action: &ActionRef) -> Result<&Code<R>, LookupError> {
        let revisions = self.actions.get(action);
        revisions
            .and_then(|revisions| revisions.known.get(&revisions.current?))
            .ok_or_else(|| LookupError::ActionNotFound(action.clone()))
    }

    fn code(&self, action: &ActionRef, revision: NonZeroU32) -> Option<&Code<R>> {
        self.actions.get(action)?.known.get(&revision)
    }
}

/// The actions that can be started, whatever their jobs share.
pub trait Catalogue: Send + Sync {
    /// The plan that a deployment of `action` would start on.
    ///
    /// # Errors
    ///
    /// Fails if there is no such action.
    fn plan_for_start(&self, action: &ActionRef) -> Result<&Plan, LookupError>;

    /// The same for an action known by its name only, whose input must be of the right type.
    ///
    /// # Errors
    ///
    /// Fails if there is no such action, or if it takes no such input.
    fn plan_for_named(&self, action: &ActionRef, input: &Value) -> Result<&Plan, LookupError>;

    /// The plan of a revision as this code has it.
    fn plan(&self, action: &ActionRef, revision: NonZeroU32) -> Option<&Plan>;

    /// Whether the job after `job` could be given `output`; what is not known here is not judged.
    ///
    /// # Errors
    ///
    /// Says what does not fit.
    fn check_output(
        &self,
        action: &ActionRef,
        revision: NonZeroU32,
        job: &str,
        output: &Value,
    ) -> Result<(), String>;
}

impl<R: Resources> Catalogue for Registry<R> {
    fn plan_for_start(&self, action: &ActionRef) -> Result<&Plan, LookupError> {
        Registry::plan_for_start(self, action)
    }

    fn plan_for_named(&self, action: &ActionRef, input: &Value) -> Result<&Plan, LookupError> {
        Registry::plan_for_named(self, action, input)
    }

    fn plan(&self, action: &ActionRef, revision: NonZeroU32) -> Option<&Plan> {
        Registry::plan(self, action, revision)
    }

    fn check_output(
        &self,
        action: &ActionRef,
        revision: NonZeroU32,
        job: &str,
        output: &Value,
    ) -> Result<(), String> {
        let job = JobName::parse(job.to_owned()).ok();
        let step = job.and_then(|job| self.step(action, revision, &job));
        step.map_or(Ok(()), |step| {
            step.check_output(output).map_err(|error| error.to_string())
        })
    }
}

fn version_of(planned: &PlannedJob) -> (JobName, u16) {
    (planned.schema.job.clone(), planned.schema.version)
}

fn job_entry(planned: &PlannedJob) -> Value {
    let mut entry = json!({
        "job": planned.job,
        "schema": format!("{}/{}", planned.schema.job, planned.schema.version),
        "undo": planned.undo,
    });
    for (key, is_so) in [
        ("pre_hooks", planned.has_pre_hooks),
        ("post_hooks", planned.has_post_hooks),
        ("passes_on", planned.passes_on),
    ] {
        if is_so {
            entry[key] = json!(true);
        }
    }
    entry
}

impl<In, Out> ActionKey<In, Out> {
    /// Which action it is the key of.
    #[must_use]
    pub fn action(&self) -> &ActionRef {
        &self.action
    }
}

impl<In: Payload, Out> ActionKey<In, Out> {
    /// The input as it is stored.
    ///
    /// # Errors
    ///
    /// Fails if it has no JSON.
    pub fn encode(&self, input: &In) -> JobResult<Value> {
        value::encode(input)
    }
}

impl<In, Out> Clone for ActionKey<In, Out> {
    fn clone(&self) -> Self {
        Self {
            action: self.action.clone(),
            types: PhantomData,
        }
    }
}

impl<In, Out> fmt::Debug for ActionKey<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActionKey").field(&self.action).finish()
    }
}

impl<R> Default for Revisions<R> {
    fn default() -> Self {
        Self {
            current: None,
            known: BTreeMap::new(),
        }
    }
}

impl<R: Resources> fmt::Debug for Registry<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.runnable()).finish()
    }
}

impl<R: Resources> fmt::Debug for RegistryBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegistryBuilder")
            .field(&self.registry)
            .finish()
    }
}
