//! The loop: pulls for free slots, looks, locks, claims, and hands over to a hold.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_journal::log::{ConsumerSpec, Delivery, ReadFault};
use nogfso_journal::store::{By, ExecuteError, Loaded, Store};
use nogfso_journal::{Commit, EnvelopeError, LoadError};
use nogfso_kernel::{Aggregate, Expected};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::held::{Held, Standing};
use crate::hold::Hold;
use crate::host::{Claiming, Host, Lock, Locked, Locks};
use crate::rules::{self, Look, Mark, ServedHere};
use crate::table::{Lease, Serving, Table};

/// How long one pull waits for a first message. A pull is never dropped while it waits, as messages may be under way.
const PULL_PATIENCE: Duration = Duration::from_secs(1);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How many deliveries of one consumer may be unanswered; the same for all instances, as the server asks for.
const PENDING_DELIVERIES_MAX: u32 = 1_000;
/// How often a lost race for a claim is run again before the delivery is put off.
const CLAIM_TRIES_MAX: u32 = 8;
const TRANSIENT_DELAY: Duration = Duration::from_secs(1);
/// How long what this build cannot read, or nobody can, is put off.
const UNREADABLE_DELAY: Duration = Duration::from_secs(60);

/// How claims are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream of the aggregates.
    pub stream: &'static str,
    /// The durable consumer that all instances share.
    pub consumer: String,
    /// The subjects of the aggregates, with wildcards.
    pub filters: Vec<String>,
    /// The name of this process, used by no other.
    pub instance: String,
    /// Who appends.
    pub actor: String,
    /// How long a lease lasts without a sign of life; the same for all instances.
    pub ack_wait: Duration,
    /// How many aggregates are worked on at a time.
    pub slots: NonZeroUsize,
}

/// The claims of one process on the aggregates of one consumer.
pub struct Claims<H: Host> {
    host: Arc<H>,
    store: Arc<Store<H::Aggregate>>,
    locks: Arc<dyn Locks>,
    settings: Settings,
    table: Table,
}

/// What becomes of a delivery that leads to no claim.
enum Answer {
    Ack,
    Later(Duration),
    Keep(Arc<Lease>),
}

/// A claim that was just stored, with the lock that goes with it.
struct Claimed<A: Aggregate> {
    loaded: Loaded<A>,
    lock: Arc<dyn Lock>,
    mine: Mark,
}

impl<H: Host> Claims<H> {
    /// Claims that nobody pulls for yet.
    #[must_use]
    pub fn new(
        host: Arc<H>,
        store: Arc<Store<H::Aggregate>>,
        locks: Arc<dyn Locks>,
        settings: Settings,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            store,
            locks,
            settings,
            table: Table::default(),
        })
    }

    /// The claims that tasks of this process serve at this moment, ordered by subject.
    #[must_use]
    pub fn serving(&self) -> Vec<Serving> {
        self.table.serving()
    }

    /// Works until `stop`, then has every holder release what it has and returns when all have.
    ///
    /// # Errors
    ///
    /// Fails if the consumer cannot be opened.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), ReadFault> {
        let consumer = self
            .store
            .log()
            .consumer(&ConsumerSpec {
                stream: self.settings.stream,
                durable: self.settings.consumer.clone(),
                filters: self.settings.filters.clone(),
                ack_wait: self.settings.ack_wait,
                pending_max: PENDING_DELIVERIES_MAX,
            })
            .await?;
        let mut tasks = JoinSet::new();
        while !stop.is_cancelled() {
            let free = self.settings.slots.get().saturating_sub(tasks.len());
            if free == 0 {
                tokio::select! {
                    Some(ended) = tasks.join_next() => note_panic(ended),
                    () = stop.cancelled() => {}
                }
                continue;
            }
            match consumer.pull(free, PULL_PATIENCE).await {
                Ok(deliveries) => {
                    for delivery in deliveries {
                        let task = Arc::clone(&self).take(delivery, stop.clone());
                        tasks.spawn(task);
                    }
                }
                Err(fault) => {
                    tracing::warn!(%fault, "cannot pull");
                    sleep(PULL_AGAIN_PAUSE).await;
                }
            }
            while let Some(ended) = tasks.try_join_next() {
                note_panic(ended);
            }
        }
        while let Some(ended) = tasks.join_next().await {
            note_panic(ended);
        }
        Ok(())
    }

    async fn take(self: Arc<Self>, delivery: Delivery, stop: CancellationToken) {
        let subject = delivery.stored.subject.clone();
        let turn = self.table.turn(&subject);
        let ours = turn.lock().await;
        let claimed = match self.look(&delivery, &stop).await {
            Ok(claimed) => claimed,
            Err(answer) => return give(&delivery, answer).await,
        };
        let served = ServedHere {
            epoch: claimed.mine.epoch,
            lease: delivery.stored.position,
        };
        let lease = Lease::new(served, Arc::clone(&delivery.acker));
        let entry = self.table.enter(&subject, &lease);
        drop(ours);
        tracing::debug!(subject, epoch = claimed.mine.epoch, "claimed");
        let hold = Hold {
            held: Held {
                store: Arc::clone(&self.store),
                host: Arc::clone(&self.host),
                actor: self.settings.actor.clone(),
                subject: subject.clone(),
                epoch: claimed.mine.epoch,
                loaded: watch::Sender::new(claimed.loaded),
                standing: watch::Sender::new(Standing::default()),
                answered: watch::Sender::new(Instant::now()),
                released: watch::Sender::new(false),
                lock: Mutex::new(Some(claimed.lock)),
            },
            lease: Arc::clone(&lease),
            locks: Arc::clone(&self.locks),
            mine: claimed.mine,
            ack_wait: self.settings.ack_wait,
            stop,
        };
        let ended = hold.run().await;
        drop(entry);
        tracing::debug!(subject, epoch = served.epoch, ?ended, "let go");
        if rules::acks_lease(ended)
            && let Err(fault) = lease.acker().ack().await
        {
            tracing::debug!(subject, %fault, "a lease was not acknowledged");
        }
    }

    /// Follows rules 1 to 4 up to a stored claim, or says what becomes of the delivery.
    async fn look(
        &self,
        delivery: &Delivery,
        stop: &CancellationToken,
    ) -> Result<Claimed<H::Aggregate>, Answer> {
        let subject = &delivery.stored.subject;
        let position = delivery.stored.position;
        if !self.is_trigger(delivery)? {
            if let Some(lease) = self.table.lease(subject) {
                lease.news.notify_one();
            }
            return Err(Answer::Ack);
        }
        for _ in 0..CLAIM_TRIES_MAX {
            if stop.is_cancelled() {
                return Err(Answer::Later(Duration::ZERO));
            }
            let loaded = self
                .store
                .load(subject, position)
                .await
                .map_err(|error| not_loaded(subject, &error))?;
            let view = self
                .host
                .view(&loaded.state, self.store.environment().now_ms());
            let lease = self.table.lease(subject);
            let served = lease.as_ref().map(|lease| lease.served);
            match (rules::look(&view, position, served), lease) {
                (Look::Keep, Some(lease)) => return Err(Answer::Keep(lease)),
                (Look::HeldHere, Some(lease)) => {
                    lease.news.notify_one();
                    return Err(Answer::Later(self.settings.ack_wait));
                }
                (Look::Ack, _) => return Err(Answer::Ack),
                (Look::TryLock | Look::Keep | Look::HeldHere, _) => {}
            }
            let lock = self.lock(subject).await?;
            if let Some(claimed) = self.claim(delivery, loaded, lock).await? {
                return Ok(claimed);
            }
        }
        Err(Answer::Later(TRANSIENT_DELAY))
    }

    fn is_trigger(&self, delivery: &Delivery) -> Result<bool, Answer> {
        let stored = &delivery.stored;
        let decoded =
            Commit::<<H::Aggregate as Aggregate>::Event>::decode(&stored.payload, stored.position);
        match decoded {
            Ok(commit) => Ok(commit
                .recorded()
                .iter()
                .any(|recorded| self.host.is_trigger(recorded))),
            Err(error @ EnvelopeError::Newer { .. }) => {
                tracing::warn!(subject = stored.subject, %error, "waits for an upgrade");
                Err(Answer::Later(UNREADABLE_DELAY))
            }
            Err(
                error @ (EnvelopeError::Malformed { .. }
                | EnvelopeError::HashMismatch
                | EnvelopeError::TooLarge { .. }),
            ) => {
                tracing::error!(subject = stored.subject, %error, "unreadable");
                Err(Answer::Later(UNREADABLE_DELAY))
            }
        }
    }

    async fn lock(&self, subject: &str) -> Result<Box<dyn Lock>, Answer> {
        match self.locks.try_lock(subject).await {
            Ok(Locked::Taken(lock)) => Ok(lock),
            Ok(Locked::Busy { holder }) => {
                tracing::info!(subject, "held by {holder}");
                Err(Answer::Later(self.settings.ack_wait))
            }
            Err(fault) => {
                tracing::error!(subject, %fault, "cannot lock");
                Err(Answer::Later(self.settings.ack_wait))
            }
        }
    }

    /// Appends the claim on exactly the state that was looked at; `None` if the race was lost.
    async fn claim(
        &self,
        delivery: &Delivery,
        seen: Loaded<H::Aggregate>,
        mut lock: Box<dyn Lock>,
    ) -> Result<Option<Claimed<H::Aggregate>>, Answer> {
        let subject = &delivery.stored.subject;
        let command = self.host.claim(Claiming {
            instance: self.settings.instance.clone(),
            lease: delivery.stored.position,
            above: lock.found().map_or(0, |found| found.epoch),
        });
        let by = By {
            expected: Expected::Exactly(seen.vid),
            at_least: seen.position(),
            ..By::actor(self.settings.actor.clone())
        };
        // Nobody else comes by the lock meanwhile, so that it is kept no longer than a holder may keep it who hears nothing
        // (rule 7). A claim that is stored after all is claimed anew like any other that nobody serves.
        let patience = self.settings.ack_wait * 2 / 3;
        let loaded = match timeout(patience, self.store.execute(subject, &command, &by)).await {
            Ok(Ok(outcome)) => outcome.after,
            Ok(Err(
                ExecuteError::VersionConflict { .. }
                | ExecuteError::Refused(_)
                | ExecuteError::Busy,
            )) => return Ok(None),
            Ok(Err(error)) => {
                tracing::warn!(subject, %error, "cannot claim");
                return Err(Answer::Later(TRANSIENT_DELAY));
            }
            Err(_elapsed) => {
                tracing::warn!(subject, "the server is silent; did not claim");
                return Err(Answer::Later(TRANSIENT_DELAY));
            }
        };
        let view = self
            .host
            .view(&loaded.state, self.store.environment().now_ms());
        let Some(claim) = view.claim else {
            return Ok(None);
        };
        let mine = Mark {
            epoch: claim.epoch,
            instance: self.settings.instance.clone(),
        };
        // A claim that nobody serves is claimed anew, so that giving up here loses nothing.
        if !rules::may_touch(lock.found(), &mine) {
            tracing::error!(subject, epoch = mine.epoch, "the lock file is ahead");
            return Err(Answer::Later(TRANSIENT_DELAY));
        }
        if let Err(fault) = lock.mark(&mine).await {
            tracing::error!(subject, %fault, "cannot mark the lock");
            return Err(Answer::Later(self.settings.ack_wait));
        }
        Ok(Some(Claimed {
            loaded,
            lock: lock.into(),
            mine,
        }))
    }
}

fn not_loaded(subject: &str, error: &LoadError) -> Answer {
    if error.is_transient() {
        tracing::warn!(subject, %error, "cannot load");
        Answer::Later(TRANSIENT_DELAY)
    } else {
        tracing::error!(subject, %error, "cannot load");
        Answer::Later(UNREADABLE_DELAY)
    }
}

async fn give(delivery: &Delivery, answer: Answer) {
    let given = match answer {
        Answer::Ack => delivery.acker.ack().await,
        Answer::Later(delay) => delivery.acker.nak(delay).await,
        Answer::Keep(lease) => {
            lease.keep(Arc::clone(&delivery.acker));
            Ok(())
        }
    };
    if let Err(fault) = given {
        // Not answered means delivered again, which is harmless.
        tracing::debug!(subject = delivery.stored.subject, %fault, "a delivery was not answered");
    }
}

/// A panic ends its hold and nothing else: the lease comes again, and the claim is taken anew under a higher epoch.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a hold panicked");
    }
}
