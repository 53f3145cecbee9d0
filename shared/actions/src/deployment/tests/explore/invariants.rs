//! What must hold: the invariants of spec 2.1, by their names.

use super::super::super::{
    Deployment, DeploymentEvent as Event, Next, SkipReason, Stage, Undone, next,
};
use super::super::kit;
use super::world::{Loss, Scenario, World, begins};
use crate::Phase;

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Property {
    /// I1: whoever resumes from the journal alone comes to the same end.
    JournalIsTruth,
    /// I2: writers never interleave: the journal folds.
    IllegalJournal,
    /// I3: no code runs before its start is recorded; never more calls than attempts granted.
    MoreCallsThanGranted,
    /// I4: a job starts only after the one before it is done.
    StartedTooEarly,
    /// I5: no job is executed after the rollback began.
    ExecutedInRollback,
    /// I6: undo runs downwards.
    UndoOutOfOrder,
    /// I7: an end is final.
    EndNotFinal,
    /// I8: what is not at rest has exactly one next step.
    NoNextStep,
    /// I9: a problem of the engine never becomes a rollback.
    EngineProblemRollsBack,
    /// I10: a rollback ends rolled back and never turns round.
    RollbackTurned,
    /// I12: no clean end with an effect left behind, or missing.
    EffectLeft,
    /// From everywhere an end can be reached without further faults.
    Stuck,
}

type Checked = Result<(), Property>;

fn ensure(holds: bool, property: Property) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(property),
    }
}

/// Checks one event against the state that it follows.
pub(super) fn check_event(before: &Deployment, event: &Event) -> Checked {
    ensure(!before.stage.is_terminal(), Property::EndNotFinal)?;
    let Some(at) = begins(event) else {
        return Ok(());
    };
    match at.phase {
        Phase::Execute => {
            let are_done = |jobs_count| {
                let mut earlier = before.jobs.iter().take(jobs_count);
                earlier.all(|job| job.output.is_some())
            };
            ensure(are_done(at.index), Property::StartedTooEarly)?;
            ensure(before.cause.is_none(), Property::ExecutedInRollback)
        }
        Phase::Rollback => {
            let mut higher = before.jobs.iter().skip(at.index + 1);
            let is_settled = higher.all(|job| job.execute.started == 0 || job.undone.is_some());
            ensure(is_settled, Property::UndoOutOfOrder)
        }
    }
}

/// Checks what one commit made of the deployment.
pub(super) fn check_commit(before: &Deployment, after: &Deployment) -> Checked {
    if before.cause.is_some() {
        let may_be = matches!(
            after.stage,
            Stage::RollingBack | Stage::RolledBack { .. } | Stage::Parked(_)
        );
        ensure(
            may_be && after.cause == before.cause,
            Property::RollbackTurned,
        )?;
    }
    if after.stage.is_live() {
        let step = next(after, kit::NOW, &kit::manifest());
        let again = next(after, kit::NOW, &kit::manifest());
        ensure(step != Next::Nothing && step == again, Property::NoNextStep)?;
    }
    ensure(after.owed.is_none(), Property::NoNextStep)
}

/// Checks a world.
pub(super) fn check_world(scenario: &Scenario, world: &World) -> Checked {
    // What was forgotten was granted all the same.
    if scenario.loss == Loss::Never {
        for (outside, job) in world.outside.iter().zip(&world.head.jobs) {
            let granted = [job.execute.started, job.undo.started];
            let is_granted = outside.calls.iter().zip(granted);
            let holds = is_granted
                .into_iter()
                .all(|(calls, most)| u32::from(*calls) <= most);
            ensure(holds, Property::MoreCallsThanGranted)?;
        }
    }
    if world.is_held {
        return Ok(());
    }
    let are_there = || world.outside.iter().map(|outside| outside.is_there);
    match &world.head.stage {
        Stage::Succeeded => ensure(are_there().all(|there| there), Property::EffectLeft),
        Stage::RolledBack { residue } => {
            let mut left = are_there().enumerate().filter(|(_, there)| *there);
            let is_listed = left.all(|(index, _)| residue.contains(&kit::name(index)));
            ensure(is_listed && are_skips_honest(world), Property::EffectLeft)
        }
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Paused(_)
        | Stage::Parked(_)
        | Stage::Abandoned { .. } => Ok(()),
    }
}

/// No job that was called is said never to have been started.
fn are_skips_honest(world: &World) -> bool {
    let mut pairs = world.outside.iter().zip(&world.head.jobs);
    pairs.all(|(outside, job)| {
        let is_called_unstarted = job.undone == Some(Undone::Skipped(SkipReason::NeverStarted));
        !is_called_unstarted || outside.calls[0] == 0
    })
}
