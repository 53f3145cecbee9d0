//! Every setting of regd, with unit, default and limits; the sole reader of the environment.

use std::path::PathBuf;

use clap::Parser;
use nogfso_host::logging::Format;
use nogfso_jetstream::ServerArguments;

const ACK_WAIT_MS_DEFAULT: u64 = 30_000;
const CONCURRENT_DEFAULT: usize = 16;
const SWEEP_EVERY_MS_DEFAULT: u64 = 30_000;
const SWEEP_AFTER_MS_DEFAULT: u64 = 60_000;
const PURGE_EVERY_MS_DEFAULT: u64 = 60 * 60 * 1_000;
const PURGE_AFTER_MS_DEFAULT: u64 = 24 * 60 * 60 * 1_000;

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
    /// How often lanes are swept for work that no delivery will bring to a worker any more, in milliseconds; 100 to 3600000.
    #[arg(long, env = "NOGFSO_REGD_SWEEP_EVERY_MS", default_value_t = SWEEP_EVERY_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub sweep_every_ms: u64,
    /// How long a lane must have stayed as it is to be swept, in milliseconds; more than the ack wait of the workers; 100 to
    /// 3600000.
    #[arg(long, env = "NOGFSO_REGD_SWEEP_AFTER_MS", default_value_t = SWEEP_AFTER_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub sweep_after_ms: u64,
    /// How often the histories of lanes are compacted, in milliseconds; 1000 to 86400000.
    #[arg(long, env = "NOGFSO_REGD_PURGE_EVERY_MS", default_value_t = PURGE_EVERY_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1_000..=86_400_000))]
    pub purge_every_ms: u64,
    /// How old the history of a lane must be before it may be purged, in milliseconds; 1000 to 31536000000, a year.
    #[arg(long, env = "NOGFSO_REGD_PURGE_AFTER_MS", default_value_t = PURGE_AFTER_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1_000..=31_536_000_000))]
    pub purge_after_ms: u64,
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
            sweep_every_ms: SWEEP_EVERY_MS_DEFAULT,
            sweep_after_ms: SWEEP_AFTER_MS_DEFAULT,
            purge_every_ms: PURGE_EVERY_MS_DEFAULT,
            purge_after_ms: PURGE_AFTER_MS_DEFAULT,
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
