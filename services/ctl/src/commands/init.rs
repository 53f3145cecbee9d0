//! `init`: registries, roots, repos.

use std::time::Duration;

use clap::Subcommand;
use nogfso_contract::Wait;
use nogfso_contract::command::{InitRegistry, InitRepo, InitRoot, RepoAccepted};
use nogfso_domain::operation::Operation;
use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName, RepoId};

use crate::arguments::{NameOptions, VidOptions, WaitOptions};
use crate::commands::Ctl;
use crate::meter::Meter;
use crate::trouble::Trouble;
use crate::waiting::{attended, shadow_made};

/// How long a gateway waits for a registry if nobody says.
const REGISTRY_WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// What is begun.
#[derive(Debug, Subcommand)]
pub enum InitCommand {
    /// Begin a registry. Harmless when repeated.
    Registry {
        /// Its name.
        registry: RegistryName,
        #[command(flatten)]
        vid: VidOptions,
        #[command(flatten)]
        name: NameOptions,
        #[command(flatten)]
        wait: WaitOptions,
    },
    /// Add a root: a directory of a file host that appears under a global path. Harmless when repeated.
    Root {
        /// The file host.
        #[arg(long)]
        host: Host,
        /// Where GitLab projects of its repos are to be made.
        #[arg(long, value_name = "HOST/GROUP")]
        gitlab_namespace: Option<String>,
        /// The registry.
        registry: RegistryName,
        /// The global path.
        root: GlobalPath,
        /// The directory on the host; the global path if absent.
        host_root: Option<HostPath>,
        #[command(flatten)]
        vid: VidOptions,
        #[command(flatten)]
        name: NameOptions,
    },
    /// Adopt a directory as a repo. Harmless when repeated by the same author.
    Repo(RepoArgs),
}

/// A repo to be.
#[derive(Debug, clap::Args)]
pub struct RepoArgs {
    /// Who is named as its creator: `Name <email>`.
    #[arg(long)]
    author: Author,
    /// The id it is to have; made by the gateway if absent.
    #[arg(long)]
    uuid: Option<RepoId>,
    /// The registry.
    registry: RegistryName,
    /// Where it is: a global path below a root.
    path: GlobalPath,
    #[command(flatten)]
    vid: VidOptions,
    #[command(flatten)]
    name: NameOptions,
    #[command(flatten)]
    wait: WaitOptions,
}

pub(super) async fn run(command: InitCommand, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    match command {
        InitCommand::Registry {
            registry,
            vid,
            name,
            wait,
        } => {
            let (vid, command_id, wait) = (vid.vid(), name.command_id, wait.wait);
            let call = InitRegistry {
                name: registry,
                vid,
                command_id,
                wait,
            };
            let held_back = wait.map_or(REGISTRY_WAIT_DEFAULT, Wait::duration);
            let patience = ctl.gateway.timeout() + held_back;
            let answer = ctl.gateway.ask_within(&call, patience).await?;
            ctl.console.answer(&answer)
        }
        InitCommand::Root {
            host,
            gitlab_namespace,
            registry,
            root,
            host_root,
            vid,
            name,
        } => {
            let call = InitRoot {
                registry,
                global_root: root,
                host,
                host_root,
                gitlab_namespace,
                vid: vid.vid(),
                command_id: name.command_id,
            };
            let answer = ctl.gateway.ask(&call).await?;
            ctl.console.answer(&answer)
        }
        InitCommand::Repo(arguments) => repo(arguments, ctl).await,
    }
}

async fn repo(arguments: RepoArgs, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    let call = InitRepo {
        registry: arguments.registry,
        global_path: arguments.path,
        author: arguments.author,
        repo: arguments.uuid,
        vid: arguments.vid.vid(),
        command_id: arguments.name.command_id,
        wait: None,
    };
    let accepted = ctl.gateway.ask(&call).await?;
    let Some(wait) = arguments.wait.wait else {
        return ctl.console.answer(&accepted);
    };
    let repo = accepted.value.repo;
    let mut meter = Meter::begin(&ctl.gateway, ctl.console, repo, Operation::Init).await;
    let work = shadow_made(&ctl.gateway, repo, wait.duration());
    let made = attended(ctl.console, &mut meter, format!("get repo {repo}"), work).await;
    if made.is_err() {
        ctl.console.remark(&format!("repo: {repo}"));
    }
    ctl.console.composed(&RepoAccepted {
        shadow: Some(made?),
        ..accepted.value
    })
}
