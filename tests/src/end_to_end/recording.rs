//! What a stat records, and what it tells when it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nogfso_testkit::wait_until_blocking;
use serde_json::Value;

use super::SOON;
use super::asking::{Asks, git, recorded_paths, stat_commit};
use super::world::{Adopted, Rights, Service, Wishes, World};

/// Scenario 32.
#[test]
fn a_stat_without_a_change_makes_no_commit() {
    let world = World::with_root();
    world.directory("a dir");
    let repo = world.adopt("a dir");
    let first = stat_commit(&repo.shadow);
    let same = world.ctl_json(&["stat", "--wait=30s", &repo.id]);
    assert_eq!(same["ended"]["result"]["outcome"], "unchanged", "{same}");
    assert_eq!(stat_commit(&repo.shadow), first);

    fs::write(repo.realdir.join("new file ü"), "new").unwrap();
    world.ctl(&["stat", "--wait=30s", &repo.id]).ok();
    let second = stat_commit(&repo.shadow);
    assert_ne!(second, first);
    assert_eq!(git(&repo.shadow, &["rev-parse", "master-stat^"]), first);
    world.ctl(&["stat", "--wait=30s", &repo.id]).ok();
    assert_eq!(stat_commit(&repo.shadow), second);
}

/// Scenarios 25 and 27, with a directory that a worker without privileges cannot read.
#[test]
fn what_cannot_be_read_is_an_error_until_it_is_cleared_by_its_text() {
    let mut world = bound_by_permissions();
    let repo = with_closed_folder(&world);
    world.ctl(&["stat", &repo.id]).ok();
    let errors = wait_until_blocking("the stored error", SOON, || {
        let info = world.repo(&repo.id);
        info["error"]
            .is_string()
            .then(|| info["errors"].clone())
            .ok_or(info)
    });
    assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
    assert_eq!(errors[0]["operation"], "stat");
    assert_eq!(errors[0]["code"], "unreadable-paths");
    assert_eq!(errors[0]["path_count"], 1);
    assert!(
        path_of(&errors[0]["paths"][0]).contains("closed folder"),
        "{errors}"
    );
    assert!(
        world.process(Service::Stad).find_line("failed: ").is_some(),
        "the worker tells of it"
    );
    let recorded = recorded_paths(&repo.shadow);
    assert!(
        recorded.iter().any(|path| path.contains("readable later")),
        "{recorded:?}"
    );

    let message = errors[0]["message"].as_str().unwrap();
    world
        .ctl(&["clear-error", &repo.id, "another text"])
        .failed(3);
    assert!(world.repo(&repo.id)["error"].is_string());
    world.ctl(&["clear-error", &repo.id, message]).ok();
    assert!(world.repo(&repo.id)["error"].is_null());
    open(&repo.realdir, 0o755);
}

/// Scenario 28: the repo shows the error of a stat whether somebody waits for it or not.
#[test]
fn a_stat_that_is_waited_for_fails_and_a_later_success_clears_its_error() {
    let world = bound_by_permissions();
    let repo = with_closed_folder(&world);
    let refused = world.ctl(&["stat", "--wait=30s", &repo.id]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("fatal: stat failed"), "{refused:?}");
    wait_until_blocking("the stored error", SOON, || {
        world.repo(&repo.id)["error"].is_string()
    });

    open(&repo.realdir, 0o755);
    world.ctl(&["stat", "--wait=30s", &repo.id]).ok();
    wait_until_blocking("the error to go", SOON, || {
        world.repo(&repo.id)["error"].is_null()
    });
    let recorded = recorded_paths(&repo.shadow);
    assert!(
        recorded.iter().any(|path| path.contains("inside")),
        "{recorded:?}"
    );
}

fn bound_by_permissions() -> World {
    World::with_root_and(Wishes {
        stad_rights: Rights::None,
        ..Wishes::default()
    })
}

/// A repo in which something new can be read and something new cannot.
fn with_closed_folder(world: &World) -> Adopted {
    world.directory("a dir");
    let repo = world.adopt("a dir");
    fs::write(repo.realdir.join("readable later"), "new").expect("the tree is ours");
    let closed = repo.realdir.join("closed folder");
    fs::create_dir(&closed).expect("the tree is ours");
    fs::write(closed.join("inside"), "hidden").expect("the tree is ours");
    open(&repo.realdir, 0o000);
    repo
}

fn open(realdir: &Path, mode: u32) {
    fs::set_permissions(
        realdir.join("closed folder"),
        fs::Permissions::from_mode(mode),
    )
    .expect("the tree is ours");
}

fn path_of(problem: &Value) -> &str {
    problem["path"].as_str().expect("a problem has a path")
}
