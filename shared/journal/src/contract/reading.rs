//! Cases on reading one subject and finding the last message.

use nogfso_kernel::Position;
use tokio::time::sleep;

use super::{Bench, FOREVER, PAUSE, PURGED, record, text};
use crate::log::{READ_MESSAGES_MAX, ReadFault, Record};

/// Neighbours, longer and shorter subjects are left out; everything about a message is there.
pub async fn a_read_gives_the_messages_of_one_subject_in_order(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a.b");
    let first = bench.store(&subject, "1").await;
    for other in ["a", "a.b.c", "a.c"] {
        bench.store(&bench.subject(&FOREVER, other), "x").await;
    }
    let second = bench.store(&subject, "2").await;

    let found = bench.sees(&subject, Position::START, &["1", "2"]).await;
    assert_eq!(
        found
            .iter()
            .map(|stored| stored.position)
            .collect::<Vec<_>>(),
        [first, second]
    );
    let age_ms = bench.clock.now_ms().abs_diff(found[0].stored_ms);
    assert!(
        found[0].subject == subject && age_ms < 60_000,
        "stored {age_ms} ms ago"
    );
}

/// The position is excluded, and need not be one of the subject.
pub async fn a_read_goes_on_after_a_position(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let first = bench.store(&subject, "1").await;
    let between = bench.store(&bench.subject(&FOREVER, "b"), "x").await;
    let second = bench.store(&subject, "2").await;
    bench.sees(&subject, first, &["2"]).await;
    bench.sees(&subject, between, &["2"]).await;
    bench.sees(&subject, second, &[]).await;
    bench.sees(&subject, Position(second.0 + 1_000), &[]).await;
}

/// A subject without messages is no error; a subject without a stream is.
pub async fn a_read_of_nothing_is_empty(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "never");
    bench.sees(&subject, Position::START, &[]).await;
    assert_eq!(bench.log.leader_last(&subject).await, Ok(None));
    assert_eq!(bench.log.find_last(FOREVER.name, &subject).await, Ok(None));
    let nowhere = bench.log.read("nowhere.at.all", Position::START).await;
    assert!(
        matches!(nowhere, Err(ReadFault::Refused { .. })),
        "{nowhere:?}"
    );
}

/// A page is full as long as there is more.
pub async fn a_read_is_limited_to_a_page(bench: &Bench<'_>) {
    let subject = bench.subject(&PURGED, "a");
    for number in 0..READ_MESSAGES_MAX + 10 {
        bench.store(&subject, &number.to_string()).await;
    }
    let page = bench
        .reads(&subject, Position::START, READ_MESSAGES_MAX)
        .await;
    let last = &page[READ_MESSAGES_MAX - 1];
    assert_eq!(text(last), (READ_MESSAGES_MAX - 1).to_string());
    let rest = bench.reads(&subject, last.position, 10).await;
    assert_eq!(text(&rest[0]), READ_MESSAGES_MAX.to_string());
}

/// A page of many megabytes is not cut short: fewer messages than a page holds mean that there are no more.
pub async fn large_messages_are_read_completely(bench: &Bench<'_>) {
    let subject = bench.subject(&PURGED, "a");
    for _ in 0..100 {
        let large = Record {
            payload: vec![b'x'; 900_000].into(),
            ..record(&subject, "")
        };
        bench.publish(large).await.expect("it is stored");
    }
    let found = bench.reads(&subject, Position::START, 100).await;
    assert!(found.iter().all(|stored| stored.payload.len() == 900_000));
}

/// Never behind an acknowledged publish.
pub async fn the_leader_knows_what_was_just_published(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    for number in 0..20 {
        let position = bench.store(&subject, &number.to_string()).await;
        bench.store(&bench.subject(&FOREVER, "a.b"), "x").await;
        let last = bench
            .log
            .leader_last(&subject)
            .await
            .expect("the leader answers")
            .expect("it is stored");
        assert_eq!(
            (last.position, text(&last), last.subject),
            (position, number.to_string(), subject.clone())
        );
    }
}

/// An aggregate is found by its id alone.
pub async fn the_last_message_is_found_by_wildcard(bench: &Bench<'_>) {
    bench
        .store(&bench.subject(&FOREVER, "one.repo.1"), "a")
        .await;
    bench
        .store(&bench.subject(&FOREVER, "two.repo.2"), "b")
        .await;
    bench
        .store(&bench.subject(&FOREVER, "two.repo.2"), "c")
        .await;
    bench
        .store(&bench.subject(&FOREVER, "two.repo.3"), "d")
        .await;
    let filter = bench.subject(&FOREVER, "*.repo.2");
    for _ in 0..500 {
        let found = bench
            .log
            .find_last(FOREVER.name, &filter)
            .await
            .expect("the log answers");
        if let Some(found) = found.filter(|found| text(found) == "c") {
            assert_eq!(found.subject, bench.subject(&FOREVER, "two.repo.2"));
            return;
        }
        sleep(PAUSE).await;
    }
    panic!("the last message on {filter} is not found");
}
