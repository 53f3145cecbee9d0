//! The streams of a journal as data.

/// What becomes of the messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keep {
    /// Kept for ever; neither deleted nor purged.
    Forever,
    /// Kept until a purge removes what nobody needs any more.
    UntilPurged,
    /// Only the last message of each subject is kept, until it is removed.
    LastOfSubject,
    /// Messages that the server delivers to another subject of the stream at a time that they name.
    Schedules,
}

/// One stream: its name, the subjects that it stores and what becomes of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamSpec {
    /// The name.
    pub name: &'static str,
    /// The subjects, with wildcards; no subject belongs to two streams.
    pub subjects: &'static [&'static str],
    /// What becomes of its messages.
    pub keep: Keep,
}

impl StreamSpec {
    /// Whether the stream stores messages on `subject`.
    #[must_use]
    pub fn stores(&self, subject: &str) -> bool {
        self.subjects.iter().any(|filter| matches(filter, subject))
    }
}

/// Whether a NATS subject filter (`*` one token, `>` the rest) matches `subject`.
#[must_use]
pub fn matches(filter: &str, subject: &str) -> bool {
    let mut filter = filter.split('.');
    let mut subject = subject.split('.');
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(token)) if wanted == token => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return false,
        }
    }
}
