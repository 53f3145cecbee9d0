//! What must hold of every run: the invariants of spec 2.1, as far as journal and world show them, and what is to be expected
//! of a right action.

use std::collections::BTreeMap;
use std::sync::Arc;

use nogfso_journal::Commit;
use nogfso_kernel::Aggregate as _;

use super::case::{Case, Ending};
use super::course::{DEPLOYMENT, Effects, Ran};
use super::fault::Fault;
use super::injector::last_undoable;
use crate::attempt::Phase;
use crate::deployment::{
    AttemptRef, Deployment, DeploymentEvent as Event, Deployments, Next, ParkReason, SkipReason,
    Stage, next,
};
use crate::name::{IdempotencyKey, JobName};
use crate::plan::{Manifest, Plan};

/// How long an attempt may take that the explorer makes slow, in ms.
const SLOW_MS: u64 = 30_000;

/// What the world was like.
pub(super) struct Worlds<'a> {
    /// Before the run.
    pub(super) before: &'a Effects,
    /// After it.
    pub(super) after: &'a Effects,
    /// After a run in which nothing went wrong.
    pub(super) wanted: &'a Effects,
}

/// Everything that is wrong with a run.
pub(super) fn problems<R, Out>(
    ran: &Ran<R, Out>,
    case: &Case,
    worlds: Option<&Worlds<'_>>,
) -> Vec<String> {
    let mut problems = ran.problems.clone();
    problems.extend(of_journal(ran));
    let Some(state) = &ran.state else {
        problems.push("there is no deployment".to_owned());
        return problems;
    };
    if !state.stage.is_terminal() && problems.is_empty() {
        problems.push(format!("it ends {}", state.stage.word()));
    }
    problems.extend(unexpected(ran, state, case));
    if let Some(worlds) = worlds {
        problems.extend(of_world(state, case, worlds));
    }
    problems
}

fn of_journal<R, Out>(ran: &Ran<R, Out>) -> Vec<String> {
    let mut problems = vec![];
    let mut granted: BTreeMap<(usize, Phase), u32> = BTreeMap::new();
    let mut manifest = Manifest::default();
    let mut state: Option<Arc<Deployment>> = None;
    for commit in &ran.commits {
        if let Err(problem) = fold(&mut state, commit, &mut granted, &mut manifest) {
            problems.push(problem);
            return problems;
        }
    }
    if ran.state.is_some() && state != ran.state {
        problems.push("I1: the journal says something else than was shown".to_owned());
    }
    for ((index, phase), calls) in ran.injector.calls() {
        let most = granted.get(&(index, phase)).copied().unwrap_or_default();
        if calls > most {
            let job = name(&ran.plan, index);
            problems.push(format!(
                "I3: {phase:?} of {job} ran {calls} times, and {most} attempts are recorded"
            ));
        }
    }
    problems
}

fn fold(
    state: &mut Option<Arc<Deployment>>,
    commit: &Commit<Event>,
    granted: &mut BTreeMap<(usize, Phase), u32>,
    manifest: &mut Manifest,
) -> Result<(), String> {
    let recorded = commit.recorded();
    let claims = |event: &Event| matches!(event, Event::DeploymentClaimed { .. });
    if let (Some(epoch), Some(before)) = (commit.envelope.epoch, state.as_ref())
        && epoch != before.epoch
        && !recorded.iter().any(|one| claims(&one.event))
    {
        return Err(format!(
            "I2: a worker of epoch {epoch} wrote in epoch {}",
            before.epoch
        ));
    }
    let before = state.clone();
    for one in &recorded {
        if let Event::DeploymentRequested(asked) = &one.event {
            let jobs = asked.plan.jobs.iter().map(|planned| planned.job.clone());
            manifest.add(asked.action.clone(), asked.plan.revision, jobs.collect());
        }
        if let Some(before) = &*state {
            check_event(before, &one.event)?;
        }
        if let Some((at, up_to)) = begins(&one.event) {
            let attempts = up_to.saturating_sub(at.attempt.get()).saturating_add(1);
            *granted.entry((at.index, at.phase)).or_default() += attempts;
        }
        *state = Deployments::evolve(state.take(), one)
            .map_err(|broken| format!("an event that cannot follow: {broken}"))?;
    }
    *state = Deployments::committed(state.take(), &recorded, commit.position);
    let Some(after) = &*state else { return Ok(()) };
    let has_turned = before.is_some_and(|before| {
        before.cause.is_some() && (before.cause != after.cause || !is_backward(&after.stage))
    });
    if has_turned {
        return Err("I10: a rollback turned round".to_owned());
    }
    let has_next = next(after, after.changed_ms, manifest) != Next::Nothing;
    match after.owed.is_none() && (has_next || !after.stage.is_live()) {
        true => Ok(()),
        false => Err("I8: it has no next step".to_owned()),
    }
}

fn is_backward(stage: &Stage) -> bool {
    match stage {
        Stage::RollingBack
        | Stage::RolledBack { .. }
        | Stage::Parked(_)
        | Stage::Paused(_)
        | Stage::Abandoned { .. } => true,
        Stage::Requested | Stage::Running | Stage::Succeeded => false,
    }
}

fn check_event(before: &Deployment, event: &Event) -> Result<(), String> {
    if before.stage.is_terminal() {
        return Err("I7: something happened after the end".to_owned());
    }
    if let Event::RollbackStarted { cause, .. } = event
        && ["payload_undecodable", "payload_missing", "schema_mismatch"]
            .contains(&cause.error.code.as_str())
    {
        return Err(format!("I9: it rolls back for {}", cause.error));
    }
    let Some((at, _)) = begins(event) else {
        return Ok(());
    };
    let job = name(&before.plan, at.index);
    match at.phase {
        Phase::Execute => {
            let mut earlier = before.jobs.iter().take(at.index);
            if !earlier.all(|job| job.output.is_some()) {
                return Err(format!(
                    "I4: {job} started before the one before it was done"
                ));
            }
            match before.cause {
                Some(_) => Err(format!("I5: {job} started in the rollback")),
                None => Ok(()),
            }
        }
        Phase::Rollback => {
            let mut higher = before.jobs.iter().skip(at.index + 1);
            match higher.all(|job| job.execute.started == 0 || job.undone.is_some()) {
                true => Ok(()),
                false => Err(format!("I6: {job} was undone before a later job")),
            }
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what begins an attempt is one of two"
)]
fn begins(event: &Event) -> Option<(AttemptRef, u32)> {
    match event {
        Event::JobStarted { at, up_to, .. } | Event::JobRollbackStarted { at, up_to, .. } => {
            Some((*at, up_to.unwrap_or(at.attempt).get()))
        }
        _ => None,
    }
}

/// What a right action would not have done.
fn unexpected<R, Out>(ran: &Ran<R, Out>, state: &Deployment, case: &Case) -> Vec<String> {
    let mut problems = vec![];
    if let Some(reason) = ran
        .parked
        .iter()
        .find(|reason| !is_excused(**reason, &ran.plan, case))
    {
        problems.push(format!("it was parked: {reason:?}"));
    }
    let has_succeeded = state.stage == Stage::Succeeded;
    match case.ending {
        Ending::Succeeds if !has_succeeded && must_succeed(&ran.plan, case) => {
            let why = state.cause.as_ref().map(|cause| cause.error.to_string());
            let (stage, why) = (state.stage.word(), why.unwrap_or_default());
            problems.push(format!("it should have succeeded, and is {stage}: {why}"));
        }
        Ending::Fails if has_succeeded => {
            problems.push("it succeeded though a job failed".to_owned());
        }
        Ending::Succeeds | Ending::Fails | Ending::Cancelled => {}
    }
    for (index, job) in state.jobs.iter().enumerate() {
        let was_called = ran.injector.calls().contains_key(&(index, Phase::Execute));
        let is_unstarted =
            job.undone == Some(crate::deployment::Undone::Skipped(SkipReason::NeverStarted));
        let has_hooks = ran.plan.jobs[index].has_pre_hooks;
        if was_called && is_unstarted && !has_hooks {
            let job = name(&ran.plan, index);
            problems.push(format!("I12: {job} ran, and is said never to have started"));
        }
    }
    problems
}

/// Whether faults alone may have brought it to be parked.
fn is_excused(reason: ParkReason, plan: &Plan, case: &Case) -> bool {
    let is_injected = |wanted: fn(&Fault) -> bool| case.faults().any(wanted);
    match reason {
        ParkReason::PayloadUndecodable => {
            is_injected(|fault| matches!(fault, Fault::CorruptPayload))
        }
        ParkReason::UndoFailed => is_injected(Fault::may_fail_job),
        ParkReason::RetriesExhausted | ParkReason::IrreversibleUncertain => {
            is_injected(Fault::may_fail_job)
        }
        ParkReason::CrashLoop => plan.jobs.iter().any(|planned| {
            let faults = case.faults().filter(|fault| fault.takes_worker()).count();
            planned.policy.lost_attempts_max.get() as usize <= faults
        }),
        ParkReason::SchemaMismatch
        | ParkReason::PayloadMissing
        | ParkReason::JournalTooLong
        | ParkReason::HistoryAccepted => false,
    }
}

fn must_succeed(plan: &Plan, case: &Case) -> bool {
    plan.deadline_ms.is_none()
        && case.injections.iter().all(|injection| {
            let policy = plan
                .index_of(&injection.job)
                .and_then(|index| plan.jobs.get(index))
                .map(|planned| &planned.policy);
            let is_patient = policy.is_some_and(|policy| {
                let limits = [
                    policy.execute.attempt_timeout_ms,
                    policy.heartbeat_timeout_ms,
                ];
                limits
                    .into_iter()
                    .flatten()
                    .all(|limit_ms| limit_ms > SLOW_MS)
            });
            let policy = policy.map(|policy| &policy.execute);
            let faults_count = case.injections.len() as u64;
            let is_retried = policy.is_some_and(|policy| {
                let attempts = policy.attempts_max;
                let has_attempts = attempts.is_none_or(|most| u64::from(most.get()) > faults_count);
                let taken_ms = policy.attempt_timeout_ms.unwrap_or(0) + 60_000;
                let has_time = policy
                    .elapsed_max_ms
                    .is_none_or(|most| most > taken_ms * faults_count);
                has_attempts && has_time
            });
            match &injection.fault {
                Fault::Terminal(_) | Fault::Panic => false,
                Fault::Error(_) | Fault::Hang => is_retried,
                Fault::LoseLease | Fault::Delay(_) => is_patient || is_retried,
                Fault::CrashWorker
                | Fault::RunTwice
                | Fault::LoseAck
                | Fault::RejectAppend
                | Fault::KeepRunningAsZombie
                | Fault::CorruptPayload => true,
            }
        })
}

fn of_world(state: &Deployment, case: &Case, worlds: &Worlds<'_>) -> Vec<String> {
    let is_listed = |residue: &[JobName], key: &str| match job_of(&state.plan, key) {
        Some(job) => residue.contains(job),
        None => !residue.is_empty(),
    };
    let may_lack = |key: &str| {
        let job = job_of(&state.plan, key);
        let mut faults = case.injections.iter();
        faults.any(|one| Some(&one.job) == job && one.fault.may_fail_job())
    };
    match &state.stage {
        Stage::Succeeded => differences(worlds.wanted, worlds.after)
            .filter(|(key, wanted, found)| found > wanted || !may_lack(key))
            .map(|(key, wanted, found)| match (wanted, found) {
                (_, 0) => format!("I12: it succeeded, and the effect of {key} is missing"),
                (0, _) => format!("I12: it succeeded, and there is an effect of {key} too many"),
                _ => format!("I12: the effect of {key} is there {found} times, not {wanted}"),
            })
            .collect(),
        Stage::RolledBack { residue } => differences(worlds.before, worlds.after)
            .filter(|(key, ..)| !is_listed(residue, key))
            .map(|(key, before, found)| match found > before {
                true => format!("I12: it is rolled back, and the effect of {key} is left unlisted"),
                false => format!("I12: it is rolled back, and the effect of {key} was lost"),
            })
            .collect(),
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Paused(_)
        | Stage::Parked(_)
        | Stage::Abandoned { .. } => vec![],
    }
}

/// The keys of which there are not as many effects in both.
fn differences<'a>(
    one: &'a Effects,
    other: &'a Effects,
) -> impl Iterator<Item = (&'a String, u32, u32)> {
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    let count = |effects: &Effects, key: &String| effects.get(key).copied().unwrap_or_default();
    keys.map(move |key| (key, count(one, key), count(other, key)))
        .filter(|(_, one, other)| one != other)
}

/// The job that the key is of, if it is one that the engine made.
fn job_of<'a>(plan: &'a Plan, key: &str) -> Option<&'a JobName> {
    let jobs = plan.jobs.iter().map(|planned| &planned.job);
    jobs.into_iter().find(|job| {
        ["execute", "rollback"].into_iter().any(|phase| {
            let of_job = IdempotencyKey::of(DEPLOYMENT, job, phase);
            let is_sub = key
                .strip_prefix(of_job.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_sub || key.contains(&of_job.short())
        })
    })
}

fn name(plan: &Plan, index: usize) -> String {
    let planned = plan.jobs.get(index);
    planned.map_or_else(|| index.to_string(), |planned| planned.job.to_string())
}

/// What is wrong with an action before anything goes wrong.
pub(super) fn without_fault<R, Out>(ran: &Ran<R, Out>, ending: Ending) -> Option<String> {
    let stage = &ran.state.as_ref()?.stage;
    match ending {
        Ending::Succeeds if *stage != Stage::Succeeded => Some(format!(
            "it does not succeed even if nothing goes wrong: it is {}",
            stage.word()
        )),
        Ending::Fails
            if last_undoable(&ran.plan).is_some() && !matches!(stage, Stage::RolledBack { .. }) =>
        {
            Some(format!("its last job failed, and it is {}", stage.word()))
        }
        Ending::Succeeds | Ending::Fails | Ending::Cancelled => None,
    }
}
