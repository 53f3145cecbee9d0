//! How those who wait for a deployment hear of it: from what this process does itself, and from the journal.
//!
//! All waiters of a process share one reader for each stream, which is there only while somebody waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_journal::log::From;
use nogfso_journal::store::Store;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::deployment::Deployments;
use crate::layout::{Layout, STREAMS};

const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How long a waiter leaves it at what a worker of this process does itself before the journal is read for it.
const OWN_WORKER_PAUSE: Duration = Duration::from_secs(1);

/// The readers of one process.
pub(crate) struct Waiting {
    store: Arc<Store<Deployments>>,
    layout: Arc<Layout>,
    /// Whether a worker of this process may well be the one that works on what is waited for.
    has_worker: AtomicBool,
    readers: Mutex<[Reader; STREAMS]>,
}

#[derive(Default)]
struct Reader {
    waiters: usize,
    task: JoinSet<()>,
}

/// Keeps the reader of one stream; dropping the last one ends it.
pub(crate) struct Kept<'a> {
    waiting: &'a Waiting,
    stream: usize,
}

impl Waiting {
    pub(crate) fn new(store: Arc<Store<Deployments>>, layout: Arc<Layout>) -> Self {
        Self {
            store,
            layout,
            has_worker: AtomicBool::new(false),
            readers: Mutex::default(),
        }
    }

    pub(crate) fn note_worker(&self) {
        self.has_worker.store(true, Ordering::Relaxed);
    }

    /// Has the stream read from some moment on; what was stored before has to be loaded once.
    pub(crate) async fn keep(&self, stream: usize) -> Kept<'_> {
        if self.has_worker.load(Ordering::Relaxed) {
            sleep(OWN_WORKER_PAUSE).await;
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = &mut readers[stream];
        reader.waiters += 1;
        if reader.waiters == 1 {
            let store = Arc::clone(&self.store);
            let name = self.layout.streams[stream].name;
            let filter = format!("{}.>", self.layout.prefix);
            reader
                .task
                .spawn(async move { read(&store, name, &filter).await });
        }
        Kept {
            waiting: self,
            stream,
        }
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let mut readers = self
            .waiting
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let reader = &mut readers[self.stream];
        reader.waiters -= 1;
        if reader.waiters == 0 {
            reader.task = JoinSet::new();
        }
    }
}

/// Brings what is watched up to date with each commit.
async fn read(store: &Store<Deployments>, stream: &'static str, filter: &str) {
    let mut from = From::Now;
    loop {
        if let Ok(mut following) = store.log().follow(stream, filter, from).await {
            while let Some(Ok(stored)) = following.next().await {
                from = From::After(stored.position);
                if !store.is_watched(&stored.subject) {
                    continue;
                }
                if let Err(error) = store.load_delivered(&stored).await {
                    tracing::debug!(subject = stored.subject, %error, "cannot be loaded for those who wait");
                }
            }
        }
        sleep(FOLLOW_AGAIN_PAUSE).await;
    }
}
