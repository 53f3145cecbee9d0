//! The loop: pulls for free slots, looks, locks, claims, and hands over to a hold.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_journal::log::{ConsumerSpec, Delivery, ReadFault, open_consumer};
use nogfso_journal::store::{By, ExecuteError, Loaded, Store};
use nogfso_journal::{Commit, EnvelopeError, LoadError};
use nogfso_kernel::{Aggregate, Expected};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::course::{Answer, Content, Course, Delay, Do, Failure, Seen};
use crate::held::{Held, Standing};
use crate::hold::Hold;
use crate::host::{Claiming, Host, Lock, Locks, try_lock};
use crate::rules::{Mark, ServedHere, View};
use crate::table::{Lease, Serving, Table};

/// How long one pull waits for a first message. A pull is never dropped while it waits, as messages may be under way.
const PULL_PATIENCE: Duration = Duration::from_secs(1);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How many deliveries of one consumer may be unanswered; the same for all instances, as the server asks for.
const PENDING_DELIVERIES_MAX: u32 = 1_000;
const TRANSIENT_DELAY: Duration = Duration::from_secs(1);
/// How soon what this process cannot take is offered to another one for the first time.
const ELSEWHERE_DELAY_MIN: Duration = Duration::from_millis(100);
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

/// What a delivery has led to so far.
struct Taken<A: Aggregate> {
    loaded: Loaded<A>,
    lock: Option<Box<dyn Lock>>,
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

    /// Whether a task of this process serves that claim and has not paused.
    pub(crate) fn serves(&self, serving: &Serving) -> bool {
        self.table.serves(serving)
    }

    /// Whether a delivery of the aggregate is being looked at, which may have led to a claim.
    pub(crate) fn is_taking(&self, subject: &str) -> bool {
        self.table.is_turn_taken(subject)
    }

    /// Works until `stop`, then has every holder release what it has and returns when all have.
    ///
    /// # Errors
    ///
    /// Fails if the consumer is refused.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), ReadFault> {
        let spec = ConsumerSpec {
            stream: self.settings.stream,
            durable: self.settings.consumer.clone(),
            filters: self.settings.filters.clone(),
            ack_wait: self.settings.ack_wait,
            pending_max: PENDING_DELIVERIES_MAX,
        };
        let log = self.store.log();
        let Some(consumer) = open_consumer(&**log, &spec, &stop).await? else {
            return Ok(());
        };
        let mut tasks = JoinSet::new();
        while !stop.is_cancelled() {
            let free = self.settings.slots.get().saturating_sub(tasks.len());
            if free == 0 {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    Some(ended) = tasks.join_next() => note_panic(ended),
                }
                continue;
            }
            match consumer.pull(free, PULL_PATIENCE).await {
                Ok(deliveries) => {
                    for delivery in deliveries {
                        let content = self.content(&delivery);
                        if content == Content::Other {
                            self.pass_over(&delivery).await;
                        } else {
                            let task = Arc::clone(&self).take(delivery, content, stop.clone());
                            tasks.spawn(task);
                        }
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

    /// What asks nobody to look is acknowledged unseen, after a holder here was told of it (rule 1). It takes no slot.
    async fn pass_over(&self, delivery: &Delivery) {
        let subject = &delivery.stored.subject;
        if let Some(lease) = self.table.lease(subject) {
            lease.ring(delivery.stored.position);
        }
        if let Err(fault) = delivery.acker.ack_soon().await {
            tracing::debug!(subject, %fault, "a delivery was not answered");
        }
    }

    /// Follows the course of one delivery to its end.
    async fn take(self: Arc<Self>, delivery: Delivery, content: Content, stop: CancellationToken) {
        let subject = &delivery.stored.subject;
        let turn = self.table.turn(subject);
        let ours = turn.lock().await;
        let (mut course, mut step) = Course::begin(delivery.stored.position, content);
        let mut taken = Taken {
            loaded: Loaded::default(),
            lock: None,
        };
        let epoch = loop {
            if let Do::Serve { epoch } = step {
                break epoch;
            }
            if step == Do::End {
                return;
            }
            let seen = self.do_one(step, &delivery, &mut taken, &stop).await;
            step = course.next(&self.settings.instance, seen);
        };
        let served = ServedHere {
            epoch,
            lease: delivery.stored.position,
        };
        let lease = Lease::new(served, Arc::clone(&delivery.acker));
        let entry = self.table.enter(subject, &lease);
        drop(ours);
        tracing::debug!(subject, epoch, "claimed");
        let hold = self.hold(subject, taken, lease, stop);
        let first = course.next(&hold.instance, Seen::Facts(hold.facts()));
        let mut step = hold.run(&mut course, first).await;
        let mut entry = Some(entry);
        while step != Do::End {
            tracing::debug!(subject, epoch, ended = ?course.ended(), "let go: {step:?}");
            if step == Do::Leave {
                drop(entry.take());
            } else {
                assert_eq!(step, Do::Ack, "after the end of a hold");
                hold.acknowledge().await;
            }
            step = course.next(&hold.instance, Seen::Done);
        }
    }

    /// Does one step on the way to a claim.
    async fn do_one(
        &self,
        step: Do,
        delivery: &Delivery,
        taken: &mut Taken<H::Aggregate>,
        stop: &CancellationToken,
    ) -> Seen {
        let subject = &delivery.stored.subject;
        match step {
            Do::Load => self.look(delivery, taken, stop).await,
            Do::TryLock => match self.try_lock(delivery).await {
                Ok(lock) => {
                    let found = lock.found().cloned();
                    taken.lock = Some(lock);
                    Seen::Locked { found }
                }
                Err(seen) => seen,
            },
            Do::Claim { above } => self.claim(delivery, taken, above).await,
            Do::Mark { epoch } => self.mark(subject, taken, epoch).await,
            Do::Unlock => {
                taken.lock = None;
                Seen::Done
            }
            Do::Ring => {
                if let Some(lease) = self.table.lease(subject) {
                    lease.ring(delivery.stored.position);
                }
                Seen::Done
            }
            Do::Answer(answer) => {
                self.give(delivery, answer).await;
                Seen::Done
            }
            Do::Serve { .. }
            | Do::Work
            | Do::Release
            | Do::Rest
            | Do::Confirm
            | Do::LoadAtLeader
            | Do::Resume
            | Do::Leave
            | Do::Ack
            | Do::End => unreachable!("{step:?} before there is a claim"),
        }
    }

    /// Tries the lock; where that takes its time, the delivery stays with this process meanwhile.
    async fn try_lock(&self, delivery: &Delivery) -> Result<Box<dyn Lock>, Seen> {
        let keeping = async {
            loop {
                sleep(self.settings.ack_wait / 3).await;
                if let Err(fault) = delivery.acker.progress().await {
                    tracing::debug!(%fault, "a delivery was not kept");
                }
            }
        };
        tokio::select! {
            biased;
            tried = try_lock(&*self.locks, &delivery.stored.subject) => tried,
            () = keeping => unreachable!("it is kept for as long as it takes"),
        }
    }

    fn hold(
        &self,
        subject: &str,
        taken: Taken<H::Aggregate>,
        lease: Arc<Lease>,
        stop: CancellationToken,
    ) -> Hold<H> {
        Hold {
            held: Held {
                store: Arc::clone(&self.store),
                host: Arc::clone(&self.host),
                actor: self.settings.actor.clone(),
                subject: subject.to_owned(),
                epoch: lease.served.epoch,
                loaded: watch::Sender::new(taken.loaded),
                standing: watch::Sender::new(Standing::default()),
                answered: watch::Sender::new(Instant::now()),
                released: watch::Sender::new(false),
                lock: Mutex::new(taken.lock.map(Arc::from)),
            },
            lease,
            locks: Arc::clone(&self.locks),
            instance: self.settings.instance.clone(),
            ack_wait: self.settings.ack_wait,
            stop,
        }
    }

    fn content(&self, delivery: &Delivery) -> Content {
        let stored = &delivery.stored;
        let decoded =
            Commit::<<H::Aggregate as Aggregate>::Event>::decode(&stored.payload, stored.position);
        match decoded {
            Ok(commit) => {
                let recorded = commit.recorded();
                if delivery.delivered == 1 {
                    self.host.heard(&stored.subject, stored.position, &recorded);
                }
                let asks = recorded.iter().any(|one| self.host.is_trigger(one));
                if asks {
                    Content::Trigger
                } else {
                    Content::Other
                }
            }
            Err(error @ EnvelopeError::Newer { .. }) => {
                tracing::warn!(subject = stored.subject, %error, "waits for an upgrade");
                Content::Unreadable
            }
            Err(
                error @ (EnvelopeError::Malformed { .. }
                | EnvelopeError::HashMismatch
                | EnvelopeError::TooLarge { .. }),
            ) => {
                tracing::error!(subject = stored.subject, %error, "unreadable");
                Content::Unreadable
            }
        }
    }

    async fn look(
        &self,
        delivery: &Delivery,
        taken: &mut Taken<H::Aggregate>,
        stop: &CancellationToken,
    ) -> Seen {
        let subject = &delivery.stored.subject;
        // What comes again is rarely the newest commit any more: a claim on it alone would be outrun by what is stored already.
        let loading = match delivery.delivered {
            1 => self.store.load_delivered(&delivery.stored).await,
            _ => self.store.load(subject, delivery.stored.position).await,
        };
        let loaded = match loading {
            Ok(loaded) => loaded,
            Err(error) => return not_loaded(subject, &error),
        };
        if !self.host.can_take(&loaded.state) {
            tracing::info!(subject, "waits for a worker that can do it");
            return Seen::Failed(Failure::NotHere);
        }
        let seen = Seen::Loaded {
            view: self.view(&loaded),
            served: self.table.lease(subject).map(|lease| lease.served),
            is_draining: stop.is_cancelled(),
        };
        taken.loaded = loaded;
        seen
    }

    fn view(&self, loaded: &Loaded<H::Aggregate>) -> View {
        let now_ms = self.store.environment().now_ms();
        self.host.view(&loaded.state, now_ms)
    }

    /// Appends the claim on exactly the state that was looked at.
    async fn claim(
        &self,
        delivery: &Delivery,
        taken: &mut Taken<H::Aggregate>,
        above: u64,
    ) -> Seen {
        let subject = &delivery.stored.subject;
        let command = self.host.claim(Claiming {
            instance: self.settings.instance.clone(),
            lease: delivery.stored.position,
            above,
        });
        let by = By {
            expected: Expected::Exactly(taken.loaded.vid),
            at_least: taken.loaded.position(),
            ..By::actor(self.settings.actor.clone())
        };
        // Nobody else comes by the lock meanwhile, so that it is kept no longer than a holder may keep it who hears nothing
        // (rule 7). A claim that is stored after all is claimed anew like any other that nobody serves.
        let patience = self.settings.ack_wait * 2 / 3;
        match timeout(patience, self.store.execute(subject, &command, &by)).await {
            Ok(Ok(outcome)) => {
                taken.loaded = outcome.after;
                let view = self.view(&taken.loaded);
                Seen::Claimed { view }
            }
            Ok(Err(
                ExecuteError::VersionConflict { .. }
                | ExecuteError::Refused(_)
                | ExecuteError::Busy,
            )) => Seen::Outrun,
            Ok(Err(error)) => {
                tracing::warn!(subject, %error, "cannot claim");
                Seen::Failed(Failure::Transient)
            }
            Err(_elapsed) => {
                tracing::warn!(subject, "the server is silent; did not claim");
                Seen::Failed(Failure::Transient)
            }
        }
    }

    async fn mark(&self, subject: &str, taken: &mut Taken<H::Aggregate>, epoch: u64) -> Seen {
        let Some(lock) = &mut taken.lock else {
            return Seen::Failed(Failure::Lasting);
        };
        let mine = Mark {
            epoch,
            instance: self.settings.instance.clone(),
        };
        match lock.mark(&mine).await {
            Ok(()) => Seen::Done,
            Err(fault) => {
                tracing::error!(subject, %fault, "cannot mark the lock");
                Seen::Failed(Failure::Transient)
            }
        }
    }

    /// When a delivery that is nothing for this process is to come again: soon, as the next may be one that can take it, and
    /// ever later where none can.
    fn elsewhere(&self, delivery: &Delivery) -> Duration {
        let doublings = u32::try_from(delivery.delivered.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.saturating_pow(doublings);
        let delay = self
            .settings
            .ack_wait
            .min(ELSEWHERE_DELAY_MIN.saturating_mul(factor));
        // Spread, so that it does not meet the same process each time.
        let half = delay / 2;
        let spread_ms = half.as_millis().max(1);
        let drawn = self.store.environment().fresh().random() % spread_ms;
        half + Duration::from_millis(u64::try_from(drawn).unwrap_or_default())
    }

    async fn give(&self, delivery: &Delivery, answer: Answer) {
        let later = |delay| delivery.acker.nak(delay);
        let given = match answer {
            Answer::Ack => delivery.acker.ack().await,
            Answer::Later(Delay::None) => later(Duration::ZERO).await,
            Answer::Later(Delay::Transient) => later(TRANSIENT_DELAY).await,
            Answer::Later(Delay::AckWait) => later(self.settings.ack_wait).await,
            Answer::Later(Delay::Elsewhere) => later(self.elsewhere(delivery)).await,
            Answer::Later(Delay::Unreadable) => later(UNREADABLE_DELAY).await,
            Answer::Keep => {
                if let Some(lease) = self.table.lease(&delivery.stored.subject) {
                    lease.keep(Arc::clone(&delivery.acker));
                }
                Ok(())
            }
        };
        if let Err(fault) = given {
            // Not answered means delivered again, which is harmless.
            tracing::debug!(subject = delivery.stored.subject, %fault, "a delivery was not answered");
        }
    }
}

fn not_loaded(subject: &str, error: &LoadError) -> Seen {
    if error.is_transient() {
        tracing::warn!(subject, %error, "cannot load");
        Seen::Failed(Failure::Transient)
    } else {
        tracing::error!(subject, %error, "cannot load");
        Seen::Failed(Failure::Lasting)
    }
}

/// A panic ends its hold and nothing else: the lease comes again, and the claim is taken anew under a higher epoch.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a hold panicked");
    }
}
