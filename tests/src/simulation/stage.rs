//! What all processes of a run share: the server, the host, chance, and the record of what happened.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nogfso_bus::MemoryBus;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::Tasks;
use nogfso_ids::Instance;
use nogfso_journal::log::Stored;
use nogfso_journal::memory::{MemoryLog, TokioClock};
use nogfso_journal::{Clock, Environment, Log};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::auditor::Auditor;
use super::chance::{Chance, SeededIds, WrongClock};
use super::fault::{Fault, Faults, Temper};
use super::host::SimHost;
use super::verdict::{Invariant, Violation};

/// How many of the last steps are told about a run that failed.
const TRACE_LINES_MAX: usize = 10_000;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that one run has besides its processes.
pub(super) struct Stage {
    pub(super) chance: Chance,
    pub(super) temper: Temper,
    pub(super) log: MemoryLog,
    pub(super) bus: MemoryBus,
    pub(super) host: SimHost,
    pub(super) auditor: Mutex<Auditor>,
    /// The workers that live, by the numbers of their lives.
    pub(super) workers: Mutex<BTreeMap<u64, Instance>>,
    /// What is under way between a process and the server, whatever becomes of the process.
    pub(super) network: Tasks,
    /// How often the server was restored.
    restored: AtomicU64,
    ids: Arc<SeededIds>,
    began: Instant,
    is_rough: AtomicBool,
    /// Cancelled when faults end.
    pub(super) calm: CancellationToken,
    /// Cancelled when an invariant is broken.
    pub(super) broken: CancellationToken,
    violation: Mutex<Option<Violation>>,
    faults: Mutex<Faults>,
    digest: Mutex<DefaultHasher>,
    trace: Option<Mutex<VecDeque<String>>>,
}

impl Stage {
    /// An empty system; `traced` to keep what happens in words.
    pub(super) async fn new(seed: u64, traced: bool) -> Arc<Self> {
        let chance = Chance::of(seed);
        let temper = Temper::drawn(&chance);
        let log = MemoryLog::new(Arc::new(TokioClock::default()));
        log.ensure_streams(&STREAMS)
            .await
            .expect("a new server takes all streams");
        let stage = Arc::new(Self {
            ids: Arc::new(SeededIds(Chance::of(chance.number()))),
            chance,
            temper,
            log,
            bus: MemoryBus::new(),
            host: SimHost::default(),
            auditor: Mutex::default(),
            workers: Mutex::default(),
            network: Tasks::default(),
            restored: AtomicU64::new(0),
            began: Instant::now(),
            is_rough: AtomicBool::new(false),
            calm: CancellationToken::new(),
            broken: CancellationToken::new(),
            violation: Mutex::default(),
            faults: Mutex::default(),
            digest: Mutex::default(),
            trace: traced.then(Mutex::default),
        });
        let witness = Arc::downgrade(&stage);
        stage.log.show(Arc::new(move |stored| {
            if let Some(stage) = witness.upgrade() {
                stage.witness(stored);
            }
        }));
        stage
    }

    fn witness(&self, stored: &Stored) {
        let mut digest = lock(&self.digest);
        digest.write(stored.subject.as_bytes());
        digest.write_u64(stored.position.0);
        digest.write_u64(stored.stored_ms);
        digest.write(&stored.payload);
        drop(digest);
        let told = lock(&self.auditor).take_in(stored, self.trace.is_some());
        match told {
            Ok(told) => {
                self.tell(|| told.words);
                // What is stored late, or was under way when its writer died, was written when that one had the lock.
                if let Some(epoch) = told.epoch
                    && self.temper.odds.late == 0
                    && let Some(life) = self.host.gave_back(&stored.subject, epoch)
                    && lock(&self.workers).contains_key(&life)
                {
                    let seen = format!("epoch {epoch} of {}", stored.subject);
                    self.violate(Violation::of(Invariant::WrittenUnderLock, seen));
                }
            }
            Err(violation) => self.violate(violation),
        }
    }

    /// What time it is, and which ids are fresh, for a process whose clock is that far off.
    pub(super) fn environment(&self, (ahead_ms, behind_ms): (u64, u64)) -> Environment {
        let right: Arc<dyn Clock> = self.log.clock();
        Environment {
            clock: Arc::new(WrongClock {
                right,
                ahead_ms,
                behind_ms,
            }),
            ids: Arc::clone(&self.ids) as Arc<dyn nogfso_journal::Ids>,
        }
    }

    /// Whether faults are played.
    pub(super) fn is_rough(&self) -> bool {
        self.is_rough.load(Ordering::Relaxed)
    }

    pub(super) fn begin_faults(&self) {
        self.is_rough.store(true, Ordering::Relaxed);
        let seed = self.chance.number();
        self.log.play_by_chance(seed, self.temper.odds);
    }

    pub(super) fn end_faults(&self) {
        self.is_rough.store(false, Ordering::Relaxed);
        self.log.stop_playing();
        self.log.bring_up();
        self.calm.cancel();
        self.tell(|| "--- no more faults".to_owned());
    }

    /// The server is another one from now on: what was under way does not reach it.
    pub(super) fn note_restored(&self) {
        self.count(Fault::Restored);
        self.restored.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restored_count(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Whether a fault that comes so often in a thousand comes now; counted if so.
    pub(super) fn strikes(&self, fault: Fault, per_mille: u32) -> bool {
        let strikes = self.is_rough() && self.chance.per_mille(per_mille);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    pub(super) fn count(&self, fault: Fault) {
        *lock(&self.faults).entry(fault.name()).or_default() += 1;
    }

    /// All faults that were played, those of the server too.
    pub(super) fn played(&self) -> Faults {
        let mut played = self.log.played();
        played.extend(lock(&self.faults).clone());
        played
    }

    /// One number that differs if anything in the journal does.
    pub(super) fn digest(&self) -> u64 {
        lock(&self.digest).finish()
    }

    pub(super) fn violate(&self, violation: Violation) {
        self.tell(|| format!("!!! {violation}"));
        lock(&self.violation).get_or_insert(violation);
        self.broken.cancel();
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        lock(&self.violation).clone()
    }

    /// Adds a line to the trace, if there is one.
    pub(super) fn tell(&self, words: impl FnOnce() -> String) {
        let Some(trace) = &self.trace else { return };
        let words = words();
        if words.is_empty() {
            return;
        }
        let mut trace = lock(trace);
        if trace.len() == TRACE_LINES_MAX {
            trace.pop_front();
        }
        let passed = self.began.elapsed();
        trace.push_back(format!("{:>9.3} {words}", passed.as_secs_f64()));
    }

    pub(super) fn trace(&self) -> Vec<String> {
        let trace = self.trace.as_ref().map(lock);
        trace
            .map(|trace| trace.iter().cloned().collect())
            .unwrap_or_default()
    }
}
