//! Global and host paths: absolute, clean, never the root of everything.

use serde::{Deserialize, Serialize};

use crate::text::validated_text;

/// The longest path, in bytes (`PATH_MAX` of Linux less its NUL).
pub const PATH_BYTES_MAX: usize = 4095;

/// Names a place independent of hosts, like `/example/data/ag-alice/exp 1`.
///
/// Absolute, not `/` itself, without empty, `.` or `..` components and without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GlobalPath(String);

/// Names a directory on a file host; same form as a [`GlobalPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

impl GlobalPath {
    fn accept(value: &str) -> Option<String> {
        clean(value)
    }

    /// Whether this path equals `above` or lies below it.
    #[must_use]
    pub fn is_equal_or_below(&self, above: &Self) -> bool {
        self.relative_to(above).is_some()
    }

    /// The part of this path below `above`: empty if both are equal, `None` if this is not below.
    #[must_use]
    pub fn relative_to(&self, above: &Self) -> Option<&str> {
        let rest = self.0.strip_prefix(&above.0)?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        }
    }

    /// The enclosing path, or `None` directly below `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.rfind('/') {
            None | Some(0) => None,
            Some(at) => Some(Self(self.0[..at].to_owned())),
        }
    }
}

impl HostPath {
    fn accept(value: &str) -> Option<String> {
        clean(value)
    }

    /// This path joined with a relative path as [`GlobalPath::relative_to`] returns it.
    ///
    /// `None` if the result is longer than [`PATH_BYTES_MAX`] or not clean.
    #[must_use]
    pub fn join(&self, relative: &str) -> Option<Self> {
        if relative.is_empty() {
            return Some(self.clone());
        }
        clean(&format!("{}/{relative}", self.0)).map(Self)
    }
}

validated_text!(
    GlobalPath,
    "a global path",
    "an absolute path below /, without `..` and control characters, at most 4095 bytes",
    { "type": "string", "pattern": "^/", "minLength": 2, "maxLength": 4095 }
);

validated_text!(
    HostPath,
    "a host path",
    "an absolute path below /, without `..` and control characters, at most 4095 bytes",
    { "type": "string", "pattern": "^/", "minLength": 2, "maxLength": 4095 }
);

fn clean(value: &str) -> Option<String> {
    if value.len() > PATH_BYTES_MAX
        || !value.starts_with('/')
        || value.chars().any(char::is_control)
    {
        return None;
    }
    let mut path = String::with_capacity(value.len());
    for component in value.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if component == ".." {
            return None;
        }
        path.push('/');
        path.push_str(component);
    }
    (!path.is_empty()).then_some(path)
}
