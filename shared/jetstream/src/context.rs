//! The context files of the `nats` command line, so that one file tells our programs and the stock tools where to connect.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::connection::{ConnectError, Connection, Credentials, Settings};

const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

/// The folders in which contexts are looked for; from the environment, which the caller reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFolders {
    /// The user's home, for paths that begin with `~`.
    pub home: PathBuf,
    /// The user's settings: `$XDG_CONFIG_HOME`, or `.config` in the home.
    pub settings: PathBuf,
}

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file cannot be read.
    #[error("cannot read the NATS context {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no context.
    #[error("{} is no NATS context", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContextFile {
    url: String,
    user: String,
    password: String,
    token: String,
    creds: String,
    nkey: String,
    inbox_prefix: String,
}

impl Settings {
    /// Reads `context`: the path of a context file if it contains a slash, else the name of a context.
    ///
    /// # Errors
    ///
    /// See [`ContextError`].
    pub fn from_context(
        context: &str,
        folders: &ContextFolders,
        name: &str,
    ) -> Result<Self, ContextError> {
        let path = folders.path_of(context);
        let text = std::fs::read_to_string(&path).map_err(|source| ContextError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let file: ContextFile = serde_json::from_str(&text)
            .map_err(|source| ContextError::Malformed { path, source })?;

        let url = if file.url.is_empty() {
            DEFAULT_SERVER
        } else {
            &file.url
        };
        let servers = url
            .split(',')
            .map(|server| server.trim().to_owned())
            .collect();
        let inbox_prefix = Some(file.inbox_prefix.clone()).filter(|prefix| !prefix.is_empty());
        let credentials = file.credentials(folders);
        Ok(Self {
            servers,
            credentials,
            inbox_prefix,
            ..Self::new(DEFAULT_SERVER, name)
        })
    }
}

impl Connection {
    /// Connects as a context says; see [`Settings::from_context`].
    ///
    /// # Errors
    ///
    /// See [`ContextError`].
    pub async fn from_context(
        context: &str,
        folders: &ContextFolders,
        name: &str,
    ) -> Result<Self, ContextError> {
        Ok(Self::connect(&Settings::from_context(context, folders, name)?).await?)
    }
}

impl ContextFile {
    /// The first proof that is there, in the order in which the stock tools look.
    fn credentials(self, folders: &ContextFolders) -> Credentials {
        if !self.creds.is_empty() {
            Credentials::CredentialsFile(folders.expand(&self.creds))
        } else if !self.nkey.is_empty() {
            Credentials::NkeyFile(folders.expand(&self.nkey))
        } else if !self.user.is_empty() && self.password.is_empty() {
            Credentials::Token(self.user)
        } else if !self.user.is_empty() {
            Credentials::UserAndPassword {
                user: self.user,
                password: self.password,
            }
        } else if !self.token.is_empty() {
            Credentials::Token(self.token)
        } else {
            Credentials::None
        }
    }
}

impl ContextFolders {
    fn path_of(&self, context: &str) -> PathBuf {
        if context.contains('/') {
            self.expand(context)
        } else {
            self.settings
                .join("nats")
                .join("context")
                .join(format!("{context}.json"))
        }
    }

    fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => Path::new(path).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ContextError, ContextFolders};
    use crate::connection::{Credentials, Settings};

    fn read(context: &str) -> Settings {
        let home = tempfile::tempdir().unwrap();
        let folders = folders(home.path());
        let path = folders.settings.join("nats/context/here.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, context).unwrap();
        let named = Settings::from_context("here", &folders, "test").unwrap();
        let by_path =
            Settings::from_context("~/settings/nats/context/here.json", &folders, "test").unwrap();
        assert_eq!(
            (&named.servers, &named.credentials),
            (&by_path.servers, &by_path.credentials)
        );
        named
    }

    fn folders(home: &std::path::Path) -> ContextFolders {
        ContextFolders {
            home: home.to_owned(),
            settings: home.join("settings"),
        }
    }

    #[test]
    fn a_context_tells_servers_user_and_inbox() {
        let settings = read(
            r#"{"url": "nats://a:1, nats://b:2", "user": "alice", "password": "secret",
                "inbox_prefix": "_INBOX_alice", "description": "", "color_scheme": "x"}"#,
        );
        assert_eq!(settings.servers, ["nats://a:1", "nats://b:2"]);
        assert_eq!(settings.inbox_prefix.as_deref(), Some("_INBOX_alice"));
        let user = Credentials::UserAndPassword {
            user: "alice".to_owned(),
            password: "secret".to_owned(),
        };
        assert_eq!(settings.credentials, user);
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn an_empty_context_is_the_default_server() {
        let settings = read("{}");
        assert_eq!(settings.servers, ["nats://127.0.0.1:4222"]);
        assert_eq!(
            (settings.credentials, settings.inbox_prefix),
            (Credentials::None, None)
        );
    }

    #[test]
    fn files_with_credentials_are_named() {
        let file = |path: &str| std::path::PathBuf::from(path);
        let creds = read(r#"{"creds": "/a.creds", "user": "x", "password": "y"}"#).credentials;
        assert_eq!(creds, Credentials::CredentialsFile(file("/a.creds")));
        assert_eq!(
            read(r#"{"nkey": "/a.nk"}"#).credentials,
            Credentials::NkeyFile(file("/a.nk"))
        );
        assert_eq!(
            read(r#"{"token": "t"}"#).credentials,
            Credentials::Token("t".to_owned())
        );
    }

    #[test]
    fn what_is_no_context_is_told() {
        let home = tempfile::tempdir().unwrap();
        let folders = folders(home.path());
        let missing = Settings::from_context("missing", &folders, "test");
        assert!(matches!(missing, Err(ContextError::Unreadable { .. })));
        let path = home.path().join("bad.json");
        std::fs::write(&path, "url: here").unwrap();
        let bad = Settings::from_context(path.to_str().unwrap(), &folders, "test");
        assert!(matches!(bad, Err(ContextError::Malformed { .. })));
    }
}
