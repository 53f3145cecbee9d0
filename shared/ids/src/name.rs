//! Names that become subject tokens, and the names of those who act.

use serde::{Deserialize, Serialize};

use crate::text::validated_text;

/// The longest registry name, in bytes.
pub const REGISTRY_NAME_BYTES_MAX: usize = 63;
/// The longest host name, in bytes.
pub const HOST_BYTES_MAX: usize = 253;
const HOST_LABEL_BYTES_MAX: usize = 63;
const COMMAND_ID_BYTES_MAX: usize = 64;
const ACTOR_BYTES_MAX: usize = 128;
const INSTANCE_BYTES_MAX: usize = 64;

/// Names a registry; one subject token (design 2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryName(String);

impl RegistryName {
    fn accept(value: &str) -> Option<String> {
        (is_label(value, REGISTRY_NAME_BYTES_MAX)
            && value.starts_with(|c: char| c.is_ascii_lowercase()))
        .then(|| value.to_owned())
    }
}

validated_text!(
    RegistryName,
    "a registry name",
    "1 to 63 lower-case letters, digits and hyphens, first a letter, last not a hyphen",
    { "type": "string", "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "maxLength": 63 }
);

/// Names a file host: a lower-case DNS name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

impl Host {
    fn accept(value: &str) -> Option<String> {
        (value.len() <= HOST_BYTES_MAX
            && value
                .split('.')
                .all(|label| is_label(label, HOST_LABEL_BYTES_MAX)))
        .then(|| value.to_owned())
    }

    /// The host as one subject token: its dots written `_`, which no DNS name contains.
    #[must_use]
    pub fn token(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Reads a host back from its subject token.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`](crate::Malformed) if `token` is not the token of a host.
    pub fn from_token(token: &str) -> Result<Self, crate::Malformed> {
        Self::parse(&token.replace('_', "."))
    }
}

validated_text!(
    Host,
    "a host name",
    "a lower-case DNS name of at most 253 characters, like files.example.com",
    {
        "type": "string",
        "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
        "maxLength": 253
    }
);

/// Names one command of one caller, so that a repeat is known as such (design 3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandId(String);

impl CommandId {
    fn accept(value: &str) -> Option<String> {
        is_token(value, COMMAND_ID_BYTES_MAX).then(|| value.to_owned())
    }
}

validated_text!(
    CommandId,
    "a command id",
    "1 to 64 letters, digits, hyphens and underscores",
    { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }
);

/// Names one running process of a service, never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance(String);

impl Instance {
    fn accept(value: &str) -> Option<String> {
        is_token(value, INSTANCE_BYTES_MAX).then(|| value.to_owned())
    }
}

validated_text!(
    Instance,
    "an instance name",
    "1 to 64 letters, digits, hyphens and underscores",
    { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }
);

/// Says who acts: `user:alice`, `jwt:alice`, `svc:regd`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Actor(String);

impl Actor {
    fn accept(value: &str) -> Option<String> {
        let (kind, name) = value.split_once(':')?;
        let known = matches!(kind, "user" | "jwt" | "svc");
        let printable = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
        (known && printable && value.len() <= ACTOR_BYTES_MAX).then(|| value.to_owned())
    }
}

validated_text!(
    Actor,
    "an actor",
    "user:, jwt: or svc: and a name of printable ASCII characters, at most 128 in all",
    { "type": "string", "pattern": "^(user|jwt|svc):[!-~]+$", "maxLength": 128 }
);

/// One of the two queues of work that a repo has on a host (design 5).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Init, stat, content, metadata, reinit and actions.
    Main,
    /// Hashing, hours long, beside the other.
    Sha,
}

impl Lane {
    /// The lane as a subject token.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Sha => "sha",
        }
    }

    /// Reads a lane back from its subject token.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        match token {
            "main" => Some(Self::Main),
            "sha" => Some(Self::Sha),
            _ => None,
        }
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.token())
    }
}

fn is_label(value: &str, bytes_max: usize) -> bool {
    !value.is_empty()
        && value.len() <= bytes_max
        && value
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-')
}

fn is_token(value: &str, bytes_max: usize) -> bool {
    !value.is_empty()
        && value.len() <= bytes_max
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
