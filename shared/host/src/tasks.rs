//! The tasks of a service: spawned in one place, stopped by one token, waited for at the end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the drain of a service may take that has no reason for another limit.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// The tasks of one service. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    killed: CancellationToken,
    failed: Arc<AtomicBool>,
}

/// Why a drain did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// Tasks were still running at the end of the limit; they are abandoned.
    #[error("timeout; forced shutdown")]
    TimedOut,
    /// A task had panicked or ended although the service was still to run.
    #[error("a task failed")]
    TaskFailed,
}

impl Tasks {
    /// The token that is cancelled when the service is to stop.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs `task` beside the others. It should end soon after [`Tasks::stop`] is cancelled.
    ///
    /// A panic in it stops the whole service.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let failed = Arc::clone(&self.failed);
        let killed = self.killed.clone();
        self.tracker.spawn(async move {
            let ended = tokio::select! {
                biased;
                () = killed.cancelled() => return,
                ended = std::panic::AssertUnwindSafe(task).catch_unwind() => ended,
            };
            if ended.is_err() {
                tracing::error!(task = name, "a task panicked; the process ends");
                failed.store(true, Ordering::SeqCst);
                stop.cancel();
            }
        });
    }

    /// Runs a task without which the service cannot go on: its end before the stop, or its error, stops the service.
    pub fn spawn_vital<E: std::fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        let failed = Arc::clone(&self.failed);
        self.spawn(name, async move {
            let ended = task.await;
            if stop.is_cancelled() {
                return;
            }
            match ended {
                Ok(()) => tracing::error!(task = name, "a task ended; the process ends"),
                Err(error) => {
                    tracing::error!(task = name, %error, "a task failed; the process ends")
                }
            }
            failed.store(true, Ordering::SeqCst);
            stop.cancel();
        });
    }

    /// Ends all tasks where they stand: nothing is handed back, nothing is said. What `kill -9` does to a process, for
    /// simulations that have many in one.
    pub fn kill(&self) {
        self.killed.cancel();
    }

    /// Starts the service, and waits until it is to stop: because of SIGTERM or SIGINT, or because a task failed. Either breaks
    /// off a start that still waits for something.
    ///
    /// # Errors
    ///
    /// Fails if the service does not start, or if the signals cannot be waited for.
    pub async fn run<E: From<std::io::Error>>(
        &self,
        start: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        // One wait for signals from beginning to end, so that none falls between two.
        let unless_it_fails = async {
            start.await?;
            std::future::pending::<Result<(), E>>().await
        };
        tokio::select! {
            biased;
            signal = crate::stop_signal() => {
                tracing::info!(signal = signal?, "stops");
                Ok(())
            }
            () = self.stop.cancelled() => Ok(()),
            failed = unless_it_fails => failed,
        }
    }

    /// Asks all tasks to stop and waits for them, at most `limit`.
    ///
    /// # Errors
    ///
    /// See [`DrainError`].
    pub async fn drain(&self, limit: Duration) -> Result<(), DrainError> {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::error!("Timeout; forced shutdown.");
            return Err(DrainError::TimedOut);
        }
        if self.failed.load(Ordering::SeqCst) {
            Err(DrainError::TaskFailed)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    //! Tasks are waited for, and a failing one stops the others.

    use std::convert::Infallible;
    use std::time::Duration;

    use super::{DrainError, Tasks};

    #[tokio::test]
    async fn a_drain_waits_for_what_is_in_hand() {
        let tasks = Tasks::default();
        let (done, finished) = tokio::sync::oneshot::channel();
        let stop = tasks.stop().clone();
        tasks.spawn("one", async move {
            stop.cancelled().await;
            done.send(()).unwrap();
        });
        tasks.drain(Duration::from_secs(10)).await.unwrap();
        finished.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_stops_the_service_and_is_reported() {
        let tasks = Tasks::default();
        tasks.spawn("one", async { panic!("planted") });
        tasks.stop().cancelled().await;
        assert_eq!(
            tasks.drain(Duration::from_secs(10)).await,
            Err(DrainError::TaskFailed)
        );
    }

    #[tokio::test]
    async fn the_end_of_a_vital_task_stops_the_service() {
        let tasks = Tasks::default();
        tasks.spawn_vital("one", async { Ok::<(), Infallible>(()) });
        tasks.stop().cancelled().await;
        assert_eq!(
            tasks.drain(Duration::from_secs(10)).await,
            Err(DrainError::TaskFailed)
        );
    }

    #[tokio::test]
    async fn a_failing_task_breaks_off_a_start_that_waits() {
        let tasks = Tasks::default();
        tasks.spawn_vital("one", async { Ok::<(), Infallible>(()) });
        let start = std::future::pending::<std::io::Result<()>>();
        tasks.run(start).await.unwrap();
        assert_eq!(
            tasks.drain(Duration::from_secs(10)).await,
            Err(DrainError::TaskFailed)
        );
    }

    #[tokio::test]
    async fn a_service_that_does_not_start_says_why() {
        let tasks = Tasks::default();
        let start = async { Err(std::io::Error::other("planted")) };
        let error = tasks.run(start).await.unwrap_err();
        assert_eq!(error.to_string(), "planted");
    }

    #[tokio::test]
    async fn a_killed_service_goes_nowhere() {
        let tasks = Tasks::default();
        let (done, finished) = tokio::sync::oneshot::channel();
        tasks.spawn("one", async move {
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        });
        tasks.kill();
        finished.await.unwrap_err();
        tasks.drain(Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_has_a_limit() {
        let tasks = Tasks::default();
        tasks.spawn("one", std::future::pending());
        assert_eq!(
            tasks.drain(Duration::from_secs(10)).await,
            Err(DrainError::TimedOut)
        );
    }
}
