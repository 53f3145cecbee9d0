//! Logs: one line for an event, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging was not started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("log filter {filter:?} is not a list like info,nogfso_stad=debug")]
    Filter {
        /// The filter that was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was started before in this process.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for this process, once. `filter` is a list like `info,nogfso_stad=debug`.
///
/// # Errors
///
/// See [`LoggingError`].
pub fn start(filter: &str, format: Format) -> Result<(), LoggingError> {
    let parsed = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
    started.map_err(|_| LoggingError::Twice)
}
