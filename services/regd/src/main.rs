//! The reactions as a process of its own.

use clap::Parser;
use nogfso_host::settings::completed;
use nogfso_regd::config::Arguments;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse_from(completed("NOGFSO_REGD", std::env::args_os())?);
    nogfso_host::logging::start(&arguments.log, arguments.log_format())?;
    nogfso_regd::wiring::run(arguments).await
}
