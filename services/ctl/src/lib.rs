//! The operator's command line: asks the gateway, shows what it answers, waits for what takes time.
//!
//! It decides nothing about registries and repos. What it does decide: how an answer reads, how a failure maps to an exit
//! status and to what to do next, and that a wait or a watch outlives the gateway that it asks.

pub mod arguments;
mod camel;
mod commands;
mod connect;
pub mod console;
pub mod exit;
mod gateway;
mod meter;
mod render;
mod trouble;
mod waiting;

#[cfg(test)]
mod tests;

use crate::arguments::{Arguments, Command};
use crate::commands::Ctl;
use crate::console::Console;
use crate::exit::Exit;
use crate::gateway::Gateway;
use crate::trouble::Trouble;

/// Carries out one command line and says how the process is to end.
///
/// What was answered is on the standard output, everything else on the standard error.
pub async fn run(arguments: Arguments) -> Exit {
    let mut console = Console::standard(arguments.options.output);
    let outcome = if let Command::Completion { shell } = arguments.command {
        commands::completion(shell, &mut console)
    } else {
        connected(arguments.command, &arguments.options, &mut console).await
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(trouble) => {
            console.tell(&trouble);
            trouble.exit()
        }
    }
}

async fn connected(
    command: Command,
    options: &arguments::Options,
    console: &mut Console,
) -> Result<(), Trouble> {
    let bus = connect::bus(&options.connection, options.timeout.duration()).await?;
    let gateway = Gateway::new(bus, options.timeout.duration());
    commands::run(command, &mut Ctl { gateway, console }).await
}
