//! What persons do beside steering: abandon, fork, force, batches; and what they are told (spec 5, G10 to G16).

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::acting::{Acts, At, Key, Play, action, job, registry, retryable, terminal};
use super::world::{Stand, outcome_of, rolled_back};
use crate::deployment::{
    Deployment, DeploymentRefusal, Direction, Forced, Operation, ParkReason, Stage, Stored,
};
use crate::{
    Action, Batch, ClientError, Handle, Job, JobCx, JobName, JobPolicy, JobResult, NotNeeded,
    Notice, OnExhausted, Outcome, Phase, Registry, RetryPolicy, StartOptions, StopReason,
};

/// Its second job parks when it fails.
fn parking() -> (Registry<Acts>, Key) {
    let policy = JobPolicy {
        on_exhausted: OnExhausted::Park,
        ..JobPolicy::default().with_execute(RetryPolicy::once())
    };
    registry(action([job("j0"), job("j1").policy(policy), job("j2")]))
}

fn resume() -> Operation {
    Operation::Resume {
        note: "mended".to_owned(),
        rebind: None,
        reset_attempts: true,
    }
}

fn abandon(reason: &str) -> Operation {
    Operation::Abandon {
        reason: reason.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_is_told_to_stop_and_leaves_its_residue() {
    let stand = Stand::new(parking).await;
    stand
        .acts
        .script("j1", At::Effect, [Play::Heed, retryable("no")]);
    let worker = stand.worker("w1").await;
    let running = stand.start(0).await;
    stand.acts.passed("j1", At::Effect, 1).await;
    let client = stand.client();
    let refused = client.operate(running.id(), "ann", abandon(" ")).await;
    assert!(matches!(
        refused.unwrap_err(),
        ClientError::Refused(DeploymentRefusal::Invalid { .. })
    ));
    let parked = stand.start(0).await;
    stand.until_parked(parked.id()).await;
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..StartOptions::default()
    };
    let waiting = stand.start_with(0, options).await;
    for (handle, left) in [
        (&running, &["j0", "j1"][..]),
        (&parked, &["j0", "j1"]),
        (&waiting, &[]),
    ] {
        stand.operate(handle.id(), abandon("enough")).await;
        let Outcome::Abandoned { by, residue } = outcome_of(handle).await else {
            panic!("it is abandoned");
        };
        let residue: Vec<_> = residue.iter().map(ToString::to_string).collect();
        assert_eq!(
            (by.as_str(), &residue[..]),
            (
                "ann",
                &left.iter().map(|job| (*job).to_owned()).collect::<Vec<_>>()[..]
            )
        );
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stand.acts.told(), [StopReason::LeaseLost]);
    let calls = stand.acts.invocations();
    assert!(calls.iter().all(|one| one.phase == Phase::Execute));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_begins_with_the_results_of_its_source_and_keys_of_its_own() {
    let stand = Stand::new(parking).await;
    stand
        .acts
        .script("j1", At::Begin, [Play::Pass, terminal("no")]);
    let policy = Operation::Note {
        text: "to be forked".to_owned(),
    };
    let worker = stand.worker("w1").await;
    let first = stand.start(0).await;
    assert_eq!(outcome_of(&first).await, Outcome::Succeeded(3));
    stand.operate(first.id(), policy).await;
    let source = stand.frames(first.id()).await;
    let calls = stand.acts.calls().len();
    let j2 = JobName::parse("j2").unwrap();
    let fork = stand.client().fork(first.id(), &j2, "ann").await.unwrap();
    assert_ne!(fork.id(), first.id());
    let outcome = fork.outcome().await.unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!(3)));
    assert_eq!(stand.acts.calls()[calls..], ["j2 2"]);
    assert_eq!(stand.frames(first.id()).await, source);
    let of_j2: Vec<_> = stand.acts.effects().into_keys().collect();
    let of_j2: Vec<_> = of_j2.iter().filter(|key| key.contains("/j2/")).collect();
    assert_eq!(of_j2.len(), 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_deployment_is_forked_and_stays_as_it_is() {
    let stand = Stand::new(parking).await;
    stand.acts.script("j1", At::Begin, [retryable("no")]);
    let worker = stand.worker("w1").await;
    let parked = stand.start(0).await;
    stand.until_parked(parked.id()).await;
    let before = stand.frames(parked.id()).await;
    let j1 = JobName::parse("j1").unwrap();
    let fork = stand.client().fork(parked.id(), &j1, "ann").await.unwrap();
    let outcome = fork.outcome().await.unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!(3)));
    assert_eq!(stand.frames(parked.id()).await, before);
    let j2 = JobName::parse("j2").unwrap();
    let refused = stand.client().fork(parked.id(), &j2, "ann").await;
    assert!(matches!(refused, Err(ClientError::Refused(_))));
    worker.drain().await;
}

fn force(output: serde_json::Value) -> Operation {
    Operation::Force {
        job: "j1".to_owned(),
        outcome: Forced::Succeeded {
            output: Stored::Inline(Arc::new(output)),
        },
        note: "by hand".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_output_must_be_of_the_right_type_and_reaches_the_next_job() {
    let stand = Stand::new(parking).await;
    let gate = Arc::new(Notify::new());
    stand
        .acts
        .script("j1", At::Begin, [Play::Wait(Arc::clone(&gate))])
        .script("j1", At::Effect, [retryable("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    let client = stand.client();
    let refused = client.operate(handle.id(), "ann", force(json!(40))).await;
    assert!(matches!(
        refused.unwrap_err(),
        ClientError::Refused(DeploymentRefusal::WrongStage { .. })
    ));
    gate.notify_one();
    stand.until_parked(handle.id()).await;
    let refused = client.operate(handle.id(), "ann", force(json!("x"))).await;
    assert!(matches!(
        refused.unwrap_err(),
        ClientError::OutputMismatch(_)
    ));
    stand.operate(handle.id(), force(json!(40))).await;
    stand.operate(handle.id(), resume()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(41));
    worker.drain().await;
}

fn is_parked(deployment: &Deployment) -> bool {
    matches!(deployment.stage, Stage::Parked(_))
}

#[tokio::test(start_paused = true)]
async fn a_batch_lists_what_it_would_do_and_then_keeps_its_pace() {
    const COUNT: usize = 500;
    let stand = Stand::new(parking).await;
    let fails = (0..COUNT).map(|_| retryable("no"));
    stand.acts.script("j1", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let mut handles = vec![];
    for _ in 0..COUNT {
        handles.push(stand.start(0).await);
    }
    for handle in &handles {
        stand.until_parked(handle.id()).await;
    }
    let ended = stand.start(0).await;
    assert_eq!(outcome_of(&ended).await, Outcome::Succeeded(3));
    let calls = stand.acts.calls().len();
    let mut batch = Batch {
        operation: resume(),
        by: "ann".to_owned(),
        per_second: 10.try_into().unwrap(),
        is_dry_run: true,
    };
    let client = stand.client();
    let would = client.operate_all(&batch, is_parked).await.unwrap();
    assert_eq!(would.len(), COUNT);
    assert!(would.iter().all(|answer| answer.done.is_none()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stand.acts.calls().len(), calls);
    batch.is_dry_run = false;
    let began = Instant::now();
    let done = client.operate_all(&batch, is_parked).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(49_900), "{took:?}");
    assert!(took < Duration::from_secs(55), "{took:?}");
    assert_eq!(done.len(), COUNT);
    assert!(
        done.iter()
            .all(|answer| matches!(answer.done, Some(Ok(()))))
    );
    for handle in &handles {
        assert_eq!(outcome_of(handle).await, Outcome::Succeeded(3));
    }
    let none = client.operate_all(&batch, is_parked).await.unwrap();
    assert!(none.is_empty());
    worker.drain().await;
}

/// Hands on what it was given, and waits where the script says so.
struct Heavy;
struct Parks;

const HEAVY_BYTES: usize = 3 * 1024 * 1024;

impl Job<Acts> for Heavy {
    type Input = String;
    type Output = String;
    type Undo = NotNeeded;
    const NAME: &'static str = "heavy";

    async fn execute(&self, _: &JobCx<'_, Acts>, text: String) -> JobResult<String> {
        Ok(format!("{text}!"))
    }
}

impl Job<Acts> for Parks {
    type Input = String;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "parks";

    async fn execute(&self, _: &JobCx<'_, Acts>, _: String) -> JobResult<i64> {
        Err(crate::JobError::retry("no"))
    }

    fn policy(&self) -> JobPolicy {
        JobPolicy {
            on_exhausted: OnExhausted::Park,
            ..JobPolicy::default().with_execute(RetryPolicy::once())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_large_values_is_cancelled_and_abandoned_without_loading_them() {
    let heavy = || {
        let mut builder = crate::RegistryBuilder::new();
        let action = Action::define("heavy").then(Heavy).then(Parks).build();
        let key = builder.register(action.unwrap()).unwrap();
        (builder.build(), key)
    };
    let stand = Stand::new(parking).await;
    let (registry, key) = heavy();
    let line = super::line::Line::new(&stand.world.log);
    let engine = stand.world.engine_on(&line, registry).await;
    let worker = stand.worker_with("w1", heavy().0).await;
    let text = "x".repeat(HEAVY_BYTES);
    for is_cancelled in [true, false] {
        let client = engine.client();
        let started = client.start(&key, &text, StartOptions::default()).await;
        let handle: Handle<i64> = started.unwrap();
        stand.until_parked(handle.id()).await;
        let reads = line.reads("fso.blob.");
        match is_cancelled {
            true => {
                handle.cancel("ann", "enough").await.unwrap();
                assert_eq!(rolled_back(&handle).await.0, "execution_stopped");
            }
            false => {
                let done = client.operate(handle.id(), "ann", abandon("enough"));
                done.await.unwrap();
                let outcome = outcome_of(&handle).await;
                assert!(matches!(outcome, Outcome::Abandoned { .. }));
            }
        }
        assert_eq!(line.reads("fso.blob."), reads);
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_parking_is_told_once_with_its_reason_error_and_cures() {
    let stand = Stand::new(parking).await;
    let told = stand.notices().await;
    stand.acts.script("j1", At::Begin, [retryable("busy")]);
    let workers = [stand.worker("w1").await, stand.worker("w2").await];
    let handle = stand.start(0).await;
    stand.until_parked(handle.id()).await;
    sleep(Duration::from_secs(300)).await;
    let all = told.all();
    let [
        Notice::Parked {
            deployment,
            direction,
            job,
            reason,
            error,
            cures,
            ..
        },
    ] = &all[..]
    else {
        panic!("one notice: {all:?}");
    };
    assert_eq!(*deployment, handle.id());
    assert_eq!(*direction, Direction::Forward);
    assert_eq!(job.as_ref().map(JobName::as_str), Some("j1"));
    assert_eq!(*reason, ParkReason::RetriesExhausted);
    assert_eq!(
        error.as_ref().map(|error| error.code.as_str()),
        Some("busy")
    );
    assert_eq!(cures[0], "resume with reset");
    // The next parking is another one.
    stand.acts.script("j1", At::Begin, [retryable("again")]);
    stand.operate(handle.id(), resume()).await;
    stand.acts.passed("j1", At::Begin, 2).await;
    stand.until_parked(handle.id()).await;
    sleep(Duration::from_secs(300)).await;
    assert_eq!(told.all().len(), 2);
    // What somebody else parks is told, too: by an operator's word here.
    let later = stand.start_later(0).await;
    let accept = Operation::AcceptHistory {
        note: "looked".to_owned(),
    };
    stand.operate(later.id(), accept).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(told.all().len(), 3);
    for worker in workers {
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_found_deployment_that_cannot_be_folded_hides_no_other() {
    let stand = Stand::new(parking).await;
    let (bad, good) = (stand.start(0).await, stand.start(0).await);
    let fact = json!({ "type": "deployment_succeeded", "data": {} });
    stand.append_raw(bad.id(), fact).await;
    let unfinished = stand.client().unfinished().await.unwrap();
    let ids: Vec<_> = unfinished.iter().map(|state| state.asked.id).collect();
    assert_eq!(ids, [good.id()]);
}
