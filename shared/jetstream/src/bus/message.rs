//! Messages of the bus as messages of NATS, and back.

use async_nats::HeaderMap;
use nogfso_bus::{Headers, Message};

pub(super) fn headers_of(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        map.append(name, value);
    }
    map
}

pub(super) fn message_of(message: async_nats::Message) -> Message {
    let mut headers = Headers::default();
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        for value in values {
            headers = headers.with(name.as_ref(), value.as_str());
        }
    }
    Message {
        subject: message.subject.to_string(),
        headers,
        payload: message.payload,
        reply: message.reply.map(|reply| reply.to_string()),
    }
}
