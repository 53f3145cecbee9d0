//! The messages of a stream, as the server hands them out.

/// A stored message.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
}
