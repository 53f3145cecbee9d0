//! How an ended attempt is recorded (spec 2.11).

use serde_json::Value;

use super::lease::LeaseError;
use super::serving::Serving;
use super::supervise::Ended;
use crate::attempt::Phase;
use crate::deployment::{AttemptRef, Class, Failed, ParkReason, Report, Stored};
use crate::error::{ErrorView, JobError, Place, StopReason, Unloadable, Wish};
use crate::step::NULL_OUTPUT;

impl Serving<'_> {
    /// What an ended attempt is recorded as.
    pub(super) async fn reported(
        &self,
        ended: Ended<Value>,
        took_ms: u64,
    ) -> Result<Report, LeaseError> {
        let at = self.at;
        let raw_output = match self.raw_output() {
            Some(raw) => match self.values.store(raw, self.version()).await {
                Ok(stored) => Some(stored),
                Err(error) => return Ok(failure(at, &error, None, None)),
            },
            None => None,
        };
        match ended {
            Ended::Aborted(StopReason::LeaseLost) => Err(LeaseError::Stopped),
            Ended::Returned(Err(_), Some(StopReason::LeaseLost)) => Err(LeaseError::Stopped),
            Ended::Returned(Ok(_), _) if at.phase == Phase::Rollback => {
                Ok(Report::Undone { at, took_ms })
            }
            Ended::Returned(Ok(output), _) => {
                let passes_on = self.planned.passes_on && self.today.passes_on;
                let output = match passes_on {
                    true => Ok(Stored::SameAsInput),
                    false => self.values.store(output, self.version()).await,
                };
                Ok(match output {
                    Ok(output) => Report::Succeeded {
                        at,
                        output,
                        raw_output,
                        took_ms,
                    },
                    Err(error) => failure(at, &error, None, raw_output),
                })
            }
            Ended::Returned(Err(error), told) => Ok(failure(at, &error, told, raw_output)),
            Ended::Panicked(message) => {
                let error = ErrorView::new("panicked", message);
                let failed = failed(at, Class::Panicked, error);
                Ok(Report::Failed(Failed {
                    raw_output,
                    ..failed
                }))
            }
            Ended::Aborted(reason) => {
                let (class, text) = match reason {
                    StopReason::AttemptTimeout => (Class::TimedOut, "took too long"),
                    StopReason::Cancelled
                    | StopReason::Paused
                    | StopReason::Deadline
                    | StopReason::LeaseLost
                    | StopReason::Draining => (Class::Stopped, "was told to stop"),
                };
                let message = format!("it {text}, and did not end when it was told to");
                let failed = failed(at, class, ErrorView::new("aborted", message));
                Ok(Report::Failed(Failed {
                    raw_output,
                    ..failed
                }))
            }
        }
    }
}

fn failure(
    at: AttemptRef,
    error: &JobError,
    told: Option<StopReason>,
    raw_output: Option<Stored>,
) -> Report {
    let class = match (told, error.wish) {
        (Some(StopReason::AttemptTimeout), _) => Class::TimedOut,
        (Some(_), _) => Class::Stopped,
        (None, Wish::Retry { .. }) => Class::Retryable,
        (None, Wish::Terminal) if error.view.code == NULL_OUTPUT => Class::NullOutput,
        (None, Wish::Terminal) => Class::Terminal,
        (None, Wish::TerminalNoEffect) => Class::TerminalNoEffect,
        (None, Wish::Park(what)) => {
            return Report::Unloadable {
                at,
                reason: park_reason(what),
                error: error.view.clone(),
            };
        }
    };
    let after_ms = match error.wish {
        Wish::Retry { after: Some(after) } => u64::try_from(after.as_millis()).ok(),
        Wish::Retry { after: None } | Wish::Terminal | Wish::TerminalNoEffect | Wish::Park(_) => {
            None
        }
    };
    let place = match at.phase {
        Phase::Execute => error.place.unwrap_or(Place::Execute),
        Phase::Rollback => Place::Rollback,
    };
    Report::Failed(Failed {
        place,
        after_ms,
        raw_output,
        ..failed(at, class, error.view.clone())
    })
}

fn park_reason(what: Unloadable) -> ParkReason {
    match what {
        Unloadable::SchemaMismatch => ParkReason::SchemaMismatch,
        Unloadable::PayloadMissing => ParkReason::PayloadMissing,
        Unloadable::PayloadUndecodable => ParkReason::PayloadUndecodable,
    }
}

pub(super) fn failed(at: AttemptRef, class: Class, error: ErrorView) -> Failed {
    let place = match at.phase {
        Phase::Execute => Place::Execute,
        Phase::Rollback => Place::Rollback,
    };
    Failed {
        at,
        place,
        error,
        class,
        after_ms: None,
        raw_output: None,
        left_out: 0,
    }
}
