//! The context files: what a stock `nats` client and `nogfsoctl` need to connect as one user.

use std::net::SocketAddr;

use serde::Serialize;

use crate::accounts::{Person, UserName};

/// A context as the `nats` client reads it.
#[derive(Debug, Serialize)]
struct Context<'a> {
    description: String,
    url: String,
    user: &'a str,
    password: &'a str,
    inbox_prefix: String,
}

/// The inbox prefix of a user, the only one that the broker lets it subscribe.
#[must_use]
pub fn inbox_prefix(name: &UserName) -> String {
    format!("_INBOX_{name}")
}

/// The address of the broker as clients take it.
#[must_use]
pub fn url(listen: SocketAddr) -> String {
    format!("nats://{listen}")
}

/// The text of the context file of `person`.
#[must_use]
pub fn context(listen: SocketAddr, person: &Person) -> String {
    let context = Context {
        description: format!("nogfso as {}", person.name),
        url: url(listen),
        user: person.name.as_str(),
        password: person.password.reveal(),
        inbox_prefix: inbox_prefix(&person.name),
    };
    let text = serde_json::to_string_pretty(&context)
        .expect("a struct of strings can always be written as JSON");
    text + "\n"
}
