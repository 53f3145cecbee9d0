//! What every [`Log`] must do, as functions that each implementation's tests call.
//!
//! A case gets a [`Bench`] whose prefix nobody else uses, and panics when the log breaks the contract.
//! [`log_contract!`](crate::log_contract) names all cases. What a log may do oddly is no part of it.

mod appending;
mod consuming;
mod following;
mod reading;
mod removing;
mod scheduling;

use std::time::Duration;

use nogfso_kernel::{Keep, Position, StreamSpec};
use tokio::time::sleep;

use crate::Clock;
use crate::log::{ConsumerSpec, Log, PublishFault, Published, Record, Stored};

pub use appending::*;
pub use consuming::*;
pub use following::*;
pub use reading::*;
pub use removing::*;
pub use scheduling::*;

/// Keeps for ever.
pub const FOREVER: StreamSpec = StreamSpec {
    name: "CONTRACT_FOREVER",
    subjects: &["contract.forever.>"],
    keep: Keep::Forever,
};
/// Keeps until purged.
pub const PURGED: StreamSpec = StreamSpec {
    name: "CONTRACT_PURGED",
    subjects: &["contract.purged.>"],
    keep: Keep::UntilPurged,
};
/// Keeps the last message of each subject.
pub const LAST: StreamSpec = StreamSpec {
    name: "CONTRACT_LAST",
    subjects: &["contract.last.>"],
    keep: Keep::LastOfSubject,
};
/// Holds alarms.
pub const TIMER: StreamSpec = StreamSpec {
    name: "CONTRACT_TIMER",
    subjects: &["contract.timer.>"],
    keep: Keep::Schedules,
};
/// The streams of the contract; the log must have them before a case runs.
pub const STREAMS: [StreamSpec; 4] = [FOREVER, PURGED, LAST, TIMER];

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Calls the macro `$case` with the name of each case of the contract.
#[macro_export]
macro_rules! log_contract {
    ($case:ident) => {
        $case!(streams_can_be_ensured_again);
        $case!(a_guard_of_zero_stores_the_first_message_only);
        $case!(a_guard_at_the_last_position_stores);
        $case!(a_stale_guard_is_a_conflict);
        $case!(guards_of_different_subjects_are_independent);
        $case!(a_repeat_with_the_same_id_is_stored_once);
        $case!(a_guarded_repeat_is_a_duplicate_or_a_conflict);
        $case!(a_message_that_is_too_large_is_refused);
        $case!(what_is_no_subject_of_a_stream_is_refused);
        $case!(a_read_gives_the_messages_of_one_subject_in_order);
        $case!(a_read_goes_on_after_a_position);
        $case!(a_read_of_nothing_is_empty);
        $case!(a_read_is_limited_to_a_page);
        $case!(large_messages_are_read_completely);
        $case!(the_leader_knows_what_was_just_published);
        $case!(the_last_message_is_found_by_wildcard);
        $case!(following_begins_after_a_position);
        $case!(following_from_now_leaves_out_what_was_before);
        $case!(following_begins_at_the_last_of_each_subject);
        $case!(following_filters_subjects);
        $case!(a_consumer_delivers_in_order_up_to_the_count);
        $case!(a_pull_waits_for_the_first_message);
        $case!(an_unanswered_delivery_comes_again_after_the_ack_wait);
        $case!(a_nak_comes_again_after_its_delay);
        $case!(progress_keeps_the_lease);
        $case!(an_ack_is_final);
        $case!(pending_deliveries_are_bounded);
        $case!(a_consumer_tells_its_progress);
        $case!(the_progress_of_any_consumer_is_told);
        $case!(two_handles_share_one_consumer);
        $case!(a_consumer_with_several_filters_leaves_out_the_rest);
        $case!(a_consumer_that_is_configured_otherwise_is_refused);
        $case!(a_purge_keeps_from_a_position);
        $case!(a_purge_of_a_whole_subject_lets_it_begin_again);
        $case!(what_is_kept_for_ever_is_not_purged);
        $case!(only_the_last_of_a_subject_is_kept);
        $case!(an_alarm_rings_once_at_its_time);
        $case!(a_replaced_alarm_does_not_ring);
        $case!(a_purged_alarm_does_not_ring);
        $case!(an_alarm_of_the_past_rings_at_once);
        $case!(an_alarm_without_a_timer_stream_is_refused);
    };
}

/// What a case works on.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The log, with [`STREAMS`].
    pub log: &'a dyn Log,
    /// The clock by which the log rings alarms.
    pub clock: &'a dyn Clock,
    /// One subject token that no other case uses on this log; letters and digits.
    pub prefix: &'a str,
}

impl std::fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Bench<'_> {
    /// The subject in `stream` that ends in `rest`.
    fn subject(&self, stream: &StreamSpec, rest: &str) -> String {
        let root = stream.subjects[0].trim_end_matches('>');
        format!("{root}{}.{rest}", self.prefix)
    }

    async fn store(&self, subject: &str, text: &str) -> Position {
        self.publish(record(subject, text))
            .await
            .expect("it is stored")
            .position
    }

    /// Publishes, and again while the answer is one that asks for it.
    async fn publish(&self, record: Record) -> Result<Published, PublishFault> {
        for _ in 0..100 {
            match self.log.publish(&record).await {
                Err(PublishFault::InFlight) => sleep(PAUSE).await,
                answer => return answer,
            }
        }
        panic!("{} stays in flight", record.subject)
    }

    /// Reads what `subject` holds after `after`, again until it is `wanted`: reads may lag.
    async fn sees(&self, subject: &str, after: Position, wanted: &[&str]) -> Vec<Stored> {
        let mut found = Vec::new();
        for _ in 0..500 {
            found = self
                .log
                .read(subject, after)
                .await
                .expect("the log answers");
            if texts(&found) == wanted {
                return found;
            }
            sleep(PAUSE).await;
        }
        panic!(
            "{subject} holds {:?} after {after}, not {wanted:?}",
            texts(&found)
        )
    }

    /// Reads again until there are `count` messages.
    async fn reads(&self, subject: &str, after: Position, count: usize) -> Vec<Stored> {
        for _ in 0..500 {
            let found = self
                .log
                .read(subject, after)
                .await
                .expect("the log answers");
            if found.len() == count {
                return found;
            }
            sleep(PAUSE).await;
        }
        panic!("{subject} does not come to hold {count} messages after {after}")
    }

    fn consumer_spec(&self, ack_wait: Duration, pending_max: u32) -> ConsumerSpec {
        ConsumerSpec {
            stream: PURGED.name,
            durable: format!("contract-{}", self.prefix),
            filters: vec![self.subject(&PURGED, ">")],
            ack_wait,
            pending_max,
        }
    }
}

fn record(subject: &str, text: &str) -> Record {
    Record {
        subject: subject.to_owned(),
        payload: text.as_bytes().to_vec().into(),
        headers: vec![("X-Kind", "contract".to_owned())],
        message_id: None,
        guard: None,
        schedule: None,
    }
}

fn texts(stored: &[Stored]) -> Vec<String> {
    stored.iter().map(text).collect()
}

fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(&stored.payload).into_owned()
}
