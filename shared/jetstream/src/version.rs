//! The versions of servers, and the oldest that keeps the journal's promises.

use std::fmt;
use std::str::FromStr;

/// The oldest server that is used: older ones lose guards, or sync every message on its own.
pub const SERVER_VERSION_MIN: ServerVersion = ServerVersion {
    major: 2,
    minor: 15,
    patch: 1,
};

/// The version of a NATS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text that is no version of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a server version: {0:?}")]
pub struct NotAVersion(String);

impl FromStr for ServerVersion {
    type Err = NotAVersion;

    /// Parses `2.15.1`, with or without a suffix such as `-beta.1`, which is ignored.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let not_a_version = || NotAVersion(text.to_owned());
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = plain.split('.').map(str::parse);
        let mut next = || {
            numbers
                .next()
                .and_then(Result::ok)
                .ok_or_else(not_a_version)
        };
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        if numbers.next().is_some() {
            Err(not_a_version())
        } else {
            Ok(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SERVER_VERSION_MIN, ServerVersion};

    #[test]
    fn versions_compare_by_number() {
        let parse = |text: &str| text.parse::<ServerVersion>().unwrap();
        assert!(parse("2.9.10") < parse("2.15.0") && parse("2.15.0") < SERVER_VERSION_MIN);
        assert!(
            parse("2.15.1-beta.2") >= SERVER_VERSION_MIN && parse("3.0.0") > SERVER_VERSION_MIN
        );
        assert_eq!(SERVER_VERSION_MIN.to_string(), "2.15.1");
    }

    #[test]
    fn other_texts_are_no_versions() {
        for text in ["", "2", "2.15", "2.15.x", "2.15.1.0", "v2.15.1"] {
            assert!(text.parse::<ServerVersion>().is_err(), "{text}");
        }
    }
}
