//! Values on their way between jobs and the journal.

use std::sync::Arc;

use serde_json::Value;

use super::blobs::{BlobFault, Blobs, VALUE_BYTES_MAX};
use crate::deployment::{BlobRef, Stored};
use crate::error::{ErrorView, JobError, JobResult, Unloadable, Wish};

/// From how many bytes of JSON on a value lies outside the journal.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// From how many bytes of JSON on a value is worth a warning.
const VALUE_BYTES_WARN: usize = 1024 * 1024;

/// Where values come from and go to.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) blobs: Blobs,
}

impl Values {
    /// The form in which `value` stands in an event, with the version of its schema if it is not the plan's; a large one is written before this returns.
    ///
    /// # Errors
    ///
    /// Terminal if the value is too large, for another try if it cannot be written now.
    pub(crate) async fn store(&self, value: Value, version: Option<u16>) -> JobResult<Stored> {
        let bytes = serde_json::to_vec(&value).map_err(|error| {
            JobError::terminal(ErrorView::new("value_not_encodable", error.to_string()))
        })?;
        if bytes.len() <= INLINE_BYTES_MAX {
            let value = Arc::new(value);
            return Ok(match version {
                None => Stored::Inline(value),
                Some(version) => Stored::Versioned { version, value },
            });
        }
        if bytes.len() > VALUE_BYTES_MAX {
            let message = format!(
                "the value has {} bytes; at most {VALUE_BYTES_MAX} are allowed",
                bytes.len()
            );
            return Err(JobError::terminal(ErrorView::new(
                "value_too_large",
                message,
            )));
        }
        if bytes.len() > VALUE_BYTES_WARN {
            tracing::warn!(bytes = bytes.len(), "a large value crosses a job boundary");
        }
        let blob = self.blobs.put(&bytes).await;
        let blob = blob.map_err(|fault| {
            JobError::retry(ErrorView::new("value_not_written", fault.to_string()))
        })?;
        Ok(Stored::Blob(BlobRef { version, ..blob }))
    }

    /// The value that `stored` stands for.
    ///
    /// # Errors
    ///
    /// Asks for parking if it is gone or damaged, for another try if it cannot be read now.
    pub(crate) async fn load(&self, stored: &Stored) -> JobResult<Value> {
        let blob = match stored {
            Stored::Inline(value) | Stored::Versioned { value, .. } => return Ok((**value).clone()),
            Stored::SameAsInput => return Err(unloadable("an output stands for no value")),
            Stored::Blob(blob) => blob,
        };
        match self.blobs.get(blob).await {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| unloadable(&error.to_string()))
            }
            Err(fault @ BlobFault::Missing { .. }) => Err(JobError::new(
                ErrorView::new("payload_missing", fault.to_string()),
                Wish::Park(Unloadable::PayloadMissing),
            )),
            Err(fault @ BlobFault::Damaged { .. }) => Err(unloadable(&fault.to_string())),
            Err(fault @ BlobFault::Unavailable { .. }) => Err(JobError::retry(ErrorView::new(
                "journal_unavailable",
                fault.to_string(),
            ))),
        }
    }
}

fn unloadable(reason: &str) -> JobError {
    JobError::new(
        ErrorView::new("payload_undecodable", reason),
        Wish::Park(Unloadable::PayloadUndecodable),
    )
}
