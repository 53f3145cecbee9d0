//! One run: a seed from the first command to the end.

use std::cell::RefCell;
use std::sync::{Arc, Once};
use std::time::Duration;

use nogfso_faults::{Mutant, Tally, forget_met, plant, take_met};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::clients::{self, Known};
use super::director;
use super::fault::Faults;
use super::process::Process;
use super::stage::{Stage, lock};
use super::verdict::{Invariant, Violation};

/// How long faults are played.
const ROUGH_MS: (u32, u32) = (10_000, 45_000);
/// How long it may take afterwards until everything is done.
const SETTLE_LIMIT: Duration = Duration::from_secs(240);
const SETTLE_PAUSE: Duration = Duration::from_millis(250);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// One number for everything that the journal holds.
    pub(super) digest: u64,
    pub(super) faults: Faults,
    pub(super) rules: Tally,
    pub(super) answers: std::collections::BTreeMap<String, u64>,
    pub(super) messages: u64,
    pub(super) virtual_ms: u128,
    pub(super) violation: Option<Violation>,
    pub(super) trace: Vec<String>,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static LISTENS: RefCell<bool> = const { RefCell::new(false) };
}

/// Has panics on threads of the simulation noted, not printed.
fn listen_to_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if LISTENS.with_borrow(|listens| *listens) {
                PANIC.with_borrow_mut(|seen| *seen = Some(panic.to_string()));
            } else {
                usual(panic);
            }
        }));
    });
    LISTENS.set(true);
    PANIC.take();
}

/// Runs a seed, with a planted mistake or none.
pub(super) fn run(seed: u64, mutant: Option<Mutant>, traced: bool) -> Ran {
    listen_to_panics();
    plant(mutant);
    forget_met();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut ran = runtime.block_on(play(seed, traced));
    drop(runtime);
    plant(None);
    ran.rules = take_met();
    LISTENS.set(false);
    ran
}

async fn play(seed: u64, traced: bool) -> Ran {
    let began = Instant::now();
    let stage = Stage::new(seed, traced).await;
    let known = Arc::new(Known::default());
    tokio::select! {
        biased;
        () = stage.broken.cancelled() => {}
        () = act(&stage, &known) => {}
    }
    if let Some(panic) = PANIC.take() {
        stage.violate(Violation::of(Invariant::NobodyPanics, panic));
    }
    Ran {
        digest: stage.digest(),
        faults: stage.played(),
        rules: Tally::new(),
        answers: lock(&known.answers).clone(),
        messages: lock(&stage.auditor).messages(),
        virtual_ms: began.elapsed().as_millis(),
        violation: stage.violation(),
        trace: stage.trace(),
    }
}

async fn act(stage: &Arc<Stage>, known: &Arc<Known>) {
    let processes = Process::all(stage);
    let mut places = JoinSet::new();
    for process in &processes {
        places.spawn(Arc::clone(process).run());
    }
    stage.begin_faults();
    let clients = clients::run(stage, known);
    let faults = async {
        let rough = stage.chance.ms(ROUGH_MS.0, ROUGH_MS.1);
        // It ends with the faults, whatever it is in the middle of.
        drop(timeout(rough, director::direct(stage, &processes)).await);
        stage.end_faults();
        Instant::now()
    };
    let mut clients = std::pin::pin!(clients);
    let mut faults = std::pin::pin!(faults);
    let (answered, calm_since) = tokio::select! {
        biased;
        since = &mut faults => (false, since),
        () = &mut clients => (true, faults.await),
    };
    if !answered && timeout(SETTLE_LIMIT, clients).await.is_err() {
        let seen = "a client still asks".to_owned();
        stage.violate(Violation::of(Invariant::EveryCommandIsAnswered, seen));
        return;
    }
    settle(stage, calm_since).await;
}

async fn settle(stage: &Arc<Stage>, calm_since: Instant) {
    loop {
        match settled(stage) {
            Ok(()) => return,
            Err(missing) if calm_since.elapsed() > SETTLE_LIMIT => return stage.violate(missing),
            Err(_) => sleep(SETTLE_PAUSE).await,
        }
    }
}

fn settled(stage: &Stage) -> Result<(), Violation> {
    lock(&stage.auditor).settled()?;
    if let Some(subject) = stage.host.held_lock() {
        return Err(Violation::of(Invariant::NoLockIsHeld, subject));
    }
    for (consumer, progress) in stage.log.all_progress() {
        if progress.waiting + progress.unacknowledged > 0 {
            let seen = format!("{consumer}: {progress:?}");
            return Err(Violation::of(Invariant::EveryDeliveryIsAnswered, seen));
        }
    }
    Ok(())
}
