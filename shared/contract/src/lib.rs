//! What callers send and get: commands, queries, replies, error codes, subjects, codecs.
//!
//! Everything here is the public interface of the system (design 3). Requests refuse unknown fields; replies may gain some.
//! The JSON Schemas of all of it stand in `schemas/`, generated from these types and held equal by a test.

pub mod codec;
pub mod command;
mod error;
pub mod event;
pub mod host;
pub mod presence;
pub mod progress;
pub mod query;
pub mod schemas;
pub mod subjects;
mod value;

pub use error::{Code, Details, Failure};
pub use value::{Page, VidArg, WAIT_MAX, Wait};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
mod tests;

/// A request that a subject accepts, with the type of its answer.
pub trait Call: Serialize + DeserializeOwned + JsonSchema + Send + Sync {
    /// The subject.
    const SUBJECT: &'static str;
    /// One sentence for those who list the services.
    const SUMMARY: &'static str;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
}

/// Gives a request its subject, its summary and its reply.
macro_rules! call {
    ($request:ty, $subject:literal, $summary:literal, $reply:ty) => {
        impl crate::Call for $request {
            const SUBJECT: &'static str = $subject;
            const SUMMARY: &'static str = $summary;
            type Reply = $reply;
        }
    };
}

pub(crate) use call;
