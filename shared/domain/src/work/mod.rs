//! The work of one repo on one host, in one lane (design 5).
//!
//! Requests come from the gateway and from regd; one worker at a time claims them, works them off in order and
//! releases. The state decides who may write and what is due; where the lock is, which message is the lease and when
//! a worker is dead is left to the crate `claims`.

mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod order;
mod state;

pub use command::WorkCommand;
pub use decide::decide;
pub use error::{BrokenWork, WorkRefusal};
pub use event::{WorkEvent, is_trigger};
pub use evolve::evolve;
pub use order::{
    Answered, Counts, Failure, FailureCode, MtimeRange, Order, Outcome, Report, WorkResult,
};
pub use state::{
    Backlog, Claim, DEATHS_MAX, End, FINISHED_KEPT_MS, FINISHED_REQUESTS_MAX, Finished, Phase,
    Request, WAITING_REQUESTS_MAX, Work,
};

use nogfso_kernel::{Aggregate, Position, Recorded};

/// The kind `work`.
#[derive(Debug)]
pub struct WorkLane;

impl Aggregate for WorkLane {
    const KIND: &'static str = "work";

    type State = Work;
    type Event = WorkEvent;
    type Command = WorkCommand;
    type Refusal = WorkRefusal;
    type Broken = BrokenWork;

    fn decide(
        state: &Work,
        command: &WorkCommand,
        now_ms: u64,
    ) -> Result<Vec<WorkEvent>, WorkRefusal> {
        decide(state, command, now_ms)
    }

    fn evolve(state: Work, recorded: &Recorded<WorkEvent>) -> Result<Work, BrokenWork> {
        evolve(state, recorded)
    }

    fn committed(mut state: Work, events: &[Recorded<WorkEvent>], at: Position) -> Work {
        if events.iter().any(is_trigger) {
            state.newest_trigger = at;
        }
        state
    }

    fn starts_fold(first: &WorkEvent) -> bool {
        match first {
            WorkEvent::Released { .. } => true,
            WorkEvent::Finished { releases, .. } => *releases,
            WorkEvent::Requested { .. }
            | WorkEvent::Cancelled { .. }
            | WorkEvent::Claimed { .. }
            | WorkEvent::Started { .. }
            | WorkEvent::Deferred { .. }
            | WorkEvent::Revoked { .. }
            | WorkEvent::Woken { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
