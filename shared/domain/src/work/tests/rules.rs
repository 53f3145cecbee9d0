//! The rules of a lane, case by case.

use nogfso_ids::{Author, Instance, UnixMillis};
use nogfso_kernel::{EventId, Position, Recorded};
use ulid::Ulid;

use super::*;
use crate::operation::{Operation, PathProblem, Problems};

#[test]
fn a_request_runs_from_asking_to_release() {
    let mut log = Log::new();
    assert_eq!(log.names(&request(1)), ["REQUESTED"]);
    assert_eq!(log.work.newest_trigger, Position(1));
    assert_eq!(log.names(&claim("a", 1)), ["CLAIMED"]);
    assert_eq!(log.names(&start(1, 1)), ["STARTED"]);
    assert_eq!(log.names(&finish(1, 1)), ["FINISHED", "RELEASED"]);
    assert_eq!(log.work.claim, None);
    assert_eq!(log.work.newest_trigger, Position(1));
    assert_eq!(log.work.last(Operation::Init).unwrap().result, done());
    assert_eq!(log.work.finished(id(1)).unwrap().end, End::Done);
    assert!(log.due().is_empty());
}

#[test]
fn only_the_last_due_request_releases() {
    let mut log = Log::given(&[
        request(1),
        request_of(2, stat(false)),
        claim("a", 1),
        start(1, 1),
    ]);
    assert_eq!(log.names(&finish(1, 1)), ["FINISHED"]);
    assert_eq!(log.due(), [id(2)]);
    log.run(&start(2, 1)).unwrap();
    assert_eq!(log.names(&finish(2, 1)), ["FINISHED", "RELEASED"]);
}

#[test]
fn a_request_id_that_is_known_is_not_asked_again() {
    let mut log = Log::given(&[request(1)]);
    assert_eq!(log.decide(&request(1)), Ok(vec![]));
    assert_eq!(
        log.decide(&request_of(1, stat(false))),
        Err(WorkRefusal::RequestIdTaken(id(1)))
    );
    for command in [claim("a", 1), start(1, 1), finish(1, 1)] {
        log.run(&command).unwrap();
    }
    assert_eq!(log.decide(&request(1)), Ok(vec![]));
}

#[test]
fn a_claim_that_was_left_behind_is_taken_over_though_nothing_is_due() {
    let mut log = Log::given(&[request(1), claim("a", 1), cancel(1)]);
    assert!(log.due().is_empty());
    assert_eq!(log.names(&claim("b", 1)), ["CLAIMED"]);
    assert_eq!(log.names(&WorkCommand::Release { epoch: 2 }), ["RELEASED"]);
    assert_eq!(log.decide(&claim("b", 1)), Err(WorkRefusal::NothingDue));
}

#[test]
fn equal_requests_that_wait_are_one_and_the_first_is_named() {
    let mut log = Log::given(&[request_of(1, stat(false))]);
    assert_eq!(log.decide(&request_of(2, stat(false))), Ok(vec![]));
    assert_eq!(log.work.equal_waiting(&stat(false)), Some(id(1)));
    assert_eq!(log.work.equal_waiting(&stat(true)), None);
    assert_eq!(log.names(&request_of(3, stat(true))), ["REQUESTED"]);
}

#[test]
fn an_equal_request_is_accepted_once_the_first_has_begun() {
    let mut log = Log::given(&[request_of(1, stat(false)), claim("a", 1), start(1, 1)]);
    assert_eq!(log.names(&request_of(2, stat(false))), ["REQUESTED"]);
}

#[test]
fn the_sixty_fifth_waiting_request_is_refused() {
    let waiting: Vec<_> = (0..WAITING_REQUESTS_MAX as u64)
        .map(|n| Request {
            request: id(n),
            order: stat(false),
            author: Author::try_new("Alice", "alice@example.org").unwrap(),
            at: UnixMillis(NOW_MS),
            phase: Phase::Waiting {},
            starts: 1,
            deaths: 0,
        })
        .collect();
    let mut work = Work::default();
    work.backlog.requests = waiting;
    let asked = request_of(999, stat(true));
    assert_eq!(decide(&work, &asked, NOW_MS), Err(WorkRefusal::Busy));
    work.backlog.requests.pop();
    assert_eq!(decide(&work, &asked, NOW_MS).unwrap().len(), 1);
}

#[test]
fn cancelling_a_waiting_request_finishes_it() {
    let mut log = Log::given(&[request(1)]);
    assert_eq!(log.names(&cancel(1)), ["CANCELLED", "FINISHED"]);
    assert_eq!(log.work.finished(id(1)).unwrap().end, End::Cancelled);
    assert_eq!(log.work.last(Operation::Init), None);
    assert_eq!(log.decide(&cancel(1)), Ok(vec![]));
    assert_eq!(log.decide(&request(1)), Ok(vec![]));
    assert_eq!(
        log.decide(&cancel(2)),
        Err(WorkRefusal::UnknownRequest(id(2)))
    );
}

#[test]
fn cancelling_a_running_request_marks_it_and_the_holder_ends_it() {
    let mut log = Log::given(&[request(1), claim("a", 1), start(1, 1)]);
    assert_eq!(log.names(&cancel(1)), ["CANCELLED"]);
    assert_eq!(
        log.work.request(id(1)).unwrap().phase,
        Phase::Cancelling { epoch: 1 }
    );
    assert_eq!(log.decide(&cancel(1)), Ok(vec![]));
    let ended = WorkCommand::Finish {
        request: id(1),
        epoch: 1,
        result: WorkResult::Cancelled {},
    };
    assert_eq!(log.names(&ended), ["FINISHED", "RELEASED"]);
}

#[test]
fn a_cancelled_request_whose_holder_died_is_ended_by_the_next() {
    let mut log = Log::given(&[
        request(1),
        claim("a", 1),
        start(1, 1),
        cancel(1),
        claim("b", 1),
    ]);
    assert_eq!(log.names(&start(1, 2)), ["FINISHED", "RELEASED"]);
    assert_eq!(log.work.finished(id(1)).unwrap().end, End::Cancelled);
}

#[test]
fn nothing_can_be_claimed_where_nothing_is_due() {
    let mut log = Log::new();
    assert_eq!(log.decide(&claim("a", 1)), Err(WorkRefusal::NothingDue));
    log = Log::given(&[
        request(1),
        claim("a", 1),
        start(1, 1),
        defer(1, 1, NOW_MS + 10),
        release(1),
    ]);
    assert_eq!(log.decide(&claim("a", 1)), Err(WorkRefusal::NothingDue));
    log.now_ms += 10;
    assert_eq!(log.decide(&claim("a", 1)), Err(WorkRefusal::NothingDue));
    log.run(&wake(Some(1))).unwrap();
    assert_eq!(log.names(&claim("a", 1)), ["CLAIMED"]);
    assert_eq!(log.work.epoch, 2);
}

#[test]
fn a_claim_exceeds_the_epoch_of_the_lock_file() {
    let mut log = Log::given(&[request(1)]);
    let command = WorkCommand::Claim {
        instance: Instance::parse("a").unwrap(),
        lease: Position(1),
        above: 41,
    };
    log.run(&command).unwrap();
    assert_eq!(log.work.claim.as_ref().unwrap().epoch, 42);
}

#[test]
fn an_older_epoch_can_write_nothing() {
    let log = Log::given(&[request(1), claim("a", 1), start(1, 1), claim("b", 1)]);
    for stale in [start(1, 1), defer(1, 1, NOW_MS), finish(1, 1), release(1)] {
        assert_eq!(log.decide(&stale), Err(moved(1, 2)), "{stale:?}");
    }
}

#[test]
fn a_holder_whose_claim_was_revoked_can_write_nothing() {
    let mut log = Log::given(&[request(1), claim("a", 1), start(1, 1)]);
    assert_eq!(log.names(&revoke(1)), ["REVOKED"]);
    assert_eq!(log.work.newest_trigger, Position(4));
    assert_eq!(log.decide(&finish(1, 1)), Err(moved(1, 1)));
    assert_eq!(log.decide(&revoke(1)), Ok(vec![]));
    assert_eq!(log.decide(&revoke(2)), Err(moved(2, 1)));
}

#[test]
fn starting_and_finishing_twice_is_harmless() {
    let mut log = Log::given(&[
        request(1),
        request_of(2, stat(false)),
        claim("a", 1),
        start(1, 1),
    ]);
    assert_eq!(log.decide(&start(1, 1)), Ok(vec![]));
    assert_eq!(
        log.decide(&start(2, 1)),
        Err(WorkRefusal::OtherInHand(id(1)))
    );
    assert_eq!(
        log.decide(&finish(2, 1)),
        Err(WorkRefusal::NotStarted(id(2)))
    );
    log.run(&finish(1, 1)).unwrap();
    assert_eq!(log.decide(&finish(1, 1)), Ok(vec![]));
    assert_eq!(log.decide(&start(1, 1)), Ok(vec![]));
    log.run(&start(2, 1)).unwrap();
    log.run(&finish(2, 1)).unwrap();
    assert_eq!(log.decide(&finish(2, 1)), Ok(vec![]));
}

#[test]
fn a_deferred_request_is_due_when_it_was_woken_and_not_when_its_time_has_come() {
    let mut log = Log::given(&[request(1), claim("a", 1), start(1, 1)]);
    assert_eq!(log.names(&defer(1, 1, NOW_MS + 10)), ["DEFERRED"]);
    assert_eq!(log.decide(&defer(1, 1, NOW_MS + 10)), Ok(vec![]));
    assert_eq!(log.decide(&start(1, 1)), Err(WorkRefusal::NotDue(id(1))));
    assert_eq!(log.work.next_wake_ms(), Some(NOW_MS + 10));
    assert!(log.due().is_empty());
    let mut later = log.clone();
    later.now_ms = NOW_MS + 10;
    assert!(later.due().is_empty());
    assert_eq!(later.decide(&start(1, 1)), Err(WorkRefusal::NotDue(id(1))));
    assert_eq!(log.names(&wake(Some(1))), ["WOKEN"]);
    assert_eq!(log.due(), [id(1)]);
    assert_eq!(log.work.newest_trigger, Position(5));
    assert_eq!(log.work.next_wake_ms(), None);
    assert_eq!(log.decide(&wake(Some(1))), Ok(vec![]));
}

#[test]
fn a_holder_that_finishes_beside_what_is_overdue_releases_at_once() {
    let mut log = Log::given(&[
        request(1),
        request_of(2, stat(false)),
        claim("a", 1),
        start(1, 1),
        defer(1, 1, NOW_MS + 10),
        start(2, 1),
    ]);
    log.now_ms += 20;
    assert_eq!(log.names(&finish(2, 1)), ["FINISHED", "RELEASED"]);
    assert_eq!(log.work.newest_trigger, Position(2));
    // Nobody looks until the wake, which is a trigger.
    assert_eq!(log.decide(&wake(None)), Ok(vec![]));
    assert_eq!(log.names(&wake(Some(1))), ["WOKEN"]);
    assert_eq!(log.work.newest_trigger, Position(8));
}

#[test]
fn a_release_is_a_trigger_only_if_something_is_due() {
    let mut log = Log::given(&[request(1), claim("a", 1), start(1, 1)]);
    let mut drained = log.clone();
    drained.run(&release(1)).unwrap();
    assert_eq!(drained.work.newest_trigger, Position(4));
    assert_eq!(drained.work.request(id(1)).unwrap().deaths, 0);
    assert_eq!(
        drained.work.request(id(1)).unwrap().phase,
        Phase::Waiting {}
    );
    log.run(&defer(1, 1, NOW_MS + 10)).unwrap();
    log.run(&release(1)).unwrap();
    assert_eq!(log.work.newest_trigger, Position(1));
}

#[test]
fn waking_looks_again_only_where_something_is_due_and_nobody_works() {
    let mut log = Log::new();
    assert_eq!(log.decide(&wake(None)), Ok(vec![]));
    log.run(&request(1)).unwrap();
    assert_eq!(log.names(&wake(None)), ["WOKEN"]);
    log.run(&claim("a", 1)).unwrap();
    assert_eq!(log.decide(&wake(None)), Ok(vec![]));
    assert_eq!(
        log.decide(&wake(Some(9))),
        Err(WorkRefusal::UnknownRequest(id(9)))
    );
}

#[test]
fn the_third_death_in_the_hands_of_a_request_ends_it() {
    let mut log = Log::given(&[request(1), claim("a", 1)]);
    for epoch in 1..=3 {
        assert_eq!(log.names(&start(1, epoch)), ["STARTED"]);
        log.run(&claim("a", 1)).unwrap();
    }
    assert_eq!(log.work.request(id(1)).unwrap().deaths, 3);
    assert_eq!(log.names(&start(1, 4)), ["FINISHED", "RELEASED"]);
    let last = log.work.last(Operation::Init).unwrap();
    assert_eq!(last.result.failure().unwrap().code, FailureCode::CrashLoop);
}

#[test]
fn a_drain_or_a_claim_that_started_nothing_is_no_death() {
    let mut log = Log::given(&[request(1)]);
    for epoch in 1..=6 {
        log.run(&claim("a", 1)).unwrap();
        if epoch % 2 == 0 {
            log.run(&start(1, epoch)).unwrap();
            log.run(&release(epoch)).unwrap();
        }
    }
    assert_eq!(log.work.request(id(1)).unwrap().deaths, 0);
}

#[test]
fn finished_ids_are_forgotten_after_a_day_and_beyond_their_limit() {
    let mut log = Log::new();
    let mut epoch = 0;
    let once = |log: &mut Log, n: u64, epoch: &mut u64| {
        *epoch += 1;
        for command in [
            request(n),
            claim("a", 1),
            start(n, *epoch),
            finish(n, *epoch),
        ] {
            log.run(&command).unwrap();
        }
    };
    for n in 0..=FINISHED_REQUESTS_MAX as u64 {
        once(&mut log, n, &mut epoch);
    }
    assert_eq!(log.work.backlog.finished.len(), FINISHED_REQUESTS_MAX);
    assert_eq!(log.work.finished(id(0)), None);
    log.now_ms += FINISHED_KEPT_MS;
    once(&mut log, 5000, &mut epoch);
    assert_eq!(log.work.backlog.finished.len(), 1);
}

#[test]
fn a_result_that_left_paths_aside_is_a_failure_to_remember() {
    let mut problems = Problems::default();
    problems.record(PathProblem::new("a/b", "permission denied"));
    let result = WorkResult::Done(Report {
        problems,
        ..report()
    });
    let failure = result.failure().unwrap();
    assert_eq!(failure.code, FailureCode::UnreadablePaths);
    assert_eq!(failure.problems.path_count(), 1);
    assert_eq!(done().failure(), None);
    assert_eq!(WorkResult::Cancelled {}.failure(), None);
}

#[test]
fn an_event_that_cannot_follow_breaks_the_history() {
    let log = Log::given(&[request(1), claim("a", 1), start(1, 1)]);
    let finished = |epoch, n| WorkEvent::Finished {
        request_id: id(n),
        epoch: Some(epoch),
        result: done(),
        releases: false,
    };
    let claimed = WorkEvent::Claimed {
        epoch: 1,
        instance: Instance::parse("b").unwrap(),
        lease: Position(1),
    };
    for event in [
        finished(2, 1),
        finished(1, 2),
        claimed,
        WorkEvent::Revoked { epoch: 7 },
        WorkEvent::Cancelled { request_id: id(3) },
    ] {
        let recorded = Recorded {
            id: EventId(Ulid::nil()),
            event,
        };
        evolve(log.work.clone(), &recorded).unwrap_err();
    }
}
