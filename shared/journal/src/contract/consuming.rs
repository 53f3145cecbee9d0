//! Cases on durable consumers: leases, answers, limits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Bench, PATIENCE, PAUSE, PURGED, text};
use crate::log::{Consumer, ConsumerProgress, ConsumerSpec, Delivery, ReadFault};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(1);

impl Bench<'_> {
    async fn consumer(&self, ack_wait: Duration, pending_max: u32) -> Arc<dyn Consumer> {
        let spec = self.consumer_spec(ack_wait, pending_max);
        self.log
            .consumer(&spec)
            .await
            .expect("the consumer is made")
    }

    async fn store_numbers(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.store(&self.subject(&PURGED, "a"), &number.to_string())
                .await;
        }
    }
}

async fn pull(consumer: &Arc<dyn Consumer>, count: usize) -> Vec<Delivery> {
    consumer
        .pull(count, PATIENCE)
        .await
        .expect("the log answers")
}

async fn pull_one(consumer: &Arc<dyn Consumer>) -> Delivery {
    pull(consumer, 1)
        .await
        .pop()
        .expect("a message comes in time")
}

async fn pull_nothing(consumer: &Arc<dyn Consumer>) {
    let delivered = consumer
        .pull(1, Duration::from_millis(200))
        .await
        .expect("the log answers");
    assert!(delivered.is_empty(), "{delivered:?}");
}

fn delivered_texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries
        .iter()
        .map(|delivery| text(&delivery.stored))
        .collect()
}

/// A consumer begins at the first message, and gives no more than is asked for.
pub async fn a_consumer_delivers_in_order_up_to_the_count(bench: &Bench<'_>) {
    bench.store_numbers(0..5).await;
    let consumer = bench.consumer(LONG, 100).await;
    let first = pull(&consumer, 3).await;
    assert_eq!(delivered_texts(&first), ["0", "1", "2"]);
    assert!(first.iter().all(|delivery| delivery.delivered == 1));
    assert_eq!(first[0].stored.subject, bench.subject(&PURGED, "a"));
    assert_eq!(delivered_texts(&pull(&consumer, 10).await), ["3", "4"]);
}

/// A pull with nothing there ends with its patience, or with the first message.
pub async fn a_pull_waits_for_the_first_message(bench: &Bench<'_>) {
    let consumer = bench.consumer(LONG, 100).await;
    pull_nothing(&consumer).await;
    let store = async {
        sleep(PAUSE * 5).await;
        bench.store_numbers(0..1).await;
    };
    let began = Instant::now();
    let (delivered, ()) = tokio::join!(pull(&consumer, 10), store);
    assert_eq!(delivered_texts(&delivered), ["0"]);
    assert!(
        began.elapsed() < PATIENCE / 2,
        "the pull did not end with the first message"
    );
}

/// Whoever pulls next gets it.
pub async fn an_unanswered_delivery_comes_again_after_the_ack_wait(bench: &Bench<'_>) {
    bench.store_numbers(0..1).await;
    let consumer = bench.consumer(SHORT, 100).await;
    let began = Instant::now();
    let first = pull_one(&consumer).await;
    let again = pull_one(&consumer).await;
    assert!(
        began.elapsed() >= SHORT.mul_f32(0.9),
        "it came again after {:?}",
        began.elapsed()
    );
    assert_eq!((again.stored, again.delivered), (first.stored, 2));
}

/// The delay counts, not the ack wait.
pub async fn a_nak_comes_again_after_its_delay(bench: &Bench<'_>) {
    bench.store_numbers(0..1).await;
    let consumer = bench.consumer(LONG, 100).await;
    let first = pull_one(&consumer).await;
    let began = Instant::now();
    first.acker.nak(SHORT).await.expect("the answer is taken");
    pull_nothing(&consumer).await;
    assert_eq!(pull_one(&consumer).await.delivered, 2);
    assert!(
        began.elapsed() >= SHORT.mul_f32(0.9),
        "it came again after {:?}",
        began.elapsed()
    );
}

/// As long as the holder says so, nobody else gets it; afterwards it does.
pub async fn progress_keeps_the_lease(bench: &Bench<'_>) {
    bench.store_numbers(0..1).await;
    let consumer = bench.consumer(SHORT, 100).await;
    let held = pull_one(&consumer).await;
    let began = Instant::now();
    while began.elapsed() < SHORT * 2 {
        held.acker.progress().await.expect("the answer is taken");
        pull_nothing(&consumer).await;
    }
    assert_eq!(pull_one(&consumer).await.delivered, 2);
}

/// Not even the end of the ack wait brings it back.
pub async fn an_ack_is_final(bench: &Bench<'_>) {
    bench.store_numbers(0..2).await;
    let consumer = bench.consumer(SHORT, 100).await;
    let both = pull(&consumer, 2).await;
    both[0].acker.ack().await.expect("the answer is taken");
    both[0]
        .acker
        .ack()
        .await
        .expect("a second time does no harm");
    let again = pull_one(&consumer).await;
    assert_eq!(text(&again.stored), "1");
    again.acker.ack().await.expect("the answer is taken");
    let after = consumer.pull(1, SHORT * 2).await.expect("the log answers");
    assert!(after.is_empty(), "{after:?}");
}

/// What is unanswered takes a place until it is answered.
pub async fn pending_deliveries_are_bounded(bench: &Bench<'_>) {
    bench.store_numbers(0..5).await;
    let consumer = bench.consumer(LONG, 2).await;
    let held = pull(&consumer, 5).await;
    assert_eq!(delivered_texts(&held), ["0", "1"]);
    pull_nothing(&consumer).await;
    held[1].acker.ack().await.expect("the answer is taken");
    assert_eq!(delivered_texts(&pull(&consumer, 5).await), ["2"]);
}

/// The floor stays below what is unanswered.
pub async fn a_consumer_tells_its_progress(bench: &Bench<'_>) {
    bench.store_numbers(0..4).await;
    let consumer = bench.consumer(LONG, 100).await;
    let held = pull(&consumer, 3).await;
    held[1].acker.ack().await.expect("the answer is taken");
    let progress = progress(&consumer, |progress| progress.unacknowledged == 2).await;
    assert_eq!((progress.waiting, progress.unacknowledged), (1, 2));
    assert!(progress.ack_floor < held[0].stored.position);
    assert_eq!(progress.delivered, held[2].stored.position);

    held[0].acker.ack().await.expect("the answer is taken");
    held[2].acker.ack().await.expect("the answer is taken");
    let last = held[2].stored.position;
    let progress = self::progress(&consumer, |progress| progress.unacknowledged == 0).await;
    assert_eq!(
        (
            progress.waiting,
            progress.unacknowledged,
            progress.ack_floor
        ),
        (1, 0, last)
    );
}

/// Of a consumer that somebody else opened, and of none.
pub async fn the_progress_of_any_consumer_is_told(bench: &Bench<'_>) {
    bench.store_numbers(0..2).await;
    let durable = bench.consumer_spec(LONG, 100).durable;
    let absent = bench.log.consumer_progress(PURGED.name, &durable).await;
    assert_eq!(absent.expect("the log answers"), None);
    let consumer = bench.consumer(LONG, 100).await;
    let held = pull_one(&consumer).await;
    held.acker.ack().await.expect("the answer is taken");
    let own = progress(&consumer, |progress| progress.unacknowledged == 0).await;
    assert_eq!(own.ack_floor, held.stored.position);
    let told = bench.log.consumer_progress(PURGED.name, &durable).await;
    assert_eq!(told.expect("the log answers"), Some(own));
}

/// Asks until the answer fits: a server may tell its state a moment late.
async fn progress(
    consumer: &Arc<dyn Consumer>,
    fits: impl Fn(&ConsumerProgress) -> bool,
) -> ConsumerProgress {
    for _ in 0..500 {
        let progress = consumer.progress().await.expect("the log answers");
        if fits(&progress) {
            return progress;
        }
        sleep(PAUSE).await;
    }
    panic!(
        "the progress does not come: {:?}",
        consumer.progress().await
    )
}

/// Each message goes to one of them, and either may answer what it has.
pub async fn two_handles_share_one_consumer(bench: &Bench<'_>) {
    bench.store_numbers(0..2).await;
    let (one, other) = (
        bench.consumer(LONG, 100).await,
        bench.consumer(LONG, 100).await,
    );
    assert_eq!(text(&pull_one(&one).await.stored), "0");
    assert_eq!(text(&pull_one(&other).await.stored), "1");
    pull_nothing(&one).await;
}

/// Several subjects, in the order of the stream.
pub async fn a_consumer_with_several_filters_leaves_out_the_rest(bench: &Bench<'_>) {
    for rest in ["a.1", "b.1", "c.1", "a.2"] {
        bench.store(&bench.subject(&PURGED, rest), rest).await;
    }
    let filters = vec![bench.subject(&PURGED, "a.*"), bench.subject(&PURGED, "c.1")];
    let spec = ConsumerSpec {
        filters,
        ..bench.consumer_spec(LONG, 100)
    };
    let consumer = bench
        .log
        .consumer(&spec)
        .await
        .expect("the consumer is made");
    assert_eq!(
        delivered_texts(&pull(&consumer, 10).await),
        ["a.1", "c.1", "a.2"]
    );
}

/// The one that exists stays as it is.
pub async fn a_consumer_that_is_configured_otherwise_is_refused(bench: &Bench<'_>) {
    bench.store_numbers(0..1).await;
    let consumer = bench.consumer(LONG, 100).await;
    let spec = bench.consumer_spec(LONG, 100);
    let other_filters = vec![bench.subject(&PURGED, "b")];
    let drifted = [
        ConsumerSpec {
            ack_wait: SHORT,
            ..spec.clone()
        },
        ConsumerSpec {
            pending_max: 99,
            ..spec.clone()
        },
        ConsumerSpec {
            filters: other_filters,
            ..spec.clone()
        },
    ];
    for spec in drifted {
        let answer = bench.log.consumer(&spec).await.map(|_| ());
        assert!(
            matches!(answer, Err(ReadFault::Refused { .. })),
            "{spec:?} gave {answer:?}"
        );
    }
    bench
        .log
        .consumer(&spec)
        .await
        .expect("the same again is fine");
    assert_eq!(text(&pull_one(&consumer).await.stored), "0");
}
