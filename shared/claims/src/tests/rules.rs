//! One case per rule of design 5, and the mistakes that an exploration of all runs found, each refused.

use nogfso_kernel::Position;

use crate::rules::{
    ClaimView, Ended, Look, Mark, Next, Pressure, ServedHere, View, acks_lease, is_left_over, look,
    may_resume, may_touch, next,
};

const DRAINING: Pressure = Pressure {
    draining: true,
    silent: false,
};
const SILENT: Pressure = Pressure {
    draining: false,
    silent: true,
};

fn unclaimed(newest_trigger: u64) -> View {
    View {
        claim: None,
        newest_trigger: Position(newest_trigger),
        due: true,
        epoch: 0,
    }
}

fn claimed(epoch: u64, lease: u64, newest_trigger: u64) -> View {
    View {
        claim: Some(ClaimView {
            epoch,
            instance: "other".to_owned(),
            lease: Position(lease),
        }),
        epoch,
        ..unclaimed(newest_trigger)
    }
}

fn served(epoch: u64, lease: u64) -> Option<ServedHere> {
    Some(ServedHere {
        epoch,
        lease: Position(lease),
    })
}

fn mark(epoch: u64, instance: &str) -> Mark {
    Mark {
        epoch,
        instance: instance.to_owned(),
    }
}

#[test]
fn where_nothing_is_due_every_trigger_is_acknowledged() {
    for mut view in [unclaimed(5), claimed(1, 5, 5)] {
        view.due = false;
        assert_eq!(look(&view, Position(5), None), Look::Ack);
    }
}

#[test]
fn a_lease_under_which_nothing_is_due_is_not_needless_while_its_claim_lasts() {
    let mut view = claimed(1, 5, 6);
    assert!(!is_left_over(&view, Position(5)));
    view.due = false;
    assert!(is_left_over(&view, Position(5)));
    assert!(!is_left_over(&view, Position(6)));
    view.claim = None;
    assert!(!is_left_over(&view, Position(5)));
}

#[test]
fn only_the_newest_trigger_and_the_lease_of_the_present_claim_lead_to_the_lock() {
    assert_eq!(look(&unclaimed(5), Position(5), None), Look::TryLock);
    assert_eq!(look(&claimed(1, 3, 5), Position(3), None), Look::TryLock);
    assert_eq!(look(&claimed(1, 3, 5), Position(5), None), Look::TryLock);
    // Claiming on any message would let a message be acknowledged that somebody needs.
    assert_eq!(look(&unclaimed(5), Position(4), None), Look::Ack);
    assert_eq!(look(&claimed(1, 3, 5), Position(4), None), Look::Ack);
}

#[test]
fn the_lock_is_asked_and_not_the_holder() {
    let view = claimed(7, 3, 3);
    assert_eq!(look(&view, Position(3), None), Look::TryLock);
}

#[test]
fn a_claim_of_ones_own_that_no_task_serves_is_claimed_anew() {
    let mut view = claimed(7, 3, 3);
    view.claim.as_mut().unwrap().instance = "me".to_owned();
    assert_eq!(look(&view, Position(3), None), Look::TryLock);
    assert_eq!(look(&view, Position(3), served(6, 2)), Look::TryLock);
}

#[test]
fn a_holder_keeps_the_newest_handle_on_its_lease_whatever_is_due() {
    let mut view = claimed(7, 3, 5);
    assert_eq!(look(&view, Position(3), served(7, 3)), Look::Keep);
    view.due = false;
    assert_eq!(look(&view, Position(3), served(7, 3)), Look::Keep);
}

#[test]
fn a_newer_trigger_waits_for_the_holder_in_the_same_process() {
    let view = claimed(7, 3, 5);
    assert_eq!(look(&view, Position(5), served(7, 3)), Look::HeldHere);
}

#[test]
fn a_newer_mark_keeps_an_older_epoch_from_the_disk() {
    let mine = mark(4, "me");
    assert!(may_touch(None, &mine));
    assert!(may_touch(Some(&mark(3, "other")), &mine));
    assert!(may_touch(Some(&mark(4, "me")), &mine));
    assert!(!may_touch(Some(&mark(5, "other")), &mine));
    // The same epoch twice exists only where the journal was restored to an earlier state.
    assert!(!may_touch(Some(&mark(4, "other")), &mine));
}

#[test]
fn a_holder_works_while_something_is_due_and_releases_then() {
    let mut view = claimed(4, 1, 1);
    assert_eq!(next(&view, 4, Pressure::default()), Next::Work);
    view.due = false;
    assert_eq!(next(&view, 4, Pressure::default()), Next::Release);
}

#[test]
fn a_holder_whose_claim_moved_on_stops_whatever_else_is_asked() {
    for pressure in [Pressure::default(), DRAINING, SILENT] {
        assert_eq!(next(&claimed(5, 1, 1), 4, pressure), Next::Stop);
        assert_eq!(next(&unclaimed(1), 4, pressure), Next::Stop);
    }
}

#[test]
fn a_drain_releases_with_work_left_and_never_hands_the_message_back() {
    assert_eq!(next(&claimed(4, 1, 1), 4, DRAINING), Next::Release);
}

#[test]
fn a_silent_server_pauses_a_holder_before_anything_is_appended() {
    let both = Pressure {
        draining: true,
        silent: true,
    };
    for pressure in [SILENT, both] {
        assert_eq!(next(&claimed(4, 1, 1), 4, pressure), Next::Pause);
    }
}

#[test]
fn a_paused_holder_goes_on_only_if_claim_and_mark_are_its_own() {
    let mine = mark(4, "me");
    assert!(may_resume(&claimed(4, 1, 1), Some(&mine), &mine));
    assert!(!may_resume(&claimed(5, 1, 1), Some(&mine), &mine));
    assert!(!may_resume(&unclaimed(1), Some(&mine), &mine));
    assert!(!may_resume(
        &claimed(4, 1, 1),
        Some(&mark(5, "other")),
        &mine
    ));
}

#[test]
fn only_a_stored_release_acknowledges_the_lease() {
    assert!(acks_lease(Ended::Released));
    assert!(!acks_lease(Ended::MovedOn));
    assert!(!acks_lease(Ended::GaveUp));
}
