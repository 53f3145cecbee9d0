//! Cases on following a stream.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use nogfso_kernel::Position;
use tokio::time::timeout;

use super::{Bench, FOREVER, LAST, PATIENCE, text};
use crate::log::{Following, From, Stored};

pub(super) async fn next(following: &mut Following) -> Stored {
    timeout(PATIENCE, following.next())
        .await
        .expect("a message comes in time")
        .expect("a following does not end")
        .expect("the log answers")
}

/// What was stored is given first, then what comes, each once and in order.
pub async fn following_begins_after_a_position(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let first = bench.store(&subject, "1").await;
    bench.store(&subject, "2").await;
    let filter = bench.subject(&FOREVER, ">");
    let mut following = bench
        .log
        .follow(FOREVER.name, &filter, From::After(first))
        .await
        .expect("it begins");
    assert_eq!(text(&next(&mut following).await), "2");
    let third = bench.store(&bench.subject(&FOREVER, "b.c"), "3").await;
    let stored = next(&mut following).await;
    assert_eq!((text(&stored), stored.position), ("3".to_owned(), third));
    for number in 4..700 {
        bench.store(&subject, &number.to_string()).await;
    }
    for number in 4..700 {
        assert_eq!(text(&next(&mut following).await), number.to_string());
    }
}

/// "Now" is when the call returns, at the latest.
pub async fn following_from_now_leaves_out_what_was_before(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    bench.store(&subject, "before").await;
    let mut following = bench
        .log
        .follow(FOREVER.name, &subject, From::Now)
        .await
        .expect("it begins");
    bench.store(&subject, "after").await;
    assert_eq!(text(&next(&mut following).await), "after");
}

/// Then everything new comes, also on the same subject.
pub async fn following_begins_at_the_last_of_each_subject(bench: &Bench<'_>) {
    for (rest, text) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1")] {
        bench.store(&bench.subject(&FOREVER, rest), text).await;
    }
    let filter = bench.subject(&FOREVER, "*");
    let mut following = bench
        .log
        .follow(FOREVER.name, &filter, From::LastOfEachSubject)
        .await
        .expect("it begins");
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        seen.insert(text(&next(&mut following).await));
    }
    assert_eq!(seen, ["a2", "b1", "c1"].map(str::to_owned).into());
    bench.store(&bench.subject(&FOREVER, "b"), "b2").await;
    assert_eq!(text(&next(&mut following).await), "b2");
}

/// Subjects that the filter does not match are not given.
pub async fn following_filters_subjects(bench: &Bench<'_>) {
    let filter = bench.subject(&LAST, "*.x");
    let mut following = bench
        .log
        .follow(LAST.name, &filter, From::After(Position::START))
        .await
        .expect("it begins");
    for rest in ["a.y", "a.x.z", "a", "b.x"] {
        bench.store(&bench.subject(&LAST, rest), rest).await;
    }
    assert_eq!(text(&next(&mut following).await), "b.x");
}

/// A server that restarts costs a follower time and nothing else. `restart` restarts it and returns when it answers.
pub async fn following_goes_on_after_a_restart(bench: &Bench<'_>, restart: impl AsyncFn()) {
    let subject = bench.subject(&FOREVER, "a");
    let filter = bench.subject(&FOREVER, ">");
    let first = bench.store(&subject, "1").await;
    let begin = async |from| {
        bench
            .log
            .follow(FOREVER.name, &filter, from)
            .await
            .expect("it begins")
    };
    let mut all = begin(From::After(Position::START)).await;
    let mut later = begin(From::After(first)).await;
    let mut new = begin(From::Now).await;
    assert_eq!(text(&next(&mut all).await), "1");
    for round in 0..3 {
        restart().await;
        bench
            .store_in_the_end(&subject, &format!("after {round}"))
            .await;
        for following in [&mut all, &mut later, &mut new] {
            assert_eq!(text(&next(following).await), format!("after {round}"));
        }
    }
}

impl Bench<'_> {
    /// Stores once, however often it has to be tried.
    async fn store_in_the_end(&self, subject: &str, text: &str) {
        let message_id = Some(format!("{}-{text}", self.prefix));
        let record = crate::log::Record {
            message_id,
            ..super::record(subject, text)
        };
        for _ in 0..500 {
            if self.log.publish(&record).await.is_ok() {
                return;
            }
            tokio::time::sleep(super::PAUSE).await;
        }
        panic!("{subject} cannot be stored");
    }
}
