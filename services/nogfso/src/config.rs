//! The settings of `nogfso`: the command line, and the environment where an option says so.
//!
//! Decides what a setting may be; everything wrong is refused here, before anything is touched.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use nogfso_host::logging::Format;
use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName};

use crate::accounts::{OPERATOR, USER_COUNT_MAX, UserName};

const STORE_GIB_DEFAULT: u32 = 64;
const STORE_GIB_MAX: u32 = 1 << 20;
/// The most `--root` options.
pub const ROOT_COUNT_MAX: usize = 256;
const SLOT_COUNT_DEFAULT: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");
const SLOT_COUNT_MAX: usize = 256;
/// The most `--prefix` options.
pub const PREFIX_COUNT_MAX: usize = 256;

/// Tracks large directory trees by means of git repositories of their metadata.
#[derive(Debug, Parser)]
#[command(name = "nogfso", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `nogfso` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything on one data folder until Ctrl-C: a private NATS server and all services.
    Up(UpArguments),
}

/// The options of `nogfso up`.
#[derive(Debug, clap::Args)]
pub struct UpArguments {
    /// Where everything that lasts is kept; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where NATS clients connect; a loopback address.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4222")]
    pub listen: SocketAddr,
    /// Adopts the directory HOSTDIR under the global path GLOBAL as a root with one repo at its top; repeatable, harmless when
    /// it was adopted before. GLOBAL cannot contain an equals sign.
    #[arg(long = "root", value_name = "GLOBAL=HOSTDIR", value_parser = parse_root)]
    pub roots: Vec<RootArgument>,
    /// The registry of the roots.
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub registry: RegistryName,
    /// The name of this file host; that of this machine if absent.
    #[arg(long, value_name = "NAME")]
    pub host: Option<Host>,
    /// Where shadow repos lie; DIR/shadow if absent.
    #[arg(long, value_name = "DIR")]
    pub shadow_root: Option<PathBuf>,
    /// A global path below which directories may be adopted; repeatable. The roots of --root are such anyway; everything if none
    /// is given.
    #[arg(long = "prefix", value_name = "GLOBAL")]
    pub prefixes: Vec<GlobalPath>,
    /// How many repos are worked on at the same time; 1 to 256.
    #[arg(long, value_name = "N", default_value_t = SLOT_COUNT_DEFAULT, value_parser = slot_count)]
    pub stad_slots: NonZeroUsize,
    /// A user beside the operator, with the same commands and a context file of its own; repeatable.
    #[arg(long = "user", value_name = "NAME")]
    pub users: Vec<UserName>,
    /// Who is named as the creator of adopted repos, as `Name <email>`; the operator of this host if absent.
    #[arg(long, value_name = "AUTHOR")]
    pub author: Option<Author>,
    /// The nats-server program; found on the PATH if absent.
    #[arg(long, value_name = "PATH", env = "NOGFSO_NATS_SERVER")]
    pub nats_server: Option<PathBuf>,
    /// The most that the journal may take on disk, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = STORE_GIB_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=i64::from(STORE_GIB_MAX)))]
    pub store_gib_max: u32,
    /// What is logged, as a list like info,nogfso_stad=debug.
    #[arg(
        long,
        value_name = "FILTER",
        env = "NOGFSO_LOG",
        default_value = "info,async_nats=warn"
    )]
    pub log: String,
    /// Writes the log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

/// One `--root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootArgument {
    /// Its global path.
    pub global: GlobalPath,
    /// Its directory on this host.
    pub host_root: HostPath,
}

/// Why the settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address can be reached from other machines.
    #[error(
        "--listen {address}: only a loopback address is allowed, since nothing is encrypted here"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The port is none.
    #[error("--listen {address}: the port must be 1 to 65535")]
    NoPort {
        /// The address.
        address: SocketAddr,
    },
    /// A directory to be adopted is not there.
    #[error("--root: {path} is no directory on this host")]
    NoDirectory {
        /// The directory.
        path: String,
    },
    /// Too many of something.
    #[error("{option}: at most {count_max} are allowed")]
    TooMany {
        /// The option.
        option: &'static str,
        /// The limit.
        count_max: usize,
    },
    /// A path cannot be made absolute.
    #[error("{option}: {path} cannot be made absolute")]
    BadPath {
        /// The option.
        option: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Checked settings of `nogfso up`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// Where NATS clients connect.
    pub listen: SocketAddr,
    /// What to adopt.
    pub roots: Vec<RootArgument>,
    /// The registry of the roots.
    pub registry: RegistryName,
    /// This file host.
    pub host: Host,
    /// Where shadow repos lie, if not in the data folder; absolute.
    pub shadow_root: Option<PathBuf>,
    /// Below which global paths directories may be adopted; at least one.
    pub prefixes: Vec<GlobalPath>,
    /// How many repos are worked on at the same time.
    pub stad_slots: NonZeroUsize,
    /// The users beside the operator.
    pub users: Vec<UserName>,
    /// Who creates adopted repos.
    pub author: Author,
    /// The nats-server program, if not the one on the `PATH`.
    pub nats_server: Option<PathBuf>,
    /// The most that the journal may take on disk, in GiB.
    pub store_gib_max: u32,
}

impl UpArguments {
    /// How log lines look.
    #[must_use]
    pub fn log_format(&self) -> Format {
        if self.log_json {
            Format::Json
        } else {
            Format::Text
        }
    }

    /// Checks the options against each other and this machine.
    ///
    /// # Errors
    ///
    /// See [`SettingsError`].
    pub fn check(self) -> Result<Settings, SettingsError> {
        let address = self.listen;
        if !address.ip().is_loopback() {
            return Err(SettingsError::NotLoopback { address });
        }
        if address.port() == 0 {
            return Err(SettingsError::NoPort { address });
        }
        limit("--root", self.roots.len(), ROOT_COUNT_MAX)?;
        limit("--prefix", self.prefixes.len(), PREFIX_COUNT_MAX)?;
        limit("--user", self.users.len(), USER_COUNT_MAX)?;
        if let Some(root) = self
            .roots
            .iter()
            .find(|root| !Path::new(root.host_root.as_str()).is_dir())
        {
            return Err(SettingsError::NoDirectory {
                path: root.host_root.to_string(),
            });
        }
        let host = self.host.unwrap_or_else(this_host);
        let author = self.author.unwrap_or_else(|| {
            Author::try_new(OPERATOR, &format!("{OPERATOR}@{host}"))
                .expect("a host name can stand in an address")
        });
        Ok(Settings {
            data: absolute("--data", self.data)?,
            listen: address,
            prefixes: prefixes(self.prefixes, &self.roots),
            roots: self.roots,
            registry: self.registry,
            host,
            shadow_root: self
                .shadow_root
                .map(|path| absolute("--shadow-root", path))
                .transpose()?,
            stad_slots: self.stad_slots,
            users: self.users,
            author,
            nats_server: self.nats_server,
            store_gib_max: self.store_gib_max,
        })
    }
}

/// The prefixes given and those of the roots; none, which means everything, if none is given.
fn prefixes(mut given: Vec<GlobalPath>, roots: &[RootArgument]) -> Vec<GlobalPath> {
    if !given.is_empty() {
        given.extend(roots.iter().map(|root| root.global.clone()));
        given.sort();
        given.dedup();
    }
    given
}

fn slot_count(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= SLOT_COUNT_MAX => Ok(count),
        Ok(_) | Err(_) => Err(format!("allowed are 1 to {SLOT_COUNT_MAX}")),
    }
}

fn limit(option: &'static str, count: usize, count_max: usize) -> Result<(), SettingsError> {
    if count > count_max {
        return Err(SettingsError::TooMany { option, count_max });
    }
    Ok(())
}

fn absolute(option: &'static str, path: PathBuf) -> Result<PathBuf, SettingsError> {
    std::path::absolute(&path).map_err(|source| SettingsError::BadPath {
        option,
        path,
        source,
    })
}

fn parse_root(value: &str) -> Result<RootArgument, String> {
    let (global, host_root) = value
        .split_once('=')
        .ok_or("must be a global path, an equals sign, and a directory of this host")?;
    let host_root = std::path::absolute(host_root).map_err(|error| error.to_string())?;
    let host_root = host_root
        .to_str()
        .ok_or("the directory's path must be UTF-8")?;
    Ok(RootArgument {
        global: global
            .parse()
            .map_err(|error: nogfso_ids::Malformed| error.to_string())?,
        host_root: HostPath::parse(host_root.trim_end_matches('/'))
            .map_err(|error| error.to_string())?,
    })
}

fn this_host() -> Host {
    let name = rustix::system::uname();
    host_named(&name.nodename().to_string_lossy())
}

/// The nearest host name that the rules allow.
fn host_named(name: &str) -> Host {
    const HOST_OF_LAST_RESORT: &str = "localhost";
    let lower: String = name
        .to_lowercase()
        .chars()
        .map(|char| match char {
            'a'..='z' | '0'..='9' | '.' => char,
            _ => '-',
        })
        .collect();
    let labels: Vec<&str> = lower
        .split('.')
        .map(|label| label.trim_matches('-'))
        .filter(|label| !label.is_empty())
        .collect();
    Host::parse(&labels.join(".")).unwrap_or_else(|_| {
        Host::parse(HOST_OF_LAST_RESORT).expect("the host of last resort is well formed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(options: &[&str]) -> UpArguments {
        let words = ["nogfso", "up", "--data", "d"].iter().chain(options);
        let Command::Up(arguments) = Arguments::try_parse_from(words).unwrap().command;
        arguments
    }

    #[test]
    fn what_is_left_out_has_a_sensible_value() {
        let settings = up(&[]).check().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:4222");
        assert_eq!(settings.registry.as_str(), "main");
        assert!(settings.data.is_absolute());
        let host = settings.host.as_str();
        assert_eq!(
            settings.author.to_string(),
            format!("operator <operator@{host}>")
        );
    }

    #[test]
    fn only_loopback_addresses_are_listened_on() {
        for wide in ["0.0.0.0:4222", "192.0.2.1:4222", "[::]:4222"] {
            let error = up(&["--listen", wide]).check().unwrap_err();
            assert!(
                matches!(error, SettingsError::NotLoopback { .. }),
                "{error}"
            );
        }
        let error = up(&["--listen", "127.0.0.1:0"]).check().unwrap_err();
        assert!(matches!(error, SettingsError::NoPort { .. }), "{error}");
        assert!(up(&["--listen", "[::1]:4333"]).check().is_ok());
    }

    #[test]
    fn a_root_is_a_global_path_and_a_directory_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("/example/a b={}/", folder.path().display());
        let settings = up(&["--root", &text]).check().unwrap();
        assert_eq!(settings.roots[0].global.as_str(), "/example/a b");
        assert_eq!(
            settings.roots[0].host_root.as_str(),
            folder.path().to_str().unwrap()
        );
        let missing = format!("/example={}/none", folder.path().display());
        let error = up(&["--root", &missing]).check().unwrap_err();
        assert!(
            matches!(error, SettingsError::NoDirectory { .. }),
            "{error}"
        );
        for bad in ["/example", "example=/tmp", "/a=/"] {
            let words = ["nogfso", "up", "--data", "d", "--root", bad];
            assert!(Arguments::try_parse_from(words).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machine_name_becomes_a_host_name() {
        for (name, host) in [
            ("Files.Example.COM", "files.example.com"),
            ("my_laptop", "my-laptop"),
            ("-a-.b.", "a.b"),
            ("", "localhost"),
            ("(none)", "none"),
            (&"a".repeat(64), "localhost"),
        ] {
            assert_eq!(host_named(name).as_str(), host, "{name}");
        }
    }
}
