//! The explorer: an action, run again and again, with one fault or two each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::runtime::Builder;

use super::case::{Case, Ending, Injection};
use super::check::{self, Worlds};
use super::course::{self, Effects, Ran, Setup};
use super::fault::{At, Fault};
use super::injector::last_undoable;
use super::report::{Failure, Report};
use super::seed::Dice;
use super::timeline::lines;
use super::world::FakeWorld;
use crate::attempt::Phase;
use crate::handle::Outcome;
use crate::job::{Payload, Resources};
use crate::plan::{Plan, Undo};
use crate::registry::{ActionKey, Registry};

/// How long the undo of a lost attempt waits, unless said otherwise; as long as workers keep their leases by default.
const QUIET: Duration = Duration::from_secs(30);

/// For how long a worker that was replaced may still act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Zombies {
    /// For any time: a process may stand still and go on where it was. Only a key that stays dead, or a fence, helps (spec
    /// 2.9, D6).
    #[default]
    AnyTime,
    /// Less than the quiet period. For other sides that can keep no word of what was undone, such as file systems; what the
    /// explorer then finds nothing wrong with still relies on clocks.
    WithinQuietPeriod,
}

/// Runs an action once for each fault at each point of each job, and says what came of it.
///
/// All runs are on a journal in memory and in a time of their own, which is not waited for. Whether effects are right is
/// told by a [`FakeWorld`] among the resources; without one only the journal is checked.
///
/// ```
/// use nogfso_actions::testing::{Explorer, FakeWorld};
/// use nogfso_actions::{
///     Action, Handled, Job, JobCx, JobResult, JobState, RegistryBuilder, Rollback, RollbackCause,
/// };
///
/// struct Launch;
///
/// impl Job<FakeWorld> for Launch {
///     type Input = u32;
///     type Output = u32;
///     type Undo = Handled;
///     const NAME: &'static str = "launch";
///
///     async fn execute(&self, cx: &JobCx<'_, FakeWorld>, count: u32) -> JobResult<u32> {
///         cx.resources().effect(cx.idempotency_key())?;
///         Ok(count)
///     }
/// }
///
/// impl Rollback<FakeWorld> for Launch {
///     async fn rollback(
///         &self,
///         cx: &JobCx<'_, FakeWorld>,
///         _: &RollbackCause,
///         _: JobState<u32, u32>,
///     ) -> JobResult<()> {
///         cx.resources().cancel(cx.execute_key());
///         Ok(())
///     }
/// }
///
/// let explorer = Explorer::new(|| {
///     let mut builder = RegistryBuilder::new();
///     let launch = Action::define("launch").then(Launch).build().unwrap();
///     let key = builder.register(launch).unwrap();
///     (builder.build(), FakeWorld::new(), key, 3)
/// })
/// .effects(|world| world);
///
/// let report = explorer.every_single_fault();
/// report.assert_holds();
/// assert!(report.runs > 50);
/// ```
pub struct Explorer<R, In, Out> {
    setup: Box<dyn Fn() -> Setup<R, In, Out>>,
    effects: Option<Box<EffectsOf<R>>>,
    invariants: Vec<(&'static str, Box<Invariant<R, Out>>)>,
    quiet: Duration,
    zombies: Zombies,
    sample: Option<(u64, usize)>,
}

type EffectsOf<R> = dyn for<'a> Fn(&'a R) -> &'a FakeWorld;
type Invariant<R, Out> = dyn Fn(&R, &Outcome<Out>) -> bool;

/// What runs without a fault have shown.
struct Known {
    plan: Plan,
    /// The effects of a success.
    wanted: Effects,
    /// The points on the way to a success, and on the way to a failure at the end.
    forward: BTreeSet<(usize, At)>,
    back: BTreeSet<(usize, At)>,
}

impl<R: Resources, In: Payload, Out: Payload> Explorer<R, In, Out> {
    /// Explores the action that `setup` makes; it is called once for each run, and its resources must be fresh each time.
    pub fn new(setup: impl Fn() -> (Registry<R>, R, ActionKey<In, Out>, In) + 'static) -> Self {
        Self {
            setup: Box::new(setup),
            effects: None,
            invariants: vec![],
            quiet: QUIET,
            zombies: Zombies::default(),
            sample: None,
        }
    }

    /// Says where among the resources the effects are counted.
    #[must_use]
    pub fn effects(self, of: impl for<'a> Fn(&'a R) -> &'a FakeWorld + 'static) -> Self {
        Self {
            effects: Some(Box::new(of)),
            ..self
        }
    }

    /// Adds what must hold at the end of each run.
    #[must_use]
    pub fn invariant(
        mut self,
        name: &'static str,
        holds: impl Fn(&R, &Outcome<Out>) -> bool + 'static,
    ) -> Self {
        self.invariants.push((name, Box::new(holds)));
        self
    }

    /// Sets how long the undo of a lost attempt waits: as long as an ack wait of the workers.
    #[must_use]
    pub fn quiet_period(self, quiet: Duration) -> Self {
        Self { quiet, ..self }
    }

    /// Sets for how long a worker that was replaced may still act.
    #[must_use]
    pub fn zombies(self, zombies: Zombies) -> Self {
        Self { zombies, ..self }
    }

    /// Has [`every_single_fault`](Self::every_single_fault) run at most so many of its cases, drawn evenly by a seed.
    #[must_use]
    pub fn sample(self, seed: u64, runs: usize) -> Self {
        Self {
            sample: Some((seed, runs)),
            ..self
        }
    }

    /// Runs the action once for each job, point, fault, and ending.
    ///
    /// # Panics
    ///
    /// Panics within an async runtime: each run has one of its own.
    #[must_use]
    pub fn every_single_fault(&self) -> Report {
        self.explore(|known| {
            let cases = self.single_faults(known);
            match self.sample {
                Some((seed, runs)) => Dice::new(seed).sample(cases, runs),
                None => cases,
            }
        })
    }

    /// Runs the action `runs` times with two faults at a time, drawn by `seed`.
    ///
    /// # Panics
    ///
    /// Panics within an async runtime: each run has one of its own.
    #[must_use]
    pub fn random_pairs(&self, seed: u64, runs: usize) -> Report {
        self.explore(|known| {
            let mut dice = Dice::new(seed);
            let pair = |place| self.random_pair(known, &mut dice, place);
            (0..runs as u64).map(pair).collect()
        })
    }

    /// Runs one case again: what went wrong, if it still does.
    ///
    /// # Panics
    ///
    /// Panics within an async runtime: each run has one of its own.
    #[must_use]
    pub fn replay(&self, case: &Case) -> Option<Failure> {
        let mut report = Report::default();
        let known = self.known(&mut report, &mut BTreeMap::new())?;
        self.run(&known.wanted, case).0
    }

    fn explore(&self, cases: impl FnOnce(&Known) -> Vec<Case>) -> Report {
        let mut report = Report::default();
        let mut undone = BTreeMap::new();
        let Some(known) = self.known(&mut report, &mut undone) else {
            return report;
        };
        for case in cases(&known) {
            let (failure, ran) = self.run(&known.wanted, &case);
            note_undone(&mut undone, &ran);
            report.runs += 1;
            report.idle += usize::from(!ran.injector.has_fired());
            if let Some(failure) = failure {
                report.add(failure);
            }
        }
        let jobs = known.plan.jobs.iter().enumerate();
        report.unreached = jobs
            .filter(|(index, job)| job.undo == Undo::Handled && !undone.contains_key(index))
            .map(|(_, job)| job.job.clone())
            .collect();
        report
    }

    /// Runs without faults. `None` if even these go wrong.
    fn known(&self, report: &mut Report, undone: &mut BTreeMap<usize, u32>) -> Option<Known> {
        let succeeding = Case::without_faults(Ending::Succeeds);
        let (before, ran) = self.ran(&succeeding, true);
        let wanted = self.effects_after(&ran);
        report.runs += 1;
        let mut problems = check::problems(&ran, &succeeding, None);
        problems.extend(check::without_fault(&ran, Ending::Succeeds));
        problems.extend(self.broken_invariants(&ran));
        let mut known = Known {
            plan: ran.plan.clone(),
            wanted,
            forward: ran.injector.reached(),
            back: BTreeSet::new(),
        };
        if !problems.is_empty() {
            report.add(failure(&succeeding, problems, &ran));
            return None;
        }
        drop(before);
        if last_undoable(&known.plan).is_some() {
            let failing = Case::without_faults(Ending::Fails);
            let (before, ran) = self.ran(&failing, true);
            report.runs += 1;
            note_undone(undone, &ran);
            known.back = ran.injector.reached();
            let mut problems = self.problems(&ran, &failing, &before, &known.wanted);
            problems.extend(check::without_fault(&ran, Ending::Fails));
            if !problems.is_empty() {
                report.add(failure(&failing, problems, &ran));
            }
        }
        Some(known)
    }

    fn single_faults(&self, known: &Known) -> Vec<Case> {
        let mut cases = vec![];
        let mut add = |ending, index: usize, at, fault: Fault| {
            let seed = cases.len() as u64 + 1;
            let injection = Injection {
                job: known.plan.jobs[index].job.clone(),
                at,
                pass: 1,
                fault,
            };
            cases.push(Case {
                seed,
                ending,
                injections: vec![injection],
            });
        };
        for &(index, at) in &known.forward {
            for fault in self.faults(known, index, at) {
                if fault.takes_worker() || fault == Fault::Hang {
                    add(Ending::Cancelled, index, at, fault.clone());
                }
                add(Ending::Succeeds, index, at, fault);
            }
        }
        for &(index, at) in &known.back {
            for fault in self.faults(known, index, at) {
                // What fails for good on the way forward has been there above.
                let is_new =
                    at.is_backward() || !matches!(fault, Fault::Terminal(_) | Fault::Panic);
                if is_new {
                    add(Ending::Fails, index, at, fault);
                }
            }
        }
        cases
    }

    /// The faults that can happen to that job there.
    fn faults(&self, known: &Known, index: usize, at: At) -> Vec<Fault> {
        let mut faults = at.faults();
        let policy = &known.plan.jobs[index].policy;
        let limit = match at.is_backward() {
            true => policy.rollback.attempt_timeout_ms,
            false => policy.execute.attempt_timeout_ms,
        };
        if limit.or(policy.heartbeat_timeout_ms).is_none() {
            // Nobody would ever stop it.
            faults.retain(|fault| *fault != Fault::Hang);
        }
        if self.zombies == Zombies::WithinQuietPeriod {
            faults.retain(|fault| *fault != Fault::KeepRunningAsZombie);
        }
        faults
    }

    fn random_pair(&self, known: &Known, dice: &mut Dice, place: u64) -> Case {
        let endings = [Ending::Succeeds, Ending::Fails, Ending::Cancelled];
        let ending = endings[dice.below(endings.len())];
        let points = match ending {
            Ending::Fails if !known.back.is_empty() => &known.back,
            Ending::Succeeds | Ending::Fails | Ending::Cancelled => &known.forward,
        };
        let points: Vec<_> = points.iter().copied().collect();
        let injection = |dice: &mut Dice, (index, at): (usize, At), pass| {
            let faults = self.faults(known, index, at);
            Injection {
                job: known.plan.jobs[index].job.clone(),
                at,
                pass,
                fault: faults[dice.below(faults.len())].clone(),
            }
        };
        let first = points[dice.below(points.len())];
        // Half of the second faults meet whoever tries again.
        let (second, pass) = match dice.below(2) {
            0 => (first, 2),
            _ => (points[dice.below(points.len())], 1),
        };
        let injections = vec![injection(dice, first, 1), injection(dice, second, pass)];
        Case {
            seed: dice.roll() ^ place,
            ending,
            injections,
        }
    }

    fn run(&self, wanted: &Effects, case: &Case) -> (Option<Failure>, Ran<R, Out>) {
        let (before, ran) = self.ran(case, false);
        let problems = self.problems(&ran, case, &before, wanted);
        let failure = (!problems.is_empty()).then(|| failure(case, problems, &ran));
        (failure, ran)
    }

    fn ran(&self, case: &Case, traces: bool) -> (Effects, Ran<R, Out>) {
        let setup = (self.setup)();
        let before = self.effects_of(&setup.1);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime without I/O needs nothing");
        let ran = runtime.block_on(course::run(setup, case, traces, self.quiet));
        (before, ran)
    }

    fn problems(
        &self,
        ran: &Ran<R, Out>,
        case: &Case,
        before: &Effects,
        wanted: &Effects,
    ) -> Vec<String> {
        let after = self.effects_after(ran);
        let worlds = Worlds {
            before,
            after: &after,
            wanted,
        };
        let worlds = self.effects.is_some().then_some(&worlds);
        let mut problems = check::problems(ran, case, worlds);
        problems.extend(self.broken_invariants(ran));
        problems
    }

    fn broken_invariants(&self, ran: &Ran<R, Out>) -> Vec<String> {
        let Some(outcome) = &ran.outcome else {
            return vec![];
        };
        let invariants = self.invariants.iter();
        invariants
            .filter(|(_, holds)| !holds(&ran.resources, outcome))
            .map(|(name, _)| format!("{name} does not hold"))
            .collect()
    }

    fn effects_after(&self, ran: &Ran<R, Out>) -> Effects {
        self.effects_of(&ran.resources)
    }

    fn effects_of(&self, resources: &R) -> Effects {
        let effects = self.effects.as_ref();
        effects.map_or_else(Effects::new, |of| of(resources).counts())
    }
}

impl<R, In, Out> std::fmt::Debug for Explorer<R, In, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explorer")
            .field("quiet", &self.quiet)
            .field("zombies", &self.zombies)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

fn note_undone<R, Out>(undone: &mut BTreeMap<usize, u32>, ran: &Ran<R, Out>) {
    for ((index, phase), calls) in ran.injector.calls() {
        if phase == Phase::Rollback {
            *undone.entry(index).or_default() += calls;
        }
    }
}

fn failure<R, Out>(case: &Case, problems: Vec<String>, ran: &Ran<R, Out>) -> Failure {
    Failure {
        case: case.clone(),
        problems,
        timeline: lines(&ran.commits),
    }
}
