//! Random events and commands: likely enough to fit, so that long courses come about, and never sure to.

use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::{
    AfterFailure, AttemptRef, CauseKind, Claiming, Class, Deployment, DeploymentCommand as Command,
    DeploymentEvent as Event, Direction, Failed, Forced, Operation, ParkReason, Report, SkipReason,
    Stored,
};
use super::kit::*;
use crate::{OnExhausted, Phase, Place, Plan, RollbackPolicy, Undo};

/// Numbers that an event or a command is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch {
    kind: u8,
    a: u8,
    b: u8,
    c: u8,
    pub(super) time: u16,
}

pub(super) fn sketches(count: usize) -> impl Strategy<Value = Vec<Sketch>> {
    let sketch = any::<(u8, u8, u8, u8, u16)>().prop_map(|(kind, a, b, c, time)| Sketch {
        kind,
        a,
        b,
        c,
        time,
    });
    proptest::collection::vec(sketch, 0..count)
}

/// Plans with all kinds of undo, hooks and policies.
pub(super) fn plans() -> impl Strategy<Value = Plan> {
    any::<[u8; 4]>().prop_map(|numbers| {
        let mut plan = plan();
        for (job, number) in plan.jobs.iter_mut().zip(numbers) {
            job.undo = [
                Undo::Handled,
                Undo::Handled,
                Undo::NotNeeded,
                Undo::Impossible,
            ][usize::from(number % 4)];
            job.has_pre_hooks = number & 4 != 0;
            job.passes_on = number & 8 != 0;
            if number & 16 != 0 {
                job.policy.on_exhausted = OnExhausted::Park;
            }
            if number & 32 != 0 {
                job.policy.execute.attempts_max = None;
                job.policy.execute.delay_max_ms = 0;
            }
            if number & 64 != 0 {
                job.policy.execute.attempt_timeout_ms = Some(u64::MAX);
            }
        }
        if numbers[3] & 1 != 0 {
            plan.rollback = RollbackPolicy::ContinueThenPark;
        }
        plan
    })
}

fn pick<T: Clone>(from: &[T], number: u8) -> T {
    from[usize::from(number) % from.len()].clone()
}

const CLASSES: [Class; 7] = [
    Class::Retryable,
    Class::Terminal,
    Class::TerminalNoEffect,
    Class::TimedOut,
    Class::Panicked,
    Class::NullOutput,
    Class::Stopped,
];

impl Sketch {
    /// The open attempt, or another one.
    fn attempt(self, deployment: Option<&Deployment>) -> AttemptRef {
        match deployment.and_then(|deployment| deployment.open) {
            Some(open) if !self.c.is_multiple_of(8) => open.at,
            _ => AttemptRef {
                index: usize::from(self.a % 5),
                phase: pick(&[Phase::Execute, Phase::Rollback], self.b),
                attempt: NonZeroU32::MIN.saturating_add(u32::from(self.b % 4)),
            },
        }
    }

    fn epoch(self, deployment: Option<&Deployment>) -> u64 {
        match self.c % 16 {
            0 => u64::from(self.a % 5),
            1 => u64::MAX,
            _ => deployment.map_or(0, |deployment| deployment.epoch),
        }
    }

    fn index(self, deployment: Option<&Deployment>) -> usize {
        let current = deployment.and_then(Deployment::current);
        match current {
            Some(current) if !self.c.is_multiple_of(8) => current,
            _ => usize::from(self.a % 5),
        }
    }

    fn stored(self) -> Stored {
        match self.b % 4 {
            0 => Stored::SameAsInput,
            number => value(number.into()),
        }
    }

    fn forced(self) -> Forced {
        match self.b % 3 {
            0 => Forced::Succeeded {
                output: self.stored(),
            },
            1 => Forced::Failed {
                error: error("job"),
            },
            _ => Forced::Undone,
        }
    }

    /// An event that may or may not follow.
    pub(super) fn event(self, deployment: Option<&Deployment>) -> Event {
        match self.kind % 4 {
            0 => self.start(deployment),
            1 => self.attempt_event(deployment),
            2 => self.course_event(deployment),
            _ => self.person_event(deployment),
        }
    }

    fn timeout_ms(self) -> Option<u64> {
        self.b.is_multiple_of(3).then_some(self.time.into())
    }

    fn start(self, deployment: Option<&Deployment>) -> Event {
        let phase = match deployment.and_then(|deployment| deployment.stage.direction()) {
            Some(Direction::Backward) => Phase::Rollback,
            Some(Direction::Forward) | None => Phase::Execute,
        };
        let index = self.index(deployment);
        let started = deployment.and_then(|deployment| deployment.jobs.get(index));
        let started = started.map_or(0, |job| job.attempts(phase).started);
        let at = AttemptRef {
            index,
            phase,
            attempt: NonZeroU32::MIN.saturating_add(started),
        };
        let up_to = match self.b % 8 {
            0 => NonZeroU32::new(u32::MAX),
            1 => NonZeroU32::new(u32::from(self.a)),
            _ => None,
        };
        let (timeout_ms, epoch) = (self.timeout_ms(), self.epoch(deployment));
        match (self.a % 4, phase) {
            (0 | 1, _) => claimed(epoch.saturating_add(u64::from(self.a % 4))),
            (_, Phase::Execute) => Event::JobStarted {
                at,
                up_to,
                timeout_ms,
                epoch,
            },
            (_, Phase::Rollback) => Event::JobRollbackStarted {
                at,
                up_to,
                timeout_ms,
                epoch,
            },
        }
    }

    fn attempt_event(self, deployment: Option<&Deployment>) -> Event {
        let at = self.attempt(deployment);
        let next = pick(
            &[
                AfterFailure::RetryAt(self.time.into()),
                AfterFailure::Rollback,
                AfterFailure::Park,
                AfterFailure::Continue,
            ],
            self.a,
        );
        match self.b % 8 {
            0 => Event::JobPrepared {
                at,
                input: self.stored(),
            },
            1 => Event::JobDataPut {
                at,
                key: self.b.to_string(),
                value: self.stored(),
            },
            2 => Event::JobErrorLogged {
                at,
                place: Place::Execute,
                error: error("job"),
                left_out: u32::from(self.b % 2),
            },
            3 => Event::JobSucceeded {
                at,
                output: pick(&[value(1), Stored::SameAsInput], self.a),
                raw_output: None,
                took_ms: 1,
            },
            4 => Event::JobAttemptFailed {
                at,
                place: Place::Execute,
                error: error("job"),
                class: pick(&CLASSES, self.c),
                next,
                raw_output: None,
                left_out: u32::from(self.b),
            },
            5 => Event::JobAttemptLost {
                at,
                epoch: self.epoch(deployment),
                quiet_until_ms: self.timeout_ms(),
            },
            6 => Event::JobRollbackSucceeded { at, took_ms: 1 },
            _ => Event::JobRollbackAttemptFailed {
                at,
                error: error("job"),
                class: pick(&CLASSES, self.c),
                next,
                left_out: 0,
            },
        }
    }

    fn course_event(self, deployment: Option<&Deployment>) -> Event {
        let index = self.index(deployment);
        let direction = pick(&[Direction::Forward, Direction::Backward], self.a);
        match self.b % 9 {
            0 => Event::DeploymentRequested(Arc::new(asked(plan()))),
            1 => released(self.epoch(deployment), self.timeout_ms()),
            2 => Event::DeploymentDue {},
            3 => rolls_back(CauseKind::JobFailed, index),
            4 => skipped(
                index,
                pick(
                    &[SkipReason::FailedContinue, SkipReason::NeverStarted],
                    self.a,
                ),
            ),
            5 => paused(direction),
            6 => parked(direction, index, ParkReason::CrashLoop),
            7 => Event::DeploymentSucceeded {},
            _ => rolled_back(&[]),
        }
    }

    fn person_event(self, deployment: Option<&Deployment>) -> Event {
        match self.b % 10 {
            0 => cancel_requested(),
            1 => pause_requested(),
            2..=4 => resumed("again", self.a.is_multiple_of(2)),
            5 => Event::OutcomeForced {
                index: self.index(deployment),
                outcome: self.forced(),
                by: ann(),
                note: "seen".to_owned(),
            },
            6 => Event::PlanRebound {
                plan: plan_but(2, |job| job.job = name(usize::from(self.a % 4))),
                by: ann(),
                note: "seen".to_owned(),
            },
            7 => Event::RetryForced { by: ann() },
            8 => Event::DeadlineChanged {
                deadline_ms: self.timeout_ms(),
                by: ann(),
            },
            _ if self.a.is_multiple_of(8) => Event::DeploymentAbandoned {
                by: ann(),
                reason: "enough".to_owned(),
                residue: vec![],
            },
            _ => Event::NoteAdded {
                by: ann(),
                text: "hm".to_owned(),
            },
        }
    }

    fn report(self, deployment: Option<&Deployment>) -> Report {
        let at = self.attempt(deployment);
        match self.b % 8 {
            0 => Report::Go,
            1 => Report::Prepared {
                at,
                input: self.stored(),
            },
            2 => Report::Data {
                at,
                key: self.a.to_string(),
                value: self.stored(),
            },
            3 => Report::Unloadable {
                at,
                reason: ParkReason::SchemaMismatch,
                error: error("job"),
            },
            4 => Report::Undone { at, took_ms: 1 },
            5 | 6 => Report::Succeeded {
                at,
                output: value(1),
                raw_output: None,
                took_ms: 1,
            },
            _ => Report::Failed(Failed {
                at,
                place: Place::Execute,
                error: error("job"),
                class: pick(&CLASSES, self.a),
                after_ms: self.a.is_multiple_of(16).then_some(u64::MAX),
                raw_output: None,
                left_out: 0,
            }),
        }
    }

    fn operation(self) -> Operation {
        let note = || "seen".to_owned();
        match self.a % 10 {
            0 => Operation::Cancel { reason: note() },
            1 => Operation::Pause {
                reason: note(),
                interrupt: self.b.is_multiple_of(2),
            },
            2 | 3 => Operation::Resume {
                note: note(),
                rebind: self.b.is_multiple_of(4).then(|| {
                    let renamed =
                        |job: &mut crate::PlannedJob| job.job = name(usize::from(self.c % 4));
                    Box::new(plan_but(2, renamed))
                }),
                reset_attempts: self.b.is_multiple_of(2),
            },
            4 => Operation::RetryNow,
            5 => Operation::Force {
                job: name(usize::from(self.c % 3)).to_string(),
                outcome: self.forced(),
                note: note(),
            },
            6 => Operation::Skip {
                job: name(usize::from(self.c % 3)).to_string(),
                note: note(),
            },
            7 => Operation::ExtendDeadline {
                deadline_ms: self.b.is_multiple_of(2).then_some(self.time.into()),
            },
            8 if self.b.is_multiple_of(4) => Operation::Abandon { reason: note() },
            _ => Operation::AcceptHistory { note: note() },
        }
    }

    pub(super) fn command(self, deployment: Option<&Deployment>) -> Command {
        match self.kind % 16 {
            0 => Command::Request(Arc::new(asked(plan()))),
            1 | 2 => Command::Claim(Claiming {
                quiet_ms: u64::from(self.a),
                above: if self.b == 0 { u64::MAX } else { 0 },
                epoch: (self.b % 8 == 1).then_some(self.c.into()),
                ..claiming()
            }),
            3 => Command::Release {
                by: worker(self.epoch(deployment)),
                alarm_ms: self.b.is_multiple_of(2).then_some(self.c.into()),
            },
            4 => Command::Due,
            5..=11 => report_in(self.epoch(deployment), self.report(deployment)),
            _ => by_ann(self.operation()),
        }
    }
}
