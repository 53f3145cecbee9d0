//! Decisions, properties and wire samples of a repo.

mod properties;

use nogfso_ids::{
    Author, GlobalPath, Host, HostPath, RegistryName, RequestId, SubdirTracking, UnixMillis,
};
use nogfso_kernel::EventId;
use nogfso_testkit::given::{Given, event_id, given};
use proptest::prelude::*;
use ulid::Ulid;

use super::{
    Carried, ClearBy, ClearedBy, Repo, RepoCommand, RepoError, RepoEvent, RepoInitInfo,
    RepoRefusal, ShadowRepoInfo,
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
        result: uncounted(number),
    }
}

fn uncounted(number: u32) -> Carried {
    counted(number, 0)
}

/// The result of a request, by its number in its lane.
fn counted(number: u32, result_number: u64) -> Carried {
    Carried {
        request: request(number),
        number: result_number,
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
        result_number: 0,
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
        result: uncounted(number),
        failed_before: 0,
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
        result_number: 0,
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
        result_number: 0,
    }
}

fn cleared(operation: Operation) -> RepoEvent {
    RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Operator,
        request_id: None,
        result_number: 0,
    }
}

fn succeeded(operation: Operation, number: u32) -> RepoEvent {
    RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Success,
        request_id: Some(request(number)),
        result_number: 0,
    }
}

fn counted_as(number: u64, mut event: RepoEvent) -> RepoEvent {
    match &mut event {
        RepoEvent::InitStarted { .. } => {}
        RepoEvent::ShadowCreated { result_number, .. }
        | RepoEvent::ErrorSet { result_number, .. }
        | RepoEvent::ErrorCleared { result_number, .. } => *result_number = number,
    }
    event
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
        result_number: 0,
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
fn an_older_result_that_comes_late_changes_nothing() {
    let numbered_error = |number: u32| RepoCommand::SetError {
        operation: Operation::Stat,
        error: error(number, "no"),
        result_number: u64::from(number),
    };
    let numbered_success = |number: u32| {
        clear(ClearBy::Success {
            operation: Operation::Stat,
            result: counted(number, u64::from(number)),
            failed_before: 5,
        })
    };
    let repo = given::<Repo>([begun()]);
    let failed = repo.when(&numbered_error(5), 0).state().clone();
    assert_eq!(failed.known().unwrap().newest_result(Operation::Stat), 5);
    let commands = [
        init("/data/a"),
        numbered_error(5),
        numbered_success(4),
        numbered_error(3),
    ];
    assert_eq!(
        laws::obey::<Repo>(&commands, |_| true).state().known(),
        laws::obey::<Repo>(&commands[..2], |_| true).state().known()
    );
    let commands = [
        init("/data/a"),
        numbered_error(5),
        numbered_success(6),
        numbered_error(4),
        numbered_success(2),
    ];
    let repo = laws::obey::<Repo>(&commands, |_| true);
    assert_eq!(messages(&repo), []);
}

#[test]
fn a_shadow_of_which_a_newer_result_says_that_it_failed_is_not_confirmed() {
    let commands = [
        init("/data/a"),
        RepoCommand::SetError {
            operation: Operation::Init,
            error: error(2, "disk full"),
            result_number: 2,
        },
        RepoCommand::ConfirmShadow {
            shadow_path: HostPath::parse("/shadow/a.fso").unwrap(),
            result: counted(1, 1),
        },
    ];
    let repo = laws::obey::<Repo>(&commands, |_| true);
    assert_eq!(messages(&repo), [(Operation::Init, "disk full")]);
    assert_eq!(repo.state().known().unwrap().shadow_path(), None);
}

#[test]
fn a_success_that_overtakes_a_failure_is_remembered_and_one_that_does_not_leaves_no_trace() {
    let success = |number: u32, failed_before| {
        clear(ClearBy::Success {
            operation: Operation::Stat,
            result: counted(number, u64::from(number)),
            failed_before,
        })
    };
    let late = RepoCommand::SetError {
        operation: Operation::Stat,
        error: error(2, "late"),
        result_number: 2,
    };
    let repo = given::<Repo>([begun()])
        .when(&success(1, 0), 0)
        .then_nothing();
    let repo = repo
        .when(&success(3, 2), 0)
        .then(vec![counted_as(3, succeeded(Operation::Stat, 3))]);
    assert_eq!(
        repo.state().known().unwrap().newest_result(Operation::Stat),
        3
    );
    repo.when(&success(3, 2), 0).then_nothing();
    repo.when(&success(4, 2), 0).then_nothing();
    repo.when(&late, 0).then_nothing();
    let uncounted = clear(ClearBy::Success {
        operation: Operation::Stat,
        result: uncounted(3),
        failed_before: 1,
    });
    given::<Repo>([begun()]).when(&uncounted, 0).then_nothing();
}
