//! The command-line arguments by which every service is told where its server is.

use std::path::PathBuf;

use crate::connection::{Connection, Credentials, Settings};
use crate::context::{ContextError, ContextFolders};
use crate::log::Replicas;

/// Where the NATS server is, and as whom a service connects.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArguments {
    /// NATS server, like nats://127.0.0.1:4222; several are separated by commas.
    #[arg(
        long,
        env = "NOGFSO_SERVER",
        value_delimiter = ',',
        default_value = "nats://127.0.0.1:4222"
    )]
    pub server: Vec<String>,
    /// Context file of the nats command line, in place of --server, --user and --password.
    #[arg(long, env = "NOGFSO_CONTEXT", conflicts_with_all = ["user", "password"])]
    pub context: Option<PathBuf>,
    /// User of the account of the services.
    #[arg(long, env = "NOGFSO_USER", requires = "password")]
    pub user: Option<String>,
    /// Password of that user; better given by the environment.
    #[arg(long, env = "NOGFSO_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// On how many servers each message is stored: 1, 3 or 5.
    #[arg(long, env = "NOGFSO_REPLICAS", default_value = "1", value_parser = replicas)]
    pub replicas: u8,
}

fn replicas(text: &str) -> Result<u8, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("allowed are 1, 3 and 5".to_owned()),
    }
}

impl ServerArguments {
    /// Connects under `name`.
    ///
    /// # Errors
    ///
    /// See [`ContextError`].
    pub async fn connect(&self, name: &str) -> Result<Connection, ContextError> {
        let settings = match &self.context {
            Some(path) => {
                let folders = ContextFolders {
                    home: PathBuf::new(),
                    settings: PathBuf::new(),
                };
                Settings::from_context(&path_text(path), &folders, name)?
            }
            None => Settings {
                servers: self.server.clone(),
                credentials: self.credentials(),
                ..Settings::new("", name)
            },
        };
        Ok(Connection::connect(&settings).await?)
    }

    /// What the streams must have.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        Replicas(self.replicas)
    }

    fn credentials(&self) -> Credentials {
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => Credentials::UserAndPassword {
                user: user.clone(),
                password: password.clone(),
            },
            (Some(_) | None, _) => Credentials::None,
        }
    }
}

/// The path with a slash, which tells a file from the name of a context.
fn path_text(path: &std::path::Path) -> String {
    let text = path.to_string_lossy().into_owned();
    if text.contains('/') {
        text
    } else {
        format!("./{text}")
    }
}
