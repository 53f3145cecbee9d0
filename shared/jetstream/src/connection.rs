//! The connection: who we are, which servers are good enough, and what becomes of it while they come and go.
//!
//! It reconnects for ever; what to do meanwhile is left to the callers, who are told at once that nobody is connected.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::version::{NotAVersion, SERVER_VERSION_MIN, ServerVersion};

const PING_INTERVAL: Duration = Duration::from_secs(10);
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_CONNECT_PAUSE: Duration = Duration::from_millis(250);
const RECONNECT_PAUSE_MS_MIN: u64 = 50;
const RECONNECT_PAUSE_MS_MAX: u64 = 1_000;
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// How to reach the servers, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses such as `nats://127.0.0.1:4222`; any of them will do.
    pub servers: Vec<String>,
    /// The proof of who we are.
    pub credentials: Credentials,
    /// Where replies to us arrive; users that may only subscribe to a prefix of their own need it.
    pub inbox_prefix: Option<String>,
    /// The name by which the server shows the connection.
    pub name: String,
    /// How long the first connect is tried.
    pub patience: Duration,
}

impl Settings {
    /// Settings for one server without credentials, tried for ten seconds.
    #[must_use]
    pub fn new(server: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            servers: vec![server.into()],
            credentials: Credentials::None,
            inbox_prefix: None,
            name: name.into(),
            patience: Duration::from_secs(10),
        }
    }
}

/// The proof of who we are. Secrets do not show in its debug form.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// No proof, or one that stands in the server's address.
    #[default]
    None,
    /// A name and a password.
    UserAndPassword {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of an NKey.
    NkeySeed(String),
    /// A file with the seed of an NKey.
    NkeyFile(PathBuf),
    /// A credentials file: a JWT and the seed that belongs to it.
    CredentialsFile(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::UserAndPassword { user, .. } => write!(f, "UserAndPassword({user:?})"),
            Self::Token(_) => f.write_str("Token"),
            Self::NkeySeed(_) => f.write_str("NkeySeed"),
            Self::NkeyFile(path) => write!(f, "NkeyFile({})", path.display()),
            Self::CredentialsFile(path) => write!(f, "CredentialsFile({})", path.display()),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server answered in time.
    #[error("no NATS server at {servers}")]
    Unreachable {
        /// Which were tried.
        servers: String,
        /// What the last try gave.
        source: async_nats::ConnectError,
    },
    /// The server does not take our credentials.
    #[error("the NATS server at {servers} refused the credentials")]
    Unauthorised {
        /// Which were tried.
        servers: String,
        /// What the server said.
        source: async_nats::ConnectError,
    },
    /// A file with credentials cannot be read.
    #[error("cannot read the credentials in {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server is older than what is safe.
    #[error(
        "the NATS server has version {found}, but {wanted} or newer is needed: upgrade it, or connect to another"
    )]
    TooOld {
        /// Its version.
        found: ServerVersion,
        /// The oldest that is used.
        wanted: ServerVersion,
    },
    /// The server does not tell a version.
    #[error(
        "the NATS server tells no version that can be understood: upgrade it, or connect to another"
    )]
    UnknownVersion(#[source] NotAVersion),
}

/// A connection to the servers. A clone is the same connection.
#[derive(Debug, Clone)]
pub struct Connection {
    client: Client,
    /// Counts how often we were connected.
    connects: watch::Receiver<u64>,
    is_closed: watch::Receiver<bool>,
    version: ServerVersion,
}

impl Connection {
    /// Connects, and checks that the server is new enough. From then on it reconnects for ever.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; credentials that the server refuses are not tried again.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        let (connects_sender, connects) = watch::channel(0);
        let (closed_sender, is_closed) = watch::channel(false);
        let options = options(settings).await?.event_callback(move |event| {
            heard(&event, &connects_sender, &closed_sender);
            std::future::ready(())
        });
        let client = first_connect(settings, &options).await?;
        let version: ServerVersion = client
            .server_info()
            .version
            .parse()
            .map_err(ConnectError::UnknownVersion)?;
        if version < SERVER_VERSION_MIN {
            return Err(ConnectError::TooOld {
                found: version,
                wanted: SERVER_VERSION_MIN,
            });
        }
        Ok(Self {
            client,
            connects,
            is_closed,
            version,
        })
    }

    /// Whether a server is connected at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        // The client goes on to say that it is connected when it has closed.
        !self.is_closed() && self.client.connection_state() == State::Connected
    }

    /// The version of the server that was connected first.
    #[must_use]
    pub fn server_version(&self) -> ServerVersion {
        self.version
    }

    /// Sends what is in hand, ends all subscriptions after what they have received, and closes. Waits until it is closed,
    /// at most ten seconds; harmless when it is closed already.
    pub async fn close(&self) {
        let mut is_closed = self.is_closed.clone();
        if self.client.drain().await.is_err() {
            return;
        }
        match timeout(CLOSE_PATIENCE, is_closed.wait_for(|closed| *closed)).await {
            Ok(_) => {}
            Err(_) => {
                tracing::warn!(patience = ?CLOSE_PATIENCE, "the NATS connection did not close in time")
            }
        }
    }

    /// Whether it was closed, for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.is_closed.borrow()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Changes whenever a server is connected, so that what the server has forgotten is asked for again.
    pub(crate) fn connects(&self) -> watch::Receiver<u64> {
        self.connects.clone()
    }
}

async fn options(settings: &Settings) -> Result<ConnectOptions, ConnectError> {
    let mut options = ConnectOptions::new()
        .name(&settings.name)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(HANDSHAKE_PATIENCE)
        .subscription_capacity(nogfso_bus::SUBSCRIPTION_MESSAGES_MAX)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            let doubled = RECONNECT_PAUSE_MS_MIN << attempt.min(10);
            Duration::from_millis(doubled.min(RECONNECT_PAUSE_MS_MAX))
        });
    if let Some(prefix) = &settings.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    Ok(match &settings.credentials {
        Credentials::None => options,
        Credentials::UserAndPassword { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::NkeySeed(seed) => options.nkey(seed.clone()),
        Credentials::NkeyFile(path) => options.nkey(seed_in(path).await?),
        Credentials::CredentialsFile(path) => {
            options
                .credentials_file(path)
                .await
                .map_err(|source| ConnectError::Credentials {
                    path: path.clone(),
                    source,
                })?
        }
    })
}

/// The first line of the file that looks like a seed; the file may hold comments and decoration.
async fn seed_in(path: &PathBuf) -> Result<String, ConnectError> {
    let unreadable = |source| ConnectError::Credentials {
        path: path.clone(),
        source,
    };
    let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
    let seed = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("SU") && line.len() > 50);
    let missing =
        || std::io::Error::new(std::io::ErrorKind::InvalidData, "no seed of a user in it");
    seed.map(str::to_owned).ok_or_else(|| unreadable(missing()))
}

async fn first_connect(
    settings: &Settings,
    options: &ConnectOptions,
) -> Result<Client, ConnectError> {
    let deadline = Instant::now() + settings.patience;
    let servers = settings.servers.join(", ");
    loop {
        let source = match options.clone().connect(settings.servers.as_slice()).await {
            Ok(client) => return Ok(client),
            Err(source) => source,
        };
        match source.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                return Err(ConnectError::Unauthorised { servers, source });
            }
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Tls
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => {}
        }
        if Instant::now() + FIRST_CONNECT_PAUSE >= deadline {
            return Err(ConnectError::Unreachable { servers, source });
        }
        sleep(FIRST_CONNECT_PAUSE).await;
    }
}

fn heard(event: &Event, connects: &watch::Sender<u64>, is_closed: &watch::Sender<bool>) {
    match event {
        Event::Connected => {
            connects.send_modify(|connects| *connects += 1);
            tracing::info!("connected to NATS");
        }
        Event::Disconnected => tracing::warn!("disconnected from NATS"),
        Event::LameDuckMode => tracing::warn!("the NATS server is about to stop"),
        Event::Draining => tracing::debug!("the NATS connection is being drained"),
        Event::Closed => {
            is_closed.send_replace(true);
            tracing::info!("the NATS connection is closed");
        }
        Event::SlowConsumer(subscription) => {
            tracing::warn!(
                subscription,
                "messages were lost: a subscription is read too slowly"
            );
        }
        Event::ServerError(error) => tracing::warn!(%error, "the NATS server complains"),
        Event::ClientError(error) => tracing::warn!(%error, "the NATS connection has an error"),
    }
}
