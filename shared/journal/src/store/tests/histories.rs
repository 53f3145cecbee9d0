//! Histories: long ones, purged ones, damaged ones, and ones that are not what they were.

use std::time::Duration;

use nogfso_kernel::{CommitId, Event, EventId, Position};
use serde::{Deserialize, Serialize};
use tokio::time::advance;
use ulid::Ulid;

use super::super::{ExecuteError, LoadError, Loaded, Store};
use super::{Bench, bench, by, is_changed, push, state};
use crate::envelope::{Envelope, StoredEvent};
use crate::log::{Log, READ_MESSAGES_MAX};
use crate::tally::{Do, Fact, OTHER, PURGEABLE, SUBJECT, Tally, envelope, record};

async fn do_there(store: &Store<Tally>, command: Do) -> Loaded<Tally> {
    store
        .execute(PURGEABLE, &command, &by())
        .await
        .unwrap()
        .after
}

async fn load(store: &Store<Tally>, subject: &str) -> Result<Loaded<Tally>, LoadError> {
    store.load(subject, Position::START).await
}

#[tokio::test(start_paused = true)]
async fn a_history_of_many_pages_is_folded_completely() {
    let bench = bench().await;
    let count = u32::try_from(READ_MESSAGES_MAX).unwrap() * 2 + 1;
    for number in 0..count {
        push(&bench.ours, number).await;
        if number == 999 || number == 1_000 {
            assert_eq!(
                load(&bench.another(), SUBJECT).await.unwrap().state.len(),
                number as usize + 1
            );
        }
    }
    let loaded = load(&bench.theirs, SUBJECT).await.unwrap();
    assert!(loaded.state.into_iter().eq(0..count));
}

#[tokio::test(start_paused = true)]
async fn a_fold_begins_at_a_commit_of_the_whole_state_when_what_lay_before_was_purged() {
    let bench = bench().await;
    do_there(&bench.ours, Do::Push(1)).await;
    let early = do_there(&bench.theirs, Do::Push(2)).await.position();
    do_there(&bench.ours, Do::Push(3)).await;
    let whole = do_there(&bench.ours, Do::Sum).await.position();
    do_there(&bench.ours, Do::Push(4)).await;
    bench.log.purge(PURGEABLE, Some(whole)).await.unwrap();
    assert!(early < whole);
    // From nothing, from a fold before the purge, and from one after it.
    for store in [&bench.another(), &bench.theirs, &bench.ours] {
        assert_eq!(state(store, PURGEABLE).await, [1, 2, 3, 4]);
    }
    let last = do_there(&bench.theirs, Do::Push(5)).await;
    assert_eq!(last.state, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_command_upon_a_fold_from_before_a_purge_is_decided_again() {
    let bench = bench().await;
    do_there(&bench.theirs, Do::Push(1)).await;
    do_there(&bench.ours, Do::Push(2)).await;
    let whole = do_there(&bench.ours, Do::Sum).await.position();
    bench.log.purge(PURGEABLE, Some(whole)).await.unwrap();
    let after = do_there(&bench.theirs, Do::Push(3)).await;
    assert_eq!(after.state, [1, 2, 3]);
    do_there(&bench.ours, Do::Sum).await;
    advance(Duration::from_secs(5)).await;
    assert_eq!(
        do_there(&bench.theirs, Do::Push(4)).await.state,
        [1, 2, 3, 4]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_no_commit_of_the_whole_state_closes_is_a_changed_history() {
    let bench = bench().await;
    do_there(&bench.theirs, Do::Push(1)).await;
    do_there(&bench.ours, Do::Push(2)).await;
    let kept = do_there(&bench.ours, Do::Push(3)).await.position();
    bench.log.purge(PURGEABLE, Some(kept)).await.unwrap();
    for store in [&bench.another(), &bench.theirs] {
        let loaded = load(store, PURGEABLE).await;
        assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
    }
    // Who has folded it all misses nothing.
    assert_eq!(state(&bench.ours, PURGEABLE).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_tail_is_noticed_by_every_way_and_for_as_long_as_it_is_remembered() {
    let waits = [Duration::ZERO, Duration::from_secs(5)];
    for wait in waits {
        for command in [Do::Push(3), Do::Ensure(1), Do::Forbid(1)] {
            let bench = bench().await;
            push(&bench.ours, 1).await;
            push(&bench.ours, 2).await;
            bench.log.truncate("KEPT", 1);
            advance(wait).await;
            for _ in 0..3 {
                let answer = bench.ours.execute(SUBJECT, &command, &by()).await;
                assert!(is_changed(&answer), "{answer:?}");
                let loaded = load(&bench.ours, SUBJECT).await;
                assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
            }
            assert_eq!(
                state(&bench.theirs, SUBJECT).await,
                [1],
                "nothing was appended"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_lost_entirely_is_noticed() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    bench.log.truncate("KEPT", 1);
    let loaded = load(&bench.ours, SUBJECT).await;
    assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
    let answer = bench.ours.execute(SUBJECT, &Do::Push(2), &by()).await;
    assert!(is_changed(&answer));
}

/// A server from an old copy: our last commit is lost, and its position belongs to another commit of the same aggregate.
async fn reused() -> Bench {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    push(&bench.ours, 2).await;
    bench.log.truncate("KEPT", 1);
    let other = push(&bench.theirs, 3).await.after;
    assert_eq!(other.position(), Position(2));
    bench
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_given_again_is_noticed_by_loads() {
    let bench = reused().await;
    for _ in 0..3 {
        let loaded = load(&bench.ours, SUBJECT).await;
        assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_given_again_is_noticed_before_an_append() {
    let bench = reused().await;
    // The time that setting up a server takes at the least.
    advance(Duration::from_secs(1)).await;
    for _ in 0..3 {
        let answer = bench.ours.execute(SUBJECT, &Do::Push(4), &by()).await;
        assert!(is_changed(&answer), "{answer:?}");
    }
    assert_eq!(state(&bench.another(), SUBJECT).await, [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_given_again_is_noticed_after_a_failed_call() {
    let bench = reused().await;
    bench.log.take_down();
    let answer = bench.ours.execute(SUBJECT, &Do::Ensure(2), &by()).await;
    assert!(matches!(
        answer,
        Err(ExecuteError::Load(LoadError::Read(_)))
    ));
    bench.log.bring_up();
    let answer = bench.ours.execute(SUBJECT, &Do::Push(4), &by()).await;
    assert!(is_changed(&answer), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_append_upon_a_lost_commit_alarms_every_later_reader() {
    let bench = reused().await;
    // Within the second in which nobody looks, the guard alone decides.
    push(&bench.ours, 4).await;
    for store in [&bench.theirs, &bench.another()] {
        let loaded = load(store, SUBJECT).await;
        assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
        let answer = store.execute(SUBJECT, &Do::Push(5), &by()).await;
        assert!(is_changed(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_follows_another_history_is_noticed_even_with_the_whole_state() {
    let whole = Fact::Summed { numbers: vec![9] };
    for fact in [Fact::Pushed { number: 9 }, whole] {
        let bench = bench().await;
        let last = push(&bench.ours, 1).await.after.last.unwrap();
        let mut stranger = envelope(SUBJECT, 7);
        stranger.previous = Some(crate::Previous {
            commit: CommitId(Ulid(8)),
            ..last
        });
        stranger.events.push(StoredEvent {
            id: EventId(Ulid(1)),
            schema: 1,
            fact,
        });
        let (payload, _) = stranger.encode().unwrap();
        let record = record(SUBJECT, payload, 1);
        bench.log.publish(&record).await.unwrap();
        for store in [&bench.ours, &bench.theirs] {
            let loaded = load(store, SUBJECT).await;
            assert!(matches!(loaded, Err(LoadError::HistoryChanged { .. })));
        }
        let answer = bench.ours.execute(SUBJECT, &Do::Push(2), &by()).await;
        assert!(is_changed(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_another_aggregate_is_broken_history() {
    let bench = bench().await;
    let (payload, _) = envelope(OTHER, 1).encode().unwrap();
    let record = record(SUBJECT, payload, 0);
    bench.log.publish(&record).await.unwrap();
    let loaded = load(&bench.ours, SUBJECT).await;
    assert!(matches!(loaded, Err(LoadError::Broken { .. })));
    let answer = bench.ours.execute(SUBJECT, &Do::Push(2), &by()).await;
    assert!(matches!(
        answer,
        Err(ExecuteError::Load(LoadError::Broken { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn damaged_bytes_and_events_that_cannot_follow_are_broken_history() {
    let (damaged, _) = envelope(SUBJECT, 1).encode().unwrap();
    let mut damaged = damaged.to_vec();
    damaged[20] ^= 1;
    let mut nonsense = envelope(SUBJECT, 1);
    nonsense.events.push(StoredEvent {
        id: EventId(Ulid(1)),
        schema: 1,
        fact: Fact::Nonsense {},
    });
    let (nonsense, _) = nonsense.encode().unwrap();
    for payload in [damaged.into(), nonsense, b"no commit".as_slice().into()] {
        let bench = bench().await;
        let record = record(SUBJECT, payload, 0);
        bench.log.publish(&record).await.unwrap();
        let loaded = load(&bench.ours, SUBJECT).await;
        let Err(error @ LoadError::Broken { .. }) = loaded else {
            panic!("{loaded:?}");
        };
        assert!(!error.is_transient());
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Later {
    #[serde(rename = "EV_OF_LATER")]
    OfLater {},
}

impl Event for Later {
    const NAMES: &'static [&'static str] = &["EV_OF_LATER"];
    fn name(&self) -> &'static str {
        "EV_OF_LATER"
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_newer_build_is_newer_and_not_broken() {
    let bench = bench().await;
    let last = push(&bench.ours, 1).await.after.last;
    let Envelope {
        v,
        commit,
        aggregate,
        command,
        cause,
        correlation,
        traceparent,
        actor,
        at_ms,
        epoch,
        ..
    } = envelope(SUBJECT, 7);
    let newer = Envelope {
        events: vec![StoredEvent {
            id: EventId(Ulid(1)),
            schema: 1,
            fact: Later::OfLater {},
        }],
        previous: last,
        v,
        commit,
        aggregate,
        command,
        cause,
        correlation,
        traceparent,
        actor,
        at_ms,
        epoch,
    };
    let (payload, _) = newer.encode().unwrap();
    let record = record(SUBJECT, payload, 1);
    bench.log.publish(&record).await.unwrap();
    for store in [&bench.ours, &bench.theirs] {
        let loaded = load(store, SUBJECT).await;
        assert!(matches!(loaded, Err(LoadError::Newer { .. })));
        for command in [Do::Push(2), Do::Ensure(1)] {
            let answer = store.execute(SUBJECT, &command, &by()).await;
            assert!(
                matches!(answer, Err(ExecuteError::Load(LoadError::Newer { .. }))),
                "{answer:?}"
            );
        }
    }
}
