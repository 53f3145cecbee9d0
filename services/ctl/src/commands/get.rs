//! `get`: lists and single things.

use clap::Subcommand;
use nogfso_contract::Page;
use nogfso_contract::query::{GetRegistries, GetRepo, GetRepos, GetRoot, GetRoots, RepoList};
use nogfso_ids::{GlobalPath, RegistryName};

use crate::arguments::RepoTarget;
use crate::commands::{Ctl, resolve};
use crate::trouble::Trouble;

/// How many pages of a list are asked for at most; far more than a registry can hold.
const PAGES_MAX: usize = 10_000;

/// What is to be seen.
#[derive(Debug, Subcommand)]
pub enum GetCommand {
    /// List the registries.
    Registries,
    /// List the roots of a registry.
    Roots {
        /// The registry.
        registry: RegistryName,
    },
    /// Show one root.
    Root {
        /// The registry.
        registry: RegistryName,
        /// The global path of the root.
        root: GlobalPath,
    },
    /// List the repos of a registry.
    Repos {
        /// Only those at or below this path.
        #[arg(long, value_name = "PATH")]
        global_path_prefix: Option<GlobalPath>,
        /// The registry.
        registry: RegistryName,
    },
    /// Show a repo, its stored errors, and the work on it.
    Repo(RepoTarget),
}

pub(super) async fn run(command: GetCommand, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    match command {
        GetCommand::Registries => {
            let answer = ctl.gateway.ask(&GetRegistries {}).await?;
            ctl.console.answer(&answer)
        }
        GetCommand::Roots { registry } => {
            let answer = ctl.gateway.ask(&GetRoots { registry }).await?;
            ctl.console.answer(&answer)
        }
        GetCommand::Root { registry, root } => {
            let answer = ctl
                .gateway
                .ask(&GetRoot {
                    registry,
                    global_root: root,
                })
                .await?;
            ctl.console.answer(&answer)
        }
        GetCommand::Repos {
            global_path_prefix,
            registry,
        } => repos(registry, global_path_prefix, ctl).await,
        GetCommand::Repo(target) => {
            let repo = resolve(&ctl.gateway, target).await?;
            let answer = ctl.gateway.ask(&GetRepo { repo }).await?;
            ctl.console.answer(&answer)
        }
    }
}

/// Shows all pages as one list. The version is that of the first page.
async fn repos(
    registry: RegistryName,
    global_path_prefix: Option<GlobalPath>,
    ctl: &mut Ctl<'_>,
) -> Result<(), Trouble> {
    let mut call = GetRepos {
        registry,
        global_path_prefix,
        after: None,
        limit: Page::default(),
    };
    let mut list: RepoList = ctl.gateway.ask(&call).await?.value;
    for _page in 1..PAGES_MAX {
        call.after = list.next.take();
        if call.after.is_none() {
            break;
        }
        let page = ctl.gateway.ask(&call).await?.value;
        list.repos.extend(page.repos);
        list.next = page.next;
    }
    ctl.console.composed(&list)
}
