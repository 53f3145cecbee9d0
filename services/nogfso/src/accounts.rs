//! Who may connect to the broker: names, passwords, and where the passwords are kept.
//!
//! What each may then publish and subscribe is decided in [`broker::configuration`](crate::broker::configuration).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::private_file;

/// The user that may use every command and query.
pub const OPERATOR: &str = "operator";
/// The user of the services; in the journal's account.
pub const SERVICE: &str = "service";
/// The user of the server's own account; for looking after the server.
pub const SYSTEM: &str = "system";

/// The longest name of a user, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 63;
/// The most users beside the operator.
pub const USER_COUNT_MAX: usize = 256;

const PASSWORD_BYTES: usize = 24;

/// Names a person or a program at the broker; one subject token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

/// The text is not the name of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is no user name: 1 to 63 letters, digits, hyphens and underscores, and not operator, service or system"
)]
pub struct BadUserName {
    value: String,
}

impl UserName {
    /// The operator's name.
    #[must_use]
    pub fn operator() -> Self {
        Self(OPERATOR.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for UserName {
    type Err = BadUserName;

    fn from_str(value: &str) -> Result<Self, BadUserName> {
        let is_token = (1..=USER_NAME_BYTES_MAX).contains(&value.len())
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if is_token && ![OPERATOR, SERVICE, SYSTEM].contains(&value) {
            Ok(Self(value.to_owned()))
        } else {
            Err(BadUserName {
                value: value.to_owned(),
            })
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password: lower-case hexadecimal digits. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Reads a password that was made here.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let is_ours = value.len() == 2 * PASSWORD_BYTES
            && value
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_ours.then(|| Self(value.to_owned()))
    }

    /// The password in clear.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn random() -> Self {
        let bytes: [u8; PASSWORD_BYTES] = rand::random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// One who uses nogfso from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: UserName,
    /// The password.
    pub password: Password,
}

/// Everybody who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The password of the services.
    pub service: Password,
    /// The password for the server's own account.
    pub system: Password,
    /// The operator.
    pub operator: Person,
    /// All others, each name once.
    pub others: Vec<Person>,
}

/// Why the passwords could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what was once written to it.
    #[error("{path} holds no password of ours: restore it, or remove it to have a new one made")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Accounts {
    /// Reads everybody's password from `secrets`, one file each; makes those that are missing.
    ///
    /// # Errors
    ///
    /// See [`SecretsError`].
    pub fn load(secrets: &Path, others: &[UserName]) -> Result<Self, SecretsError> {
        let mut names = others.to_vec();
        names.sort();
        names.dedup();
        let person = |name: UserName, file: String| {
            Ok(Person {
                password: password(&secrets.join(file))?,
                name,
            })
        };
        Ok(Self {
            service: password(&secrets.join(SERVICE))?,
            system: password(&secrets.join(SYSTEM))?,
            operator: person(UserName::operator(), OPERATOR.to_owned())?,
            others: names
                .into_iter()
                .map(|name| {
                    let file = format!("user-{name}");
                    person(name, file)
                })
                .collect::<Result<_, _>>()?,
        })
    }

    /// The operator, then all others.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        std::iter::once(&self.operator).chain(&self.others)
    }
}

fn password(path: &Path) -> Result<Password, SecretsError> {
    let io = |source| SecretsError::Io {
        path: path.to_owned(),
        source,
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Password::parse(text.trim_end()).ok_or_else(|| SecretsError::Malformed {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = Password::random();
            private_file::write(path, &format!("{}\n", made.reveal())).map_err(io)?;
            Ok(made)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let alice: UserName = "alice".parse().unwrap();
        let first = Accounts::load(folder.path(), std::slice::from_ref(&alice)).unwrap();
        let again = Accounts::load(folder.path(), &[alice.clone(), alice]).unwrap();
        assert_eq!(first, again);
        assert_eq!(first.others.len(), 1);
        assert_ne!(first.service, first.operator.password);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_spoilt_password_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(OPERATOR), "").unwrap();
        let error = Accounts::load(folder.path(), &[]).unwrap_err();
        assert!(matches!(error, SecretsError::Malformed { .. }), "{error}");
    }

    #[test]
    fn a_user_name_is_one_token_and_not_taken() {
        for good in ["alice", "svc-import_2", "A", &"a".repeat(63)] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a.b",
            "*",
            ">",
            "a b",
            "ä",
            "service",
            "system",
            "operator",
            "a\n",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::random()), "Password");
    }
}
