//! Locks for workers that share no disk: whoever has a claim is asked before it is taken over.
//!
//! A holder that answers keeps its claim. One that gives no answer for a whole ack wait has either ended or, by rule 7, let go:
//! it stops when it has heard nothing from the server for two thirds of that time. What it began may still be going on where
//! nobody can see it, which is why hosts of this kind keep a quiet period of their own before they undo it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use nogfso_bus::{Bus, BusError, Message, RequestError};
use nogfso_journal::store::Store;
use nogfso_kernel::{Aggregate, Position};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::host::{Host, Lock, LockFault, Locked, Locks};
use crate::rules::{ClaimView, Mark};
use crate::run::Claims;
use crate::table::Serving;

/// How long one question waits for its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How often the holder is asked within an ack wait.
const QUESTIONS_PER_ACK_WAIT: u32 = 6;

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    subject: String,
    epoch: u64,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    serves: bool,
}

/// Finds the present claim of an aggregate.
type ClaimOf<A> = fn(&<A as Aggregate>::State) -> Option<ClaimView>;

/// The locks of a host without a disk: free where there is no claim, and where its holder is gone.
pub struct AskingLocks<A: Aggregate> {
    store: Arc<Store<A>>,
    bus: Arc<dyn Bus>,
    claim_of: ClaimOf<A>,
    /// The subject on which the worker of that name answers.
    subject_of: String,
    instance: String,
    ack_wait: Duration,
}

impl<A: Aggregate> AskingLocks<A> {
    /// Locks for the worker `instance`, one subject token. Workers answer on `<prefix>.<instance>`.
    #[must_use]
    pub fn new(
        store: Arc<Store<A>>,
        bus: Arc<dyn Bus>,
        claim_of: ClaimOf<A>,
        prefix: impl Into<String>,
        instance: impl Into<String>,
        ack_wait: Duration,
    ) -> Self {
        Self {
            store,
            bus,
            claim_of,
            subject_of: prefix.into(),
            instance: instance.into(),
            ack_wait,
        }
    }

    /// Whether the holder says that it serves the claim; `None` if it does not answer.
    async fn serves(&self, subject: &str, claim: &ClaimView) -> Option<bool> {
        let question = Question {
            subject: subject.to_owned(),
            epoch: claim.epoch,
        };
        let payload = serde_json::to_vec(&question).ok()?;
        let to = format!("{}.{}", self.subject_of, claim.instance);
        let patience = ANSWER_PATIENCE.min(self.ack_wait / QUESTIONS_PER_ACK_WAIT);
        match self.bus.request(Message::new(to, payload), patience).await {
            Ok(reply) => {
                let answer: Answer = serde_json::from_slice(&reply.payload).ok()?;
                Some(answer.serves)
            }
            Err(
                RequestError::NoResponder { .. }
                | RequestError::TimedOut { .. }
                | RequestError::Bus(_),
            ) => None,
        }
    }

    /// The present claim, as far as it can be read.
    async fn claim(&self, subject: &str) -> Result<Option<ClaimView>, LockFault> {
        let loaded = self.store.load(subject, Position::START).await;
        let loaded = loaded.map_err(|error| LockFault {
            place: subject.to_owned(),
            reason: error.to_string(),
        })?;
        Ok((self.claim_of)(&loaded.state))
    }
}

#[async_trait]
impl<A: Aggregate> Locks for AskingLocks<A> {
    /// Takes a whole ack wait where the holder does not answer.
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault> {
        let Some(claim) = self.claim(subject).await? else {
            return Ok(Locked::Taken(Box::new(Asked)));
        };
        if claim.instance == self.instance {
            // The table of this process has been looked at: no task of it serves the claim.
            return Ok(Locked::Taken(Box::new(Asked)));
        }
        let until = Instant::now() + self.ack_wait;
        loop {
            match self.serves(subject, &claim).await {
                Some(true) => {
                    return Ok(Locked::Busy {
                        holder: claim.instance,
                    });
                }
                Some(false) => break,
                None if Instant::now() >= until => break,
                None => sleep(self.ack_wait / QUESTIONS_PER_ACK_WAIT).await,
            }
        }
        Ok(Locked::Taken(Box::new(Asked)))
    }
}

/// The leave to claim; the claim itself keeps others out.
struct Asked;

#[async_trait]
impl Lock for Asked {
    fn found(&self) -> Option<&Mark> {
        None
    }

    async fn mark(&mut self, _mark: &Mark) -> Result<(), LockFault> {
        Ok(())
    }
}

/// Answers what this worker serves, on `<prefix>.<instance>`, until `stop` and then for as long as `claims` lasts.
///
/// # Errors
///
/// Fails if the subscription cannot be made.
pub async fn answer<H: Host>(
    bus: Arc<dyn Bus>,
    prefix: &str,
    instance: &str,
    claims: Vec<Weak<Claims<H>>>,
    stop: CancellationToken,
) -> Result<(), BusError> {
    let mut questions = bus.subscribe(&format!("{prefix}.{instance}")).await?;
    loop {
        let question = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            question = questions.next() => question,
        };
        let Some(Message {
            payload,
            reply: Some(reply),
            ..
        }) = question
        else {
            continue;
        };
        let Ok(question) = serde_json::from_slice::<Question>(&payload) else {
            continue;
        };
        let serving = Serving {
            subject: question.subject,
            epoch: question.epoch,
        };
        // One that is just being claimed is as good as served.
        let serves = claims
            .iter()
            .filter_map(Weak::upgrade)
            .any(|claims| claims.serves(&serving) || claims.is_taking(&serving.subject));
        let payload = serde_json::to_vec(&Answer { serves }).unwrap_or_default();
        if let Err(error) = bus.publish(Message::new(reply, payload)).await {
            tracing::debug!(%error, "a question was not answered");
        }
    }
}
