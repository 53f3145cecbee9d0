//! `clear-error`: takes a stored error away, so that work goes on.

use clap::Args;
use nogfso_contract::command::ClearError;
use nogfso_domain::operation::Operation;

use crate::arguments::{NameOptions, RepoTarget, VidOptions};
use crate::commands::{Ctl, resolve};
use crate::trouble::Trouble;

/// Which error is to go.
#[derive(Debug, Args)]
#[group(skip)]
pub struct ClearErrorArgs {
    #[command(flatten)]
    target: RepoTarget,
    /// The exact text of the error, as `get repo` shows it.
    #[arg(value_name = "ERRMSG", required_unless_present = "operation")]
    message: Option<String>,
    /// The operation whose error is to go, like init or stat.
    #[arg(long, value_parser = operation, conflicts_with = "message")]
    operation: Option<Operation>,
    #[command(flatten)]
    vid: VidOptions,
    #[command(flatten)]
    name: NameOptions,
}

pub(super) async fn run(arguments: ClearErrorArgs, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    let call = ClearError {
        repo: resolve(&ctl.gateway, arguments.target).await?,
        operation: arguments.operation,
        error_message: arguments.message,
        vid: arguments.vid.vid(),
        command_id: arguments.name.command_id,
    };
    let answer = ctl.gateway.ask(&call).await?;
    ctl.console.answer(&answer)
}

fn operation(name: &str) -> Result<Operation, String> {
    Operation::from_name(name).ok_or_else(|| {
        let known = Operation::ALL.map(Operation::as_str).join(", ");
        format!("operations are {known}")
    })
}
