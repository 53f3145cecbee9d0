//! From options to a connection. The only module that knows which broker there is.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_jetstream::{Connection, ContextFolders, Credentials, JetStreamBus, Settings};

use crate::arguments::ConnectionOptions;
use crate::trouble::Trouble;

const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";
const CONNECTION_NAME: &str = "nogfsoctl";

/// Connects, trying for at most `patience`.
pub(crate) async fn bus(
    options: &ConnectionOptions,
    patience: Duration,
) -> Result<Arc<dyn Bus>, Trouble> {
    let settings = Settings {
        patience,
        ..settings(options)?
    };
    let connection = Connection::connect(&settings)
        .await
        .map_err(|error| Trouble::NotConnected(with_causes(&error)))?;
    Ok(Arc::new(JetStreamBus::new(connection)))
}

fn settings(options: &ConnectionOptions) -> Result<Settings, Trouble> {
    if let Some(context) = &options.context {
        return Settings::from_context(context, &folders(options), CONNECTION_NAME)
            .map_err(|error| Trouble::Usage(with_causes(&error)));
    }
    let servers = options.server.as_deref().unwrap_or(DEFAULT_SERVER);
    let inbox_prefix = options.inbox_prefix.clone().or_else(|| {
        let user = options
            .user
            .as_ref()
            .filter(|_| options.password.is_some())?;
        Some(format!("_INBOX_{user}"))
    });
    Ok(Settings {
        servers: servers
            .split(',')
            .map(|server| server.trim().to_owned())
            .collect(),
        credentials: credentials(options),
        inbox_prefix,
        ..Settings::new(DEFAULT_SERVER, CONNECTION_NAME)
    })
}

fn folders(options: &ConnectionOptions) -> ContextFolders {
    let home = options.home.clone().unwrap_or_else(|| "/".into());
    let settings = options
        .config_home
        .clone()
        .unwrap_or_else(|| home.join(".config"));
    ContextFolders { home, settings }
}

fn credentials(options: &ConnectionOptions) -> Credentials {
    if let Some(file) = &options.creds {
        return Credentials::CredentialsFile(file.clone());
    }
    if let Some(file) = &options.nkey {
        return Credentials::NkeyFile(file.clone());
    }
    match (options.user.clone(), options.password.clone()) {
        (Some(user), Some(password)) => Credentials::UserAndPassword { user, password },
        (Some(token), None) => Credentials::Token(token),
        (None, Some(_) | None) => Credentials::None,
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use nogfso_jetstream::Credentials;

    use super::settings;
    use crate::arguments::ConnectionOptions;

    #[test]
    fn nothing_said_means_the_local_server() {
        let settings = settings(&ConnectionOptions::default()).unwrap();
        assert_eq!(settings.servers, ["nats://127.0.0.1:4222"]);
        assert_eq!(
            (settings.credentials, settings.inbox_prefix),
            (Credentials::None, None)
        );
    }

    #[test]
    fn a_user_has_an_inbox_of_its_own() {
        let options = ConnectionOptions {
            server: Some("nats://a:1, nats://b:2".to_owned()),
            user: Some("alice".to_owned()),
            password: Some("secret".to_owned()),
            ..ConnectionOptions::default()
        };
        let settings = settings(&options).unwrap();
        assert_eq!(settings.servers, ["nats://a:1", "nats://b:2"]);
        assert_eq!(settings.inbox_prefix.as_deref(), Some("_INBOX_alice"));
    }

    #[test]
    fn an_unknown_context_is_a_fault_of_the_command_line() {
        let options = ConnectionOptions {
            context: Some("no-such-context".to_owned()),
            home: Some("/nonexistent".into()),
            ..ConnectionOptions::default()
        };
        let trouble = settings(&options).unwrap_err();
        assert_eq!(trouble.exit(), crate::exit::Exit::Usage);
        assert!(
            trouble.to_string().contains("no-such-context.json"),
            "{trouble}"
        );
    }
}
