//! One life of a process: from its start to its end, whichever way it ends.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_bus::MemoryBus;
use nogfso_host::Tasks;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::stage::{Stage, lock};

/// How long a paused process stands still; several ack waits at most.
const PAUSE_MS: (u32, u32) = (100, 11_000);
/// After how long one who is cut off notices that there is no answer.
const NO_ANSWER_MS: (u32, u32) = (50, 1_500);

/// What kind of process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Gateway,
    Regd,
    Stad,
}

/// A process, for as long as it lives. Everything that it does outside itself asks here first.
pub(super) struct Life {
    pub(super) stage: Arc<Stage>,
    pub(super) role: Role,
    /// For the trace.
    pub(super) name: String,
    /// Tells lives apart, and so holders of locks.
    pub(super) number: u64,
    pub(super) bus: MemoryBus,
    pub(super) tasks: Tasks,
    pub(super) dead: CancellationToken,
    paused_until: Mutex<Option<Instant>>,
    cut_off_until: Mutex<Option<Instant>>,
}

impl Life {
    pub(super) fn begin(stage: &Arc<Stage>, role: Role, name: String, number: u64) -> Arc<Self> {
        Arc::new(Self {
            bus: stage.bus.another_client(),
            stage: Arc::clone(stage),
            role,
            name,
            number,
            tasks: Tasks::default(),
            dead: CancellationToken::new(),
            paused_until: Mutex::default(),
            cut_off_until: Mutex::default(),
        })
    }

    /// Ends it as `kill -9` does: no task goes on, its locks are free, its subscriptions gone.
    pub(super) fn end(&self) {
        self.dead.cancel();
        self.tasks.kill();
        self.bus.disconnect();
        self.stage.host.forget(self.number);
        lock(&self.stage.workers).remove(&self.number);
    }

    pub(super) fn crash(&self) {
        if self.dead.is_cancelled() {
            return;
        }
        self.stage.tell(|| format!("{} crashes", self.name));
        self.stage.count(match self.role {
            Role::Gateway => Fault::CrashGateway,
            Role::Regd => Fault::CrashRegd,
            Role::Stad => Fault::CrashStad,
        });
        self.end();
    }

    pub(super) fn pause(&self) {
        self.pause_for(PAUSE_MS);
    }

    /// Stands still for so long, in milliseconds.
    pub(super) fn pause_for(&self, (min_ms, max_ms): (u32, u32)) {
        let pause = self.stage.chance.ms(min_ms, max_ms);
        self.stage.count(Fault::Pause);
        self.stage
            .tell(|| format!("{} is paused for {pause:?}", self.name));
        *lock(&self.paused_until) = Some(Instant::now() + pause);
    }

    pub(super) fn cut_off(&self) {
        let (min_ms, max_ms) = self.stage.temper.cut_off_ms;
        let time = self.stage.chance.ms(min_ms, max_ms);
        self.stage.count(Fault::CutOff);
        self.stage
            .tell(|| format!("{} is cut off for {time:?}", self.name));
        *lock(&self.cut_off_until) = Some(Instant::now() + time);
    }

    /// Passed before and after whatever the process does outside itself. Here it crashes, stands still, is cut off or slow, as
    /// chance has it; what is dead never comes back from here.
    pub(super) async fn gate(&self, doing: &'static str) {
        self.stand_still().await;
        if !self.stage.is_rough() {
            return;
        }
        let temper = &self.stage.temper;
        let mut drawn = self.stage.chance.below(100_000);
        let mut is = |odds: u32| {
            let is = drawn < odds;
            drawn = drawn.saturating_sub(odds);
            is
        };
        if is(temper.crash) {
            self.stage.tell(|| format!("{} is at {doing}", self.name));
            self.crash();
        } else if is(temper.pause) {
            self.stage.tell(|| format!("{} is at {doing}", self.name));
            self.pause();
        } else if is(temper.cut_off) {
            self.cut_off();
        } else if is(temper.delay) {
            self.stage.count(Fault::Delay);
            let longest = self.stage.chance.one_of(&[2, 20, 20, 200, 2_000]);
            sleep(self.stage.chance.ms(1, longest)).await;
        }
        self.stand_still().await;
    }

    async fn stand_still(&self) {
        loop {
            if self.dead.is_cancelled() {
                pending::<()>().await;
            }
            let until = *lock(&self.paused_until);
            match until.filter(|until| *until > Instant::now()) {
                None => return,
                Some(until) => tokio::select! {
                    biased;
                    () = sleep_until(until) => {}
                    () = self.stage.calm.cancelled() => *lock(&self.paused_until) = None,
                },
            }
        }
    }

    /// Whether the process reaches the server. If not, this comes back after it has waited for an answer in vain.
    pub(super) async fn reaches_server(&self) -> bool {
        if !self.is_cut_off() {
            return true;
        }
        sleep(self.stage.chance.ms(NO_ANSWER_MS.0, NO_ANSWER_MS.1)).await;
        self.stand_still().await;
        false
    }

    pub(super) fn is_cut_off(&self) -> bool {
        let until = *lock(&self.cut_off_until);
        self.stage.is_rough() && until.is_some_and(|until| until > Instant::now())
    }

    /// Waits until the process reaches the server again.
    pub(super) async fn back_at_server(&self) {
        while self.is_cut_off() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}
