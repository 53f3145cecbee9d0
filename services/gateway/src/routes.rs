//! The endpoints: which subject leads to which handler.

use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nogfso_bus::Endpoint;
use nogfso_contract::codec::{Answer, Encoding};
use nogfso_contract::{Call, Code, Failure, command, query};

use crate::Gateway;
use crate::caller::Caller;

/// A request that this gateway answers.
pub(crate) trait Handle: Call + Sized {
    /// Answers it.
    fn handle(
        self,
        gateway: &Gateway,
        caller: &Caller,
    ) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// An encoded answer, and the failure that it tells of.
pub(crate) struct Answered {
    pub(crate) payload: Vec<u8>,
    pub(crate) failure: Option<Failure>,
}

type Handler = Box<
    dyn Fn(Arc<Gateway>, Caller, Encoding, bytes::Bytes) -> BoxFuture<'static, Answered>
        + Send
        + Sync,
>;

/// One endpoint.
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) handler: Handler,
}

/// All endpoints.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        route::<command::InitRegistry>(),
        route::<command::InitRoot>(),
        route::<command::InitRepo>(),
        route::<command::ClearError>(),
        route::<command::Stat>(),
        route::<command::CancelRequest>(),
        route::<command::RetryParked>(),
        route::<command::SkipParked>(),
        route::<query::GetRegistries>(),
        route::<query::GetRegistry>(),
        route::<query::GetRoots>(),
        route::<query::GetRoot>(),
        route::<query::GetRepos>(),
        route::<query::GetRepo>(),
        route::<query::GetEvents>(),
        route::<query::GetRequest>(),
        route::<query::GetOutcome>(),
        route::<query::GetWorkers>(),
        route::<query::GetParked>(),
    ]
}

fn route<C: Handle + 'static>() -> Route {
    let name = C::SUBJECT
        .strip_prefix("fso.")
        .unwrap_or(C::SUBJECT)
        .replace('.', "-");
    let endpoint = Endpoint {
        name,
        subject: C::SUBJECT.to_owned(),
        metadata: vec![("summary".to_owned(), C::SUMMARY.to_owned())],
    };
    let handler: Handler = Box::new(|gateway, caller, encoding, payload| {
        async move {
            let answer = match encoding.decode::<C>(&payload) {
                Ok(request) => request.handle(&gateway, &caller).await,
                Err(failure) => Err(failure),
            };
            answered(encoding, answer)
        }
        .boxed()
    });
    Route { endpoint, handler }
}

/// Encodes an answer in the encoding of its request.
pub(crate) fn answered<T: serde::Serialize>(
    encoding: Encoding,
    answer: Result<T, Failure>,
) -> Answered {
    let (answer, failure) = match answer {
        Ok(reply) => (Answer::Ok(reply), None),
        Err(failure) => (Answer::Error(failure.clone()), Some(failure)),
    };
    match encoding.encode(&answer) {
        Ok(payload) => Answered { payload, failure },
        Err(failure) => {
            tracing::error!(%failure, "an answer cannot be written");
            let payload =
                br#"{"error":{"code":"internal","message":"the answer cannot be written"}}"#
                    .to_vec();
            Answered {
                payload,
                failure: Some(Failure::new(Code::Internal, failure.message)),
            }
        }
    }
}
