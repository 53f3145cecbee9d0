//! Decisions, properties and wire samples of a repo.

use nogfso_ids::{
    Author, GlobalPath, Host, HostPath, RegistryName, RequestId, SubdirTracking, UnixMillis,
};
use nogfso_kernel::EventId;
use nogfso_testkit::given::{Given, event_id, given};
use proptest::prelude::*;
use ulid::Ulid;

use super::{
    ClearBy, ClearedBy, Repo, RepoCommand, RepoError, RepoEvent, RepoInitInfo, RepoRefusal,
    ShadowRepoInfo,
};
use crate::laws;
use crate::operation::{ErrorCode, ErrorText, Operation, PathProblem, Problems};
use crate::tier::StorageTier;

fn cause() -> EventId {
    EventId(Ulid::from_parts(1_700_000_000_003, 3))
}

fn request(number: u32) -> RequestId {
    RequestId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()
}

fn init(at: &str) -> RepoCommand {
    RepoCommand::Init {
        registry: RegistryName::parse("exreg").unwrap(),
        global_path: GlobalPath::parse(at).unwrap(),
        creator: Author::try_new("Alice", "alice@example.com").unwrap(),
        file_host: Host::parse("files.example.com").unwrap(),
        host_path: HostPath::parse("/srv/data/a").unwrap(),
        subdir_tracking: SubdirTracking::EnterSubdirs,
        cause: cause(),
    }
}

fn confirm_shadow(shadow: &str, number: u32) -> RepoCommand {
    RepoCommand::ConfirmShadow {
        shadow_path: HostPath::parse(shadow).unwrap(),
        request: request(number),
    }
}

fn error(number: u32, text: &str) -> RepoError {
    RepoError {
        code: ErrorCode::parse("unreadable").unwrap(),
        message: ErrorText::new(text),
        time: UnixMillis(1_700_000_000_000),
        request: request(number),
        problems: Problems::default(),
    }
}

fn set_error(operation: Operation, number: u32, text: &str) -> RepoCommand {
    RepoCommand::SetError {
        operation,
        error: error(number, text),
    }
}

fn clear(by: ClearBy) -> RepoCommand {
    RepoCommand::ClearError { by }
}

fn clear_text(text: &str) -> RepoCommand {
    clear(ClearBy::Text(text.to_owned()))
}

fn succeed(operation: Operation, number: u32) -> RepoCommand {
    clear(ClearBy::Success {
        operation,
        request: request(number),
    })
}

fn begun() -> RepoEvent {
    RepoEvent::InitStarted {
        repo_init_info: RepoInitInfo {
            registry: RegistryName::parse("exreg").unwrap(),
            global_path: GlobalPath::parse("/data/a").unwrap(),
            creator_name: "Alice".to_owned(),
            creator_email: "alice@example.com".to_owned(),
            file_host: Host::parse("files.example.com").unwrap(),
            host_path: HostPath::parse("/srv/data/a").unwrap(),
            subdir_tracking: SubdirTracking::EnterSubdirs,
        },
        registry_event_id: cause(),
    }
}

fn shadow_created(number: u32) -> RepoEvent {
    RepoEvent::ShadowCreated {
        shadow_repo_info: ShadowRepoInfo {
            shadow_path: HostPath::parse("/shadow/a.fso").unwrap(),
        },
        request_id: request(number),
    }
}

fn error_set(operation: Operation, number: u32, text: &str) -> RepoEvent {
    RepoEvent::ErrorSet {
        operation,
        error_code: ErrorCode::parse("unreadable").unwrap(),
        error_message: ErrorText::new(text),
        time_ms: UnixMillis(1_700_000_000_000),
        request_id: request(number),
        paths: vec![],
        path_count: 0,
    }
}

fn cleared(operation: Operation) -> RepoEvent {
    RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Operator,
        request_id: None,
    }
}

fn succeeded(operation: Operation, number: u32) -> RepoEvent {
    RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Success,
        request_id: Some(request(number)),
    }
}

fn messages(repo: &Given<Repo>) -> Vec<(Operation, &str)> {
    let known = repo.state().known().unwrap();
    known
        .errors()
        .map(|(operation, error)| (operation, error.message.as_str()))
        .collect()
}

#[test]
fn a_repo_begins_once() {
    given::<Repo>([])
        .when(&init("/data/a"), 0)
        .then(vec![begun()])
        .when(&init("/data/a"), 0)
        .then_nothing()
        .when(&init("/data/b"), 0)
        .then_refused(|r| *r == RepoRefusal::InitConflict);
}

#[test]
fn nothing_is_decided_before_the_repo_begins() {
    for command in [
        confirm_shadow("/shadow/a.fso", 1),
        set_error(Operation::Stat, 1, "no"),
        clear(ClearBy::Operation(Operation::Stat)),
        clear_text("no"),
        clear_text(""),
        succeed(Operation::Stat, 1),
    ] {
        given::<Repo>([])
            .when(&command, 0)
            .then_refused(|r| *r == RepoRefusal::Uninitialized);
    }
}

#[test]
fn a_shadow_is_confirmed_once() {
    let repo = given::<Repo>([begun()]);
    assert_eq!(
        repo.state().known().unwrap().tier(),
        StorageTier::Unspecified
    );
    assert_eq!(repo.state().known().unwrap().shadow_location(), None);
    let repo = repo
        .when(&confirm_shadow("/shadow/a.fso", 1), 0)
        .then(vec![shadow_created(1)])
        .when(&confirm_shadow("/shadow/a.fso", 2), 0)
        .then_nothing();
    repo.when(&confirm_shadow("/shadow/b.fso", 1), 0)
        .then_refused(|r| *r == RepoRefusal::InitConflict);
    let known = repo.state().known().unwrap();
    assert_eq!(known.tier(), StorageTier::Online);
    assert_eq!(
        known.shadow_location().as_deref(),
        Some("files.example.com:/shadow/a.fso")
    );
    assert_eq!(known.file_location(), "files.example.com:/srv/data/a");
}

#[test]
fn a_shadow_that_is_made_after_all_clears_the_failed_init() {
    let repo = given::<Repo>([begun(), error_set(Operation::Init, 1, "disk full")])
        .when(&confirm_shadow("/shadow/a.fso", 2), 0)
        .then(vec![shadow_created(2), succeeded(Operation::Init, 2)]);
    assert_eq!(messages(&repo), []);
}

#[test]
fn each_operation_has_one_error_the_newest() {
    let repo = given::<Repo>([begun(), shadow_created(1)])
        .when(&set_error(Operation::Stat, 2, "first"), 0)
        .then(vec![error_set(Operation::Stat, 2, "first")])
        .when(&set_error(Operation::Sha, 3, "other"), 0)
        .then(vec![error_set(Operation::Sha, 3, "other")])
        .when(&set_error(Operation::Stat, 4, "second"), 0)
        .then(vec![error_set(Operation::Stat, 4, "second")]);
    assert_eq!(
        messages(&repo),
        [(Operation::Stat, "second"), (Operation::Sha, "other")]
    );
}

#[test]
fn an_error_carried_twice_adds_nothing() {
    given::<Repo>([begun(), error_set(Operation::Stat, 2, "no")])
        .when(&set_error(Operation::Stat, 2, "no"), 0)
        .then_nothing();
}

#[test]
fn an_error_that_was_cleared_does_not_come_back() {
    for by in [cleared(Operation::Stat), succeeded(Operation::Stat, 3)] {
        let repo = given::<Repo>([begun(), error_set(Operation::Stat, 2, "no"), by])
            .when(&set_error(Operation::Stat, 2, "no"), 0)
            .then_nothing();
        assert_eq!(messages(&repo), []);
        repo.when(&set_error(Operation::Stat, 4, "no"), 0)
            .then(vec![error_set(Operation::Stat, 4, "no")]);
    }
}

#[test]
fn the_paths_of_an_error_are_kept() {
    let mut error = error(1, "2 paths unreadable");
    error
        .problems
        .record(PathProblem::new("a", "permission denied"));
    error.problems.record(PathProblem::new("b", "i/o error"));
    let command = RepoCommand::SetError {
        operation: Operation::Stat,
        error: error.clone(),
    };
    let repo = given::<Repo>([begun()]);
    let when = repo.when(&command, 0);
    assert_eq!(
        when.state().known().unwrap().error(Operation::Stat),
        Some(&error)
    );
}

#[test]
fn an_operator_clears_by_operation() {
    given::<Repo>([begun(), error_set(Operation::Stat, 2, "no")])
        .when(&clear(ClearBy::Operation(Operation::Sha)), 0)
        .then_nothing()
        .when(&clear(ClearBy::Operation(Operation::Stat)), 0)
        .then(vec![cleared(Operation::Stat)])
        .when(&clear(ClearBy::Operation(Operation::Stat)), 0)
        .then_nothing();
}

#[test]
fn an_operator_clears_by_text_whatever_has_it() {
    let repo = given::<Repo>([
        begun(),
        error_set(Operation::Stat, 2, "disk full"),
        error_set(Operation::Sha, 3, "disk full"),
        error_set(Operation::Meta, 4, "no"),
    ]);
    repo.when(&clear_text(""), 0)
        .then_refused(|r| *r == RepoRefusal::ClearMessageEmpty);
    repo.when(&clear_text("disk"), 0)
        .then_refused(|r| *r == RepoRefusal::ClearMessageMismatch);
    repo.when(&clear_text("disk full"), 0)
        .then(vec![cleared(Operation::Stat), cleared(Operation::Sha)])
        .when(&clear_text("disk full"), 0)
        .then_refused(|r| *r == RepoRefusal::ClearMessageMismatch);
}

#[test]
fn a_success_clears_its_own_operation_only() {
    let repo = given::<Repo>([
        begun(),
        error_set(Operation::Stat, 2, "no"),
        error_set(Operation::Sha, 3, "no"),
    ])
    .when(&succeed(Operation::Stat, 4), 0)
    .then(vec![succeeded(Operation::Stat, 4)])
    .when(&succeed(Operation::Stat, 4), 0)
    .then_nothing();
    assert_eq!(messages(&repo), [(Operation::Sha, "no")]);
}

#[test]
fn a_shadow_is_asked_for_until_it_is_there() {
    assert_eq!(given::<Repo>([]).state().init_request(), None);
    let repo = given::<Repo>([begun()]);
    let first = repo.state().init_request();
    assert_eq!(
        first,
        Some(RequestId::derived_from(&event_id(1).to_string()))
    );
    let repo = repo.and([
        error_set(Operation::Stat, 8, "no"),
        cleared(Operation::Stat),
    ]);
    assert_eq!(repo.state().init_request(), first);
    assert_eq!(repo.and([shadow_created(1)]).state().init_request(), None);
}

#[test]
fn a_failed_init_is_asked_for_again_once_its_error_is_cleared() {
    let repo = given::<Repo>([begun(), error_set(Operation::Init, 1, "disk full")]);
    assert_eq!(repo.state().init_request(), None);
    let repo = repo.and([cleared(Operation::Init)]);
    assert_eq!(
        repo.state().init_request(),
        Some(RequestId::derived_from(&event_id(3).to_string()))
    );
}

#[test]
fn a_history_out_of_order_is_broken() {
    let none = given::<Repo>([]);
    none.cannot_be_followed_by(shadow_created(1));
    none.cannot_be_followed_by(error_set(Operation::Stat, 1, "no"));
    none.cannot_be_followed_by(cleared(Operation::Stat));
    let repo = given::<Repo>([begun(), shadow_created(1)]);
    repo.cannot_be_followed_by(begun());
    repo.cannot_be_followed_by(shadow_created(2));
    repo.cannot_be_followed_by(cleared(Operation::Stat));
}

#[test]
fn every_event_is_written_as_its_sample() {
    let with_paths = RepoEvent::ErrorSet {
        operation: Operation::Stat,
        error_code: ErrorCode::parse("unreadable").unwrap(),
        error_message: ErrorText::new("12 paths could not be read"),
        time_ms: UnixMillis(1_700_000_000_000),
        request_id: request(2),
        paths: vec![PathProblem::new("dir/file", "permission denied")],
        path_count: 12,
    };
    let events = [
        begun(),
        shadow_created(1),
        with_paths,
        succeeded(Operation::Stat, 3),
    ];
    laws::assert_samples(&events);
    events.iter().for_each(laws::assert_additions_are_ignored);
    laws::assert_additions_are_ignored(&error_set(Operation::Sha, 1, "no"));
    laws::assert_additions_are_ignored(&cleared(Operation::Sha));
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(Operation::ALL.to_vec())
}

fn any_error() -> impl Strategy<Value = RepoError> {
    let paths = prop::collection::vec((".{0,40}", ".{0,300}"), 0..14);
    let text = prop_oneof![Just("no".to_owned()), ".{0,300}"];
    (0..6_u32, text, paths, any::<u64>()).prop_map(|(number, text, paths, time)| {
        let mut error = error(number + 1, &text);
        error.time = UnixMillis(time);
        for (path, reason) in paths {
            error.problems.record(PathProblem::new(&path, &reason));
        }
        error
    })
}

fn command() -> impl Strategy<Value = RepoCommand> {
    prop_oneof![
        2 => prop::sample::select(vec!["/data/a", "/data/b"]).prop_map(init),
        2 => ("/shadow/[ab]\\.fso", 1..9_u32).prop_map(|(path, number)| confirm_shadow(&path, number)),
        6 => (operation(), any_error()).prop_map(|(operation, error)| RepoCommand::SetError { operation, error }),
        2 => operation().prop_map(|operation| clear(ClearBy::Operation(operation))),
        2 => prop::sample::select(vec!["", "no"]).prop_map(clear_text),
        2 => (operation(), 1..9_u32).prop_map(|(operation, number)| succeed(operation, number)),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_folds_and_repeats_add_nothing(
        commands in prop::collection::vec(command(), 0..40)
    ) {
        let is_by_text = |command: &RepoCommand| {
            matches!(command, RepoCommand::ClearError { by: ClearBy::Text(_) })
        };
        let repo = laws::obey::<Repo>(&commands, |command| !is_by_text(command));
        if let Some(known) = repo.state().known() {
            for (operation, error) in known.errors() {
                prop_assert_eq!(known.carried(operation), Some(error.request));
            }
            prop_assert_eq!(
                known.init_request().is_some(),
                known.shadow_path().is_none() && known.error(Operation::Init).is_none()
            );
        }
    }
}
