//! What a delivery or a fresh id tells already is not read again, and who watches sees what became known.

use nogfso_kernel::{Expected, Vid};

use super::*;
use crate::log::Stored;

async fn last(bench: &Bench) -> Stored {
    bench.log.leader_last(SUBJECT).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_delivered_commit_that_continues_what_is_known_is_folded_without_a_read() {
    let bench = bench().await;
    push(&bench.theirs, 1).await;
    let first = last(&bench).await;
    push(&bench.theirs, 2).await;
    let second = last(&bench).await;
    // Nothing can be read from now on.
    bench.log.take_down();
    let loaded = bench.ours.load_delivered(&first).await.unwrap();
    assert_eq!(loaded.state, [1]);
    let loaded = bench.ours.load_delivered(&second).await.unwrap();
    assert_eq!(
        (loaded.state, loaded.last.unwrap().position),
        (vec![1, 2], second.position)
    );
    // An older one asks for nothing that is not known.
    let again = bench.ours.load_delivered(&first).await.unwrap();
    assert_eq!(again.state, [1, 2]);
}

#[tokio::test]
async fn a_delivered_commit_with_a_gap_before_it_is_read() {
    let bench = bench().await;
    push(&bench.theirs, 1).await;
    push(&bench.theirs, 2).await;
    let second = last(&bench).await;
    let loaded = bench.ours.load_delivered(&second).await.unwrap();
    assert_eq!(loaded.state, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_long_ago_is_looked_for_again() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    let first = last(&bench).await;
    push(&bench.theirs, 2).await;
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let loaded = bench.ours.load_delivered(&first).await.unwrap();
    assert_eq!(loaded.state, [1, 2]);
}

#[tokio::test]
async fn a_new_aggregate_is_made_without_a_read_and_one_that_exists_is_a_conflict() {
    let (log, store) = answering().await;
    let new = expecting(Expected::Exactly(Vid::EPOCH));
    *log.leader_silent.lock().unwrap() = 1;
    let made = store.execute(SUBJECT, &Do::Push(1), &new).await.unwrap();
    assert_eq!(made.after.state, [1]);
    *log.leader_silent.lock().unwrap() = 0;
    let another = Store::new(store.log().clone(), store.environment().clone());
    let refused = another.execute(SUBJECT, &Do::Push(2), &new).await;
    assert!(matches!(refused, Err(ExecuteError::VersionConflict { .. })));
    assert_eq!(state(&another, SUBJECT).await, [1]);
}

#[tokio::test]
async fn who_watches_sees_what_is_known_and_what_becomes_known() {
    let bench = bench().await;
    push(&bench.ours, 1).await;
    let mut watching = bench.ours.watch(SUBJECT).await;
    assert_eq!(watching.borrow_and_update().state, [1]);
    push(&bench.ours, 2).await;
    watching.changed().await.unwrap();
    assert_eq!(watching.borrow_and_update().state, [1, 2]);
    push(&bench.theirs, 3).await;
    assert!(!watching.has_changed().unwrap(), "nobody here loaded it");
    state(&bench.ours, SUBJECT).await;
    watching.changed().await.unwrap();
    assert_eq!(watching.borrow_and_update().state, [1, 2, 3]);
}
