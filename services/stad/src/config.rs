//! Every setting of a worker, with unit, default and limits; the sole reader of the environment.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Parser;
use nogfso_contract::presence::{InitLimits, PathLimit};
use nogfso_host::logging::Format;
use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName};
use nogfso_jetstream::ServerArguments;

const ACK_WAIT_MS_DEFAULT: u64 = 30_000;
const SLOTS_DEFAULT: usize = 4;
const SLOTS_MAX: usize = 256;
const THREADS_DEFAULT: usize = 4;
const THREADS_MAX: usize = 64;
/// How many prefixes, registries or limits may be given, each.
const ENTRIES_MAX: usize = 1_000;
const COMMITTER_DEFAULT: &str = "nogfsostad <nogfsostad@sys.nogproject.io>";

/// Works on the file systems and shadow repos of one file host.
#[derive(Debug, Clone, Parser)]
#[command(name = "nogfsostad", version, about)]
pub struct Arguments {
    /// TOML file with settings: the names of these options, `_` for `-`. Command line and environment win over it.
    #[arg(long = "settings", value_name = "FILE")]
    pub settings_file: Option<PathBuf>,
    /// Where the NATS server is.
    #[command(flatten)]
    pub server: ServerArguments,
    /// What is logged: a list like `info,nogfso_stad=debug`.
    #[arg(long, env = "NOGFSO_STAD_LOG", default_value = "info,async_nats=warn")]
    pub log: String,
    /// Log lines as JSON objects.
    #[arg(long, env = "NOGFSO_STAD_LOG_JSON")]
    pub log_json: bool,
    /// What it works on, and how.
    #[command(flatten)]
    pub settings: Settings,
}

/// What a worker works on, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The file host: a lower-case DNS name, as it stands in the roots of registries.
    #[arg(long, env = "NOGFSO_STAD_HOST")]
    pub host: Host,
    /// Registries to work for; all if none is given.
    #[arg(long = "registry", env = "NOGFSO_STAD_REGISTRY", value_delimiter = ',')]
    pub registries: Vec<RegistryName>,
    /// Global paths that it is responsible for, each with all below it; all paths of the host if none is given.
    #[arg(long = "prefix", env = "NOGFSO_STAD_PREFIX", value_delimiter = ',')]
    pub prefixes: Vec<GlobalPath>,
    /// The directory of all shadow repos; must exist.
    #[arg(
        long,
        env = "NOGFSO_STAD_SHADOW_ROOT",
        default_value = "/nogfso/shadow"
    )]
    pub shadow_root: HostPath,
    /// Leading part of host paths that shadow paths leave out.
    #[arg(long, env = "NOGFSO_STAD_TRIM_HOST_ROOT")]
    pub trim_host_root: Option<HostPath>,
    /// Repos worked on at a time; 1 to 256.
    #[arg(long, env = "NOGFSO_STAD_SLOTS", default_value_t = default_count(SLOTS_DEFAULT),
          value_parser = |text: &str| count(text, SLOTS_MAX))]
    pub slots: NonZeroUsize,
    /// Threads that walk one tree; 1 to 64.
    #[arg(long, env = "NOGFSO_STAD_THREADS", default_value_t = default_count(THREADS_DEFAULT),
          value_parser = |text: &str| count(text, THREADS_MAX))]
    pub threads: NonZeroUsize,
    /// How long a claim lasts without a sign of life, in milliseconds; 1000 to 600000; the same for all workers of a host.
    #[arg(long, env = "NOGFSO_STAD_ACK_WAIT_MS", default_value_t = ACK_WAIT_MS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1_000..=600_000))]
    pub ack_wait_ms: u64,
    /// Entries that a directory may hold to be adopted; 0 is unlimited; k, m, g, t are powers of 1024.
    #[arg(long, env = "NOGFSO_STAD_INIT_LIMIT_MAX_FILES", default_value = "0", value_parser = quantity)]
    pub init_limit_max_files: u64,
    /// Bytes that a directory may hold to be adopted; 0 is unlimited; k, m, g, t are powers of 1024.
    #[arg(long, env = "NOGFSO_STAD_INIT_LIMIT_MAX_SIZE", default_value = "0", value_parser = quantity)]
    pub init_limit_max_size: u64,
    /// Limits for a prefix, as `<prefix>:<files>:<size>`; the first that matches counts.
    #[arg(long, env = "NOGFSO_STAD_PREFIX_INIT_LIMIT", value_delimiter = ',', value_parser = path_limit)]
    pub prefix_init_limit: Vec<PathLimit>,
    /// Limits for a repo, as `<global path>:<files>:<size>`; counts before all others.
    #[arg(long, env = "NOGFSO_STAD_REPO_INIT_LIMIT", value_delimiter = ',', value_parser = path_limit)]
    pub repo_init_limit: Vec<PathLimit>,
    /// Committer of shadow commits, as `Name <email>`.
    #[arg(long, env = "NOGFSO_STAD_GIT_COMMITTER", default_value = COMMITTER_DEFAULT)]
    pub git_committer: Author,
}

/// A setting that is not what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {setting}: {problem}; allowed: {allowed}")]
pub struct SettingError {
    /// Its name, as on the command line.
    pub setting: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl Arguments {
    /// How log lines look.
    #[must_use]
    pub fn log_format(&self) -> Format {
        if self.log_json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

impl Settings {
    /// Settings for one host with everything else as shipped.
    #[must_use]
    pub fn new(host: Host, prefixes: Vec<GlobalPath>, shadow_root: HostPath) -> Self {
        Self {
            host,
            registries: vec![],
            prefixes,
            shadow_root,
            trim_host_root: None,
            slots: default_count(SLOTS_DEFAULT),
            threads: default_count(THREADS_DEFAULT),
            ack_wait_ms: ACK_WAIT_MS_DEFAULT,
            init_limit_max_files: 0,
            init_limit_max_size: 0,
            prefix_init_limit: vec![],
            repo_init_limit: vec![],
            git_committer: COMMITTER_DEFAULT
                .parse()
                .expect("the shipped committer is well formed"),
        }
    }

    /// What a directory may hold to be adopted.
    #[must_use]
    pub fn limits(&self) -> InitLimits {
        InitLimits {
            files_max: self.init_limit_max_files,
            bytes_max: self.init_limit_max_size,
            prefixes: self.prefix_init_limit.clone(),
            repos: self.repo_init_limit.clone(),
        }
    }

    /// Checks what one value alone does not show, and that the shadow root is there.
    ///
    /// # Errors
    ///
    /// Names the first setting that is wrong and what it may be.
    pub fn check(&self) -> Result<(), SettingError> {
        let wrong = |setting, problem, allowed| {
            Err(SettingError {
                setting,
                problem,
                allowed,
            })
        };
        let counts = [
            ("--prefix", self.prefixes.len()),
            ("--registry", self.registries.len()),
            ("--prefix-init-limit", self.prefix_init_limit.len()),
            ("--repo-init-limit", self.repo_init_limit.len()),
        ];
        for (setting, entry_count) in counts {
            if entry_count > ENTRIES_MAX {
                return wrong(
                    setting,
                    format!("{entry_count} entries"),
                    "at most 1000 entries",
                );
            }
        }
        if !Path::new(self.shadow_root.as_str()).is_dir() {
            return wrong(
                "--shadow-root",
                format!("`{}` is not a directory", self.shadow_root),
                "a directory that exists",
            );
        }
        Ok(())
    }
}

fn default_count(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).unwrap_or(NonZeroUsize::MIN)
}

fn count(text: &str, max: usize) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= max => Ok(count),
        Ok(_) | Err(_) => Err(format!("allowed are 1 to {max}")),
    }
}

fn quantity(text: &str) -> Result<u64, String> {
    const ALLOWED: &str =
        "allowed are 0 for unlimited, or a whole number with or without k, m, g, t";
    let lower = text.trim().to_ascii_lowercase();
    let (digits, shift) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 10),
        Some(b'm') => (&lower[..lower.len() - 1], 20),
        Some(b'g') => (&lower[..lower.len() - 1], 30),
        Some(b't') => (&lower[..lower.len() - 1], 40),
        Some(_) | None => (lower.as_str(), 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ALLOWED.to_owned());
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| ALLOWED.to_owned())
}

fn path_limit(text: &str) -> Result<PathLimit, String> {
    let fields: Vec<&str> = text.split(':').collect();
    let [path, files, size] = fields.as_slice() else {
        return Err("allowed is <path>:<files>:<size>, the path without a colon".to_owned());
    };
    Ok(PathLimit {
        path: GlobalPath::parse(path).map_err(|error| error.to_string())?,
        files_max: quantity(files)?,
        bytes_max: quantity(size)?,
    })
}

#[cfg(test)]
mod tests {
    //! What is read, and what is refused with the name of the setting.

    use super::*;

    const NEEDED: [&str; 5] = [
        "nogfsostad",
        "--host",
        "files.example.com",
        "--prefix",
        "/a,/b",
    ];

    fn parse(more: &[&str]) -> Result<Settings, String> {
        Arguments::try_parse_from(NEEDED.iter().chain(more))
            .map(|arguments| arguments.settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_shipped_is_unlimited() {
        let settings = parse(&[]).unwrap();
        assert_eq!(settings.limits(), InitLimits::default());
        assert_eq!(settings.prefixes.len(), 2);
        assert_eq!(settings.slots.get(), SLOTS_DEFAULT);
        assert_eq!(settings.git_committer.name(), "nogfsostad");
    }

    #[test]
    fn limits_take_binary_suffixes_in_either_case() {
        let settings = parse(&[
            "--init-limit-max-files=2k",
            "--init-limit-max-size=5G",
            "--prefix-init-limit=/a/x:1:2M",
        ])
        .unwrap();
        let limits = settings.limits();
        assert_eq!((limits.files_max, limits.bytes_max), (2 << 10, 5 << 30));
        assert_eq!(limits.prefixes[0].bytes_max, 2 << 20);
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_setting() {
        for nonsense in [
            "--slots=0",
            "--slots=257",
            "--threads=65",
            "--ack-wait-ms=999",
            "--init-limit-max-files=many",
            "--init-limit-max-size=99999999999t",
            "--prefix-init-limit=/a:1",
            "--repo-init-limit=relative:1:1",
            "--shadow-root=relative",
            "--git-committer=nobody",
            "--registry=Upper",
        ] {
            let setting = nonsense.split('=').next().unwrap();
            let refusal = parse(&[nonsense]).unwrap_err();
            assert!(refusal.contains(setting), "{refusal}");
        }
        Arguments::try_parse_from(["nogfsostad"]).unwrap_err();
    }

    #[test]
    fn a_shadow_root_that_is_not_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        parse(&["--shadow-root", there]).unwrap().check().unwrap();
        let missing = format!("{there}/missing");
        let error = parse(&["--shadow-root", &missing]).unwrap().check();
        assert_eq!(error.unwrap_err().setting, "--shadow-root");
    }
}
