//! Waiting for a condition with a deadline, and a failure that tells what was seen last.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

const POLL_INTERVAL_MS: u64 = 10;

/// What one look at the awaited condition yields.
///
/// An `Option` waits for `Some`, a `bool` for `true`, and a `Result` for `Ok`; the last `Err` is
/// shown if the deadline passes.
pub trait Outcome {
    /// What the wait returns.
    type Value;

    /// Tells the value, or else what was seen instead.
    ///
    /// # Errors
    ///
    /// Returns what was seen in place of the condition.
    fn settle(self) -> Result<Self::Value, String>;
}

impl<T> Outcome for Option<T> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| String::from("None"))
    }
}

impl Outcome for bool {
    type Value = ();

    fn settle(self) -> Result<(), String> {
        if self {
            Ok(())
        } else {
            Err(String::from("false"))
        }
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Asks `probe` again and again until it yields a value, which is returned.
///
/// A probe that hangs is dropped at the deadline, so it must bear being dropped.
///
/// # Panics
///
/// Panics when `deadline` has passed, naming `what` and what the last finished probe saw.
#[track_caller]
pub fn wait_until<P, R>(
    what: &str,
    deadline: Duration,
    mut probe: P,
) -> impl Future<Output = R::Value>
where
    P: AsyncFnMut() -> R,
    R: Outcome,
{
    let caller = Location::caller();
    async move {
        let started = tokio::time::Instant::now();
        let mut seen = None;
        loop {
            match tokio::time::timeout_at(started + deadline, probe()).await {
                Ok(outcome) => match outcome.settle() {
                    Ok(value) => return value,
                    Err(state) => seen = Some(state),
                },
                Err(_elapsed) => fail(what, deadline, seen.as_deref(), caller),
            }
            if started.elapsed() >= deadline {
                fail(what, deadline, seen.as_deref(), caller);
            }
            tokio::time::sleep(Duration::from_millis(POLL_INTERVAL_MS)).await;
        }
    }
}

/// Does what [`wait_until`] does, on the calling thread and without a runtime.
///
/// A probe that hangs is not interrupted.
///
/// # Panics
///
/// Panics when `deadline` has passed, naming `what` and what the last probe saw.
#[track_caller]
pub fn wait_until_blocking<R: Outcome>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> R,
) -> R::Value {
    let started = Instant::now();
    loop {
        let seen = match probe().settle() {
            Ok(value) => return value,
            Err(state) => state,
        };
        if started.elapsed() >= deadline {
            fail(what, deadline, Some(&seen), Location::caller());
        }
        std::thread::sleep(Duration::from_millis(POLL_INTERVAL_MS));
    }
}

fn fail(what: &str, deadline: Duration, seen: Option<&str>, caller: &Location<'_>) -> ! {
    let seen = seen.unwrap_or("nothing, as the first probe did not answer");
    panic!("{caller}: waited {deadline:?} for {what}; seen last: {seen}");
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_condition_that_comes_true_yields_its_value() {
        let mut tries = 0;
        let value = wait_until("the third try", LONG, async || {
            tries += 1;
            (tries == 3).then_some("here")
        })
        .await;
        assert_eq!(value, "here");
    }

    #[test]
    fn a_missed_deadline_tells_what_was_awaited_and_seen() {
        let message = message_of(|| {
            wait_until_blocking("a leader", SHORT, || Err::<(), _>("one of three"));
        });
        assert!(
            message.contains("for a leader; seen last: \"one of three\""),
            "{message}"
        );
        assert!(message.contains("wait.rs"), "{message}");
    }

    #[test]
    fn a_probe_that_hangs_ends_at_the_deadline() {
        let message = message_of(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(wait_until("an answer", SHORT, async || {
                std::future::pending::<bool>().await
            }));
        });
        assert!(message.contains("did not answer"), "{message}");
    }

    fn message_of(body: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(body)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }
}
