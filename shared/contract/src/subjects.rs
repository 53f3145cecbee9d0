//! The subjects of the journal and of everything else, in one place (design 2 and 3).

use nogfso_ids::{Host, Instance, Lane, RegistryName, RepoId};
use nogfso_kernel::{Keep, StreamSpec};

/// The stream of main, registries, reservations and Unix domains.
pub const REGISTRY_STREAM: &str = "FSO_REGISTRY";
/// The stream of repos.
pub const REPO_STREAM: &str = "FSO_REPO";
/// The stream of work.
pub const WORK_STREAM: &str = "FSO_WORK";
/// The stream of alarms.
pub const TIMER_STREAM: &str = "FSO_TIMER";
/// The stream of parked entries.
pub const PARKED_STREAM: &str = "FSO_PARKED";

/// All streams.
pub const STREAMS: [StreamSpec; 5] = [
    StreamSpec {
        name: REGISTRY_STREAM,
        subjects: &[
            "fso.ev._.main.main",
            "fso.ev._.id.*",
            "fso.ev.*.registry.*",
            "fso.ev._.unix-domain.*",
        ],
        keep: Keep::Forever,
    },
    StreamSpec {
        name: REPO_STREAM,
        subjects: &["fso.ev.*.repo.*"],
        keep: Keep::Forever,
    },
    StreamSpec {
        name: WORK_STREAM,
        subjects: &["fso.ev.*.work.*.*.*"],
        keep: Keep::UntilPurged,
    },
    StreamSpec {
        name: TIMER_STREAM,
        subjects: &["fso.timer.>", "fso.alarm.>"],
        keep: Keep::Schedules,
    },
    StreamSpec {
        name: PARKED_STREAM,
        subjects: &["fso.parked.>"],
        keep: Keep::LastOfSubject,
    },
];

/// The one aggregate of kind main.
pub const MAIN: &str = "fso.ev._.main.main";
/// The header in which the broker says who sent a request.
pub const REQUEST_INFO_HEADER: &str = "Nats-Request-Info";

/// The subject of a registry.
#[must_use]
pub fn registry(name: &RegistryName) -> String {
    format!("fso.ev.{name}.registry.{name}")
}

/// The subject of a repo.
#[must_use]
pub fn repo(registry: &RegistryName, repo: RepoId) -> String {
    format!("fso.ev.{registry}.repo.{repo}")
}

/// The filter that finds a repo of any registry.
#[must_use]
pub fn repo_anywhere(repo: RepoId) -> String {
    format!("fso.ev.*.repo.{repo}")
}

/// The subject of the reservation of a repo id that a caller chose.
#[must_use]
pub fn reservation(repo: RepoId) -> String {
    format!("fso.ev._.id.{repo}")
}

/// The subject of the work of one lane of a repo on a host.
#[must_use]
pub fn work(registry: &RegistryName, host: &Host, lane: Lane, repo: RepoId) -> String {
    format!("fso.ev.{registry}.work.{}.{lane}.{repo}", host.token())
}

/// The filter for all work of one lane on a host.
#[must_use]
pub fn work_of_host(host: &Host, lane: Lane) -> String {
    format!("fso.ev.*.work.{}.{lane}.*", host.token())
}

/// The durable consumer that the workers of one lane on a host share.
#[must_use]
pub fn worker_consumer(host: &Host, lane: Lane) -> String {
    format!("stad-{}-{lane}", host.token())
}

/// The filter for all work of all hosts.
pub const WORK_ALL: &str = "fso.ev.*.work.*.*.*";

/// What a journal subject names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The list of registries.
    Main,
    /// A registry.
    Registry(RegistryName),
    /// A repo.
    Repo(RegistryName, RepoId),
    /// The work of one lane of a repo on a host.
    Work(RegistryName, Host, Lane, RepoId),
}

/// Reads a journal subject; `None` if it names nothing that this build knows.
#[must_use]
pub fn parse(subject: &str) -> Option<Named> {
    let tokens: Vec<&str> = subject.strip_prefix("fso.ev.")?.split('.').collect();
    match tokens.as_slice() {
        ["_", "main", "main"] => Some(Named::Main),
        [registry, "registry", same] if registry == same => {
            Some(Named::Registry(registry.parse().ok()?))
        }
        [registry, "repo", repo] => Some(Named::Repo(registry.parse().ok()?, repo.parse().ok()?)),
        [registry, "work", host, lane, repo] => Some(Named::Work(
            registry.parse().ok()?,
            Host::from_token(host).ok()?,
            Lane::from_token(lane)?,
            repo.parse().ok()?,
        )),
        _ => None,
    }
}

/// The subject on which a commit is published for those who only read along.
#[must_use]
pub fn feed(journal_subject: &str) -> String {
    format!(
        "fso.feed.{}",
        journal_subject
            .strip_prefix("fso.ev.")
            .unwrap_or(journal_subject)
    )
}

/// The subject of the progress of work on a repo.
#[must_use]
pub fn progress(registry: &RegistryName, host: &Host, repo: RepoId) -> String {
    format!("fso.progress.{registry}.{}.{repo}", host.token())
}

/// The subject on which a host is asked `verb`.
#[must_use]
pub fn host(host: &Host, verb: &str) -> String {
    format!("fso.host.{}.{verb}", host.token())
}

/// The subject on which one worker instance is asked.
#[must_use]
pub fn worker(host: &Host, instance: &Instance) -> String {
    format!("fso.worker.{}.{instance}", host.token())
}

/// The subject on which one worker instance says that it is there.
#[must_use]
pub fn presence(host: &Host, instance: &Instance) -> String {
    format!("fso.presence.{}.{instance}", host.token())
}

/// The last token of a subject on which a worker says that it is about to join; not among [`PRESENCE_ALL`].
const JOINING: &str = "joining";

/// The subject on which one worker instance says that it is about to join the workers of its host.
#[must_use]
pub fn joining(host: &Host, instance: &Instance) -> String {
    format!("{}.{JOINING}", presence(host, instance))
}

/// Whether what is said on the subject of a presence comes from a worker that has not joined yet.
#[must_use]
pub fn is_joining(subject: &str) -> bool {
    subject.rsplit('.').next() == Some(JOINING)
}

/// The filter for all that the workers of one host say about themselves, those about to join too.
#[must_use]
pub fn presence_of_host(host: &Host) -> String {
    format!("fso.presence.{}.>", host.token())
}

/// The filter for the presence of all workers.
pub const PRESENCE_ALL: &str = "fso.presence.*.*";
/// The subject on which every worker is asked to say that it is there.
pub const PRESENCE_WHO: &str = "fso.presence.who";
