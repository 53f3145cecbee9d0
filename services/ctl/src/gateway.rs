//! Asking the gateway: one request, one answer or one trouble.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, Message};
use nogfso_contract::codec::{Answer, CONTENT_TYPE, Encoding};
use nogfso_contract::{Call, Code};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::trouble::Trouble;

/// What serves the calls of the contract, seen through the bus.
pub(crate) struct Gateway {
    bus: Arc<dyn Bus>,
    timeout: Duration,
}

/// An answer, as it is understood and as it came.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// What it means.
    pub(crate) value: T,
    /// Its JSON, unchanged.
    pub(crate) raw: Box<RawValue>,
}

impl Gateway {
    /// A gateway that is given `timeout` for each answer.
    pub(crate) fn new(bus: Arc<dyn Bus>, timeout: Duration) -> Self {
        Self { bus, timeout }
    }

    /// The bus on which it is asked.
    pub(crate) fn bus(&self) -> &dyn Bus {
        self.bus.as_ref()
    }

    /// How long an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks, and gives the answer the usual time.
    pub(crate) async fn ask<C: Call>(&self, call: &C) -> Result<Answered<C::Reply>, Trouble> {
        self.ask_within(call, self.timeout).await
    }

    /// Asks, and gives the answer as much time as `patience` says.
    pub(crate) async fn ask_within<C: Call>(
        &self,
        call: &C,
        patience: Duration,
    ) -> Result<Answered<C::Reply>, Trouble> {
        let payload = Encoding::Json
            .encode(call)
            .map_err(|failure| answered(failure, None))?;
        let asks = how_to_ask(&payload);
        let message = Message::new(C::SUBJECT, payload)
            .with_header(CONTENT_TYPE, Encoding::Json.content_type());
        let reply = self.bus.request(message, patience).await;
        let reply = reply.map_err(|error| unanswered::<C>(error.into(), asks.clone()))?;
        match serde_json::from_slice(&reply.payload).map_err(unreadable::<C>)? {
            Answer::Ok(raw) => understood::<C>(raw),
            Answer::Error(failure) => Err(answered(failure, asks)),
        }
    }
}

fn understood<C: Call>(raw: Box<RawValue>) -> Result<Answered<C::Reply>, Trouble> {
    let value = serde_json::from_str(raw.get()).map_err(unreadable::<C>)?;
    Ok(Answered { value, raw })
}

/// The arguments with which the outcome of a command can be asked for: those of one that carries an id.
fn how_to_ask(payload: &[u8]) -> Option<String> {
    let call: Value = serde_json::from_slice(payload).ok()?;
    let id = call["command_id"].as_str()?;
    let about = ["registry", "repo"].into_iter().find_map(|field| {
        let name = call[field].as_str()?;
        Some(format!(" --{field}={name}"))
    });
    Some(format!("outcome {id}{}", about.unwrap_or_default()))
}

fn answered(failure: nogfso_contract::Failure, asks: Option<String>) -> Trouble {
    if failure.code == Code::OutcomeUnknown {
        Trouble::OutcomeUnknown {
            reason: failure.message,
            asks,
        }
    } else {
        Trouble::Answered(Box::new(failure))
    }
}

/// A command without a reply may have been carried out; a question is only a question.
fn unanswered<C: Call>(trouble: Trouble, asks: Option<String>) -> Trouble {
    let is_open = matches!(trouble, Trouble::NoReply { .. });
    if is_open && C::SUBJECT.starts_with("fso.cmd.") {
        let reason = trouble.to_string();
        Trouble::OutcomeUnknown { reason, asks }
    } else {
        trouble
    }
}

fn unreadable<C: Call>(error: serde_json::Error) -> Trouble {
    Trouble::Unreadable {
        subject: C::SUBJECT.to_owned(),
        reason: error.to_string(),
    }
}
