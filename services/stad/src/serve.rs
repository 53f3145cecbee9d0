//! The questions that a worker answers: may a directory become a repo, and which claims does this instance serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nogfso_bus::{
    Bus, BusError, Endpoint, Headers, Reply, Request, Requests, ServiceFault, ServiceSpec,
};
use nogfso_claims::Claims;
use nogfso_contract::codec::{Answer, CONTENT_TYPE, Encoding};
use nogfso_contract::host::{MAY_INIT, MayInit, MayInitReply};
use nogfso_contract::presence::{Served, ServedClaim, WhatServed};
use nogfso_contract::{Code, Failure, subjects};
use nogfso_faults::{Point, reach};
use nogfso_ids::{Host, Instance};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::disk::Disk;
use crate::lane::Lane;

const MAY_INIT_ENDPOINT: &str = "may-init";
const WORKER_ENDPOINT: &str = "worker";
/// How many directories are counted at a time; more are answered `busy`.
const COUNTS_MAX: usize = 4;
/// For how long a directory is counted.
const COUNT_PATIENCE: Duration = Duration::from_secs(300);
/// When to try again after `busy`, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// What answers.
pub(crate) struct Desk {
    pub(crate) host: Host,
    pub(crate) instance: Instance,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) claims: Arc<Claims<Lane>>,
}

impl Desk {
    /// Opens the endpoints: the host's, shared by all its instances, and this instance's own.
    pub(crate) async fn open(&self, bus: &dyn Bus) -> Result<[Requests; 2], BusError> {
        let token = self.host.token();
        let service = |queue_group: String, name: &str, subject: String| ServiceSpec {
            name: "nogfsostad".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: format!("Works on the file systems of {}.", self.host),
            queue_group,
            endpoints: vec![Endpoint {
                name: name.to_owned(),
                subject,
                metadata: vec![("instance".to_owned(), self.instance.to_string())],
            }],
        };
        let host = service(
            format!("stad-{token}"),
            MAY_INIT_ENDPOINT,
            subjects::host(&self.host, MAY_INIT),
        );
        let own = service(
            format!("stad-{}", self.instance),
            WORKER_ENDPOINT,
            subjects::worker(&self.host, &self.instance),
        );
        Ok([bus.serve(host).await?, bus.serve(own).await?])
    }

    /// Answers until `stop`, then finishes what is in hand.
    pub(crate) async fn run(self: Arc<Self>, requests: [Requests; 2], stop: CancellationToken) {
        let [host, own] = requests;
        let mut requests = futures_util::stream::select(host, own);
        let cancel = Arc::new(AtomicBool::new(false));
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
                request = requests.next() => match request {
                    Some(request) => {
                        let full = in_hand.len() >= COUNTS_MAX;
                        in_hand.push(self.answer(request, full, &cancel));
                    }
                    None => break,
                },
            }
        }
        drop(requests);
        cancel.store(true, Ordering::SeqCst);
        while in_hand.next().await.is_some() {}
    }

    async fn answer(&self, request: Request, full: bool, cancel: &Arc<AtomicBool>) {
        let content_type = request.message.headers.value(CONTENT_TYPE);
        let reply = match Encoding::named(content_type) {
            Err(failure) => reply::<()>(Encoding::Json, Err(failure)),
            Ok(encoding) if request.endpoint == WORKER_ENDPOINT => {
                let asked = encoding.decode::<WhatServed>(&request.message.payload);
                reply(encoding, asked.map(|WhatServed {}| self.served()))
            }
            Ok(encoding) if full => reply::<()>(encoding, Err(busy())),
            Ok(encoding) => {
                let answer = match encoding.decode::<MayInit>(&request.message.payload) {
                    Ok(question) => self.may_init(question, cancel).await,
                    Err(failure) => Err(failure),
                };
                reply(encoding, answer)
            }
        };
        let is_hosts = request.endpoint == MAY_INIT_ENDPOINT;
        if let Err(error) = request.respond(reply).await {
            tracing::warn!(%error, "a reply was not sent");
        }
        if is_hosts {
            reach(Point::StadAnswered);
        }
    }

    async fn may_init(
        &self,
        question: MayInit,
        cancel: &Arc<AtomicBool>,
    ) -> Result<MayInitReply, Failure> {
        reach(Point::StadAsked);
        let given_up = Arc::new(AtomicBool::new(cancel.load(Ordering::SeqCst)));
        let path = question.host_path.clone();
        let mut count = self.disk.may_init(question, Arc::clone(&given_up));
        let deadline = tokio::time::Instant::now() + COUNT_PATIENCE;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut count => break answer,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let late = tokio::time::Instant::now() >= deadline;
            if late || cancel.load(Ordering::SeqCst) {
                given_up.store(true, Ordering::SeqCst);
            }
        };
        reach(Point::StadCounted);
        tracing::info!(%path, ?answer, "asked whether it may become a repo");
        answer
    }

    fn served(&self) -> Served {
        let claims = self.claims.serving().into_iter();
        Served {
            claims: claims
                .map(|serving| ServedClaim {
                    subject: serving.subject,
                    epoch: serving.epoch,
                })
                .collect(),
        }
    }
}

fn busy() -> Failure {
    let mut failure = Failure::new(Code::Busy, "the worker counts other directories; try again");
    failure.details.retry_after_ms = Some(RETRY_AFTER_MS);
    failure
}

fn reply<T: Serialize>(encoding: Encoding, answer: Result<T, Failure>) -> Reply {
    let (answer, failure) = match answer {
        Ok(answer) => (Answer::Ok(answer), None),
        Err(failure) => (Answer::Error(failure.clone()), Some(failure)),
    };
    let payload = encoding.encode(&answer).unwrap_or_default();
    Reply {
        payload: payload.into(),
        headers: Headers::default().with(CONTENT_TYPE, encoding.content_type()),
        fault: failure.map(|failure| ServiceFault {
            code: failure.code.status(),
            text: format!("{:?}", failure.code),
        }),
    }
}
