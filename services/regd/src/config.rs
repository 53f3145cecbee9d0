//! Every setting of regd, with unit, default and limits; the sole reader of the environment.

use std::path::PathBuf;

use clap::Parser;
use nogfso_host::logging::Format;
use nogfso_jetstream::ServerArguments;

const ACK_WAIT_MS_DEFAULT: u64 = 30_000;
const CONCURRENT_DEFAULT: usize = 16;

/// Carries facts from one aggregate to the next.
#[derive(Debug, Clone, Parser)]
#[command(name = "nogfsoregd", version, about)]
pub struct Arguments {
    /// TOML file with settings: the names of these options, `_` for `-`. Command line and environment win over it.
    #[arg(long = "settings", value_name = "FILE")]
    pub settings_file: Option<PathBuf>,
    /// Where the NATS server is.
    #[command(flatten)]
    pub server: ServerArguments,
    /// What is logged: a list like `info,nogfso_regd=debug`.
    #[arg(long, env = "NOGFSO_REGD_LOG", default_value = "info,async_nats=warn")]
    pub log: String,
    /// Log lines as JSON objects.
    #[arg(long, env = "NOGFSO_REGD_LOG_JSON")]
    pub log_json: bool,
    /// How it works.
    #[command(flatten)]
    pub settings: Settings,
}

/// How regd works.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// How long one look at an aggregate may take before another instance looks, in milliseconds; 1000 to 600000.
    #[arg(long, env = "NOGFSO_REGD_ACK_WAIT_MS", default_value_t = ACK_WAIT_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1_000..=600_000))]
    pub ack_wait_ms: u64,
    /// How many aggregates each reaction looks at at a time; 1 to 1000.
    #[arg(long, env = "NOGFSO_REGD_CONCURRENT_MAX", default_value_t = CONCURRENT_DEFAULT, value_parser = concurrent)]
    pub concurrent_max: usize,
}

fn concurrent(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000) => Ok(count),
        Ok(_) | Err(_) => Err("allowed are 1 to 1000".to_owned()),
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ack_wait_ms: ACK_WAIT_MS_DEFAULT,
            concurrent_max: CONCURRENT_DEFAULT,
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
