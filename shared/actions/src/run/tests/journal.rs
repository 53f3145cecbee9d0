//! A journal that answers oddly, lags, has lost its end, or holds what no build of this age wrote (spec 5, F7 to F12, V8).

use nogfso_journal::memory::{Odds, ReadOddity};
use nogfso_journal::store::LoadError;
use serde_json::json;
use tokio::time::sleep;

use super::acting::{At, Play, three};
use super::world::{ACK_WAIT, Stand, outcome_of};
use crate::deployment::{Operation, ParkReason, Stage};
use crate::{ClientError, Handle, Layout, Outcome};

const ALL: &str = "fso.ev.test.action.>";

#[tokio::test(start_paused = true)]
async fn odd_answers_by_chance_run_no_job_twice() {
    for seed in 0..12 {
        let stand = Stand::new(three).await;
        let worker = stand.worker("w1").await;
        let odds = Odds {
            in_flight: 60,
            lost_request: 60,
            lost_answer: 60,
            late: 30,
            duplicate_at_zero: 60,
            own_conflict: 60,
            publish_unavailable: 30,
            stale: 120,
            read_unavailable: 60,
        };
        let mut handles = vec![];
        for input in 0..10 {
            handles.push(stand.start(input).await);
        }
        stand.world.log.play_by_chance(seed, odds);
        for (input, handle) in (0..).zip(&handles) {
            assert_eq!(
                outcome_of(handle).await,
                Outcome::Succeeded(input + 3),
                "{seed}"
            );
        }
        stand.world.log.stop_playing();
        assert!(stand.acts.is_each_made_once());
        assert_eq!(stand.acts.there().len(), 30);
        for handle in &handles {
            let deployment = stand.deployment(handle.id()).await;
            let granted: u32 = deployment.jobs.iter().map(|job| job.execute.started).sum();
            let calls = stand.acts.invocations();
            let calls = calls.iter().filter(|one| one.deployment == handle.id());
            assert!(calls.count() <= granted as usize, "{seed}");
        }
        worker.drain().await;
    }
}

const LAGGING_READS: usize = 4;

#[tokio::test(start_paused = true)]
async fn a_read_that_lags_decides_nothing() {
    for missing in 1..=3 {
        let stand = Stand::new(three).await;
        let log = stand.world.log.clone();
        let lag = move || {
            for _ in 0..LAGGING_READS {
                log.script_read(ALL, ReadOddity::Stale(missing));
            }
        };
        stand
            .acts
            .script("j1", At::Effect, [Play::Do(Box::new(lag))]);
        let worker = stand.worker("w1").await;
        let handle = stand.start(0).await;
        handle.settled().await.unwrap();
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2"]);
        // Of the reads that lag, those that nobody else has needed meet the test itself.
        let mut frames_count = 0;
        for _ in 0..=LAGGING_READS {
            frames_count = stand.frames(handle.id()).await.len();
        }
        assert_eq!(frames_count, 5);
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_lost_its_end_is_held_until_a_person_takes_it_as_it_is() {
    let stand = Stand::new(three).await;
    stand.acts.script("j2", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j2", At::Begin, 1).await;
    let whole = stand.frames(handle.id()).await;
    stand.deployment(handle.id()).await;
    let layout = Layout::standalone("test");
    let stream = layout.streams[Layout::stream_of(handle.id())].name;
    stand.world.log.truncate(stream, 2);
    // The process remembers what it has seen. Nothing runs, and nothing is appended.
    let id = handle.id();
    let refused = stand.client().deployment(id).await.unwrap_err();
    assert!(matches!(
        refused,
        ClientError::Load(LoadError::HistoryChanged { .. })
    ));
    sleep(20 * ACK_WAIT).await;
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2"]);
    let fresh = stand.afresh().await;
    assert_eq!(fresh.frames(id).await, whole[..2]);
    // Another deployment of the same worker runs.
    let other = stand.start(0).await;
    assert_eq!(outcome_of(&other).await, Outcome::Succeeded(3));
    // One that remembers nothing can say so.
    let accept = Operation::AcceptHistory {
        note: "a disk died".to_owned(),
    };
    fresh.operate(id, accept).await;
    let Stage::Parked(parked) = fresh.deployment(id).await.stage else {
        panic!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::HistoryAccepted);
    // The worker that remembers is replaced; a person lets it go on.
    first.kill().await;
    let second = fresh.worker("w2").await;
    let resume = Operation::Resume {
        note: "looked".to_owned(),
        rebind: None,
        reset_attempts: true,
    };
    fresh.operate(id, resume).await;
    let handle: Handle<i64> = fresh.client().attach(id).await.unwrap();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_follow_holds_its_deployment_and_no_other() {
    let stand = Stand::new(three).await;
    let bad = stand.start(0).await;
    let at = json!({ "index": 1, "phase": "execute", "attempt": 1 });
    let data = json!({ "at": at, "output": { "inline": 1 }, "took_ms": 1 });
    let fact = json!({ "type": "job_succeeded", "data": data });
    stand.append_raw(bad.id(), fact).await;
    let worker = stand.worker("w1").await;
    let good = stand.start(0).await;
    assert_eq!(outcome_of(&good).await, Outcome::Succeeded(3));
    sleep(10 * ACK_WAIT).await;
    let refused = stand.client().deployment(bad.id()).await.unwrap_err();
    assert!(matches!(
        refused,
        ClientError::Load(LoadError::Broken { .. })
    ));
    let calls = stand.acts.invocations();
    assert!(calls.iter().all(|one| one.deployment == good.id()));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn fields_that_this_build_does_not_know_are_passed_over() {
    let stand = Stand::new(three).await;
    let handle = stand.start(0).await;
    let data = json!({ "by": "ann", "text": "seen", "mood": { "of": "ann" } });
    let fact = json!({ "type": "note_added", "data": data });
    stand.append_raw(handle.id(), fact).await;
    let before = stand.stored(handle.id()).await;
    let worker = stand.worker("w1").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    // What is stored is never written again, so that a newer build finds the field.
    assert_eq!(stand.stored(handle.id()).await[..2], before);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_newer_build_is_left_to_one_and_parks_nothing() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Linger]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    let fact = json!({ "type": "deployment_praised", "data": {} });
    stand.append_raw(handle.id(), fact).await;
    let stored = stand.stored(handle.id()).await;
    sleep(30 * ACK_WAIT).await;
    assert_eq!(stand.stored(handle.id()).await, stored);
    assert_eq!(stand.acts.of("j2", crate::Phase::Execute), []);
    let refused = stand.client().deployment(handle.id()).await.unwrap_err();
    assert!(matches!(
        refused,
        ClientError::Load(LoadError::Newer { .. })
    ));
    let other = stand.start(0).await;
    assert_eq!(outcome_of(&other).await, Outcome::Succeeded(3));
    worker.drain().await;
}
