//! Adopting the directories named by `--root`: registry, root, and one repo at the root's top.
//!
//! Everything is asked of the gateway as the operator asks it, and harmless when it was done before. A root that cannot be
//! adopted is reported and keeps nothing else from running.

use std::time::Duration;

use nogfso_bus::{Bus, Message, RequestError};
use nogfso_contract::codec::{Answer, CONTENT_TYPE, Encoding};
use nogfso_contract::command::{InitRegistry, InitRepo, InitRoot, RepoAccepted};
use nogfso_contract::{Call, Code, Details, Failure};
use nogfso_ids::GlobalPath;
use tokio::time::{Instant, sleep};

use crate::config::{RootArgument, Settings};

/// How long a directory may be counted before it is adopted, beside which everything else is short.
const ANSWER_LIMIT: Duration = Duration::from_secs(300);
/// How long it may take until the services know of each other.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// How long each root's shadow is waited for; a large one is made in the background.
const SHADOW_WAIT: &str = "5s";
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Why a root was not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The gateway refused.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The gateway did not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The gateway's answer cannot be read.
    #[error("the answer on {subject} cannot be read")]
    Answer {
        /// The subject.
        subject: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// Adopts `root` and says what came of it, in a line.
///
/// # Errors
///
/// See [`AdoptError`].
pub async fn adopt(
    bus: &dyn Bus,
    settings: &Settings,
    root: &RootArgument,
) -> Result<String, AdoptError> {
    let registry = &settings.registry;
    ask(
        bus,
        &InitRegistry {
            name: registry.clone(),
            vid: None,
            command_id: None,
            wait: None,
        },
    )
    .await?;
    ask(
        bus,
        &InitRoot {
            registry: registry.clone(),
            global_root: root.global.clone(),
            host: settings.host.clone(),
            host_root: Some(root.host_root.clone()),
            gitlab_namespace: None,
            vid: None,
            command_id: None,
        },
    )
    .await?;
    let shadow_wait = SHADOW_WAIT
        .parse()
        .map_err(|reason: String| Failure::new(Code::Internal, reason))?;
    let answer = ask(
        bus,
        &InitRepo {
            registry: registry.clone(),
            global_path: root.global.clone(),
            author: settings.author.clone(),
            repo: None,
            vid: None,
            command_id: None,
            wait: Some(shadow_wait),
        },
    )
    .await;
    let global = &root.global;
    match answer {
        Ok(RepoAccepted {
            repo,
            shadow: Some(shadow),
            ..
        }) => Ok(format!("{global} is repo {repo} with shadow {shadow}")),
        Ok(RepoAccepted { repo, .. }) => Ok(in_the_making(global, &repo.to_string())),
        Err(AdoptError::Refused(Failure {
            code: Code::TimedOut,
            details: Details {
                repo: Some(repo), ..
            },
            ..
        })) => Ok(in_the_making(global, &repo)),
        Err(error) => Err(error),
    }
}

fn in_the_making(global: &GlobalPath, repo: &str) -> String {
    format!("{global} is repo {repo}; its shadow is being made")
}

/// Asks the gateway, again while the services have not found each other yet.
async fn ask<C: Call>(bus: &dyn Bus, call: &C) -> Result<C::Reply, AdoptError> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        match ask_once(bus, call).await {
            Err(error) if is_passing(&error) && Instant::now() < deadline => {
                tracing::debug!(%error, subject = C::SUBJECT, "asked again");
                sleep(RETRY_DELAY).await;
            }
            settled => return settled,
        }
    }
}

async fn ask_once<C: Call>(bus: &dyn Bus, call: &C) -> Result<C::Reply, AdoptError> {
    let message = Message::new(C::SUBJECT, Encoding::Json.encode(call)?)
        .with_header(CONTENT_TYPE, Encoding::Json.content_type());
    let reply = bus.request(message, ANSWER_LIMIT).await?;
    match serde_json::from_slice(&reply.payload) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(failure)) => Err(failure.into()),
        Err(source) => Err(AdoptError::Answer {
            subject: C::SUBJECT,
            source,
        }),
    }
}

/// Whether the same question may soon be answered otherwise. All three commands are harmless when repeated.
fn is_passing(error: &AdoptError) -> bool {
    match error {
        AdoptError::Refused(failure) => {
            matches!(
                failure.code,
                Code::Precondition
                    | Code::HostUnavailable
                    | Code::Unavailable
                    | Code::Busy
                    | Code::OutcomeUnknown
            ) || failure.code == Code::TimedOut && failure.details.repo.is_none()
        }
        AdoptError::Request(_) => true,
        AdoptError::Answer { .. } => false,
    }
}
