//! What this worker was locked out of, for those who ask why their work waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_claims::{LockFault, Locked, Locks};
use nogfso_contract::presence::{LOCKED_OUT_MAX, LockedOut};
use nogfso_ids::Instance;
use tokio::time::Instant;

/// Locks of which it is noted which ones were busy, and who had them.
pub(crate) struct NotedLocks {
    locks: Arc<dyn Locks>,
    /// For how long a lock that was busy counts as such, unless it is tried again.
    busy_for: Duration,
    busy: Mutex<BTreeMap<String, (Instance, Instant)>>,
}

impl NotedLocks {
    /// Notes what is busy among `locks`, for a worker that tries a lock which was busy again after `ack_wait`.
    pub(crate) fn new(locks: Arc<dyn Locks>, ack_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            locks,
            busy_for: ack_wait * 2,
            busy: Mutex::default(),
        })
    }

    /// What this instance was locked out of lately, by whom.
    pub(crate) fn locked_out(&self) -> Vec<LockedOut> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|_, (_, seen)| seen.elapsed() < self.busy_for);
        let locked_out = busy.iter().map(|(subject, (holder, _))| LockedOut {
            subject: subject.clone(),
            holder: holder.clone(),
        });
        locked_out.take(LOCKED_OUT_MAX).collect()
    }

    fn note(&self, subject: &str, tried: &Locked) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        match tried {
            Locked::Busy { holder } => {
                if let Ok(holder) = Instance::parse(holder) {
                    busy.insert(subject.to_owned(), (holder, Instant::now()));
                }
            }
            Locked::Taken(_) => {
                busy.remove(subject);
            }
        }
    }
}

#[async_trait]
impl Locks for NotedLocks {
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault> {
        let tried = self.locks.try_lock(subject).await?;
        self.note(subject, &tried);
        Ok(tried)
    }
}

#[cfg(test)]
mod tests {
    //! What is busy is told with its holder until it is taken, or was not tried for long.

    use std::path::Path;

    use super::*;
    use crate::locks::FileLocks;

    const SUBJECT: &str =
        "fso.ev.exreg.work.files_example_com.main.0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";
    const ACK_WAIT: Duration = Duration::from_secs(30);

    fn locks(folder: &Path, instance: &str) -> Arc<NotedLocks> {
        let instance = Instance::parse(instance).unwrap();
        let locks = FileLocks::open(folder, instance).unwrap();
        NotedLocks::new(Arc::new(locks), ACK_WAIT)
    }

    #[tokio::test]
    async fn a_worker_tells_who_locks_it_out_until_it_has_the_lock_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (
            locks(folder.path(), "stad-1"),
            locks(folder.path(), "stad-2"),
        );
        let lock = first.try_lock(SUBJECT).await.unwrap();
        assert!(matches!(
            second.try_lock(SUBJECT).await.unwrap(),
            Locked::Busy { .. }
        ));
        assert_eq!(first.locked_out(), []);
        let [LockedOut { subject, holder }] = &second.locked_out()[..] else {
            panic!("{:?}", second.locked_out());
        };
        assert_eq!((subject.as_str(), holder.as_str()), (SUBJECT, "stad-1"));
        drop(lock);
        let lock = second.try_lock(SUBJECT).await.unwrap();
        assert_eq!(second.locked_out(), []);
        drop(lock);
    }

    #[tokio::test]
    async fn what_was_not_tried_for_two_ack_waits_is_told_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (
            locks(folder.path(), "stad-1"),
            locks(folder.path(), "stad-2"),
        );
        let lock = first.try_lock(SUBJECT).await.unwrap();
        drop(second.try_lock(SUBJECT).await.unwrap());
        assert_eq!(second.locked_out().len(), 1);
        tokio::time::pause();
        tokio::time::advance(2 * ACK_WAIT).await;
        assert_eq!(second.locked_out(), []);
        drop(lock);
    }
}
