//! `nogfso`: all of nogfso in one process.

use std::process::ExitCode;

use clap::Parser;

use nogfso::config::{Arguments, Command, UpArguments};
use nogfso::up;

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Up(arguments) = Arguments::parse().command;
    match run_up(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nogfso: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_up(arguments: UpArguments) -> anyhow::Result<()> {
    nogfso_host::logging::start(&arguments.log, arguments.log_format())?;
    let settings = arguments.check()?;
    Ok(up::run(&settings, &mut std::io::stdout()).await?)
}
