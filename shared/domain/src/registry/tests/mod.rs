//! Decisions, queries, properties and wire samples of a registry.

mod limits;
mod properties;
mod queries;
mod repos;
mod roots;

use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName, RepoId, SubdirTracking};
use nogfso_kernel::EventId;
use nogfso_testkit::given::{Given, event_id, given};
use ulid::Ulid;

use super::{
    AcceptedRepoInfo, GitlabNamespace, NewRepoId, Permit, Registry, RegistryCommand, RegistryEvent,
    RegistryRefusal, RepoInfo, RootInfo,
};
use crate::laws;

fn path(text: &str) -> GlobalPath {
    GlobalPath::parse(text).unwrap()
}

fn host_path(text: &str) -> HostPath {
    HostPath::parse(text).unwrap()
}

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn namespace(text: &str) -> Option<GitlabNamespace> {
    Some(GitlabNamespace::parse(text).unwrap())
}

fn alice() -> Author {
    Author::try_new("Alice", "alice@example.com").unwrap()
}

fn bob() -> Author {
    Author::try_new("Bob", "bob@example.com").unwrap()
}

fn repo_id(number: u32) -> RepoId {
    RepoId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()
}

fn stored_id(number: u64) -> EventId {
    EventId(Ulid::from_parts(
        1_700_000_000_000 + number,
        u128::from(number),
    ))
}

fn init(name: &str) -> RegistryCommand {
    RegistryCommand::Init {
        name: RegistryName::parse(name).unwrap(),
    }
}

fn init_root(root: &str, host_root: &str) -> RegistryCommand {
    RegistryCommand::InitRoot {
        global_root: path(root),
        host: host("files.example.com"),
        host_root: host_path(host_root),
        gitlab_namespace: None,
    }
}

fn permit(at: &str) -> Permit {
    Permit {
        file_host: host("files.example.com"),
        host_path: host_path(at),
        subdir_tracking: SubdirTracking::EnterSubdirs,
    }
}

fn init_repo(id: NewRepoId, at: &str, creator: Author, on_host: &str) -> RegistryCommand {
    RegistryCommand::InitRepo {
        id,
        global_path: path(at),
        creator,
        permit: Some(permit(on_host)),
    }
}

fn confirm_repo(number: u32) -> RegistryCommand {
    RegistryCommand::ConfirmRepo {
        repo_id: repo_id(number),
        repo_event_id: stored_id(1),
    }
}

fn added() -> RegistryEvent {
    RegistryEvent::Added {
        name: RegistryName::parse("exreg").unwrap(),
    }
}

fn root_added(root: &str, host_root: &str) -> RegistryEvent {
    RegistryEvent::RootAdded {
        root_info: RootInfo {
            global_root: path(root),
            host: host("files.example.com"),
            host_root: host_path(host_root),
            gitlab_namespace: None,
        },
    }
}

fn repo_accepted(number: u32, at: &str, on_host: &str) -> RegistryEvent {
    RegistryEvent::RepoAccepted {
        repo_info: AcceptedRepoInfo {
            id: repo_id(number),
            global_path: path(at),
            creator_name: "Alice".to_owned(),
            creator_email: "alice@example.com".to_owned(),
        },
        file_host: host("files.example.com"),
        host_path: host_path(on_host),
        subdir_tracking: SubdirTracking::EnterSubdirs,
    }
}

fn repo_added(number: u32, at: &str) -> RegistryEvent {
    RegistryEvent::RepoAdded {
        repo_info: RepoInfo {
            id: repo_id(number),
            global_path: path(at),
        },
        repo_event_id: stored_id(1),
    }
}

/// A registry with the root `/data`, which is `/srv/data` on its host.
fn with_root() -> Given<Registry> {
    given([added(), root_added("/data", "/srv/data")])
}

#[test]
fn a_registry_begins_once() {
    given::<Registry>([])
        .when(&init("exreg"), 0)
        .then(vec![added()])
        .when(&init("exreg"), 0)
        .then_nothing()
        .when(&init("other"), 0)
        .then_refused(|r| *r == RegistryRefusal::InitConflict);
}

#[test]
fn nothing_is_decided_before_the_registry_begins() {
    for command in [
        init_root("/data", "/srv/data"),
        init_repo(
            NewRepoId::Fresh(repo_id(1)),
            "/data/a",
            alice(),
            "/srv/data/a",
        ),
        confirm_repo(1),
    ] {
        given::<Registry>([])
            .when(&command, 0)
            .then_refused(|r| *r == RegistryRefusal::Uninitialized);
    }
}

#[test]
fn a_history_out_of_order_is_broken() {
    let none = given::<Registry>([]);
    none.cannot_be_followed_by(root_added("/data", "/srv/data"));
    none.cannot_be_followed_by(repo_accepted(1, "/data/a", "/srv/data/a"));
    none.cannot_be_followed_by(repo_added(1, "/data/a"));
    let registry = with_root().and([repo_accepted(1, "/data/a", "/srv/data/a")]);
    registry.cannot_be_followed_by(added());
    registry.cannot_be_followed_by(root_added("/data", "/srv/other"));
    registry.cannot_be_followed_by(repo_accepted(2, "/data/a", "/srv/data/a"));
    registry.cannot_be_followed_by(repo_accepted(1, "/data/b", "/srv/data/b"));
    registry.cannot_be_followed_by(repo_added(2, "/data/a"));
    registry.cannot_be_followed_by(repo_added(1, "/data/b"));
    registry
        .and([repo_added(1, "/data/a")])
        .cannot_be_followed_by(repo_added(1, "/data/a"));
}

#[test]
fn every_event_is_written_as_its_sample() {
    let root = RegistryEvent::RootAdded {
        root_info: RootInfo {
            global_root: path("/example/data"),
            host: host("files.example.com"),
            host_root: host_path("/srv/data"),
            gitlab_namespace: namespace("git.example.com/data"),
        },
    };
    let events = [
        added(),
        root,
        repo_accepted(1, "/example/data/exp 1", "/srv/data/exp 1"),
        repo_added(1, "/example/data/exp 1"),
    ];
    laws::assert_samples(&events);
    events.iter().for_each(laws::assert_additions_are_ignored);
    laws::assert_additions_are_ignored(&root_added("/data", "/srv/data"));
}
