//! The command line: its words, its options, and which of them the environment may give.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use nogfso_contract::{VidArg, Wait};
use nogfso_ids::{CommandId, GlobalPath, Host, RegistryName, RepoId};
use nogfso_kernel::Expected;

use crate::commands::clear_error::ClearErrorArgs;
use crate::commands::events::EventsCommand;
use crate::commands::get::GetCommand;
use crate::commands::init::InitCommand;
use crate::commands::outcome::OutcomeArgs;
use crate::commands::parked::ParkedCommand;
use crate::commands::request::RequestCommand;
use crate::commands::stat::StatArgs;
use crate::console::Format;
use crate::exit;

const CONNECTION: &str = "Connection";

/// Adopts directory trees as repos, has their state recorded, and shows what there is and what happens.
#[derive(Debug, Parser)]
#[command(name = "nogfsoctl", version, after_help = exit::HELP, max_term_width = 100)]
pub struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
    /// How.
    #[command(flatten)]
    pub options: Options,
}

/// The options of every command; they may stand anywhere.
#[derive(Debug, Args)]
pub struct Options {
    /// Where to connect, and as whom.
    #[command(flatten)]
    pub connection: ConnectionOptions,
    /// How long to wait for an answer; what --wait says comes on top.
    #[arg(long, global = true, value_name = "TIME", default_value = "10s")]
    pub timeout: Wait,
    /// How answers are shown: text for people, or the answer of the API as JSON.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
}

/// Where to connect, and as whom. The words are those of the `nats` command line.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionOptions {
    /// A NATS context: its name, or the path of its file. Goes before the options below.
    #[arg(long, global = true, value_name = "NAME_OR_PATH", env = "NATS_CONTEXT", help_heading = CONNECTION)]
    pub context: Option<String>,
    /// The NATS server, or several with commas between them [default: nats://127.0.0.1:4222].
    #[arg(long, global = true, value_name = "URL", env = "NATS_URL", help_heading = CONNECTION, hide_short_help = true)]
    pub server: Option<String>,
    /// The user's name, or a token if there is no password.
    #[arg(long, global = true, env = "NATS_USER", help_heading = CONNECTION, hide_short_help = true)]
    pub user: Option<String>,
    /// The user's password.
    #[arg(long, global = true, env = "NATS_PASSWORD", hide_env_values = true, help_heading = CONNECTION, hide_short_help = true)]
    pub password: Option<String>,
    /// The user's credentials file.
    #[arg(long, global = true, value_name = "FILE", env = "NATS_CREDS", help_heading = CONNECTION, hide_short_help = true)]
    pub creds: Option<PathBuf>,
    /// A file with the seed of the user's NKey.
    #[arg(long, global = true, value_name = "FILE", env = "NATS_NKEY", help_heading = CONNECTION, hide_short_help = true)]
    pub nkey: Option<PathBuf>,
    /// Where replies arrive; `_INBOX_<user>` if absent and --user is given.
    #[arg(long, global = true, value_name = "PREFIX", help_heading = CONNECTION, hide_short_help = true)]
    pub inbox_prefix: Option<String>,
    /// The home folder; contexts with a name lie below it.
    #[arg(long, global = true, env = "HOME", hide = true)]
    pub home: Option<PathBuf>,
    /// The settings folder, if it is not `.config` in the home folder.
    #[arg(long, global = true, env = "XDG_CONFIG_HOME", hide = true)]
    pub config_home: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a registry, add a root, adopt a directory as a repo.
    #[command(subcommand)]
    Init(InitCommand),
    /// List or show registries, roots and repos.
    #[command(subcommand)]
    Get(GetCommand),
    /// Show a registry in numbers.
    Info {
        /// The registry.
        registry: RegistryName,
    },
    /// Record the present names, sizes and times of a repo's files.
    Stat(StatArgs),
    /// Clear a stored error of a repo.
    ClearError(ClearErrorArgs),
    /// Show, wait for, or take back a request for work.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Tell what became of a command that carried a --command-id.
    Outcome(OutcomeArgs),
    /// List or watch what happened, one JSON object a line.
    #[command(subcommand)]
    Events(EventsCommand),
    /// List the workers that are there.
    Workers {
        /// Only those of this file host.
        #[arg(long)]
        host: Option<Host>,
    },
    /// List what could not be processed; try it again or skip it.
    Parked {
        /// What to do; lists if absent.
        #[command(subcommand)]
        command: Option<ParkedCommand>,
    },
    /// Print the completion script of a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// The version upon which a command is decided.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct VidOptions {
    /// Refuse unless this is the version: a ULID as an earlier answer gave it. If absent, a conflict is decided again.
    #[arg(long, value_name = "VID")]
    vid: Option<VidArg>,
    /// Do not compare versions; refuse on a conflict.
    #[arg(long, conflicts_with = "vid")]
    no_vid: bool,
}

/// Names a command.
#[derive(Debug, Clone, Default, Args)]
pub struct NameOptions {
    /// A name for this command, so that a repeat is known and `nogfsoctl outcome` can tell what became of it.
    #[arg(long, value_name = "ID")]
    pub command_id: Option<CommandId>,
}

/// Waiting for work.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct WaitOptions {
    /// Wait for the end of the work, at most so long, like 30s or 15m; an hour if no time is given.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1h")]
    pub wait: Option<Wait>,
}

/// Names a repo.
#[derive(Debug, Clone, Args)]
pub struct RepoTarget {
    /// The repo: its id, or its global path together with --registry.
    pub repo: RepoName,
    /// The registry in which the global path is looked up.
    #[arg(long)]
    pub registry: Option<RegistryName>,
}

/// How a repo is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoName {
    /// By its id.
    Id(RepoId),
    /// By where it is.
    Path(GlobalPath),
}

impl FromStr for RepoName {
    type Err = nogfso_ids::Malformed;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        if value.starts_with('/') {
            GlobalPath::parse(value).map(Self::Path)
        } else {
            RepoId::parse(value).map(Self::Id)
        }
    }
}

impl VidOptions {
    /// The version as the API has it; nothing means that a conflict is decided again.
    #[must_use]
    pub fn vid(self) -> Option<VidArg> {
        if self.no_vid {
            Some(VidArg(Expected::NoVc))
        } else {
            self.vid
        }
    }
}

impl Arguments {
    /// Reads a command line, with the environment for what it leaves out.
    ///
    /// # Errors
    ///
    /// Says what is wrong; a request for help or for the version is an error too, which ends the process with success.
    pub fn read<I, A>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString> + Clone,
    {
        let matches = Self::command().try_get_matches_from(words)?;
        let mut arguments = Self::from_arg_matches(&matches)?;
        let typed = |option| matches.value_source(option) == Some(ValueSource::CommandLine);
        // What was typed goes before what the environment says, whichever option it is.
        if typed("server") && !typed("context") {
            arguments.options.connection.context = None;
        }
        Ok(arguments)
    }
}
