//! Deciding: again after a conflict, upon an expected version, upon enough, and with the leader's word for what is answered
//! without an append.

use std::time::Duration;

use nogfso_kernel::{Expected, Position, Vid};
use tokio::time::{Instant, advance};

use super::super::execute::DECISIONS_MAX;
use super::super::{ExecuteError, LoadError, WAITING_COMMANDS_MAX};
use super::{answering, at_least, bench, by, expecting, push, state};
use crate::envelope::Previous;
use crate::log::Log;
use crate::memory::{PublishOddity, ReadOddity};
use crate::tally::{Do, IsThere, SUBJECT, envelope, record, stored};

#[tokio::test(start_paused = true)]
async fn what_is_executed_is_loaded_by_others() {
    let bench = bench().await;
    let outcome = push(&bench.ours, 1).await;
    assert_eq!(outcome.after.state, [1]);
    assert_eq!(outcome.after.position().0, 1);
    assert_eq!(Vid::from(outcome.appended[0].id), outcome.after.vid);
    push(&bench.theirs, 2).await;
    push(&bench.ours, 3).await;
    assert_eq!(state(&bench.another(), SUBJECT).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_decided_again_after_a_conflict() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.theirs, 2).await;
    let outcome = bench.ours.execute(SUBJECT, &Do::Ensure(2), &by()).await;
    assert!(outcome.unwrap().appended.is_empty());
    push(&bench.theirs, 3).await;
    assert_eq!(push(&bench.ours, 4).await.after.state, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_on_which_others_are_always_first_is_busy() {
    for (intruders_count, is_busy) in [(DECISIONS_MAX - 1, false), (DECISIONS_MAX, true)] {
        let (log, store) = answering().await;
        let mut previous = None;
        for n in 1..=u64::from(intruders_count) {
            let mut intruder = envelope(SUBJECT, n.into());
            intruder.previous = previous;
            let (payload, hash) = intruder.encode().unwrap();
            previous = Some(Previous {
                position: Position(n),
                commit: intruder.commit,
                hash,
            });
            let intruder = record(SUBJECT, payload, n - 1);
            log.intruders.lock().unwrap().push_back(intruder);
        }
        let answer = store.execute(SUBJECT, &Do::Push(1), &by()).await;
        assert_eq!(matches!(answer, Err(ExecuteError::Busy)), is_busy);
        assert_eq!(state(&store, SUBJECT).await.is_empty(), is_busy);
        assert_eq!(push(&store, 2).await.after.state.last(), Some(&2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_told_to_who_asks_for_no_second_decision() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    bench
        .log
        .script_publish(SUBJECT, PublishOddity::LostRequest);
    let by = expecting(Expected::NoVc);
    let command = Do::Push(3);
    let (answer, other) = tokio::join!(bench.ours.execute(SUBJECT, &command, &by), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        push(&bench.theirs, 2).await
    });
    let Err(ExecuteError::VersionConflict { stored, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(stored, other.after.vid);
    assert_eq!(state(&bench.ours, SUBJECT).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_cache_is_no_lost_race() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.theirs, 2).await;
    let by = expecting(Expected::NoVc);
    let outcome = bench.ours.execute(SUBJECT, &Do::Push(3), &by).await;
    assert_eq!(outcome.unwrap().after.state, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_fixed_version_is_checked_before_anything_is_decided() {
    let bench = bench().await;
    let first = push(&bench.ours, 1).await.after.vid;
    let second = push(&bench.theirs, 2).await.after.vid;
    // Neither what would change nothing nor what would be refused gets past it, stale cache or not.
    for command in [Do::Ensure(1), Do::Forbid(1), Do::Push(3)] {
        let by = expecting(Expected::Exactly(first));
        let answer = bench.ours.execute(SUBJECT, &command, &by).await;
        let Err(ExecuteError::VersionConflict { stored, expected }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((stored, expected), (second, first));
    }
    assert_eq!(state(&bench.theirs, SUBJECT).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_fixed_version_that_the_cache_does_not_know_yet_is_found_at_the_leader() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    let second = push(&bench.theirs, 2).await.after.vid;
    let by = expecting(Expected::Exactly(second));
    let outcome = bench.ours.execute(SUBJECT, &Do::Push(3), &by).await;
    assert_eq!(outcome.unwrap().after.state, [1, 2, 3]);
    let epoch = expecting(Expected::Exactly(Vid::EPOCH));
    let answer = bench.ours.execute(SUBJECT, &Do::Push(4), &epoch).await;
    assert!(matches!(answer, Err(ExecuteError::VersionConflict { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_events_wins_no_race() {
    for expected in [None, Some(Expected::NoVc)] {
        let bench = bench().await;
        let last = push(&bench.ours, 1).await.after;
        let mut empty = envelope(SUBJECT, 77);
        empty.previous = last.last;
        let (payload, _) = empty.encode().unwrap();
        bench
            .log
            .script_publish(SUBJECT, PublishOddity::LostRequest);
        let by = expecting(expected.unwrap_or(Expected::Exactly(last.vid)));
        let command = Do::Push(2);
        let (outcome, ()) = tokio::join!(bench.ours.execute(SUBJECT, &command, &by), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let record = record(SUBJECT, payload, last.position().0);
            bench.log.publish(&record).await.unwrap();
        });
        assert_eq!(outcome.unwrap().after.state, [1, 2]);
        assert_eq!(stored(&bench.log, SUBJECT).await.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_without_an_append_was_checked_at_the_leader() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.theirs, 2).await;
    for stale in 0..3 {
        for _ in 0..stale {
            bench.log.script_read(SUBJECT, ReadOddity::Stale(1));
        }
        let refused = bench.ours.execute(SUBJECT, &Do::Forbid(2), &by()).await;
        assert!(
            matches!(refused, Err(ExecuteError::Refused(IsThere(2)))),
            "{refused:?}"
        );
        bench.log.stop_playing();
    }
    push(&bench.theirs, 3).await;
    bench.log.script_read(SUBJECT, ReadOddity::Stale(1));
    let unchanged = bench.ours.execute(SUBJECT, &Do::Ensure(3), &by()).await;
    assert_eq!(unchanged.unwrap().after.state, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_checked_is_not_given() {
    let (log, store) = answering().await;
    push(&store, 1).await;
    *log.leader_silent.lock().unwrap() = 1;
    let answer = store.execute(SUBJECT, &Do::Ensure(1), &by()).await;
    let Err(error @ ExecuteError::Load(LoadError::Read(_))) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_command_is_decided_upon_at_least_the_position_that_it_names() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.theirs, 2).await;
    for _ in 0..50 {
        bench.log.script_read(SUBJECT, ReadOddity::Stale(1));
    }
    let outcome = bench
        .ours
        .execute(SUBJECT, &Do::Push(3), &at_least(2))
        .await;
    assert_eq!(outcome.unwrap().after.state, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_does_not_show_is_behind_after_a_while() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    let started = Instant::now();
    let answer = bench
        .ours
        .execute(SUBJECT, &Do::Push(3), &at_least(9))
        .await;
    let Err(error @ ExecuteError::Load(LoadError::Behind { .. })) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.is_transient());
    assert!(started.elapsed() < Duration::from_secs(6));
    let loaded = bench.ours.load(SUBJECT, Position(9)).await;
    assert!(matches!(loaded, Err(LoadError::Behind { .. })));
    assert_eq!(push(&bench.ours, 2).await.after.state, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_load_never_shows_less_than_was_folded_before() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.ours, 2).await;
    for missing in 1..=3 {
        bench.log.script_read(SUBJECT, ReadOddity::Stale(missing));
        assert_eq!(state(&bench.ours, SUBJECT).await, [1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn more_waiting_commands_than_the_queue_holds_are_busy() {
    let bench = bench().await;
    let commands: Vec<Do> = (0..=u32::try_from(WAITING_COMMANDS_MAX).unwrap())
        .map(Do::Push)
        .collect();
    let by = by();
    let answers = futures_util::future::join_all(
        commands
            .iter()
            .map(|command| bench.ours.execute(SUBJECT, command, &by)),
    )
    .await;
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ExecuteError::Busy)));
    assert_eq!(busy.count(), 1);
    assert_eq!(
        state(&bench.ours, SUBJECT).await.len(),
        WAITING_COMMANDS_MAX
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_rejected_and_leaves_everything_as_it_was() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    for command in [Do::Pad(1_000_001), Do::Nonsense] {
        let answer = bench.ours.execute(SUBJECT, &command, &by()).await;
        assert!(
            matches!(answer, Err(ExecuteError::Rejected { .. })),
            "{answer:?}"
        );
    }
    bench
        .ours
        .execute(SUBJECT, &Do::Pad(999_000), &by())
        .await
        .unwrap();
    assert_eq!(push(&bench.ours, 2).await.after.state, [1, 2]);
    assert_eq!(stored(&bench.log, SUBJECT).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fold_that_was_not_used_for_a_while_is_brought_up_to_date_first() {
    let (log, store) = answering().await;
    push(&store, 1).await;
    let others = super::Store::<super::Tally>::new(
        std::sync::Arc::new(log.log.clone()),
        store.environment().clone(),
    );
    push(&others, 2).await;
    advance(Duration::from_secs(2)).await;
    assert_eq!(push(&store, 3).await.after.state, [1, 2, 3]);
    assert_eq!(log.attempts.lock().unwrap().len(), 2, "no attempt was lost");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_the_fold_that_it_was_decided_on() {
    let (log, store) = answering().await;
    push(&store, 1).await;
    let others = super::Store::<super::Tally>::new(
        std::sync::Arc::new(log.log.clone()),
        store.environment().clone(),
    );
    push(&others, 2).await;
    let refused = store.execute(SUBJECT, &Do::Forbid(2), &by()).await;
    assert!(
        matches!(refused, Err(ExecuteError::Refused(_))),
        "{refused:?}"
    );
    // Nobody is asked before the next append, and it is the first attempt that counts.
    *log.leader_silent.lock().unwrap() = 1;
    assert_eq!(push(&store, 3).await.after.state, [1, 2, 3]);
    assert_eq!(log.attempts.lock().unwrap().len(), 2, "no attempt was lost");
}
