//! Cases on storing: guards, repeats, refusals.

use nogfso_kernel::Position;

use super::{Bench, FOREVER, STREAMS, record};
use crate::log::{PublishFault, Record};

fn guarded(subject: &str, text: &str, guard: Position) -> Record {
    Record {
        guard: Some(guard),
        ..record(subject, text)
    }
}

/// A second service that starts finds the streams as it wants them.
pub async fn streams_can_be_ensured_again(bench: &Bench<'_>) {
    bench
        .log
        .ensure_streams(&STREAMS)
        .await
        .expect("nothing differs");
}

/// Two writers begin the same history; one wins.
pub async fn a_guard_of_zero_stores_the_first_message_only(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let first = bench
        .publish(guarded(&subject, "1", Position::START))
        .await
        .expect("it is stored");
    assert!(!first.duplicate && first.position > Position::START);
    let second = bench.publish(guarded(&subject, "2", Position::START)).await;
    assert_eq!(second, Err(PublishFault::Conflict));
    bench.sees(&subject, Position::START, &["1"]).await;
}

/// A writer that has seen everything goes on.
pub async fn a_guard_at_the_last_position_stores(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let mut last = Position::START;
    for number in 1..=5 {
        let text = number.to_string();
        let stored = bench
            .publish(guarded(&subject, &text, last))
            .await
            .expect("it is stored");
        assert!(stored.position > last);
        last = stored.position;
    }
    bench
        .sees(&subject, Position::START, &["1", "2", "3", "4", "5"])
        .await;
}

/// A writer that has missed something does not, nor one that claims to have seen more than there is.
pub async fn a_stale_guard_is_a_conflict(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let first = bench.store(&subject, "1").await;
    let second = bench
        .publish(guarded(&subject, "2", first))
        .await
        .expect("it is stored")
        .position;
    for guard in [Position::START, first, Position(second.0 + 1)] {
        assert_eq!(
            bench.publish(guarded(&subject, "x", guard)).await,
            Err(PublishFault::Conflict)
        );
    }
}

/// What happens on one subject does not move another's guard.
pub async fn guards_of_different_subjects_are_independent(bench: &Bench<'_>) {
    let (one, other) = (bench.subject(&FOREVER, "a"), bench.subject(&FOREVER, "a.b"));
    let first = bench.store(&one, "1").await;
    bench
        .publish(guarded(&other, "1", Position::START))
        .await
        .expect("the other is empty");
    bench
        .publish(guarded(&one, "2", first))
        .await
        .expect("this has not moved");
}

/// The server knows the id within its window.
pub async fn a_repeat_with_the_same_id_is_stored_once(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let id = format!("id-{}", bench.prefix);
    let message = Record {
        message_id: Some(id),
        ..record(&subject, "1")
    };
    let first = bench.publish(message.clone()).await.expect("it is stored");
    let repeat = bench.publish(message).await.expect("it was stored");
    assert!(!first.duplicate && repeat.duplicate);
    bench.store(&subject, "2").await;
    bench.sees(&subject, Position::START, &["1", "2"]).await;
}

/// Which check comes first depends on the server; neither stores twice.
pub async fn a_guarded_repeat_is_a_duplicate_or_a_conflict(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let message_id = Some(format!("id-{}", bench.prefix));
    let message = Record {
        message_id,
        ..guarded(&subject, "1", Position::START)
    };
    bench.publish(message.clone()).await.expect("it is stored");
    match bench.publish(message).await {
        Ok(repeat) => assert!(repeat.duplicate),
        Err(fault) => assert_eq!(fault, PublishFault::Conflict),
    }
    bench.store(&subject, "2").await;
    bench.sees(&subject, Position::START, &["1", "2"]).await;
}

/// More than the server takes is told as a refusal, and nothing else suffers.
pub async fn a_message_that_is_too_large_is_refused(bench: &Bench<'_>) {
    let subject = bench.subject(&FOREVER, "a");
    let large = Record {
        payload: vec![b'x'; 1_048_577].into(),
        ..record(&subject, "")
    };
    let answer = bench.publish(large).await;
    assert!(
        matches!(answer, Err(PublishFault::Refused { .. })),
        "{answer:?}"
    );
    bench.store(&subject, "small").await;
    bench.sees(&subject, Position::START, &["small"]).await;
}

/// Wildcards, blanks, empty tokens, and what no stream stores.
pub async fn what_is_no_subject_of_a_stream_is_refused(bench: &Bench<'_>) {
    let bad = ["*", ">", "", "a b", "a..b", "a."].map(|rest| bench.subject(&FOREVER, rest));
    for subject in bad
        .into_iter()
        .chain([String::new(), format!("nowhere.{}", bench.prefix)])
    {
        let answer = bench.publish(record(&subject, "x")).await;
        assert!(
            matches!(answer, Err(PublishFault::Refused { .. })),
            "{subject:?} gave {answer:?}"
        );
    }
}
