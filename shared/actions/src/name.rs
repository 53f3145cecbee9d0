//! What jobs, actions and deployments are called.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The most bytes of a name.
pub const NAME_BYTES_MAX: usize = 128;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name: 1 to {NAME_BYTES_MAX} of the characters A-Z, a-z, 0-9, '.', '_' and '-'"
)]
pub struct InvalidName(pub String);

/// The name of a job within its action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(Cow<'static, str>);

impl JobName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// Fails unless it is 1 to [`NAME_BYTES_MAX`] letters, digits, `.`, `_` and `-`.
    pub fn parse(name: impl Into<Cow<'static, str>>) -> Result<Self, InvalidName> {
        let name = name.into();
        match is_name(&name) {
            true => Ok(Self(name)),
            false => Err(InvalidName(name.into_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::parse(name)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0.into_owned()
    }
}

/// Which action: application and name are two fields, never one text (spec 1.14, Q1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ActionRef {
    /// The application; absent for an action that serves any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The action.
    pub name: String,
}

impl ActionRef {
    /// Checks both names.
    ///
    /// # Errors
    ///
    /// Fails unless each is a name like that of a job. No application and an empty one are the same.
    pub fn parse(application: Option<&str>, name: &str) -> Result<Self, InvalidName> {
        let application = application.filter(|application| !application.is_empty());
        for part in application.into_iter().chain([name]) {
            if !is_name(part) {
                return Err(InvalidName(part.to_owned()));
            }
        }
        Ok(Self {
            application: application.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for ActionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.application {
            Some(application) => write!(f, "{application}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One run of an action. Unique for ever: an id is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeploymentId(pub Uuid);

impl DeploymentId {
    /// The id that follows from `name` within this one, the same each time: for deployments that a job starts.
    #[must_use]
    pub fn derived(self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The first hexadecimal digit, which says where the journal of the deployment lies.
    #[must_use]
    pub fn digit(self) -> char {
        char::from_digit(u32::from(self.0.as_bytes()[0] >> 4), 16).unwrap_or('0')
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a job hands to the other side so that a repeat is known there (spec 2.9, D1).
///
/// The same for all attempts, different for execute and undo, and free of anything that a lost journal tail would change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub(crate) fn of(deployment: DeploymentId, job: &JobName, phase: &str) -> Self {
        Self(format!("{deployment}/{job}/{phase}"))
    }

    /// The key of one call among several within a job.
    #[must_use]
    pub fn sub(&self, part: &str) -> Self {
        Self(format!("{}/{part}", self.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A short form of the key, 32 hexadecimal digits, for places that take no slash or no long name.
    #[must_use]
    pub fn short(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
