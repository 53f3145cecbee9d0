//! `stat`: has the present state of a repo's files recorded.

use clap::Args;
use nogfso_contract::command::{Stat, StatAccepted};
use nogfso_domain::operation::Operation;
use nogfso_domain::work::MtimeRange;
use nogfso_ids::Author;

use crate::arguments::{NameOptions, RepoTarget, WaitOptions};
use crate::commands::{Ctl, resolve};
use crate::meter::Meter;
use crate::trouble::Trouble;
use crate::waiting::{attended, request_ended, succeeded};

/// What is to be recorded, and how.
#[derive(Debug, Args)]
pub struct StatArgs {
    /// Who is named as the author of the commit, `Name <email>`; the user who asks if absent.
    #[arg(long)]
    author: Option<Author>,
    /// Rewrite the record of the toplevel's range of times too.
    #[arg(long)]
    mtime_range: bool,
    /// Rewrite the record of the toplevel's range of times alone.
    #[arg(long, conflicts_with = "mtime_range")]
    mtime_range_only: bool,
    /// Confirm that the directory was emptied, or lies on another device, on purpose.
    #[arg(long)]
    confirm_emptied: bool,
    #[command(flatten)]
    target: RepoTarget,
    #[command(flatten)]
    name: NameOptions,
    #[command(flatten)]
    wait: WaitOptions,
}

impl StatArgs {
    fn mtime_range(&self) -> MtimeRange {
        if self.mtime_range_only {
            MtimeRange::Only
        } else if self.mtime_range {
            MtimeRange::Also
        } else {
            MtimeRange::No
        }
    }
}

pub(super) async fn run(arguments: StatArgs, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    let mtime_range = arguments.mtime_range();
    let repo = resolve(&ctl.gateway, arguments.target).await?;
    let call = Stat {
        repo,
        author: arguments.author,
        mtime_range,
        confirm_emptied: arguments.confirm_emptied,
        command_id: arguments.name.command_id,
        wait: None,
    };
    let Some(wait) = arguments.wait.wait else {
        let accepted = ctl.gateway.ask(&call).await?;
        return ctl.console.answer(&accepted);
    };
    let mut meter = Meter::begin(&ctl.gateway, ctl.console, repo, Operation::Stat).await;
    let accepted = ctl.gateway.ask(&call).await?.value;
    let request = accepted.request;
    let work = request_ended(&ctl.gateway, repo, request, wait.duration());
    let reattach = format!("request get --wait {repo} {request}");
    let info = attended(ctl.console, &mut meter, reattach, work).await?;
    let outcome = succeeded(repo, &info);
    ctl.console.composed(&StatAccepted {
        ended: Some(info),
        ..accepted
    })?;
    outcome
}
