//! The way forward, and what is recorded on it (spec 5, group B).

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::acting::{Act, Acts, At, Key, Play, action, hooked, job, registry, three, three_hooked};
use super::world::{Stand, outcome_of};
use crate::deployment::{Deployment, DeploymentEvent, Stage, Stored};
use crate::{
    Action, ActionKey, Handled, Job, JobCx, JobExt, JobName, JobResult, NotNeeded, Outcome, Phase,
    Registry, RegistryBuilder, StartError, StartOptions,
};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn jobs_run_in_order_and_the_outcome_is_that_of_the_last() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2"]);
    assert_eq!(stand.acts.there().len(), 3);
    // The request, the first start, two times an end and a start, the last end.
    assert_eq!(stand.frames(handle.id()).await.len(), 5);
    worker.drain().await;
}

fn inline(deployment: &Deployment, index: usize) -> i64 {
    let (stored, _) = deployment.input_of(index).unwrap();
    let Stored::Inline(value) = stored else {
        panic!("it stands in the journal: {stored:?}");
    };
    value.as_i64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_each_job_was_given_and_what_it_kept_can_be_asked_afterwards() {
    let stand = Stand::new(three_hooked).await;
    stand.acts.script("j1", At::Begin, [Play::Keep("note", 7)]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(1).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(334));
    let deployment = stand.deployment(handle.id()).await;
    let inputs = [0, 1, 2].map(|index| inline(&deployment, index));
    assert_eq!(inputs, [1, 112, 223]);
    let kept = deployment.jobs[1].data.get("note").unwrap();
    assert_eq!(*kept, number(7));
    assert!(deployment.jobs[0].data.is_empty());
    worker.drain().await;
}

fn number(number: i64) -> Stored {
    Stored::Inline(Arc::new(number.into()))
}

/// Looks at its input.
struct Look;

impl Job<Acts> for Look {
    type Input = i64;
    type Output = ();
    type Undo = NotNeeded;
    const NAME: &'static str = "look";

    async fn execute(&self, _: &JobCx<'_, Acts>, _: i64) -> JobResult<()> {
        Ok(())
    }
}

fn passing_on() -> (Registry<Acts>, Key) {
    let action = Action::define("a")
        .then(job("j0"))
        .then(Look.step().tap())
        .then(job("j2"))
        .build();
    registry(action.unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_a_job_passed_on_reaches_the_next_after_a_crash() {
    let stand = Stand::new(passing_on).await;
    stand.acts.script("j2", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(5).await;
    stand.acts.passed("j2", At::Begin, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(7));
    assert_eq!(stand.acts.calls(), ["j0 5", "j2 6", "j2 6"]);
    let deployment = stand.deployment(handle.id()).await;
    assert_eq!(deployment.jobs[1].output, Some(Stored::SameAsInput));
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_whose_handle_is_dropped_ends_all_the_same() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let id = stand.start(0).await.id();
    let ended = stand.until(id, "ends", |state| state.stage.is_terminal());
    assert_eq!(ended.await.stage, Stage::Succeeded);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_start_twice_is_one_deployment_and_another_one_is_refused() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let id = stand.start(0).await.id().derived("mine");
    let options = || StartOptions {
        id: Some(id),
        ..StartOptions::default()
    };
    let handle = stand.start_with(5, options()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(8));
    let frames = stand.frames(id).await;
    let again = stand.afresh().await.start_with(5, options()).await;
    assert_eq!(again.id(), id);
    assert_eq!(outcome_of(&again).await, Outcome::Succeeded(8));
    let other = stand.client().start(&stand.key, &6, options()).await;
    assert!(matches!(other, Err(StartError::AlreadyExists { id: taken }) if taken == id));
    assert_eq!(stand.frames(id).await, frames);
    worker.drain().await;
}

/// Makes much of little.
struct Swell;
/// Measures it.
struct Measure;

impl Job<Acts> for Swell {
    type Input = i64;
    type Output = String;
    type Undo = NotNeeded;
    const NAME: &'static str = "swell";

    async fn execute(&self, _: &JobCx<'_, Acts>, bytes: i64) -> JobResult<String> {
        Ok("x".repeat(usize::try_from(bytes).unwrap()))
    }
}

impl Job<Acts> for Measure {
    type Input = String;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "measure";

    async fn execute(&self, _: &JobCx<'_, Acts>, text: String) -> JobResult<i64> {
        assert!(text.bytes().all(|byte| byte == b'x'));
        Ok(i64::try_from(text.len()).unwrap())
    }
}

fn swelling() -> (Registry<Acts>, Key) {
    let action = Action::define("a")
        .then(Swell)
        .then(Measure)
        .then(job("j2"));
    registry(action.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_large_output_lies_outside_the_journal_and_reaches_the_next_job_unchanged() {
    let stand = Stand::new(swelling).await;
    let worker = stand.worker("w1").await;
    let handle = stand.start(100 * 1024).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(102_401));
    let deployment = stand.deployment(handle.id()).await;
    let Some(Stored::Blob(blob)) = &deployment.jobs[0].output else {
        panic!("it lies outside: {:?}", deployment.jobs[0].output);
    };
    assert_eq!(blob.bytes, 100 * 1024 + 2);
    // It was there before the commit that names it: whoever reads the commit finds it.
    assert!(worker.line.reads("fso.blob.") > 0);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_before_its_time_though_all_workers_are_replaced() {
    let stand = Stand::new(three).await;
    let first = stand.worker("w1").await;
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..StartOptions::default()
    };
    let handle = stand.start_with(0, options).await;
    sleep(HOUR / 2).await;
    first.drain().await;
    let second = stand.worker("w2").await;
    sleep(HOUR / 2 - MINUTE).await;
    assert_eq!(stand.acts.calls().len(), 0);
    assert_eq!(stand.deployment(handle.id()).await.claim, None);
    sleep(2 * MINUTE).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    second.drain().await;
}

/// Adds the output of `first` to its input.
struct Sum;
/// Renders its input.
struct First;

impl Job<Acts> for First {
    type Input = i64;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "first";

    async fn execute(&self, _: &JobCx<'_, Acts>, input: i64) -> JobResult<i64> {
        Ok(input * 10)
    }
}

impl Job<Acts> for Sum {
    type Input = i64;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "sum";

    async fn execute(&self, cx: &JobCx<'_, Acts>, input: i64) -> JobResult<i64> {
        let first = cx.output_of::<First>().await?;
        let between: i64 = cx.output_named(&JobName::parse("j1").unwrap()).await?;
        assert_eq!(between, input);
        Ok(first + input)
    }
}

fn summing() -> (Registry<Acts>, Key) {
    let action = Action::define("a").then(First).then(job("j1")).then(Sum);
    registry(action.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_job_reads_the_output_of_an_earlier_one_also_after_a_restart() {
    let stand = Stand::new(summing).await;
    stand.acts.script("j1", At::Effect, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(1).await;
    stand.acts.passed("j1", At::Effect, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(10 + 11));
    second.drain().await;
}

/// Two actions of one registry: which one runs is told by the key.
#[tokio::test(start_paused = true)]
async fn an_application_has_its_own_action_of_the_same_name() {
    fn of(application: &'static str, name: &'static str) -> Action<Acts, i64, i64> {
        let definition = Action::define("a").for_application(application);
        let act = Act::<Handled>(PhantomData);
        definition.then(act.renamed(name)).build().unwrap()
    }
    fn both() -> (RegistryBuilder<Acts>, [ActionKey<i64, i64>; 2]) {
        let mut builder = RegistryBuilder::new();
        let keys = [of("", "general"), of("app", "special")];
        let keys = keys.map(|action| builder.register(action).unwrap());
        (builder, keys)
    }
    let stand = Stand::new(three).await;
    let (builder, keys) = both();
    let engine = stand.world.engine(builder.build()).await;
    let worker = stand.worker_with("w1", both().0.build()).await;
    for key in &keys {
        let client = engine.client();
        let started = client.start(key, &1, StartOptions::default()).await;
        assert_eq!(outcome_of(&started.unwrap()).await, Outcome::Succeeded(2));
    }
    assert_eq!(stand.acts.calls(), ["general 1", "special 1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn each_job_runs_its_hooks_and_what_they_make_is_recorded() {
    let stand = Stand::new(|| registry(action([hooked("j0")]))).await;
    let worker = stand.worker("w1").await;
    let handle = stand.start(1).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(112));
    let of_j0 = stand.acts.of("j0", Phase::Execute);
    assert_eq!(of_j0[0].values.0, 11);
    let events = stand.events(handle.id()).await;
    let prepared = events.iter().any(|event| {
        let DeploymentEvent::JobPrepared { input, .. } = event else {
            return false;
        };
        *input == number(11)
    });
    assert!(prepared);
    let raw = stand.deployment(handle.id()).await.jobs[0]
        .raw_output
        .clone();
    assert_eq!(raw, Some(number(12)));
    worker.drain().await;
}
