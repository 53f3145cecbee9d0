//! Old deployments, new code, and the other way round (spec 5, C10 and group V).

use std::marker::PhantomData;
use std::time::Duration;

use tokio::time::sleep;

use super::acting::{Act, Acts, At, Key, Play, action, job, registry, revised, terminal, three};
use super::world::{ACK_WAIT, Process, Stand, outcome_of, rolled_back};
use crate::deployment::{Deployment, DeploymentRefusal, Operation, Stage};
use crate::{
    Action, ClientError, Extension, Handle, Handled, Job, JobCx, JobExt, JobResult, JobState,
    NO_CAPABLE_WORKER_AFTER_MS, NotNeeded, Notice, Outcome, Phase, Registry, RegistryBuilder,
    RollbackCause, RollbackFn, StartOptions,
};

/// Text in and out.
struct Texts;

impl Job<Acts> for Texts {
    type Input = String;
    type Output = String;
    type Undo = NotNeeded;
    const NAME: &'static str = "act";

    async fn execute(&self, _: &JobCx<'_, Acts>, text: String) -> JobResult<String> {
        Ok(text)
    }
}

/// The action `a` as code has it that took another type without saying so.
pub(super) fn three_of_text() -> Registry<Acts> {
    let action = Action::define("a")
        .then(Texts.renamed("j0"))
        .then(Texts.renamed("j1"))
        .then(Texts.renamed("j2"))
        .build();
    let mut builder = RegistryBuilder::new();
    builder.register(action.unwrap()).unwrap();
    builder.build()
}

fn second() -> Action<Acts, i64, i64> {
    revised(2, [job("j0"), job("jx"), job("j2")])
}

/// New code that knows the old revision.
fn both() -> Registry<Acts> {
    let mut builder = RegistryBuilder::new();
    builder.register(second()).unwrap();
    let first = action([job("j0"), job("j1"), job("j2")]);
    builder.register_retired(first).unwrap();
    builder.build()
}

/// New code that does not.
fn new_only() -> Registry<Acts> {
    registry(second()).0
}

/// A deployment of the first revision whose worker died in `j1`.
async fn left_in_j1(stand: &Stand) -> Handle<i64> {
    stand.acts.script("j1", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.kill().await;
    handle
}

#[tokio::test(start_paused = true)]
async fn an_old_deployment_goes_on_with_its_own_jobs() {
    let stand = Stand::new(three).await;
    let handle = left_in_j1(&stand).await;
    let worker = stand.worker_with("w2", both()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j1 1", "j2 2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn without_its_code_a_deployment_waits_untouched_and_a_person_is_told() {
    let stand = Stand::new(three).await;
    let told = stand.notices().await;
    let handle = left_in_j1(&stand).await;
    let frames = stand.frames(handle.id()).await;
    let unable = stand.worker_with("w2", new_only()).await;
    sleep(Duration::from_millis(NO_CAPABLE_WORKER_AFTER_MS) / 2).await;
    assert_eq!(told.all(), []);
    sleep(Duration::from_millis(NO_CAPABLE_WORKER_AFTER_MS)).await;
    let all = told.all();
    let [Notice::NoCapableWorker { deployment, .. }] = &all[..] else {
        panic!("one notice: {all:?}");
    };
    assert_eq!(*deployment, handle.id());
    assert_eq!(stand.frames(handle.id()).await, frames);
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1"]);
    // As soon as somebody has it, it goes on without a command.
    let able = stand.worker_with("w3", both()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls()[2..], ["j1 1", "j2 2"]);
    unable.drain().await;
    able.drain().await;
}

#[tokio::test(start_paused = true)]
async fn old_and_new_workers_together_each_run_what_they_can() {
    let stand = Stand::new(three).await;
    let workers: [Process; 2] = [
        stand.worker("w1").await,
        stand.worker_with("w2", new_only()).await,
    ];
    let (registry, key) = registry(second());
    let new = stand.world.engine(registry).await.client();
    for input in 0..10 {
        let old = stand.start(input).await;
        let options = StartOptions::default();
        let new: Handle<i64> = new.start(&key, &input, options).await.unwrap();
        assert_eq!(outcome_of(&old).await, Outcome::Succeeded(input + 3));
        assert_eq!(outcome_of(&new).await, Outcome::Succeeded(input + 3));
        for id in [old.id(), new.id()] {
            assert_eq!(stand.deployment(id).await.errors_count, 0);
        }
    }
    assert_eq!(stand.acts.of("j1", Phase::Execute).len(), 10);
    assert_eq!(stand.acts.of("jx", Phase::Execute).len(), 10);
    for worker in workers {
        worker.drain().await;
    }
}

/// The first job as it was: hands on a number.
struct Numbers;
/// The first job as it is: hands on text.
struct Words;
/// The second job as it is: takes text.
struct Parse;

impl Job<Acts> for Numbers {
    type Input = i64;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "x";

    async fn execute(&self, _: &JobCx<'_, Acts>, input: i64) -> JobResult<i64> {
        Ok(input + 1)
    }
}

impl Job<Acts> for Words {
    type Input = i64;
    type Output = String;
    type Undo = NotNeeded;
    const NAME: &'static str = "x";
    const SCHEMA: u16 = 2;

    async fn execute(&self, _: &JobCx<'_, Acts>, input: i64) -> JobResult<String> {
        Ok((input + 1).to_string())
    }
}

impl Job<Acts> for Parse {
    type Input = String;
    type Output = i64;
    type Undo = NotNeeded;
    const NAME: &'static str = "parse";

    async fn execute(&self, cx: &JobCx<'_, Acts>, text: String) -> JobResult<i64> {
        let input: i64 = text.parse()?;
        cx.resources().make(&format!("parsed {input}"));
        Ok(input + 1)
    }
}

fn of_numbers() -> (Registry<Acts>, Key) {
    let action = Action::define("a").then(Numbers).then(job("j1"));
    registry(action.build().unwrap())
}

fn of_words() -> Registry<Acts> {
    let action = Action::define("a").then(Words).then(Parse.renamed("j1"));
    let mut builder = RegistryBuilder::new();
    builder.register(action.build().unwrap()).unwrap();
    let lift = |number: i64| number.to_string();
    builder.upcast("x", 1, lift).unwrap();
    builder.build()
}

#[tokio::test(start_paused = true)]
async fn a_stored_value_is_lifted_to_what_the_code_takes() {
    let stand = Stand::new(of_numbers).await;
    let handle = left_in_j1(&stand).await;
    let worker = stand.worker_with("w2", of_words()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(2));
    assert_eq!(stand.acts.there(), ["parsed 1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_newer_code_writes_for_an_old_plan_names_its_version() {
    // The first job runs in the new code, which then reads its own value as what it is.
    let stand = Stand::new(of_numbers).await;
    let worker = stand.worker_with("w2", of_words()).await;
    let handle = stand.start(4).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(6));
    assert_eq!(stand.acts.there(), ["parsed 5"]);
    worker.drain().await;
}

fn pause() -> Operation {
    Operation::Pause {
        reason: "another plan".to_owned(),
        interrupt: false,
    }
}

fn rebind(registry: &Registry<Acts>, revision: u32) -> Operation {
    let action = crate::ActionRef::parse(None, "a").unwrap();
    let plan = registry.plan(&action, revision.try_into().unwrap());
    Operation::Resume {
        note: "another plan".to_owned(),
        rebind: Some(Box::new(plan.unwrap().clone())),
        reset_attempts: false,
    }
}

fn is_paused(state: &Deployment) -> bool {
    matches!(state.stage, Stage::Paused(_))
}

fn longer() -> Registry<Acts> {
    let mut builder = RegistryBuilder::new();
    let longer = revised(2, [job("j0"), job("j1"), job("jx"), job("jy")]);
    builder.register(longer).unwrap();
    let first = action([job("j0"), job("j1"), job("j2")]);
    builder.register_retired(first).unwrap();
    builder.build()
}

#[tokio::test(start_paused = true)]
async fn a_plan_with_other_later_jobs_can_take_the_place_of_the_old_one() {
    let stand = Stand::new(three).await;
    let handle = left_in_j1(&stand).await;
    stand.operate(handle.id(), pause()).await;
    let worker = stand.worker_with("w2", longer()).await;
    stand.until(handle.id(), "is paused", is_paused).await;
    stand.operate(handle.id(), rebind(&longer(), 2)).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(4));
    assert_eq!(stand.acts.calls()[2..], ["j1 1", "jx 2", "jy 3"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_differs_in_what_was_begun_is_refused() {
    let stand = Stand::new(three).await;
    let handle = left_in_j1(&stand).await;
    stand.operate(handle.id(), pause()).await;
    let worker = stand.worker_with("w2", both()).await;
    stand.until(handle.id(), "is paused", is_paused).await;
    let rebind = rebind(&both(), 2);
    let refused = stand.client().operate(handle.id(), "ann", rebind).await;
    assert!(matches!(
        refused.unwrap_err(),
        ClientError::Refused(DeploymentRefusal::PlanDoesNotFit { index: 1, .. })
    ));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn without_its_code_a_deployment_can_be_paused_and_bound_to_a_plan_that_is_known() {
    // Nothing was begun that the new plan has not; the old one is known to nobody.
    let stand = Stand::new(three).await;
    let only = || registry(revised(2, [job("j0"), job("j1"), job("jx")])).0;
    let worker = stand.worker_with("w2", only()).await;
    let handle = stand.start(0).await;
    sleep(3 * ACK_WAIT).await;
    assert_eq!(stand.acts.calls().len(), 0);
    stand.operate(handle.id(), pause()).await;
    assert!(is_paused(&stand.deployment(handle.id()).await));
    stand.operate(handle.id(), rebind(&only(), 2)).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "jx 2"]);
    worker.drain().await;
}

/// Another undo, which says so.
struct Otherwise;

impl RollbackFn<Acts, i64, i64> for Otherwise {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Acts>,
        _: &RollbackCause,
        _: JobState<i64, i64>,
    ) -> JobResult<()> {
        cx.resources().make("undone otherwise");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_deployment_is_undone_as_its_own_revision_undoes() {
    fn changed() -> Registry<Acts> {
        let otherwise = Extension::new().rollback(Otherwise);
        let j0 = Act::<Handled>::new().extend(otherwise).renamed("j0");
        let mut builder = RegistryBuilder::new();
        builder.register(revised(2, [j0, job("j1")])).unwrap();
        let first = action([job("j0"), job("j1")]);
        builder.register_retired(first).unwrap();
        builder.build()
    }
    let stand = Stand::new(|| registry(action([job("j0"), job("j1")]))).await;
    let handle = left_in_j1(&stand).await;
    stand.acts.script("j1", At::Effect, [terminal("no")]);
    let worker = stand.worker_with("w2", changed()).await;
    assert_eq!(rolled_back(&handle).await.0, "no");
    assert_eq!(stand.acts.of("j0", Phase::Rollback).len(), 1);
    assert!(stand.acts.there().is_empty());
    worker.drain().await;
}

impl Act<Handled> {
    fn new() -> Self {
        Self(PhantomData)
    }
}
