//! Actions: durable sequences of typed jobs with undo.
//!
//! An action is a named list of jobs. Its deployment is an aggregate in the journal: a crash resumes at the recorded job, a
//! failure undoes what was done (the failed job too) in reverse, and what cannot be undone is parked for a person.

mod action;
mod attempt;
mod batch;
mod cause;
mod client;
mod context;
pub mod deployment;
mod engine;
mod error;
mod handle;
mod job;
mod layout;
mod listing;
mod name;
mod notice;
mod plan;
#[cfg(doctest)]
pub mod refused;
mod registry;
mod run;
mod standalone;
mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod value;
mod view;
mod waiting;

pub use action::{
    Action, ActionBuilder, AnyStep, Definition, DefinitionError, IntoStep, ViaJob, ViaStep,
};
pub use attempt::Phase;
pub use batch::{Batch, BatchAnswer};
pub use cause::{CauseKind, RollbackCause};
pub use client::{Client, ClientError, StartError, StartOptions};
pub use context::JobCx;
pub use engine::Engine;
pub use error::{ErrorView, JobError, JobResult, MESSAGE_BYTES_MAX, Place, StopReason, Unloadable};
pub use handle::{Handle, Outcome};
pub use job::{
    Handled, Impossible, Job, JobExt, JobState, NotNeeded, Payload, Resources, Rollback, UndoFor,
};
pub use layout::{Layout, STREAMS};
pub use listing::{Listed, Listing, Projection};
pub use name::{ActionRef, DeploymentId, IdempotencyKey, InvalidName, JobName, NAME_BYTES_MAX};
pub use notice::{NO_CAPABLE_WORKER_AFTER_MS, Notice};
pub use plan::{
    JOBS_MAX, JobPolicy, Manifest, OnExhausted, Plan, PlannedJob, RetryPolicy, RollbackPolicy,
    Schema, Undo,
};
pub use registry::{ActionKey, Catalogue, LookupError, RegisterError, Registry, RegistryBuilder};
pub use run::{
    Driven, INLINE_BYTES_MAX, Lease, LeaseError, LeaseNews, Runner, STOP_GRACE, VALUE_BYTES_MAX,
    WAIT_IN_SLOT_MAX,
};
pub use standalone::{Worker, WorkerError, WorkerSettings};
pub use step::{
    Convert, Extension, Hook, HookExt, NULL_OUTPUT, Recover, Recovered, RollbackFn, Step, convert,
};
pub use value::{DATA_MISMATCH, SCHEMA_MISMATCH, Tag, UNENCODABLE};
pub use view::{DeploymentView, JobStage, JobView};

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
