//! Where the time and fresh ids of commits come from; handed in, so that a simulation decides both.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ulid::Ulid;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// Makes ids that nobody made before.
pub trait Ids: Send + Sync + 'static {
    /// A fresh ULID of the time `now_ms`.
    fn fresh(&self, now_ms: u64) -> Ulid;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system clock"
    )]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Ids from the random source of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn fresh(&self, now_ms: u64) -> Ulid {
        Ulid::from_parts(now_ms, rand::random())
    }
}

/// Time and ids together.
#[derive(Clone)]
pub struct Environment {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
}

impl Environment {
    /// The real clock and real randomness.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// A fresh ULID of now.
    #[must_use]
    pub fn fresh(&self) -> Ulid {
        self.ids.fresh(self.now_ms())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}
