//! The gateway as a process of its own.

use clap::Parser;
use nogfso_gateway::config::Arguments;
use nogfso_host::settings::completed;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse_from(completed("NOGFSO_GATEWAY", std::env::args_os())?);
    nogfso_host::logging::start(&arguments.log, arguments.log_format())?;
    nogfso_gateway::wiring::run(arguments).await
}
