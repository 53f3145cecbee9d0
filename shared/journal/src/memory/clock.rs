//! A clock that goes with the runtime's time, so that a test that pauses or advances one moves the other.

use tokio::time::Instant;

use crate::Clock;

/// Tells a chosen time that goes on with the runtime's.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    origin: Instant,
    origin_ms: u64,
}

impl TokioClock {
    /// A clock that shows `origin_ms`, in milliseconds since the Unix epoch, at this moment.
    #[must_use]
    pub fn starting_at(origin_ms: u64) -> Self {
        Self {
            origin: Instant::now(),
            origin_ms,
        }
    }
}

impl Default for TokioClock {
    /// Starts at the beginning of the year 2030, which no test data of the past can be mistaken for.
    fn default() -> Self {
        Self::starting_at(1_893_456_000_000)
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> u64 {
        let passed = self.origin.elapsed().as_millis();
        self.origin_ms + u64::try_from(passed).unwrap_or(u64::MAX - self.origin_ms)
    }
}
