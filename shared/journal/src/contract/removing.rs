//! Cases on what is removed and what is kept.

use nogfso_kernel::Position;

use super::{Bench, FOREVER, LAST, PURGED, record};
use crate::log::{PublishFault, ReadFault, Record};

/// The rest stays, and so does its guard.
pub async fn a_purge_keeps_from_a_position(bench: &Bench<'_>) {
    let (subject, other) = (bench.subject(&PURGED, "a"), bench.subject(&PURGED, "a.b"));
    bench.store(&other, "other").await;
    bench.store(&subject, "1").await;
    bench.store(&subject, "2").await;
    let third = bench.store(&subject, "3").await;
    bench
        .log
        .purge(&subject, Some(third))
        .await
        .expect("it is purged");
    bench
        .log
        .purge(&subject, Some(third))
        .await
        .expect("again does no harm");

    bench.sees(&subject, Position::START, &["3"]).await;
    bench.sees(&other, Position::START, &["other"]).await;
    let first = Record {
        guard: Some(Position::START),
        ..record(&subject, "x")
    };
    assert_eq!(bench.publish(first).await, Err(PublishFault::Conflict));
    let next = Record {
        guard: Some(third),
        ..record(&subject, "4")
    };
    bench.publish(next).await.expect("it goes on");
}

/// Nothing remembers what was there.
pub async fn a_purge_of_a_whole_subject_lets_it_begin_again(bench: &Bench<'_>) {
    let subject = bench.subject(&PURGED, "a");
    let first = bench.store(&subject, "1").await;
    bench.log.purge(&subject, None).await.expect("it is purged");
    bench.sees(&subject, Position::START, &[]).await;
    assert_eq!(bench.log.leader_last(&subject).await, Ok(None));
    let again = Record {
        guard: Some(Position::START),
        ..record(&subject, "again")
    };
    let again = bench.publish(again).await.expect("it begins again");
    assert!(again.position > first, "positions are not given twice");
}

/// A purge of history is an error, not a loss.
pub async fn what_is_kept_for_ever_is_not_purged(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let position = bench.store(&subject, "1").await;
    for keep_from in [None, Some(Position(position.0 + 1))] {
        let answer = bench.log.purge(&subject, keep_from).await;
        assert!(
            matches!(answer, Err(ReadFault::Refused { .. })),
            "{answer:?}"
        );
    }
    bench.sees(&subject, Position::START, &["1"]).await;
}

/// An entry is replaced, guarded like a history, and removed by a purge.
pub async fn only_the_last_of_a_subject_is_kept(bench: &Bench<'_>) {
    let (one, other) = (bench.subject(&LAST, "a"), bench.subject(&LAST, "b"));
    let first = bench.store(&one, "1").await;
    bench.store(&other, "other").await;
    let second = Record {
        guard: Some(first),
        ..record(&one, "2")
    };
    let second = bench
        .publish(second)
        .await
        .expect("the guard holds")
        .position;

    let found = bench.sees(&one, Position::START, &["2"]).await;
    assert_eq!(found[0].position, second);
    bench.sees(&other, Position::START, &["other"]).await;
    let stale = Record {
        guard: Some(first),
        ..record(&one, "x")
    };
    assert_eq!(bench.publish(stale).await, Err(PublishFault::Conflict));
    bench
        .log
        .purge(&one, None)
        .await
        .expect("an entry can be removed");
    bench.sees(&one, Position::START, &[]).await;
}
