//! Whatever single attempts answer, a commit is stored once or the answer says that it is not, or that nobody knows.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use nogfso_kernel::{CommitId, Position};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use ulid::Ulid;

use super::{APPEND_PATIENCE, AppendError, append};
use crate::envelope::commit_id;
use crate::log::{Log, PublishFault, Published, ReadFault, Record};
use crate::memory::{ChecksFirst, MemoryLog, Odds, PublishOddity, ReadOddity};
use crate::tally::{Answering, SUBJECT, envelope, journal, stored};

const OURS: CommitId = CommitId(Ulid(1));

fn record(commit: u128, guard: u64) -> Record {
    let (payload, _) = envelope(SUBJECT, commit).encode().unwrap();
    Record {
        message_id: Some(CommitId(Ulid(commit)).to_string()),
        ..crate::tally::record(SUBJECT, payload, guard)
    }
}

async fn commits(log: &dyn Log) -> Vec<u128> {
    let id = |payload: &Bytes| commit_id(payload).unwrap().0.0;
    stored(log, SUBJECT)
        .await
        .iter()
        .map(|stored| id(&stored.payload))
        .collect()
}

fn unknown() -> PublishFault {
    PublishFault::Unknown {
        reason: "planted".to_owned(),
    }
}

fn refused() -> PublishFault {
    PublishFault::Refused {
        reason: "planted".to_owned(),
    }
}

fn unavailable() -> PublishFault {
    PublishFault::Unavailable {
        reason: "planted".to_owned(),
    }
}

async fn answering() -> Answering {
    Answering::new(journal().await.0)
}

#[tokio::test(start_paused = true)]
async fn each_odd_answer_ends_in_one_commit() {
    for checks_first in [ChecksFirst::Guard, ChecksFirst::MessageId] {
        for oddity in [
            PublishOddity::InFlight,
            PublishOddity::LostRequest,
            PublishOddity::LostAnswer,
            PublishOddity::Late(Duration::from_millis(1)),
            PublishOddity::Late(Duration::from_secs(2)),
            PublishOddity::DuplicateAtZero,
            PublishOddity::OwnConflict,
            PublishOddity::Unavailable,
        ] {
            let (log, _) = journal().await;
            log.check_first(checks_first);
            log.script_publish(SUBJECT, oddity);
            let position = append(&log, &record(1, 0), OURS).await;
            assert_eq!(position, Ok(Position(1)), "{oddity:?} {checks_first:?}");
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(commits(&log).await, [1], "{oddity:?} {checks_first:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_stored_first_is_a_conflict() {
    let (log, _) = journal().await;
    log.publish(&record(2, 0)).await.unwrap();
    assert_eq!(
        append(&log, &record(1, 0), OURS).await,
        Err(AppendError::Conflict)
    );
    assert_eq!(commits(&log).await, [2]);
}

#[tokio::test(start_paused = true)]
async fn ones_own_lost_attempt_is_found_below_later_commits_of_others() {
    let (log, _) = journal().await;
    log.publish(&record(1, 0)).await.unwrap();
    for n in 1..=1_500 {
        log.publish(&record(100 + u128::from(n), n)).await.unwrap();
    }
    log.script_read(SUBJECT, ReadOddity::Stale(1_501));
    log.script_read(SUBJECT, ReadOddity::Unavailable);
    assert_eq!(append(&log, &record(1, 0), OURS).await, Ok(Position(1)));
    let absent = append(&log, &record(2, 0), CommitId(Ulid(2))).await;
    assert_eq!(absent, Err(AppendError::Conflict));
}

#[tokio::test(start_paused = true)]
async fn in_flight_is_repeated_with_the_same_bytes_within_milliseconds() {
    let log = answering().await;
    for _ in 0..20 {
        log.answer(Err(PublishFault::InFlight));
    }
    let started = Instant::now();
    assert_eq!(append(&log, &record(1, 0), OURS).await, Ok(Position(1)));
    assert!(started.elapsed() < Duration::from_millis(200));
    let attempts = log.attempts.lock().unwrap().clone();
    assert_eq!(attempts, vec![record(1, 0).payload; 21]);
}

#[tokio::test(start_paused = true)]
async fn the_position_of_a_duplicate_is_not_believed() {
    for position in [0, 77] {
        let log = answering().await;
        log.log.publish(&record(1, 0)).await.unwrap();
        log.answer(Ok(Published {
            position: Position(position),
            duplicate: true,
        }));
        assert_eq!(append(&log, &record(1, 0), OURS).await, Ok(Position(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_not_beyond_the_guard_is_not_believed() {
    let log = answering().await;
    log.log.publish(&record(2, 0)).await.unwrap();
    log.log.publish(&record(1, 1)).await.unwrap();
    log.answer(Ok(Published {
        position: Position::START,
        duplicate: false,
    }));
    assert_eq!(append(&log, &record(1, 1), OURS).await, Ok(Position(2)));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_cannot_be_found_is_unknown() {
    let log = answering().await;
    *log.leader_silent.lock().unwrap() = u32::MAX;
    log.let_through();
    for _ in 0..1_000 {
        log.answer(Ok(Published {
            position: Position::START,
            duplicate: true,
        }));
    }
    log.publish(&record(1, 0)).await.unwrap();
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_cannot_be_looked_into_is_unknown() {
    let log = answering().await;
    *log.leader_silent.lock().unwrap() = u32::MAX;
    log.log.script_publish(SUBJECT, PublishOddity::OwnConflict);
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));
    assert_eq!(commits(&log).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_room_for_the_whole_time_stores_nothing() {
    let log = answering().await;
    for _ in 0..1_000 {
        log.answer(Err(unavailable()));
    }
    let started = Instant::now();
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unavailable { .. })));
    assert!(started.elapsed() <= APPEND_PATIENCE);
    assert!(started.elapsed() > APPEND_PATIENCE - Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(commits(&log).await, [] as [u128; 0]);
}

#[tokio::test(start_paused = true)]
async fn no_answer_for_the_whole_time_is_unknown() {
    let (log, _) = journal().await;
    log.take_down();
    let started = Instant::now();
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));
    assert!(started.elapsed() <= APPEND_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn another_write_in_flight_for_the_whole_time_stores_nothing() {
    let log = answering().await;
    for _ in 0..100_000 {
        log.answer(Err(PublishFault::InFlight));
    }
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unavailable { .. })));
    assert_eq!(commits(&log).await, [] as [u128; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_at_once() {
    let log = answering().await;
    log.answer(Err(refused()));
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Refused { .. })));
    assert_eq!(log.attempts.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_doubt_says_nothing_about_the_first_attempt() {
    let log = answering().await;
    log.answer(Err(unknown()));
    for _ in 0..1_000 {
        log.answer(Err(refused()));
    }
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));

    let log = answering().await;
    log.log.script_publish(SUBJECT, PublishOddity::LostAnswer);
    log.let_through();
    for _ in 0..1_000 {
        log.answer(Err(refused()));
    }
    assert_eq!(append(&log, &record(1, 0), OURS).await, Ok(Position(1)));
}

#[tokio::test(start_paused = true)]
async fn no_room_after_a_doubt_is_unknown() {
    let log = answering().await;
    log.answer(Err(unknown()));
    for _ in 0..1_000 {
        log.answer(Err(unavailable()));
    }
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lost_the_message_of_the_guard_is_a_conflict_at_once() {
    let (log, _) = journal().await;
    log.publish(&record(2, 0)).await.unwrap();
    log.publish(&record(3, 1)).await.unwrap();
    for lost in [1, 1] {
        log.truncate("KEPT", lost);
        let started = Instant::now();
        let answer = append(&log, &record(1, 2), OURS).await;
        assert_eq!(answer, Err(AppendError::Conflict));
        assert!(started.elapsed() < Duration::from_millis(10));
    }
}

/// One writer of a random schedule: it appends commits of its own upon what it last saw.
async fn write(log: &MemoryLog, writer: u128, random: u64) -> Vec<(u128, AnswerClass)> {
    let mut random = StdRng::seed_from_u64(random);
    let mut answers = vec![];
    for n in 0..4 {
        let commit = writer * 100 + n;
        let seen = stored_by_leader(log).await;
        let guard = seen.saturating_sub(u64::from(random.random_ratio(1, 8)));
        let answer = append(log, &record(commit, guard), CommitId(Ulid(commit))).await;
        answers.push((commit, AnswerClass::of(&answer)));
    }
    answers
}

async fn stored_by_leader(log: &MemoryLog) -> u64 {
    loop {
        if let Ok(last) = log.leader_last(SUBJECT).await {
            return last.map_or(0, |last| last.position.0);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Is away for longer than an append is patient.
async fn outage(log: &MemoryLog, begins_after: Duration) {
    tokio::time::sleep(begins_after).await;
    log.take_down();
    tokio::time::sleep(APPEND_PATIENCE + Duration::from_secs(2)).await;
    log.bring_up();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerClass {
    Stored(Position),
    NotStored,
    Unknown,
}

impl AnswerClass {
    fn of(answer: &Result<Position, AppendError>) -> Self {
        match answer {
            Ok(position) => Self::Stored(*position),
            Err(AppendError::Unknown { .. }) => Self::Unknown,
            Err(
                AppendError::Conflict
                | AppendError::Unavailable { .. }
                | AppendError::Refused { .. },
            ) => Self::NotStored,
        }
    }
}

async fn play(seed: u64) -> [usize; 3] {
    let mut random = StdRng::seed_from_u64(seed);
    let (log, _) = journal().await;
    let checks_first = if random.random() {
        ChecksFirst::Guard
    } else {
        ChecksFirst::MessageId
    };
    log.check_first(checks_first);
    let begins_after = Duration::from_millis(random.random_range(0..200));
    let mut odds = || random.random_range(0..=110);
    let odds = Odds {
        in_flight: odds(),
        lost_request: odds(),
        lost_answer: odds() / 2,
        late: odds(),
        duplicate_at_zero: odds(),
        own_conflict: odds(),
        publish_unavailable: odds(),
        stale: odds(),
        read_unavailable: odds(),
    };
    log.play_by_chance(seed, odds);
    let writers = (1..=3).map(|writer| write(&log, writer, seed ^ u64::try_from(writer).unwrap()));
    let has_outage = seed.is_multiple_of(10);
    let outage = async {
        if has_outage {
            outage(&log, begins_after).await;
        }
    };
    let (answers, ()) = tokio::join!(join_all(writers), outage);
    let answers = answers.concat();
    tokio::time::sleep(Duration::from_secs(10)).await;
    log.stop_playing();
    let stored = stored(&log, SUBJECT).await;
    let mut counts = [0; 3];
    for (commit, answer) in answers {
        let found: Vec<Position> = stored
            .iter()
            .filter(|stored| commit_id(&stored.payload).unwrap().0.0 == commit)
            .map(|stored| stored.position)
            .collect();
        let class = match answer {
            AnswerClass::Stored(position) => {
                assert_eq!(found, [position], "seed {seed}, commit {commit}");
                0
            }
            AnswerClass::NotStored => {
                assert!(found.is_empty(), "seed {seed}, commit {commit}: {found:?}");
                1
            }
            AnswerClass::Unknown => {
                assert!(found.len() <= 1, "seed {seed}, commit {commit}: {found:?}");
                2
            }
        };
        counts[class] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn two_thousand_random_schedules_store_what_they_say() {
    let mut counts = [0; 3];
    for seed in 0..2_000 {
        let played = play(seed).await;
        for (sum, count) in counts.iter_mut().zip(played) {
            *sum += count;
        }
    }
    assert!(
        counts[0] > 5_000 && counts[1] > 1_000 && counts[2] > 50,
        "{counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn late_writes_after_the_answer_unknown_are_stored_at_most_once() {
    for seconds in 1..20 {
        let (log, _) = journal().await;
        for _ in 0..200 {
            log.script_publish(SUBJECT, PublishOddity::Late(Duration::from_secs(seconds)));
        }
        let answer = append(&log, &record(1, 0), OURS).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        log.stop_playing();
        assert_eq!(commits(&log).await, [1], "{seconds}");
        if seconds < 15 {
            assert_eq!(answer, Ok(Position(1)), "{seconds}");
        } else {
            let is_unknown = matches!(answer, Err(AppendError::Unknown { .. }));
            assert!(is_unknown, "{seconds}: {answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_stay_behind_the_leader_end_in_doubt_not_in_a_wrong_answer() {
    let (log, _) = journal().await;
    log.publish(&record(1, 0)).await.unwrap();
    log.publish(&record(2, 1)).await.unwrap();
    for _ in 0..100_000 {
        log.script_read(SUBJECT, ReadOddity::Stale(2));
    }
    let answer = append(&log, &record(1, 0), OURS).await;
    assert!(matches!(answer, Err(AppendError::Unknown { .. })));
    let fault: Result<_, ReadFault> = log.leader_last(SUBJECT).await;
    assert_eq!(fault.unwrap().unwrap().position, Position(2));
}

#[test]
fn pauses_stay_in_their_range_and_differ_from_writer_to_writer() {
    let of = |commit: u128| -> Vec<u64> {
        let mut pauses = super::Pauses::of(CommitId(Ulid(commit)));
        (0..200)
            .map(|_| u64::try_from(pauses.within(3..=9).as_millis()).unwrap())
            .collect()
    };
    let one = of(1);
    assert!((3..=9).all(|ms| one.contains(&ms)) && one.iter().all(|ms| (3..=9).contains(ms)));
    assert_eq!(one, of(1));
    assert_ne!(one, of(2));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stores_nothing_is_told_at_once() {
    let stalled = || PublishFault::Stalled {
        reason: "planted".to_owned(),
    };
    for (before, told) in [
        (
            None,
            AppendError::Unavailable {
                reason: "planted".to_owned(),
            },
        ),
        (
            Some(unknown()),
            AppendError::Unknown {
                reason: "planted".to_owned(),
            },
        ),
    ] {
        let log = answering().await;
        before.into_iter().for_each(|fault| log.answer(Err(fault)));
        log.answer(Err(stalled()));
        let started = Instant::now();
        assert_eq!(append(&log, &record(1, 0), OURS).await, Err(told));
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    // What an attempt in doubt had stored is found.
    let log = answering().await;
    log.publish(&record(1, 0)).await.unwrap();
    log.answer(Err(unknown()));
    log.answer(Err(stalled()));
    assert_eq!(append(&log, &record(1, 0), OURS).await, Ok(Position(1)));
}
