//! Every setting of the gateway, with unit, default and limits; the sole reader of the environment.

use std::path::PathBuf;

use clap::Parser;
use nogfso_host::logging::Format;
use nogfso_jetstream::ServerArguments;

/// How many requests a gateway has in hand by default.
const IN_HAND_DEFAULT: usize = 1_024;
/// How many of them may be of one caller by default.
const IN_HAND_OF_ONE_DEFAULT: usize = 256;

/// Takes commands and queries over NATS.
#[derive(Debug, Clone, Parser)]
#[command(name = "nogfsogwd", version, about)]
pub struct Arguments {
    /// TOML file with settings: the names of these options, `_` for `-`. Command line and environment win over it.
    #[arg(long = "settings", value_name = "FILE")]
    pub settings_file: Option<PathBuf>,
    /// Where the NATS server is.
    #[command(flatten)]
    pub server: ServerArguments,
    /// What is logged: a list like `info,nogfso_gateway=debug`.
    #[arg(
        long,
        env = "NOGFSO_GATEWAY_LOG",
        default_value = "info,async_nats=warn"
    )]
    pub log: String,
    /// Log lines as JSON objects.
    #[arg(long, env = "NOGFSO_GATEWAY_LOG_JSON")]
    pub log_json: bool,
    /// What it decides by.
    #[command(flatten)]
    pub settings: Settings,
}

/// What a gateway decides by.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The account whose users the broker names in requests; a request that the broker stamped otherwise is denied.
    #[arg(long, env = "NOGFSO_GATEWAY_USERS_ACCOUNT", default_value = "USERS")]
    pub users_account: String,
    /// Takes requests without the broker's stamp as coming from this user. For a server without accounts, where everybody who
    /// can connect may do everything.
    #[arg(long, env = "NOGFSO_GATEWAY_UNSTAMPED_USER")]
    pub unstamped_user: Option<String>,
    /// Requests in hand at a time, 1 to 100000; more are answered `busy`.
    #[arg(long, env = "NOGFSO_GATEWAY_IN_HAND_MAX", default_value_t = IN_HAND_DEFAULT, value_parser = in_hand)]
    pub in_hand_max: usize,
    /// Requests in hand at a time for one caller, 1 to 100000; more are answered `busy`.
    #[arg(long, env = "NOGFSO_GATEWAY_IN_HAND_OF_ONE_MAX", default_value_t = IN_HAND_OF_ONE_DEFAULT, value_parser = in_hand)]
    pub in_hand_of_one_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            users_account: "USERS".to_owned(),
            unstamped_user: None,
            in_hand_max: IN_HAND_DEFAULT,
            in_hand_of_one_max: IN_HAND_OF_ONE_DEFAULT,
        }
    }
}

impl Arguments {
    /// How log lines look.
    #[must_use]
    pub fn log_format(&self) -> Format {
        if self.log_json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

fn in_hand(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=100_000) => Ok(count),
        Ok(_) | Err(_) => Err("allowed are 1 to 100000".to_owned()),
    }
}
