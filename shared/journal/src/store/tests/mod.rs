//! Commands are carried out once, upon the right state, and a history that is not what it was is never folded.

mod delivered;
mod executing;
mod histories;
mod racing;

use std::sync::Arc;

use nogfso_kernel::{Expected, Position};

use super::{By, ExecuteError, LoadError, Outcome, Store};
use crate::log::Log;
use crate::memory::MemoryLog;
use crate::tally::{Answering, Do, SUBJECT, Tally, journal};

fn by() -> By {
    By::actor("user:alice")
}

fn expecting(expected: Expected) -> By {
    By { expected, ..by() }
}

fn at_least(position: u64) -> By {
    By {
        at_least: Position(position),
        ..by()
    }
}

/// A journal and two processes on it.
struct Bench {
    log: MemoryLog,
    ours: Store<Tally>,
    theirs: Store<Tally>,
}

async fn bench() -> Bench {
    let (log, environment) = journal().await;
    let store = || Store::new(Arc::new(log.clone()), environment.clone());
    Bench {
        ours: store(),
        theirs: store(),
        log,
    }
}

impl Bench {
    fn another(&self) -> Store<Tally> {
        Store::new(Arc::new(self.log.clone()), self.ours.environment().clone())
    }
}

/// A store whose journal answers as the test says.
async fn answering() -> (Arc<Answering>, Store<Tally>) {
    let (log, environment) = journal().await;
    let log = Arc::new(Answering::new(log));
    let port: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    (log, Store::new(port, environment))
}

async fn push(store: &Store<Tally>, number: u32) -> Outcome<Tally> {
    store
        .execute(SUBJECT, &Do::Push(number), &by())
        .await
        .unwrap()
}

async fn state(store: &Store<Tally>, subject: &str) -> Vec<u32> {
    store.load(subject, Position::START).await.unwrap().state
}

fn is_changed<T>(answer: &Result<T, ExecuteError<Tally>>) -> bool {
    matches!(
        answer,
        Err(ExecuteError::Load(LoadError::HistoryChanged { .. }))
    )
}
