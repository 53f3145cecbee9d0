//! `outcome`: what became of a command that carried an id.

use clap::Args;
use nogfso_contract::query::GetOutcome;
use nogfso_ids::{CommandId, RegistryName, RepoId};

use crate::commands::Ctl;
use crate::trouble::Trouble;

/// Names the command. Without --registry and --repo, it is one that began a registry.
#[derive(Debug, Args)]
pub struct OutcomeArgs {
    /// The id that the command carried.
    command_id: CommandId,
    /// The registry that the command was about.
    #[arg(long)]
    registry: Option<RegistryName>,
    /// The id of the repo that the command was about.
    #[arg(long, conflicts_with = "registry")]
    repo: Option<RepoId>,
}

pub(super) async fn run(arguments: OutcomeArgs, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    let OutcomeArgs {
        command_id,
        registry,
        repo,
    } = arguments;
    let answer = ctl
        .gateway
        .ask(&GetOutcome {
            command_id,
            registry,
            repo,
        })
        .await?;
    ctl.console.answer(&answer)
}
