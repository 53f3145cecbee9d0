//! What travels on the bus.

use async_trait::async_trait;
use bytes::Bytes;

use crate::BusError;

/// Header names and values, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first value of `name`, compared without regard to case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Where it is sent, or where it arrived.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its content.
    pub payload: Bytes,
    /// Where the sender wants its answer, if it wants one.
    pub reply: Option<String>,
}

impl Message {
    /// A message without headers.
    #[must_use]
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            payload: payload.into(),
            ..Self::default()
        }
    }

    /// The same message with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers = self.headers.with(name, value);
        self
    }
}

/// A service as it is announced to those who ask which services there are.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its name: letters, digits, hyphens and underscores.
    pub name: String,
    /// Its version, as semantic versioning has it.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// The instances with the same group share the requests.
    pub queue_group: String,
    /// What it serves.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a service.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name: letters, digits, hyphens and underscores.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// What tools show about it, as names and values.
    pub metadata: Vec<(String, String)>,
}

/// The error headers of a reply, as the services protocol has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFault {
    /// The numeric code, like that of HTTP.
    pub code: u16,
    /// One line of text.
    pub text: String,
}

/// What a service answers.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The content, also when it is an error.
    pub payload: Bytes,
    /// Headers beside those of the protocol.
    pub headers: Headers,
    /// Set if the request failed; counted by the service's statistics.
    pub fault: Option<ServiceFault>,
}

/// Carries a reply back to the one who asked.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Sends the reply.
    async fn respond(self: Box<Self>, reply: Reply) -> Result<(), BusError>;
}

/// One request at a service.
pub struct Request {
    /// The name of the endpoint that it came to.
    pub endpoint: String,
    /// What was sent.
    pub message: Message,
    /// The way back.
    pub responder: Box<dyn Responder>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("endpoint", &self.endpoint)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Answers.
    ///
    /// # Errors
    ///
    /// Fails if the reply cannot be sent; the one who asked then times out.
    pub async fn respond(self, reply: Reply) -> Result<(), BusError> {
        self.responder.respond(reply).await
    }
}
