//! Commands on what could not be processed.

use nogfso_contract::command::{ParkedDone, RetryParked, SkipParked};
use nogfso_contract::{Code, Failure};
use nogfso_journal::reaction::{ParkedEntry, ReactError, wake_record};

use crate::Gateway;
use crate::caller::Caller;
use crate::routes::Handle;

impl Handle for RetryParked {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<ParkedDone, Failure> {
        let entry = gateway
            .parked_entry(&self.reaction, &self.subject, self.item.as_deref())
            .await?;
        tracing::info!(caller = %caller.actor(), subject = entry.subject, "a parked entry is tried again");
        let unavailable = |fault: nogfso_journal::log::PublishFault| {
            Failure::new(Code::Unavailable, fault.to_string())
        };
        gateway
            .parked
            .mark_retry(&entry)
            .await
            .map_err(unavailable)?;
        gateway
            .log
            .publish(&wake_record(&entry.reaction, &entry.subject))
            .await
            .map_err(unavailable)?;
        Ok(ParkedDone {})
    }
}

impl Handle for SkipParked {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<ParkedDone, Failure> {
        let entry = gateway
            .parked_entry(&self.reaction, &self.subject, self.item.as_deref())
            .await?;
        tracing::warn!(caller = %caller.actor(), subject = entry.subject, reason = entry.reason, "a parked entry is skipped");
        let removed = gateway
            .parked
            .remove(&entry.reaction, &entry.subject, entry.item.as_deref())
            .await;
        removed.map_err(|error: ReactError| Failure::new(Code::Unavailable, error.to_string()))?;
        Ok(ParkedDone {})
    }
}

impl Gateway {
    /// What is parked at this moment. An entry that another process removed is only noticed when it is looked up.
    pub(crate) async fn parked_now(&self) -> Result<Vec<ParkedEntry>, Failure> {
        for entry in self.parked.entries() {
            self.look_up(&entry.reaction, &entry.subject, entry.item.as_deref())
                .await?;
        }
        Ok(self.parked.entries())
    }

    async fn look_up(
        &self,
        reaction: &str,
        subject: &str,
        item: Option<&str>,
    ) -> Result<(), Failure> {
        let looked = self.parked.is_passed_over(reaction, subject, item).await;
        looked.map_err(|error| Failure::new(Code::Unavailable, error.to_string()))?;
        Ok(())
    }

    async fn parked_entry(
        &self,
        reaction: &str,
        subject: &str,
        item: Option<&str>,
    ) -> Result<ParkedEntry, Failure> {
        self.look_up(reaction, subject, item).await?;
        let same = |entry: &ParkedEntry| {
            entry.reaction == reaction && entry.subject == subject && entry.item.as_deref() == item
        };
        self.parked
            .entries()
            .into_iter()
            .find(same)
            .ok_or_else(|| Failure {
                code: Code::NotFound,
                ..Failure::field(
                    "subject",
                    "nothing of this reaction and subject is parked; see fso.get.parked",
                )
            })
    }
}
