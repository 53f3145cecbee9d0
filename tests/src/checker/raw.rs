//! The messages of a stream, as the server hands them out.

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures_util::StreamExt;

/// A stored message.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
}

/// Everything that `stream` holds, in order.
///
/// # Errors
///
/// Tells what the server did not answer.
pub(crate) async fn read(client: &async_nats::Client, stream: &str) -> Result<Vec<Raw>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{stream}: {error}");
    let context = jetstream::new(client.clone());
    let found = context
        .get_stream(stream)
        .await
        .map_err(|error| told(&error))?;
    let expected = found.cached_info().state.messages;
    let mut messages = Vec::new();
    if expected == 0 {
        return Ok(messages);
    }
    let consumer = found
        .create_consumer(OrderedConfig::default())
        .await
        .map_err(|error| told(&error))?;
    let mut coming = consumer.messages().await.map_err(|error| told(&error))?;
    while let Some(message) = coming.next().await {
        let message = message.map_err(|error| told(&error))?;
        let info = message.info().map_err(|error| told(&error))?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        messages.push(Raw {
            stream: stream.to_owned(),
            sequence,
            subject: message.subject.to_string(),
            payload: message.payload.to_vec(),
        });
        if pending == 0 {
            break;
        }
    }
    Ok(messages)
}
