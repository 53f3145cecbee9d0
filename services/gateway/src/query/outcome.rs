//! What became of a command.

use nogfso_contract::query::{FoundCommit, GetOutcome, OutcomeFound};
use nogfso_contract::{Failure, subjects};
use nogfso_ids::Lane;
use nogfso_journal::Commit;
use serde_json::Value;

use crate::Gateway;
use crate::caller::Caller;
use crate::listing::lines;
use crate::routes::Handle;

impl Handle for GetOutcome {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<OutcomeFound, Failure> {
        let aggregates = match (&self.registry, self.repo) {
            (Some(registry), None) => vec![subjects::registry(registry)],
            (None, Some(repo)) => {
                let found = gateway.known_repo(repo).await?;
                let work = |lane| found.work_subject(repo, lane);
                vec![found.subject.clone(), work(Lane::Main), work(Lane::Sha)]
            }
            (None, None) => vec![subjects::MAIN.to_owned()],
            (Some(_), Some(_)) => {
                return Err(Failure::field(
                    "registry",
                    "name registry or repo, not both",
                ));
            }
        };
        for aggregate in aggregates {
            if let Some(commit) = gateway
                .find_command(&aggregate, self.command_id.as_str(), caller)
                .await?
            {
                return Ok(OutcomeFound {
                    stored: true,
                    commit: Some(commit),
                });
            }
        }
        Ok(OutcomeFound {
            stored: false,
            commit: None,
        })
    }
}

impl Gateway {
    /// The commit on `subject` that carries the caller's command id.
    async fn find_command(
        &self,
        subject: &str,
        command_id: &str,
        caller: &Caller,
    ) -> Result<Option<FoundCommit>, Failure> {
        let ours = |commit: &Commit<Value>| {
            let command = commit.envelope.command.as_ref();
            commit.envelope.actor == caller.actor().as_str()
                && command.is_some_and(|command| command.id == command_id)
        };
        let found = self.find_commit(subject, ours).await?;
        Ok(found.map(|(commit, parent)| {
            let envelope = &commit.envelope;
            let last = envelope.events.last().map(|stored| stored.id.to_string());
            FoundCommit {
                commit: envelope.commit.to_string(),
                aggregate: subject.to_owned(),
                actor: envelope.actor.clone(),
                vid: last,
                events: lines(commit, parent),
            }
        }))
    }
}
