//! Words for the tests: an action of three jobs, its events, and what workers and persons say.

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use nogfso_kernel::Aggregate;
use nogfso_testkit::given::{Given, given};
use serde_json::json;
use uuid::Uuid;

use super::super::{
    AfterFailure, Asked, AttemptRef, CauseKind, Claiming, Class, Deployment, DeploymentCommand,
    DeploymentEvent as Event, Deployments, Direction, Failed, Operation, ParkReason, Report,
    RollbackCause, SkipReason, Stored, WorkerView,
};
use crate::{
    ActionRef, DeploymentId, ErrorView, JobName, JobPolicy, Manifest, Phase, Place, Plan,
    PlannedJob, RetryPolicy, RollbackPolicy, Schema, Undo,
};

/// The time of all commands, unless a test says otherwise.
pub(super) const NOW: u64 = 1_000_000;

pub(super) type Course = Given<Deployments>;

pub(super) fn name(index: usize) -> JobName {
    JobName::parse(format!("j{index}")).unwrap()
}

pub(super) fn once_more(times: u32) -> RetryPolicy {
    RetryPolicy {
        initial_ms: 100,
        factor: 2.0,
        delay_max_ms: 30_000,
        attempts_max: NonZeroU32::new(times),
        attempt_timeout_ms: None,
        elapsed_max_ms: None,
    }
}

pub(super) fn job(index: usize) -> PlannedJob {
    PlannedJob {
        job: name(index),
        schema: Schema {
            job: name(index),
            version: NonZeroU16::MIN.get(),
        },
        undo: Undo::Handled,
        has_pre_hooks: false,
        has_post_hooks: false,
        passes_on: false,
        policy: JobPolicy {
            execute: once_more(3),
            rollback: once_more(2),
            ..JobPolicy::default()
        },
    }
}

/// Three jobs with undo handlers; three attempts each, two for an undo, no time-outs.
pub(super) fn plan() -> Plan {
    Plan {
        revision: NonZeroU32::MIN,
        jobs: (0..3).map(job).collect(),
        input_schema: 1,
        rollback: RollbackPolicy::StopAndPark,
        deadline_ms: None,
    }
}

/// The same but for one job.
pub(super) fn plan_but(index: usize, change: impl FnOnce(&mut PlannedJob)) -> Plan {
    let mut plan = plan();
    change(&mut plan.jobs[index]);
    plan
}

pub(super) fn undo_of(index: usize, undo: Undo) -> Plan {
    plan_but(index, |job| job.undo = undo)
}

pub(super) fn asked(plan: Plan) -> Asked {
    Asked {
        id: DeploymentId(Uuid::from_u128(7)),
        action: ActionRef::parse(None, "action").unwrap(),
        plan,
        input: value(0),
        group: None,
        labels: vec![],
        not_before_ms: None,
        deadline_ms: None,
        request_digest: "one".to_owned(),
        forked: None,
    }
}

pub(super) fn value(number: u64) -> Stored {
    Stored::Inline(Arc::new(json!(number)))
}

/// Knows revision 1, with jobs that no plan of the tests has.
pub(super) fn manifest() -> Arc<Manifest> {
    let mut manifest = Manifest::default();
    let jobs: BTreeSet<JobName> = (0..10).map(name).collect();
    let action = ActionRef::parse(None, "action").unwrap();
    manifest.add(action, NonZeroU32::MIN, jobs);
    Arc::new(manifest)
}

pub(super) fn error(message: &str) -> ErrorView {
    ErrorView::new("broken", message)
}

// Courses.

pub(super) fn requested(plan: Plan) -> Course {
    given([Event::DeploymentRequested(Arc::new(asked(plan)))])
}

/// Claimed in epoch 1; j0 is under way.
pub(super) fn running(plan: Plan) -> Course {
    requested(plan).and([claimed(1), started(0, 1, 1)])
}

/// The jobs before `index` are done, and that one is under way.
pub(super) fn at_job(plan: Plan, index: usize) -> Course {
    (0..index).fold(running(plan), |course, done| {
        course.and([succeeded(done, 1), started(done + 1, 1, 1)])
    })
}

/// j2 failed for good, and its undo is under way.
pub(super) fn undoing(plan: Plan) -> Course {
    at_job(plan, 2).and([
        failed(2, 1, Class::Terminal, AfterFailure::Rollback),
        rolls_back(CauseKind::JobFailed, 2),
        undo_started(2, 1, 1),
    ])
}

/// Whatever is decided, applied.
pub(super) fn follow(course: Course, command: &DeploymentCommand, now_ms: u64) -> Course {
    let events = Deployments::decide(course.state(), command, now_ms).unwrap();
    course.and(events)
}

/// The deployment of a course.
pub(super) fn now_of(course: &Course) -> Deployment {
    course.state().as_deref().cloned().unwrap()
}

// Events.

pub(super) fn claimed(epoch: u64) -> Event {
    Event::DeploymentClaimed {
        worker: "w".to_owned(),
        epoch,
        lease: None,
    }
}

pub(super) fn released(epoch: u64, until_ms: Option<u64>) -> Event {
    Event::DeploymentReleased { epoch, until_ms }
}

pub(super) fn execute(index: usize, attempt: u32) -> AttemptRef {
    AttemptRef {
        index,
        phase: Phase::Execute,
        attempt: NonZeroU32::new(attempt).unwrap(),
    }
}

pub(super) fn undo(index: usize, attempt: u32) -> AttemptRef {
    AttemptRef {
        phase: Phase::Rollback,
        ..execute(index, attempt)
    }
}

pub(super) fn started(index: usize, attempt: u32, epoch: u64) -> Event {
    Event::JobStarted {
        at: execute(index, attempt),
        up_to: None,
        timeout_ms: None,
        epoch,
    }
}

pub(super) fn undo_started(index: usize, attempt: u32, epoch: u64) -> Event {
    Event::JobRollbackStarted {
        at: undo(index, attempt),
        up_to: None,
        timeout_ms: None,
        epoch,
    }
}

pub(super) fn prepared(index: usize, attempt: u32) -> Event {
    Event::JobPrepared {
        at: execute(index, attempt),
        input: value(7),
    }
}

pub(super) fn succeeded(index: usize, attempt: u32) -> Event {
    Event::JobSucceeded {
        at: execute(index, attempt),
        output: value(1),
        raw_output: None,
        took_ms: 1,
    }
}

pub(super) fn undone(index: usize, attempt: u32) -> Event {
    Event::JobRollbackSucceeded {
        at: undo(index, attempt),
        took_ms: 1,
    }
}

pub(super) fn failed(index: usize, attempt: u32, class: Class, next: AfterFailure) -> Event {
    Event::JobAttemptFailed {
        at: execute(index, attempt),
        place: Place::Execute,
        error: error("job"),
        class,
        next,
        raw_output: None,
        left_out: 0,
    }
}

/// As a release or a value that does not load ends an attempt.
pub(super) fn stopped(index: usize, attempt: u32, why: ErrorView, next: AfterFailure) -> Event {
    Event::JobAttemptFailed {
        at: execute(index, attempt),
        place: Place::Execute,
        error: why,
        class: Class::Stopped,
        next,
        raw_output: None,
        left_out: 0,
    }
}

pub(super) fn undo_failed(index: usize, attempt: u32, class: Class, next: AfterFailure) -> Event {
    Event::JobRollbackAttemptFailed {
        at: undo(index, attempt),
        error: error("job"),
        class,
        next,
        left_out: 0,
    }
}

pub(super) fn lost(at: AttemptRef, epoch: u64) -> Event {
    Event::JobAttemptLost {
        at,
        epoch,
        quiet_until_ms: None,
    }
}

pub(super) fn rolls_back(kind: CauseKind, from_index: usize) -> Event {
    let cause = RollbackCause {
        kind,
        job: Some(name(from_index)),
        error: error("job"),
    };
    Event::RollbackStarted { cause, from_index }
}

/// Because Ann has cancelled it.
pub(super) fn rolls_back_as_cancelled(from_index: usize) -> Event {
    let cause = RollbackCause {
        kind: CauseKind::Cancelled,
        job: None,
        error: ErrorView::new("execution_stopped", "cancelled by Ann: why not"),
    };
    Event::RollbackStarted { cause, from_index }
}

pub(super) fn skipped(index: usize, why: SkipReason) -> Event {
    Event::JobRollbackSkipped { index, why }
}

pub(super) fn rolled_back(residue: &[usize]) -> Event {
    let residue = residue.iter().copied().map(name).collect();
    Event::DeploymentRolledBack { residue }
}

pub(super) fn parked(direction: Direction, index: usize, reason: ParkReason) -> Event {
    Event::DeploymentParked {
        direction,
        index: Some(index),
        reason,
        error: Some(error("job")),
    }
}

pub(super) fn resumed(note: &str, reset_attempts: bool) -> Event {
    Event::DeploymentResumed {
        by: ann(),
        note: note.to_owned(),
        reset_attempts,
    }
}

pub(super) fn cancel_requested() -> Event {
    Event::CancelRequested {
        by: ann(),
        reason: "why not".to_owned(),
    }
}

pub(super) fn pause_requested() -> Event {
    Event::PauseRequested {
        by: ann(),
        reason: "why not".to_owned(),
        interrupt: false,
    }
}

pub(super) fn paused(direction: Direction) -> Event {
    Event::DeploymentPaused { direction }
}

// Commands.

pub(super) fn ann() -> String {
    "Ann".to_owned()
}

pub(super) fn claiming() -> Claiming {
    Claiming {
        worker: "w".to_owned(),
        lease: None,
        epoch: None,
        above: 0,
        manifest: manifest(),
        quiet_ms: 0,
        draw: u32::MAX,
    }
}

pub(super) fn claim() -> DeploymentCommand {
    DeploymentCommand::Claim(claiming())
}

/// A report in `epoch`; delays are as long as they can be.
pub(super) fn report_in(epoch: u64, report: Report) -> DeploymentCommand {
    DeploymentCommand::Report {
        by: worker(epoch),
        report,
    }
}

pub(super) fn report(report: Report) -> DeploymentCommand {
    report_in(1, report)
}

pub(super) fn worker(epoch: u64) -> WorkerView {
    WorkerView {
        epoch,
        manifest: manifest(),
        draw: u32::MAX,
        is_ending: false,
    }
}

pub(super) fn release(epoch: u64) -> DeploymentCommand {
    DeploymentCommand::Release {
        by: worker(epoch),
        alarm_ms: Some(NOW),
    }
}

pub(super) fn success(index: usize, attempt: u32) -> Report {
    Report::Succeeded {
        at: execute(index, attempt),
        output: value(1),
        raw_output: None,
        took_ms: 1,
    }
}

pub(super) fn undo_success(index: usize, attempt: u32) -> Report {
    Report::Undone {
        at: undo(index, attempt),
        took_ms: 1,
    }
}

pub(super) fn failure(at: AttemptRef, class: Class) -> Report {
    Report::Failed(Failed {
        at,
        place: Place::Execute,
        error: error("job"),
        class,
        after_ms: None,
        raw_output: None,
        left_out: 0,
    })
}

pub(super) fn by_ann(operation: Operation) -> DeploymentCommand {
    DeploymentCommand::Operate {
        by: ann(),
        operation,
    }
}

pub(super) fn cancel() -> DeploymentCommand {
    by_ann(Operation::Cancel {
        reason: "why not".to_owned(),
    })
}

pub(super) fn pause() -> DeploymentCommand {
    by_ann(Operation::Pause {
        reason: "why not".to_owned(),
        interrupt: false,
    })
}

pub(super) fn resume(reset_attempts: bool) -> DeploymentCommand {
    by_ann(Operation::Resume {
        note: "again".to_owned(),
        rebind: None,
        reset_attempts,
    })
}

pub(super) fn abandon() -> DeploymentCommand {
    by_ann(Operation::Abandon {
        reason: "enough".to_owned(),
    })
}
