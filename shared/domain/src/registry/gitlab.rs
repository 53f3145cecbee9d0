//! Where GitLab projects of a root's repos are to be made.

use serde::{Deserialize, Serialize};

/// The longest GitLab namespace, in bytes.
pub const GITLAB_NAMESPACE_BYTES_MAX: usize = 512;

/// A GitLab host and a path on it, like `git.example.com/group/subgroup`; no slash at either end.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct GitlabNamespace(String);

/// Why a text is not a GitLab namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GitlabNamespaceMalformed {
    /// There is no host followed by a path.
    #[error("Gitlab namespace missing slash")]
    MissingSlash,
    /// It is longer than [`GITLAB_NAMESPACE_BYTES_MAX`] or contains control characters or spaces.
    #[error(
        "malformed Gitlab namespace: at most {GITLAB_NAMESPACE_BYTES_MAX} bytes without spaces"
    )]
    Malformed,
}

impl GitlabNamespace {
    /// Reads a namespace; slashes at its end are dropped.
    ///
    /// # Errors
    ///
    /// Returns [`GitlabNamespaceMalformed`], which says what is wrong.
    pub fn parse(text: &str) -> Result<Self, GitlabNamespaceMalformed> {
        let namespace = text.trim_end_matches('/');
        match namespace.split_once('/') {
            None | Some(("", _)) => return Err(GitlabNamespaceMalformed::MissingSlash),
            Some(_) => {}
        }
        let refused = |c: char| c.is_control() || c.is_whitespace();
        if namespace.len() > GITLAB_NAMESPACE_BYTES_MAX || namespace.contains(refused) {
            return Err(GitlabNamespaceMalformed::Malformed);
        }
        Ok(Self(namespace.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for GitlabNamespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for GitlabNamespace {
    type Error = GitlabNamespaceMalformed;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<GitlabNamespace> for String {
    fn from(namespace: GitlabNamespace) -> Self {
        namespace.0
    }
}
