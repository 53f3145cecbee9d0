//! The decisions of persons (spec 2.4, 2.13).

use super::command::Operation;
use super::decide::{Frame, ensure_output, invalid};
use super::error::DeploymentRefusal as Refusal;
use super::event::DeploymentEvent as Event;
use super::evolve::check_plan;
use super::fact::{Direction, Forced, ParkReason, SkipReason};
use super::state::{Deployment, Stage};
use crate::error::MESSAGE_BYTES_MAX;
use crate::plan::Plan;

type Decided = Result<Vec<Event>, Refusal>;

pub(super) fn operate(
    deployment: &Deployment,
    by: &str,
    operation: &Operation,
    now_ms: u64,
) -> Decided {
    ensure_text("by", by)?;
    let by = by.to_owned();
    let mut frame = Frame::new(deployment, now_ms);
    match operation {
        Operation::Cancel { reason } => cancel(&mut frame, by, reason)?,
        Operation::Pause { reason, interrupt } => pause(&mut frame, by, reason, *interrupt)?,
        Operation::Resume {
            note,
            rebind,
            reset_attempts,
        } => {
            let terms = (note.as_str(), *reset_attempts);
            resume(&mut frame, by, terms, rebind.as_deref())?;
        }
        Operation::RetryNow => retry(&mut frame, by)?,
        Operation::Force { job, outcome, note } => force(&mut frame, by, (job, outcome), note)?,
        Operation::Skip { job, note } => skip(&mut frame, by, job, note)?,
        Operation::ExtendDeadline { deadline_ms } => {
            ensure_unfinished(deployment)?;
            if deployment.stage.direction() != Some(Direction::Forward) {
                return Err(wrong(deployment, "a rollback has no deadline"));
            }
            if deployment.deadline_ms != *deadline_ms {
                let deadline_ms = *deadline_ms;
                frame.push(Event::DeadlineChanged { deadline_ms, by });
            }
        }
        Operation::Abandon { reason } => {
            ensure_unfinished(deployment)?;
            ensure_text("reason", reason)?;
            frame.push(Event::DeploymentAbandoned {
                by,
                reason: reason.clone(),
                residue: deployment.residue(),
            });
        }
        Operation::AcceptHistory { note } => {
            ensure_text("note", note)?;
            if !deployment.stage.is_live() {
                return Err(wrong(deployment, "only what runs can be taken as it is"));
            }
            frame.lose_open();
            frame.park(deployment.current(), ParkReason::HistoryAccepted, None);
            let text = note.clone();
            frame.push(Event::NoteAdded { by, text });
        }
        Operation::Note { text } => {
            ensure_text("text", text)?;
            let text = text.clone();
            frame.push(Event::NoteAdded { by, text });
        }
    }
    Ok(frame.events)
}

/// Ends a wait, or resumes what is parked with its attempts counted anew.
fn retry(frame: &mut Frame, by: String) -> Result<(), Refusal> {
    let deployment = &frame.state;
    match &deployment.stage {
        Stage::Requested | Stage::Running | Stage::RollingBack => {
            if deployment.not_before_ms.is_some() || deployment.deferred_until_ms.is_some() {
                frame.push(Event::RetryForced { by });
            }
            Ok(())
        }
        Stage::Parked(_) => resume(frame, by, ("retry", true), None),
        Stage::Paused(_) => Err(wrong(deployment, "it was stopped on purpose: resume it")),
        Stage::Succeeded | Stage::RolledBack { .. } | Stage::Abandoned { .. } => {
            Err(ended(deployment))
        }
    }
}

fn resume(
    frame: &mut Frame,
    by: String,
    (note, reset_attempts): (&str, bool),
    rebind: Option<&Plan>,
) -> Result<(), Refusal> {
    ensure_length("note", note)?;
    let deployment = &frame.state;
    ensure_stopped(deployment, "only what is paused or parked is resumed")?;
    if deployment.is_full() && deployment.current().is_some() {
        // It would be parked again at once.
        return Err(wrong(
            deployment,
            "its journal is full: cancel it, abandon it, or decide by force",
        ));
    }
    if let Some(plan) = rebind {
        ensure_fits(deployment, plan)?;
        frame.push(Event::PlanRebound {
            plan: plan.clone(),
            by: by.clone(),
            note: note.to_owned(),
        });
    }
    frame.push(Event::DeploymentResumed {
        by,
        note: note.to_owned(),
        reset_attempts,
    });
    Ok(())
}

fn cancel(frame: &mut Frame, by: String, reason: &str) -> Result<(), Refusal> {
    ensure_length("reason", reason)?;
    let deployment = &frame.state;
    ensure_unfinished(deployment)?;
    let is_backward = deployment.stage.direction() == Some(Direction::Backward);
    // What is being undone is already as the command asks.
    if is_backward || deployment.cancel.is_some() && deployment.stage.is_live() {
        return Ok(());
    }
    if let Some(pivot) = deployment.pivot {
        let job = &deployment.plan.jobs[pivot].job;
        let job = job.to_string();
        return Err(Refusal::PastPivot { job });
    }
    let is_stopped = !deployment.stage.is_live();
    frame.push(Event::CancelRequested {
        by: by.clone(),
        reason: reason.to_owned(),
    });
    if is_stopped {
        frame.push(Event::DeploymentResumed {
            by,
            note: format!("cancelled: {reason}"),
            reset_attempts: true,
        });
    }
    Ok(())
}

fn pause(frame: &mut Frame, by: String, reason: &str, interrupt: bool) -> Result<(), Refusal> {
    ensure_length("reason", reason)?;
    ensure_unfinished(&frame.state)?;
    if matches!(frame.state.stage, Stage::Paused(_)) {
        return Ok(());
    }
    if matches!(frame.state.stage, Stage::Parked(_)) {
        return Err(wrong(&frame.state, "it stands already"));
    }
    let wanted = &frame.state.pause;
    if wanted
        .as_ref()
        .is_some_and(|pause| pause.interrupt || !interrupt)
    {
        return Ok(());
    }
    frame.push(Event::PauseRequested {
        by,
        reason: reason.to_owned(),
        interrupt,
    });
    if frame.state.claim.is_none() {
        // Nobody is there to do it.
        frame.lose_open();
        if let Some(direction) = frame.state.stage.direction() {
            frame.push(Event::DeploymentPaused { direction });
        }
    }
    Ok(())
}

fn force(
    frame: &mut Frame,
    by: String,
    (job, outcome): (&str, &Forced),
    note: &str,
) -> Result<(), Refusal> {
    ensure_text("note", note)?;
    ensure_stopped(
        &frame.state,
        "an outcome is forced only while it is paused or parked, as an attempt may be under way",
    )?;
    let index = present_job(&frame.state, job)?;
    let direction = frame.state.stage.direction();
    let fits = match outcome {
        Forced::Succeeded { .. } | Forced::Failed { .. } => direction == Some(Direction::Forward),
        Forced::Undone => direction == Some(Direction::Backward),
    };
    if !fits {
        return Err(wrong(
            &frame.state,
            "going forward a job succeeded or failed; going back it is undone",
        ));
    }
    if let Forced::Succeeded { output } = outcome {
        ensure_output(&frame.state, index, output)?;
    }
    frame.push(Event::OutcomeForced {
        index,
        outcome: outcome.clone(),
        by,
        note: note.to_owned(),
    });
    Ok(())
}

fn skip(frame: &mut Frame, by: String, job: &str, note: &str) -> Result<(), Refusal> {
    ensure_text("note", note)?;
    ensure_stopped(
        &frame.state,
        "an undo is skipped only while it is paused or parked",
    )?;
    if frame.state.stage.direction() != Some(Direction::Backward) {
        return Err(wrong(
            &frame.state,
            "only an undo can be skipped; force the outcome of a job, with an output for the next",
        ));
    }
    let index = present_job(&frame.state, job)?;
    let note = note.to_owned();
    frame.push(Event::JobRollbackSkipped {
        index,
        why: SkipReason::Operator { by, note },
    });
    Ok(())
}

/// The job that an operator may decide about: the present one, or an undo that was passed over.
fn present_job(deployment: &Deployment, job: &str) -> Result<usize, Refusal> {
    let present = match deployment.stage.direction() {
        Some(Direction::Backward) => deployment.undo_to_decide(),
        Some(Direction::Forward) | None => deployment.current(),
    };
    let name = |index: usize| deployment.plan.jobs[index].job.as_str();
    match present {
        Some(index) if name(index) == job => Ok(index),
        present => Err(Refusal::OtherJob {
            present: present.map_or("none", name).to_owned(),
            given: job.to_owned(),
        }),
    }
}

/// What was run must be the same in the new plan, by name, schema and undo (spec 2.12).
fn ensure_fits(deployment: &Deployment, plan: &Plan) -> Result<(), Refusal> {
    if let Some(index) = deployment.first_misfit(plan) {
        let name = |plan: &Plan| {
            let planned = plan.jobs.get(index);
            planned.map_or("nothing".to_owned(), |planned| planned.job.to_string())
        };
        return Err(Refusal::PlanDoesNotFit {
            index,
            was: name(&deployment.plan),
            would_be: name(plan),
        });
    }
    check_plan(plan).map_err(|problem| invalid("plan", problem))
}

fn ensure_text(field: &'static str, text: &str) -> Result<(), Refusal> {
    match text.trim().is_empty() {
        true => Err(invalid(field, "must say something")),
        false => ensure_length(field, text),
    }
}

fn ensure_length(field: &'static str, text: &str) -> Result<(), Refusal> {
    match text.len() {
        bytes if bytes > MESSAGE_BYTES_MAX => {
            let problem = format!("has {bytes} bytes; at most {MESSAGE_BYTES_MAX} are allowed");
            Err(invalid(field, problem))
        }
        _ => Ok(()),
    }
}

fn ensure_stopped(deployment: &Deployment, needs: &'static str) -> Result<(), Refusal> {
    match &deployment.stage {
        Stage::Paused(_) | Stage::Parked(_) => Ok(()),
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => Err(wrong(deployment, needs)),
    }
}

fn ensure_unfinished(deployment: &Deployment) -> Result<(), Refusal> {
    match deployment.stage.is_terminal() {
        true => Err(ended(deployment)),
        false => Ok(()),
    }
}

fn ended(deployment: &Deployment) -> Refusal {
    wrong(deployment, "it has ended; to undo it, start another action")
}

fn wrong(deployment: &Deployment, needs: &'static str) -> Refusal {
    Refusal::WrongStage {
        stage: deployment.stage.word(),
        needs,
    }
}
