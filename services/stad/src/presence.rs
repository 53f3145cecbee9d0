//! Says that this worker is there, and keeps out one whose settings differ from those of the workers present.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, BusError, Message, Messages};
use nogfso_claims::Claims;
use nogfso_contract::presence::{PRESENCE_EVERY_MS, Presence};
use nogfso_contract::subjects::{self, PRESENCE_WHO};
use nogfso_ids::Instance;
use nogfso_journal::again;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::lane::Lane;
use crate::locked_out::NotedLocks;

/// How long a starting worker waits for those who are there.
const WHO_PATIENCE: Duration = Duration::from_millis(500);

/// Why a worker may not join those that are there.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// A worker of the same host has other settings.
    #[error(
        "worker {instance} of this host is there with another setting {setting}: all workers of a host must have the same"
    )]
    Differs {
        /// The worker that is there.
        instance: Instance,
        /// The setting, as on the command line.
        setting: &'static str,
    },
    /// Nobody could be asked.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Asks who is there, as soon as the bus is connected, and answers others who ask meanwhile. Returns the questions that are
/// still to be answered.
///
/// Two that join at the same time hear each other, since each listens before it speaks; the one with the lower name stays.
///
/// # Errors
///
/// Fails if a worker of the same host has other prefixes, another shadow root or other limits.
pub(crate) async fn join(bus: &dyn Bus, own: &Presence) -> Result<Messages, PresenceError> {
    let is_away = |error: &PresenceError| match error {
        PresenceError::Bus(error) => error.is_transient(),
        PresenceError::Differs { .. } => false,
    };
    again("ask who is there", is_away, || look_round(bus, own)).await
}

async fn look_round(bus: &dyn Bus, own: &Presence) -> Result<Messages, PresenceError> {
    let mut words = bus
        .subscribe(&subjects::presence_of_host(&own.host))
        .await?;
    let mut questions = bus.subscribe(PRESENCE_WHO).await?;
    let subject = subjects::joining(&own.host, &own.instance);
    let payload = serde_json::to_vec(own).unwrap_or_default();
    let word = Message::new(subject, payload);
    bus.publish(word.clone()).await?;
    bus.publish(Message::new(PRESENCE_WHO, "")).await?;
    let deadline = Instant::now() + WHO_PATIENCE;
    loop {
        tokio::select! {
            // First, so that nothing which was said in time is left unheard.
            biased;
            Some(heard) = words.next() => give_way(own, &heard)?,
            Some(_) = questions.next() => bus.publish(word.clone()).await?,
            () = sleep_until(deadline) => return Ok(questions),
        }
    }
}

/// Fails if `own` may not join because of whoever said this.
fn give_way(own: &Presence, heard: &Message) -> Result<(), PresenceError> {
    let Ok(other) = serde_json::from_slice::<Presence>(&heard.payload) else {
        return Ok(());
    };
    let is_first = subjects::is_joining(&heard.subject) && own.instance < other.instance;
    match difference(own, &other) {
        Some(setting) if !is_first => Err(PresenceError::Differs {
            instance: other.instance,
            setting,
        }),
        Some(_) | None => Ok(()),
    }
}

fn difference(own: &Presence, other: &Presence) -> Option<&'static str> {
    let prefixes =
        |presence: &Presence| -> BTreeSet<_> { presence.prefixes.iter().cloned().collect() };
    if own.host != other.host || own.instance == other.instance {
        None
    } else if prefixes(own) != prefixes(other) {
        Some("--prefix")
    } else if own.shadow_root != other.shadow_root {
        Some("--shadow-root")
    } else if own.limits != other.limits {
        Some(
            "--init-limit-max-files, --init-limit-max-size, --prefix-init-limit or --repo-init-limit",
        )
    } else {
        None
    }
}

/// What a worker says about itself.
pub(crate) struct Saying {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) own: Presence,
    pub(crate) claims: Arc<Claims<Lane>>,
    pub(crate) locks: Arc<NotedLocks>,
}

impl Saying {
    /// Says every two seconds, and whenever somebody asks, that this worker is there; at last, that it takes no more.
    pub(crate) async fn keep_on(mut self, mut questions: Messages, stop: CancellationToken) {
        let subject = subjects::presence(&self.own.host, &self.own.instance);
        let mut ticks = interval(Duration::from_millis(PRESENCE_EVERY_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.own.ready {
            tokio::select! {
                biased;
                () = stop.cancelled() => self.own.ready = false,
                _ = ticks.tick() => {}
                Some(_) = questions.next() => {}
            }
            self.own.busy = u32::try_from(self.claims.serving().len()).unwrap_or(u32::MAX);
            self.own.locked_out = self.locks.locked_out();
            let payload = serde_json::to_vec(&self.own).unwrap_or_default();
            let word = Message::new(subject.clone(), payload);
            if let Err(error) = self.bus.publish(word).await {
                tracing::debug!(%error, "presence was not told");
            }
        }
    }
}
