//! `request`: looks at, waits for, or takes back a request for work.

use clap::{Args, Subcommand};
use nogfso_contract::command::CancelRequest;
use nogfso_contract::query::GetRequest;
use nogfso_ids::RequestId;

use crate::arguments::{NameOptions, RepoTarget, WaitOptions};
use crate::commands::{Ctl, resolve};
use crate::meter::Meter;
use crate::trouble::Trouble;
use crate::waiting::{attended, request_ended, succeeded};

/// What is to be done with a request.
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Show where it stands; with --wait, how it ended. The exit status tells a failed one.
    Get {
        #[command(flatten)]
        request: RequestTarget,
        #[command(flatten)]
        wait: WaitOptions,
    },
    /// Take it back; one that runs ends at the next directory, one that had ended stays ended.
    Cancel {
        #[command(flatten)]
        request: RequestTarget,
        #[command(flatten)]
        name: NameOptions,
    },
}

/// Names a request.
#[derive(Debug, Args)]
pub struct RequestTarget {
    #[command(flatten)]
    target: RepoTarget,
    /// The request, as the command that made it showed it.
    #[arg(value_name = "REQUEST")]
    request: RequestId,
}

pub(super) async fn run(command: RequestCommand, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    match command {
        RequestCommand::Get { request, wait } => get(request, wait, ctl).await,
        RequestCommand::Cancel {
            request: RequestTarget { target, request },
            name,
        } => {
            let repo = resolve(&ctl.gateway, target).await?;
            let call = CancelRequest {
                repo,
                request,
                command_id: name.command_id,
            };
            let answer = ctl.gateway.ask(&call).await?;
            ctl.console.answer(&answer)
        }
    }
}

async fn get(
    RequestTarget { target, request }: RequestTarget,
    wait: WaitOptions,
    ctl: &mut Ctl<'_>,
) -> Result<(), Trouble> {
    let repo = resolve(&ctl.gateway, target).await?;
    let now = ctl
        .gateway
        .ask(&GetRequest {
            repo,
            request,
            wait: None,
        })
        .await?;
    let Some(wait) = wait.wait.filter(|_| !now.value.state.is_final()) else {
        ctl.console.answer(&now)?;
        return succeeded(repo, &now.value);
    };
    let operation = now.value.operation;
    let mut meter = Meter::begin(&ctl.gateway, ctl.console, repo, operation).await;
    let work = request_ended(&ctl.gateway, repo, request, wait.duration());
    let reattach = format!("request get --wait {repo} {request}");
    let info = attended(ctl.console, &mut meter, reattach, work).await?;
    ctl.console.composed(&info)?;
    succeeded(repo, &info)
}
