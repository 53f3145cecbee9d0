//! The list says what the journals say, and is the same when it is made anew (spec 2.6, S4).

use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::Log;
use nogfso_journal::reaction::TIMER_STREAM;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{advance, timeout};
use tokio_util::sync::CancellationToken;

use super::acting::{At, Play, three};
use super::world::{Stand, outcome_of, rolled_back};
use crate::{
    DeploymentId, DeploymentView, ErrorView, JobError, JobStage, Layout, Listed, Projection,
    StartOptions,
};

const HOUR: Duration = Duration::from_secs(3_600);
const FILTER: &str = "fso.ev.test.action.>";

/// A list of what is stored by now, and what keeps it.
async fn list(stand: &Stand) -> (Arc<Projection>, JoinSet<()>) {
    let projection = Projection::new();
    let log = Arc::new(stand.world.log.clone());
    let streams = Layout::standalone("test").streams.to_vec();
    let mut following = JoinSet::new();
    let never = CancellationToken::new();
    following.spawn(Arc::clone(&projection).run(log, streams, FILTER.to_owned(), never));
    let caught_up = timeout(HOUR, projection.caught_up()).await;
    caught_up.expect("it catches up");
    (projection, following)
}

fn one(projection: &Projection, id: DeploymentId) -> Listed {
    let subject = Layout::standalone("test").subject(id);
    let listed = projection.read(|listing| listing.one(&subject));
    listed.expect("it is listed")
}

fn all(projection: &Projection) -> Vec<Listed> {
    projection.read(|listing| listing.after("").collect())
}

fn stages(view: &DeploymentView) -> Vec<JobStage> {
    view.jobs.iter().map(|job| job.state).collect()
}

#[tokio::test(start_paused = true)]
async fn the_list_shows_what_each_journal_says_and_is_the_same_made_anew() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let (kept, _following) = list(&stand).await;
    assert_eq!(all(&kept), []);
    let done = stand.start(0).await;
    outcome_of(&done).await;
    let error = JobError::terminal(ErrorView::new("no", "it cannot be"));
    stand.acts.script("j1", At::Begin, [Play::Fail(error)]);
    let back = stand.start(0).await;
    rolled_back(&back).await;
    stand.acts.script("j2", At::Begin, [Play::Hang]);
    let open = stand.start(0).await;
    stand.acts.passed("j2", At::Begin, 1).await;

    let (anew, _following) = list(&stand).await;
    let listed = all(&anew);
    assert_eq!(listed.len(), 3);
    // The list that was kept follows; it may be a moment behind.
    let mut changes = kept.changes();
    while all(&kept) != listed {
        timeout(HOUR, changes.changed()).await.unwrap().unwrap();
    }
    for handle in [&done, &back, &open] {
        let deployment = stand.deployment(handle.id()).await;
        let view = one(&anew, handle.id()).view;
        assert_eq!(view, Some(DeploymentView::of(&deployment)));
    }
    let view = |id| one(&anew, id).view.unwrap();
    let (done, back, open) = (view(done.id()), view(back.id()), view(open.id()));
    assert_eq!((done.stage.as_str(), done.jobs_settled()), ("succeeded", 3));
    assert_eq!(
        stages(&back),
        [JobStage::Undone, JobStage::Undone, JobStage::Waiting]
    );
    assert_eq!(back.cause.unwrap().code, "no");
    assert_eq!(
        stages(&open),
        [JobStage::Done, JobStage::Done, JobStage::Running]
    );
    assert_eq!(
        (open.is_unfinished(), open.worker.as_deref(), open.job),
        (true, Some("w1"), Some(open.jobs[2].job.clone()))
    );
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_trusted_is_listed_as_held_and_hides_no_other() {
    let stand = Stand::new(three).await;
    let bad = stand.start(0).await;
    let good = stand.start(0).await;
    let at = json!({ "index": 1, "phase": "execute", "attempt": 1 });
    let data = json!({ "at": at, "output": { "inline": 1 }, "took_ms": 1 });
    stand
        .append_raw(bad.id(), json!({ "type": "job_succeeded", "data": data }))
        .await;
    let (projection, _following) = list(&stand).await;
    let bad = one(&projection, bad.id());
    assert!(bad.held.unwrap().starts_with("journal_corrupt"));
    assert_eq!(bad.view.unwrap().stage, "requested");
    let good = one(&projection, good.id());
    assert_eq!(
        (good.held, good.view.unwrap().stage.as_str()),
        (None, "requested")
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_alarm_that_was_lost_is_found_by_the_time_that_has_passed() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..StartOptions::default()
    };
    let handle = stand.start_with(0, options).await;
    let is_deferred =
        |deployment: &crate::deployment::Deployment| deployment.deferred_until_ms.is_some();
    stand.until(handle.id(), "is given back", is_deferred).await;
    worker.kill().await;
    let (projection, _following) = list(&stand).await;
    let overdue = |grace_ms| {
        let now_ms = stand.world.now_ms();
        projection.read(|listing| listing.overdue(now_ms, grace_ms))
    };
    assert_eq!(overdue(0), Vec::<String>::new());
    advance(HOUR).await;
    assert_eq!(overdue(60_000), Vec::<String>::new());
    advance(HOUR).await;
    let subject = Layout::standalone("test").subject(handle.id());
    assert_eq!(overdue(60_000), [subject]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_rang_is_gone() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..StartOptions::default()
    };
    let handle = stand.start_with(0, options).await;
    outcome_of(&handle).await;
    // The worker answers what it has taken before it ends.
    worker.drain().await;
    let rung = stand.world.log.find_last(TIMER_STREAM, "fso.alarm.>").await;
    assert_eq!(rung.unwrap(), None);
}
