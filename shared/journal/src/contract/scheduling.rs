//! Cases on alarms.

use super::following::next;
use super::{Bench, FOREVER, TIMER, record, text};
use crate::log::{Following, From, PublishFault, Record, Schedule};

impl Bench<'_> {
    /// An alarm named `name` on the subject of that name, `after_ms` from now.
    async fn set(&self, alarm: &str, name: &str, after_ms: u64) {
        let at_ms = self.clock.now_ms() + after_ms;
        let schedule = Some(Schedule {
            at_ms,
            target: self.subject(&TIMER, "rung"),
        });
        let record = Record {
            schedule,
            ..record(&self.subject(&TIMER, alarm), name)
        };
        self.publish(record).await.expect("the alarm is set");
    }

    async fn rung(&self) -> Following {
        let target = self.subject(&TIMER, "rung");
        self.log
            .follow(TIMER.name, &target, From::Now)
            .await
            .expect("it begins")
    }
}

/// Not before its time, and not twice.
pub async fn an_alarm_rings_once_at_its_time(bench: &Bench<'_>) {
    let mut rung = bench.rung().await;
    let due_ms = bench.clock.now_ms() + 1_500;
    bench.set("set.a", "first", 1_500).await;
    bench.set("set.b", "last", 3_000).await;
    assert_eq!(text(&next(&mut rung).await), "first");
    let early_ms = due_ms.saturating_sub(bench.clock.now_ms());
    assert!(
        early_ms < 1_000,
        "it rang {early_ms} ms early, more than the resolution"
    );
    assert_eq!(text(&next(&mut rung).await), "last");
}

/// The later one on the same subject counts.
pub async fn a_replaced_alarm_does_not_ring(bench: &Bench<'_>) {
    let mut rung = bench.rung().await;
    bench.set("set.a", "replaced", 1_500).await;
    bench.set("set.a", "replacing", 2_500).await;
    bench.set("set.b", "last", 4_000).await;
    assert_eq!(text(&next(&mut rung).await), "replacing");
    assert_eq!(text(&next(&mut rung).await), "last");
}

/// An alarm is withdrawn by a purge of its subject.
pub async fn a_purged_alarm_does_not_ring(bench: &Bench<'_>) {
    let mut rung = bench.rung().await;
    bench.set("set.a", "purged", 1_500).await;
    bench.set("set.b", "last", 3_000).await;
    bench
        .log
        .purge(&bench.subject(&TIMER, "set.a"), None)
        .await
        .expect("it is withdrawn");
    assert_eq!(text(&next(&mut rung).await), "last");
}

/// What was due while nothing ran is late, not lost.
pub async fn an_alarm_of_the_past_rings_at_once(bench: &Bench<'_>) {
    let mut rung = bench.rung().await;
    let at_ms = bench.clock.now_ms() - 60_000;
    let schedule = Some(Schedule {
        at_ms,
        target: bench.subject(&TIMER, "rung"),
    });
    let alarm = Record {
        schedule,
        ..record(&bench.subject(&TIMER, "set.a"), "late")
    };
    bench.publish(alarm).await.expect("the alarm is set");
    assert_eq!(text(&next(&mut rung).await), "late");
}

/// An ordinary stream does not take it for an ordinary message.
pub async fn an_alarm_without_a_timer_stream_is_refused(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let schedule = Schedule {
        at_ms: bench.clock.now_ms() + 1_000,
        target: bench.subject(&FOREVER, "b"),
    };
    let alarm = Record {
        schedule: Some(schedule),
        ..record(&subject, "x")
    };
    let answer = bench.publish(alarm).await;
    assert!(
        matches!(answer, Err(PublishFault::Refused { .. })),
        "{answer:?}"
    );
}
