//! The gateway as a process of its own.

use clap::Parser;
use nogfso_gateway::config::Arguments;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    nogfso_host::logging::start(&arguments.log, arguments.log_format())?;
    nogfso_gateway::wiring::run(arguments).await
}
