//! A process that can be killed or made to stand still between any two of its steps.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

/// Whether a process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Runs,
    /// It stands still: with all that it is in the middle of, and without noticing.
    Still {
        /// Whether it goes on within the quiet period, rather than after everything.
        soon: bool,
    },
    Dead,
}

/// What a process is stopped by.
#[derive(Debug)]
pub(super) struct Gate {
    stand: watch::Sender<Stand>,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            stand: watch::Sender::new(Stand::Runs),
            waker: Mutex::default(),
        })
    }

    pub(super) fn stand(&self) -> Stand {
        *self.stand.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Stand> {
        self.stand.subscribe()
    }

    /// Ends the process here. Never returns.
    pub(super) async fn die(&self) {
        self.stand.send_replace(Stand::Dead);
        std::future::pending::<()>().await;
    }

    /// Makes the process stand still here; returns when it goes on.
    pub(super) async fn stand_still(&self, soon: bool) {
        self.stand.send_replace(Stand::Still { soon });
        // Nothing of the process is polled again before it goes on.
        let mut was_polled = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut was_polled, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Lets the process go on.
    pub(super) fn go_on(&self) {
        self.stand.send_replace(Stand::Runs);
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the process does, for as long as it goes on; `None` once it is dead.
    pub(super) async fn guard<T>(self: Arc<Self>, process: impl Future<Output = T>) -> Option<T> {
        let mut process = std::pin::pin!(process);
        std::future::poll_fn(|cx| self.poll(process.as_mut(), cx)).await
    }

    fn poll<T>(
        &self,
        process: Pin<&mut impl Future<Output = T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        if self.stand() == Stand::Runs
            && let Poll::Ready(done) = process.poll(cx)
        {
            return Poll::Ready(Some(done));
        }
        match self.stand() {
            Stand::Dead => Poll::Ready(None),
            Stand::Still { .. } => {
                *self.waker() = Some(cx.waker().clone());
                Poll::Pending
            }
            Stand::Runs => Poll::Pending,
        }
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
