//! The worker of one file host as a process of its own.

use std::time::Duration;

use clap::Parser;
use nogfso_host::settings::completed;
use nogfso_stad::config::Arguments;

/// How long a thread that hangs in the file system may hold up the end of the process.
const THREADS_LIMIT: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse_from(completed("NOGFSO_STAD", std::env::args_os())?);
    nogfso_host::logging::start(&arguments.log, arguments.log_format())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(nogfso_stad::wiring::run(arguments));
    runtime.shutdown_timeout(THREADS_LIMIT);
    ended
}
