//! Finding a usable `nats-server`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// The oldest server that is safe to use: older ones lose guards or sync each message on its own.
pub const FLOOR: Version = Version([2, 15, 1]);

const NAME: &str = "nats-server";
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Major, minor and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u64; 3]);

impl Version {
    /// Reads `2.15.1`; what follows a hyphen is ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('-').next()?;
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let version = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A `nats-server` that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path, or a name that is found on the `PATH`.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

/// Why there is no usable server.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is none.
    #[error(
        "there is no {path}: install nats-server {FLOOR} or newer on the PATH, or name it with --nats-server or NOGFSO_NATS_SERVER"
    )]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// It does not run.
    #[error("{path} --version does not run")]
    Broken {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{path} --version says {answer:?}, which is no version of nats-server: name another with --nats-server or NOGFSO_NATS_SERVER"
    )]
    Stranger {
        /// The program.
        path: PathBuf,
        /// The answer.
        answer: String,
    },
    /// It is too old.
    #[error(
        "{path} has version {found}, and {FLOOR} or newer is needed: install that, or name it with --nats-server or NOGFSO_NATS_SERVER"
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: Version,
    },
}

impl Program {
    /// Finds the server at `path`, or on the `PATH` if none is named, and asks its version.
    ///
    /// # Errors
    ///
    /// See [`ProgramError`].
    pub async fn find(path: Option<&Path>) -> Result<Self, ProgramError> {
        let path = path.unwrap_or(Path::new(NAME)).to_owned();
        let asked = Command::new(&path)
            .arg("--version")
            .kill_on_drop(true)
            .output();
        let answer = tokio::time::timeout(ANSWER_LIMIT, asked)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
            .flatten();
        match answer {
            Ok(output) => Self::of_answer(path, String::from_utf8_lossy(&output.stdout).trim()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ProgramError::Missing { path })
            }
            Err(source) => Err(ProgramError::Broken { path, source }),
        }
    }

    fn of_answer(path: PathBuf, answer: &str) -> Result<Self, ProgramError> {
        let version = answer
            .strip_prefix("nats-server: v")
            .and_then(Version::parse);
        match version {
            None => Err(ProgramError::Stranger {
                path,
                answer: answer.chars().take(80).collect(),
            }),
            Some(found) if found < FLOOR => Err(ProgramError::TooOld { path, found }),
            Some(version) => Ok(Self { path, version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let of = |answer: &str| Program::of_answer(PathBuf::from(NAME), answer);
        for usable in ["2.15.1", "2.15.10", "2.16.0-preview.1", "10.0.0"] {
            assert!(of(&format!("nats-server: v{usable}")).is_ok(), "{usable}");
        }
        for old in ["2.15.0", "2.9.10", "1.99.99"] {
            let error = of(&format!("nats-server: v{old}")).unwrap_err();
            assert!(matches!(error, ProgramError::TooOld { .. }), "{error}");
        }
        for strange in ["", "nats-server: v2.15", "gnatsd 1.0.0"] {
            let error = of(strange).unwrap_err();
            assert!(matches!(error, ProgramError::Stranger { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Program::find(Some(&folder.path().join("nats-server")))
            .await
            .unwrap_err();
        assert!(matches!(error, ProgramError::Missing { .. }), "{error}");
    }
}
