//! What is refused, arm by arm.

use super::super::{
    Asked, DeploymentCommand, DeploymentRefusal as Refusal, Deployments, Direction, Forced, Forked,
    Operation, ParkReason, Report,
};
use super::kit::*;
use crate::Phase;
use nogfso_testkit::given::given;
use std::sync::Arc;

fn force(job: &str, outcome: Forced) -> DeploymentCommand {
    by_ann(Operation::Force {
        job: job.to_owned(),
        outcome,
        note: "seen".to_owned(),
    })
}

fn skip(job: &str) -> DeploymentCommand {
    by_ann(Operation::Skip {
        job: job.to_owned(),
        note: "seen".to_owned(),
    })
}

fn done() -> Forced {
    Forced::Succeeded { output: value(3) }
}

fn is_wrong_stage(why: &Refusal) -> bool {
    matches!(why, Refusal::WrongStage { .. })
}

fn paused_forward() -> Course {
    requested(plan()).and([paused(Direction::Forward)])
}

fn paused_backward() -> Course {
    let course = undoing(plan()).and([pause_requested()]);
    follow(course, &report(undo_success(2, 1)), NOW)
}

fn ended() -> Course {
    follow(running(plan()), &abandon(), NOW)
}

#[test]
fn nothing_can_be_done_with_what_was_never_asked_for() {
    for command in [
        claim(),
        report(Report::Go),
        release(1),
        DeploymentCommand::Due,
        cancel(),
    ] {
        let refused = given::<Deployments>([]).when(&command, NOW);
        refused.then_refused(|why| *why == Refusal::Absent);
    }
}

#[test]
fn an_id_that_is_taken_is_refused_to_another_request() {
    let other = DeploymentCommand::Request(Arc::new(Asked {
        request_digest: "two".to_owned(),
        ..asked(plan())
    }));
    let refused = requested(plan()).when(&other, NOW);
    refused.then_refused(|why| {
        matches!(
            why,
            Refusal::AlreadyExists {
                same_request: false,
                ..
            }
        )
    });
}

#[test]
fn a_fork_with_more_results_than_jobs_is_refused() {
    let fork = DeploymentCommand::Request(Arc::new(Asked {
        forked: Some(Forked {
            from: asked(plan()).id,
            outputs: vec![value(1); 4],
            by: ann(),
        }),
        ..asked(plan())
    }));
    let refused = given::<Deployments>([]).when(&fork, NOW);
    refused.then_refused(|why| {
        matches!(
            why,
            Refusal::Invalid {
                field: "forked",
                ..
            }
        )
    });
}

#[test]
fn what_stands_or_has_ended_is_not_claimed() {
    for (course, stage) in [
        (paused_forward(), "paused"),
        (paused_backward(), "paused"),
        (ended(), "abandoned"),
    ] {
        let refused = course.when(&claim(), NOW);
        refused.then_refused(|why| *why == Refusal::NothingDue { stage });
    }
}

#[test]
fn a_report_about_another_attempt_is_refused() {
    let at_execute = |at| {
        [
            Report::Prepared {
                at,
                input: value(1),
            },
            Report::Data {
                at,
                key: "k".to_owned(),
                value: value(1),
            },
            Report::Handled {
                at,
                place: crate::Place::Execute,
                error: error("job"),
                left_out: 0,
            },
            Report::Succeeded {
                at,
                output: value(1),
                raw_output: None,
                took_ms: 1,
            },
            failure(at, super::super::Class::Retryable),
            Report::Undone { at, took_ms: 1 },
            Report::Unloadable {
                at,
                reason: ParkReason::PayloadMissing,
                error: error("job"),
            },
        ]
    };
    for at in [execute(0, 2), execute(1, 1), undo(0, 1), execute(9, 1)] {
        for wrong in at_execute(at) {
            let refused = running(plan()).when(&report(wrong), NOW);
            refused.then_refused(|why| *why == Refusal::NoSuchAttempt);
        }
    }
}

#[test]
fn a_job_is_not_reported_as_an_undo_nor_an_undo_as_a_job() {
    for (course, wrong) in [
        (
            running(plan()),
            Report::Undone {
                at: execute(0, 1),
                took_ms: 1,
            },
        ),
        (
            undoing(plan()),
            Report::Succeeded {
                at: undo(2, 1),
                output: value(1),
                raw_output: None,
                took_ms: 1,
            },
        ),
        (
            undoing(plan()),
            Report::Prepared {
                at: undo(2, 1),
                input: value(1),
            },
        ),
    ] {
        assert!(now_of(&course).open.is_some());
        let refused = course.when(&report(wrong), NOW);
        refused.then_refused(|why| *why == Refusal::NoSuchAttempt);
    }
    assert_eq!(undo(2, 1).phase, Phase::Rollback);
}

#[test]
fn only_what_stands_is_resumed_forced_or_skipped() {
    for command in [resume(false), force("j0", done()), skip("j0")] {
        for course in [requested(plan()), running(plan()), undoing(plan()), ended()] {
            course.when(&command, NOW).then_refused(is_wrong_stage);
        }
    }
}

#[test]
fn an_outcome_is_forced_on_the_present_job_only() {
    for (course, command) in [
        (paused_forward(), force("j1", done())),
        (paused_backward(), force("j0", Forced::Undone)),
        (paused_backward(), skip("j2")),
    ] {
        let refused = course.when(&command, NOW);
        refused.then_refused(|why| matches!(why, Refusal::OtherJob { .. }));
    }
}

#[test]
fn an_outcome_fits_the_direction() {
    let fails = Forced::Failed {
        error: error("job"),
    };
    for (course, command) in [
        (paused_forward(), force("j0", Forced::Undone)),
        (paused_forward(), skip("j0")),
        (paused_backward(), force("j1", done())),
        (paused_backward(), force("j1", fails)),
    ] {
        course.when(&command, NOW).then_refused(is_wrong_stage);
    }
}

#[test]
fn an_outcome_must_be_a_value_unless_the_job_passes_its_input_on() {
    let passed = Forced::Succeeded {
        output: super::super::Stored::SameAsInput,
    };
    let refused = paused_forward().when(&force("j0", passed), NOW);
    refused.then_refused(|why| {
        matches!(
            why,
            Refusal::Invalid {
                field: "output",
                ..
            }
        )
    });
}

#[test]
fn decisions_by_hand_need_a_note() {
    for (operation, field) in [
        (
            Operation::Force {
                job: "j0".to_owned(),
                outcome: done(),
                note: String::new(),
            },
            "note",
        ),
        (
            Operation::Skip {
                job: "j0".to_owned(),
                note: " ".to_owned(),
            },
            "note",
        ),
        (
            Operation::AcceptHistory {
                note: String::new(),
            },
            "note",
        ),
        (
            Operation::Note {
                text: String::new(),
            },
            "text",
        ),
        (
            Operation::Abandon {
                reason: String::new(),
            },
            "reason",
        ),
    ] {
        let refused = paused_forward().when(&by_ann(operation), NOW);
        refused
            .then_refused(|why| matches!(why, Refusal::Invalid { field: of, .. } if *of == field));
    }
}

#[test]
fn what_is_parked_is_not_paused_and_what_stands_is_not_taken_as_it_is() {
    let parked = paused_forward().and([
        resumed("again", false),
        parked(Direction::Forward, 0, ParkReason::HistoryAccepted),
    ]);
    parked.when(&pause(), NOW).then_refused(is_wrong_stage);
    let accept = by_ann(Operation::AcceptHistory {
        note: "restored".to_owned(),
    });
    parked.when(&accept, NOW).then_refused(is_wrong_stage);
}

#[test]
fn what_has_ended_takes_nothing_but_remarks() {
    for command in [
        cancel(),
        pause(),
        resume(true),
        abandon(),
        by_ann(Operation::RetryNow),
        by_ann(Operation::ExtendDeadline { deadline_ms: None }),
        by_ann(Operation::AcceptHistory {
            note: "restored".to_owned(),
        }),
    ] {
        ended().when(&command, NOW).then_refused(is_wrong_stage);
    }
    ended().when(&DeploymentCommand::Due, NOW).then_nothing();
}
