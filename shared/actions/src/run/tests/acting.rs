//! Jobs that do what a script says at each point that they pass, and an outside world that counts their effects by key.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use crate::{
    Action, ActionKey, DeploymentId, ErrorView, Handled, Hook, Impossible, Job, JobCx, JobError,
    JobExt, JobResult, JobState, NotNeeded, Phase, Registry, RegistryBuilder, Rollback,
    RollbackCause, Step, StopReason,
};

/// A point that a job passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum At {
    PreHook,
    /// Execute has begun; there is no effect of this attempt yet.
    Begin,
    /// The effect is there.
    Effect,
    PostHook,
    /// The undo has begun.
    Undo,
    /// The effect is gone.
    Undone,
}

/// What a job does there.
pub(super) enum Play {
    /// Goes on, for once.
    Pass,
    Fail(JobError),
    Panic(&'static str),
    /// Never returns, whatever it is told.
    Hang,
    /// Waits until it is told to stop, and fails.
    Heed,
    /// Waits until it is told to stop, and goes on all the same.
    Linger,
    /// Waits until it is let go.
    Wait(Arc<Notify>),
    /// Something happens.
    Do(Box<dyn FnOnce() + Send>),
    /// Keeps a value under this key.
    Keep(&'static str, i64),
}

/// One call of a job or its undo.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    pub(super) deployment: DeploymentId,
    pub(super) job: String,
    pub(super) phase: Phase,
    pub(super) attempt: u32,
    pub(super) maybe_ran_before: bool,
    pub(super) fence: u64,
    /// What it was given, and for an undo what execute had returned.
    pub(super) values: (i64, Option<i64>),
    /// For an undo, why.
    pub(super) why: Option<RollbackCause>,
    /// What it found kept under `"note"`.
    pub(super) kept: Option<i64>,
}

/// What exists outside under one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) is_there: bool,
    /// How often it came into being.
    pub(super) made: u32,
    /// Refuses to come into being any more.
    pub(super) is_closed: bool,
}

/// The resources of the jobs: the script, and what came of it.
#[derive(Default)]
pub(super) struct Acts {
    script: Mutex<BTreeMap<(String, At), VecDeque<Play>>>,
    invocations: Mutex<Vec<Invocation>>,
    effects: Mutex<BTreeMap<String, Effect>>,
    told: Mutex<Vec<StopReason>>,
    passed: watch::Sender<Vec<(String, At)>>,
    /// An undo only deletes, and leaves nothing that refuses a late execute.
    pub(super) only_deletes: AtomicBool,
}

impl Acts {
    /// What the job does the next times that it comes there.
    pub(super) fn script(&self, job: &str, at: At, plays: impl IntoIterator<Item = Play>) -> &Self {
        let mut script = self.script.lock().unwrap();
        let script = script.entry((job.to_owned(), at)).or_default();
        script.extend(plays);
        self
    }

    /// Waits until the job was there so often.
    pub(super) async fn passed(&self, job: &str, at: At, times: usize) {
        let mut passed = self.passed.subscribe();
        let is_there = |all: &Vec<(String, At)>| {
            let here = all.iter().filter(|(name, was)| name == job && *was == at);
            here.count() >= times
        };
        let waited = tokio::time::timeout(
            std::time::Duration::from_secs(100_000),
            passed.wait_for(is_there),
        );
        drop(waited.await.expect("the job comes there").unwrap());
    }

    pub(super) fn invocations(&self) -> Vec<Invocation> {
        self.invocations.lock().unwrap().clone()
    }

    /// The calls in order, such as `j0 1` and `undo j0 1 2`.
    pub(super) fn calls(&self) -> Vec<String> {
        let invocations = self.invocations.lock().unwrap();
        invocations
            .iter()
            .map(|one| match (one.phase, one.values) {
                (Phase::Execute, (input, _)) => format!("{} {input}", one.job),
                (Phase::Rollback, (input, None)) => format!("undo {} {input} ?", one.job),
                (Phase::Rollback, (input, Some(output))) => {
                    format!("undo {} {input} {output}", one.job)
                }
            })
            .collect()
    }

    /// The calls of one job.
    pub(super) fn of(&self, job: &str, phase: Phase) -> Vec<Invocation> {
        let mut all = self.invocations();
        all.retain(|one| one.job == job && one.phase == phase);
        all
    }

    pub(super) fn told(&self) -> Vec<StopReason> {
        self.told.lock().unwrap().clone()
    }

    /// The effects by key.
    pub(super) fn effects(&self) -> BTreeMap<String, Effect> {
        self.effects.lock().unwrap().clone()
    }

    /// The keys whose effect is there.
    pub(super) fn there(&self) -> Vec<String> {
        let effects = self.effects();
        let there = effects.into_iter().filter(|(_, effect)| effect.is_there);
        there.map(|(key, _)| key).collect()
    }

    /// Whether every effect came into being once.
    pub(super) fn is_each_made_once(&self) -> bool {
        self.effects().values().all(|effect| effect.made == 1)
    }

    /// Brings an effect about; refused where an undo has left its mark.
    pub(super) fn make(&self, key: &str) -> bool {
        let mut effects = self.effects.lock().unwrap();
        let effect = effects.entry(key.to_owned()).or_default();
        if !effect.is_closed && !effect.is_there {
            effect.is_there = true;
            effect.made += 1;
        }
        !effect.is_closed
    }

    fn unmake(&self, key: &str) {
        let mut effects = self.effects.lock().unwrap();
        let effect = effects.entry(key.to_owned()).or_default();
        effect.is_there = false;
        effect.is_closed = !self.only_deletes.load(Ordering::SeqCst);
    }

    async fn invoked(
        &self,
        cx: &JobCx<'_, Self>,
        values: (i64, Option<i64>),
        why: Option<&RollbackCause>,
    ) -> JobResult<()> {
        let kept = cx.get_data("note").await?;
        self.invocations.lock().unwrap().push(Invocation {
            deployment: cx.deployment(),
            job: cx.job().to_string(),
            phase: cx.phase(),
            attempt: cx.attempt().get(),
            maybe_ran_before: cx.maybe_ran_before(),
            fence: cx.fence(),
            values,
            why: why.cloned(),
            kept,
        });
        Ok(())
    }

    /// The job comes to a point, and does what the script says.
    async fn point(cx: &JobCx<'_, Self>, at: At) -> JobResult<()> {
        let acts = cx.resources();
        let here = (cx.job().to_string(), at);
        acts.passed.send_modify(|passed| passed.push(here.clone()));
        let play = {
            let mut script = acts.script.lock().unwrap();
            script.get_mut(&here).and_then(VecDeque::pop_front)
        };
        match play {
            None | Some(Play::Pass) => Ok(()),
            Some(Play::Fail(error)) => Err(error),
            Some(Play::Panic(text)) => panic!("{text}"),
            Some(Play::Hang) => std::future::pending().await,
            Some(Play::Heed) => {
                let why = cx.stopped().await;
                acts.told.lock().unwrap().push(why);
                Err(JobError::retry(ErrorView::new("told", format!("{why:?}"))))
            }
            Some(Play::Linger) => {
                let why = cx.stopped().await;
                acts.told.lock().unwrap().push(why);
                Ok(())
            }
            Some(Play::Wait(gate)) => {
                gate.notified().await;
                Ok(())
            }
            Some(Play::Do(what)) => {
                what();
                Ok(())
            }
            Some(Play::Keep(key, value)) => cx.put_data(key, &value).await,
        }
    }

    async fn execute(cx: &JobCx<'_, Self>, input: i64) -> JobResult<i64> {
        let acts = cx.resources();
        acts.invoked(cx, (input, None), None).await?;
        Self::point(cx, At::Begin).await?;
        if !acts.make(cx.idempotency_key().as_str()) {
            return Err(JobError::terminal(ErrorView::new(
                "closed",
                "undone before",
            )));
        }
        Self::point(cx, At::Effect).await?;
        Ok(input + 1)
    }
}

/// The job of all these tests: brings about the effect of its key and adds one. `Undo` is what undoing it means.
pub(super) struct Act<Undo>(pub(super) PhantomData<fn() -> Undo>);

macro_rules! act {
    ($undo:ty) => {
        impl Job<Acts> for Act<$undo> {
            type Input = i64;
            type Output = i64;
            type Undo = $undo;
            const NAME: &'static str = "act";

            async fn execute(&self, cx: &JobCx<'_, Acts>, input: i64) -> JobResult<i64> {
                Acts::execute(cx, input).await
            }
        }
    };
}

act!(Handled);
act!(NotNeeded);
act!(Impossible);

impl Rollback<Acts> for Act<Handled> {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Acts>,
        why: &RollbackCause,
        state: JobState<i64, i64>,
    ) -> JobResult<()> {
        let values = match state {
            JobState::Completed { input, output } => (input, Some(output)),
            JobState::Interrupted { input } => (input, None),
        };
        let acts = cx.resources();
        acts.invoked(cx, values, Some(why)).await?;
        Acts::point(cx, At::Undo).await?;
        acts.unmake(cx.execute_key().as_str());
        Acts::point(cx, At::Undone).await
    }
}

/// A hook that adds something.
#[derive(Clone, Copy)]
pub(super) struct Adds(pub(super) At, pub(super) i64);

impl Hook<Acts, i64, i64> for Adds {
    async fn call(&self, cx: &JobCx<'_, Acts>, value: i64) -> JobResult<i64> {
        Acts::point(cx, self.0).await?;
        Ok(value + self.1)
    }
}

pub(super) type One = Step<Acts, i64, i64>;
pub(super) type Key = ActionKey<i64, i64>;

/// A job that can be undone.
pub(super) fn job(name: &'static str) -> One {
    Act::<Handled>(PhantomData).renamed(name)
}

/// A job that leaves nothing behind.
pub(super) fn traceless(name: &'static str) -> One {
    Act::<NotNeeded>(PhantomData).renamed(name)
}

/// A job that cannot be undone.
pub(super) fn lasting(name: &'static str) -> One {
    Act::<Impossible>(PhantomData).renamed(name)
}

/// A job that can be undone, with a hook before and one after it.
pub(super) fn hooked(name: &'static str) -> One {
    job(name)
        .before(Adds(At::PreHook, 10))
        .after(Adds(At::PostHook, 100))
}

/// The action `a` of these steps.
pub(super) fn action(steps: impl IntoIterator<Item = One>) -> Action<Acts, i64, i64> {
    revised(1, steps)
}

pub(super) fn revised(
    revision: u32,
    steps: impl IntoIterator<Item = One>,
) -> Action<Acts, i64, i64> {
    let mut steps = steps.into_iter();
    let definition = Action::define("a").revision(revision);
    let builder = definition.then(steps.next().expect("an action has a job"));
    steps
        .fold(builder, |builder, step| builder.then(step))
        .build()
        .unwrap()
}

pub(super) fn registry(action: Action<Acts, i64, i64>) -> (Registry<Acts>, Key) {
    let mut builder = RegistryBuilder::new();
    let key = builder.register(action).unwrap();
    (builder.build(), key)
}

/// Three jobs that can be undone.
pub(super) fn three() -> (Registry<Acts>, Key) {
    registry(action([job("j0"), job("j1"), job("j2")]))
}

/// The same with hooks.
pub(super) fn three_hooked() -> (Registry<Acts>, Key) {
    registry(action([hooked("j0"), hooked("j1"), hooked("j2")]))
}

pub(super) fn terminal(code: &str) -> Play {
    Play::Fail(JobError::terminal(ErrorView::new(code, "for good")))
}

pub(super) fn retryable(code: &str) -> Play {
    Play::Fail(JobError::retry(ErrorView::new(code, "for now")))
}
