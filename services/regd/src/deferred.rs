//! Requests that were put off: an alarm for each lane's next one, and the wake when its time has come (design 4).
//!
//! The time stands in the journal; the alarm only says when to look. One that rings for what is done or was replaced is
//! dropped, one that rings early is set again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nogfso_domain::work::{Work, WorkCommand};
use nogfso_faults::{Rule, met};
use nogfso_ids::RequestId;
use nogfso_journal::reaction::{ReactError, Wake, alarm_record};

use crate::stores::{Stores, because, failed};

/// How many lanes are remembered with the alarm that was set for them; beyond it all are forgotten, and set once more.
const ALARMS_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Deferred {
    set: Mutex<HashMap<String, u64>>,
}

impl Deferred {
    /// Wakes what is due in the lane that `wake` names, and sets the alarm for what will be. `reaction` is woken by it.
    pub(crate) async fn attend(
        &self,
        stores: &Stores,
        reaction: &'static str,
        wake: &Wake,
        work: &Work,
    ) -> Result<(), ReactError> {
        let now_ms = stores.work.environment().now_ms();
        let (due, later) = deferred(work, now_ms);
        let is_alarm = wake.is_alarm;
        if is_alarm && due.is_empty() {
            met(Rule::OddAlarm);
        }
        for request in due {
            let command = WorkCommand::Wake {
                request: Some(request),
            };
            stores
                .work
                .execute(&wake.subject, &command, &because(wake))
                .await
                .map_err(failed)?;
        }
        let Some(at_ms) = later else {
            self.lock().remove(&wake.subject);
            return Ok(());
        };
        // An alarm that rang is gone, whatever is remembered of it.
        let is_set = !is_alarm && self.lock().get(&wake.subject) == Some(&at_ms);
        if !is_set {
            let alarm = alarm_record(reaction, &wake.subject, at_ms);
            let published = stores.work.log().publish(&alarm).await;
            published.map_err(ReactError::transient)?;
            let mut set = self.lock();
            if set.len() >= ALARMS_MAX {
                set.clear();
            }
            set.insert(wake.subject.clone(), at_ms);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The deferred requests whose time has come at `now_ms`, and when the next one's does.
fn deferred(work: &Work, now_ms: u64) -> (Vec<RequestId>, Option<u64>) {
    let mut due = vec![];
    let mut later: Option<u64> = None;
    for known in &work.backlog.requests {
        match known.wake_ms() {
            Some(at_ms) if at_ms <= now_ms => due.push(known.request),
            Some(at_ms) => later = Some(later.map_or(at_ms, |earlier| earlier.min(at_ms))),
            None => {}
        }
    }
    (due, later)
}
