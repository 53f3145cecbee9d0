//! Many commands at once, from several processes, with odd answers and callers that go away.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::stream::{StreamExt, iter};
use nogfso_kernel::Position;

use super::super::{ExecuteError, Store};
use super::{bench, by, push, state};
use crate::memory::{MemoryLog, Odds, PublishOddity};
use crate::tally::{Do, SUBJECT, Tally, journal, stored};

async fn run_all(store: &Store<Tally>, numbers: std::ops::Range<u32>) -> BTreeMap<u32, bool> {
    iter(numbers)
        .map(|number| async move {
            loop {
                match store.execute(SUBJECT, &Do::Push(number), &by()).await {
                    Ok(_) => return (number, true),
                    Err(ExecuteError::Busy | ExecuteError::Unavailable { .. }) => {}
                    Err(ExecuteError::Unknown { .. }) => return (number, false),
                    // The leader did not answer before anything was tried.
                    Err(ExecuteError::Load(error)) if error.is_transient() => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
        .buffer_unordered(20)
        .collect()
        .await
}

async fn race(log: &MemoryLog, ours: &Store<Tally>, theirs: &Store<Tally>) {
    let (first, second) = tokio::join!(run_all(ours, 0..250), run_all(theirs, 250..500));
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    log.stop_playing();
    let known = ours.load(SUBJECT, Position::START).await.unwrap();
    assert_eq!(state(theirs, SUBJECT).await, known.state);
    let fresh = Store::<Tally>::new(Arc::new(log.clone()), ours.environment().clone());
    assert_eq!(state(&fresh, SUBJECT).await, known.state);
    for (number, is_known) in first.into_iter().chain(second) {
        let count = known.state.iter().filter(|found| **found == number).count();
        assert!(
            if is_known { count == 1 } else { count <= 1 },
            "{number}: {count}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_lose_no_command_and_double_none() {
    let bench = bench().await;
    race(&bench.log, &bench.ours, &bench.theirs).await;
    assert_eq!(stored(&bench.log, SUBJECT).await.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn two_processes_on_an_odd_server_lose_no_command_and_double_none() {
    for seed in 0..20 {
        let bench = bench().await;
        bench.log.play_by_chance(
            seed,
            Odds {
                in_flight: 50,
                lost_request: 20,
                lost_answer: 30,
                late: 10,
                duplicate_at_zero: 20,
                own_conflict: 30,
                publish_unavailable: 20,
                stale: 100,
                read_unavailable: 10,
            },
        );
        race(&bench.log, &bench.ours, &bench.theirs).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_given_up_at_any_moment_leaves_the_cache_right() {
    let command = Do::Push(9);
    for oddity in [
        None,
        Some(PublishOddity::OwnConflict),
        Some(PublishOddity::DuplicateAtZero),
    ] {
        for is_stale in [false, true] {
            let mut given_up_after = 0;
            loop {
                let bench = bench().await;
                push(&bench.ours, 1).await;
                if is_stale {
                    push(&bench.theirs, 2).await;
                }
                if let Some(oddity) = oddity {
                    bench.log.script_publish(SUBJECT, oddity);
                }
                let by = by();
                let is_done = {
                    let mut execute = pin!(bench.ours.execute(SUBJECT, &command, &by));
                    let mut context = Context::from_waker(Waker::noop());
                    (0..given_up_after).any(|_| execute.as_mut().poll(&mut context).is_ready())
                };
                bench.log.stop_playing();
                let before = stored(&bench.log, SUBJECT).await.len();
                push(&bench.ours, 3).await;
                push(&bench.theirs, 4).await;
                let ours = state(&bench.ours, SUBJECT).await;
                assert_eq!(ours, state(&bench.another(), SUBJECT).await);
                assert_eq!(ours.len(), before + 2);
                if is_done {
                    break;
                }
                given_up_after += 1;
                assert!(given_up_after < 100, "the command never ends");
            }
            assert!(given_up_after > 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_shows_when_the_server_is_back() {
    let (log, environment) = journal().await;
    let store = Store::<Tally>::new(Arc::new(log.clone()), environment);
    push(&store, 1).await;
    log.script_publish(SUBJECT, PublishOddity::LostAnswer);
    let by = by();
    let outage = async {
        while stored(&log, SUBJECT).await.len() < 2 {
            tokio::task::yield_now().await;
        }
        log.take_down();
    };
    let (answer, ()) = tokio::join!(store.execute(SUBJECT, &Do::Push(2), &by), outage);
    assert!(matches!(answer, Err(ExecuteError::Unknown { .. })));
    log.bring_up();
    assert_eq!(push(&store, 3).await.after.state, [1, 2, 3]);
}
