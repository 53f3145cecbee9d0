//! The commands: each turns its arguments into calls, and shows what comes back.

pub(crate) mod clear_error;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod outcome;
pub(crate) mod parked;
pub(crate) mod request;
pub(crate) mod stat;

use clap::CommandFactory;
use clap_complete::Shell;
use nogfso_contract::Page;
use nogfso_contract::query::{GetRegistry, GetRepos, GetWorkers};
use nogfso_contract::{Code, Failure};
use nogfso_ids::RepoId;

use crate::arguments::{Arguments, Command, RepoName, RepoTarget};
use crate::console::Console;
use crate::gateway::Gateway;
use crate::trouble::Trouble;

/// What every command needs.
pub(crate) struct Ctl<'a> {
    /// Whom to ask.
    pub(crate) gateway: Gateway,
    /// Where to show it.
    pub(crate) console: &'a mut Console,
}

/// Carries `command` out.
pub(crate) async fn run(command: Command, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    match command {
        Command::Init(command) => init::run(command, ctl).await,
        Command::Get(command) => get::run(command, ctl).await,
        Command::Info { registry } => {
            let answer = ctl.gateway.ask(&GetRegistry { registry }).await?;
            ctl.console.answer(&answer)
        }
        Command::Stat(arguments) => stat::run(arguments, ctl).await,
        Command::ClearError(arguments) => clear_error::run(arguments, ctl).await,
        Command::Request(command) => request::run(command, ctl).await,
        Command::Outcome(arguments) => outcome::run(arguments, ctl).await,
        Command::Events(command) => events::run(command, ctl).await,
        Command::Workers { host } => {
            let answer = ctl.gateway.ask(&GetWorkers { host }).await?;
            ctl.console.answer(&answer)
        }
        Command::Parked { command } => parked::run(command, ctl).await,
        Command::Completion { shell } => completion(shell, ctl.console),
    }
}

/// Prints the completion script of `shell`.
pub(crate) fn completion(shell: Shell, console: &mut Console) -> Result<(), Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "nogfsoctl", &mut script);
    console.write(&String::from_utf8_lossy(&script))
}

/// The id of the repo that is meant; one that is named by its path is looked up.
async fn resolve(gateway: &Gateway, target: RepoTarget) -> Result<RepoId, Trouble> {
    let path = match target.repo {
        RepoName::Id(repo) => return Ok(repo),
        RepoName::Path(path) => path,
    };
    let Some(registry) = target.registry else {
        let reason = format!("{path} is looked up in a registry: name it with --registry");
        return Err(Trouble::Usage(reason));
    };
    let missing = format!("there is no repo at {path} in registry {registry}");
    let call = GetRepos {
        registry,
        global_path_prefix: Some(path.clone()),
        after: None,
        limit: Page::default(),
    };
    // Paths are ordered, so that the repo at the path itself is on the first page of those at or below it.
    let page = gateway.ask(&call).await?.value;
    let found = page.repos.into_iter().find(|repo| repo.global_path == path);
    found
        .map(|repo| repo.id)
        .ok_or_else(|| Trouble::Answered(Box::new(Failure::new(Code::NotFound, missing))))
}
