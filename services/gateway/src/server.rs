//! Taking requests: bounded, each answered once, finished before the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nogfso_bus::{BusError, Headers, Reply, Request, ServiceFault, ServiceSpec};
use nogfso_contract::Failure;
use nogfso_contract::codec::{CONTENT_TYPE, Encoding};
use nogfso_faults::{Point, reach};
use nogfso_host::Tasks;
use nogfso_ids::Actor;

use crate::Gateway;
use crate::caller::Caller;
use crate::refusal::busy;
use crate::routes::{Answered, Route, answered, routes};

/// The longest text in an error header, in characters.
const FAULT_CHARS_MAX: usize = 200;

/// How the names of endpoints of commands begin.
const COMMANDS: &str = "cmd-";

/// How many requests of each caller are in hand.
#[derive(Default)]
struct InHand(Mutex<HashMap<Actor, usize>>);

impl InHand {
    fn enter(&self, actor: &Actor, max: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(actor.clone()).or_default();
        let enters = *count < max;
        *count += usize::from(enters);
        enters
    }

    fn leave(&self, actor: &Actor) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(actor) {
            *count -= 1;
            if *count == 0 {
                counts.remove(actor);
            }
        }
    }
}

/// Serves all endpoints until `tasks` are stopped; then finishes what is in hand.
///
/// # Errors
///
/// Fails if the bus does not take the endpoints.
pub(crate) async fn serve(gateway: &Arc<Gateway>, tasks: &Tasks) -> Result<(), BusError> {
    let routes: Arc<HashMap<String, Route>> = Arc::new(
        routes()
            .into_iter()
            .map(|route| (route.endpoint.name.clone(), route))
            .collect(),
    );
    let mut endpoints: Vec<_> = routes
        .values()
        .map(|route| route.endpoint.clone())
        .collect();
    endpoints.sort_by(|left, right| left.subject.cmp(&right.subject));
    let service = ServiceSpec {
        name: "nogfso".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: "Tracks large directory trees and takes them through storage workflows."
            .to_owned(),
        queue_group: "gateway".to_owned(),
        endpoints,
    };
    let mut requests = gateway.bus.serve(service).await?;
    let gateway = Arc::clone(gateway);
    let stop = tasks.stop().clone();
    tasks.spawn("requests", async move {
        let in_hand_of = InHand::default();
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
                request = requests.next() => match request {
                    Some(request) => {
                        let full = in_hand.len() >= gateway.settings.in_hand_max;
                        in_hand.push(answer(&gateway, &routes, &in_hand_of, request, full));
                    }
                    None => break,
                },
            }
        }
        drop(requests);
        while in_hand.next().await.is_some() {}
    });
    Ok(())
}

async fn answer(
    gateway: &Arc<Gateway>,
    routes: &HashMap<String, Route>,
    in_hand_of: &InHand,
    request: Request,
    full: bool,
) {
    let content_type = request.message.headers.value(CONTENT_TYPE);
    let encoding = Encoding::named(content_type);
    let caller = Caller::of(&request.message, &gateway.settings);
    let answer = match (encoding, caller) {
        (Err(failure), _) | (Ok(_), Err(failure)) => refused(Encoding::Json, failure),
        (Ok(encoding), Ok(_)) if full => refused(encoding, busy("too many requests at once")),
        (Ok(encoding), Ok(caller)) => {
            if in_hand_of.enter(caller.actor(), gateway.settings.in_hand_of_one_max) {
                let answer = carried_out(gateway, routes, &request, encoding, &caller).await;
                in_hand_of.leave(caller.actor());
                answer
            } else {
                refused(encoding, busy("too many requests of one caller at once"))
            }
        }
    };
    let endpoint = request.endpoint.clone();
    let (encoding, answer) = answer;
    if let Some(failure) = &answer.failure {
        tracing::debug!(endpoint, code = ?failure.code, %failure, "refused");
    }
    let reply = Reply {
        payload: answer.payload.into(),
        headers: Headers::default().with(CONTENT_TYPE, encoding.content_type()),
        fault: answer.failure.as_ref().map(fault),
    };
    if let Err(error) = request.respond(reply).await {
        tracing::warn!(endpoint, %error, "a reply was not sent");
    }
    if endpoint.starts_with(COMMANDS) {
        reach(Point::GatewayReplied);
    }
}

async fn carried_out(
    gateway: &Arc<Gateway>,
    routes: &HashMap<String, Route>,
    request: &Request,
    encoding: Encoding,
    caller: &Caller,
) -> (Encoding, Answered) {
    let Some(route) = routes.get(&request.endpoint) else {
        return refused(
            encoding,
            Failure::field("subject", "nothing is served here"),
        );
    };
    let payload = request.message.payload.clone();
    (
        encoding,
        (route.handler)(Arc::clone(gateway), caller.clone(), encoding, payload).await,
    )
}

fn refused(encoding: Encoding, failure: Failure) -> (Encoding, Answered) {
    (encoding, answered::<()>(encoding, Err(failure)))
}

fn fault(failure: &Failure) -> ServiceFault {
    // Header values are one line of printable characters.
    let printable = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    };
    ServiceFault {
        code: failure.code.status(),
        text: failure
            .message
            .chars()
            .take(FAULT_CHARS_MAX)
            .map(printable)
            .collect(),
    }
}
