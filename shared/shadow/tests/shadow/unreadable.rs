//! What happens to paths that may not be read. The superuser may read everything, so these tests give that up.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nogfso_shadow::adoption::{self, AdoptionError, Denial, Limits};
use nogfso_shadow::{Outcome, Reason, StatError};

use crate::fixture::World;

/// Runs `body` without privileges: at once, or by running the test `name` again as nobody.
fn unprivileged(name: &str, body: fn()) {
    if !rustix::process::getuid().is_root() {
        return body();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .current_dir("/")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_closed_directory_keeps_its_records_and_is_reported() {
    unprivileged(
        "unreadable::a_closed_directory_keeps_its_records_and_is_reported",
        || {
            let world = World::new();
            world.write("closed/sub/f", "1", 1);
            world.write("open/f", "1", 1);
            world.stat();
            let before = world.tree();
            world.write("closed/sub/f", "22", 1);
            world.write("open/f", "22", 1);
            chmod(&world.path("closed"), 0);
            let report = world.stat();
            assert_eq!(
                (report.outcome, report.modified, report.removed),
                (Outcome::Committed, 1, 0)
            );
            assert_eq!(report.problems.count, 1);
            assert_eq!(report.problems.first[0].path, PathBuf::from("closed"));
            assert!(matches!(
                report.problems.first[0].reason,
                Reason::Unreadable(_)
            ));
            let after = world.tree();
            for path in [b"closed/sub/f".as_slice(), b"closed/sub/.nogtree"] {
                assert_eq!(after[path], before[path]);
            }
            let again = world.stat();
            assert_eq!(
                (again.outcome, again.problems.count),
                (Outcome::Unchanged, 1)
            );
            chmod(&world.path("closed"), 0o755);
            assert_eq!(world.stat().modified, 1);
            world.assert_fsck_is_clean();
        },
    );
}

#[test]
fn a_directory_that_can_only_be_listed_keeps_its_records() {
    unprivileged(
        "unreadable::a_directory_that_can_only_be_listed_keeps_its_records",
        || {
            let world = World::new();
            for number in 0..30 {
                world.write(format!("listed/f{number:02}"), "1", 1);
            }
            world.stat();
            let before = world.tree();
            chmod(&world.path("listed"), 0o444);
            let report = world.stat();
            assert_eq!(
                (report.outcome, report.problems.count),
                (Outcome::Unchanged, 30)
            );
            assert_eq!(report.problems.first.len(), 10);
            assert_eq!(report.problems.first[9].path, PathBuf::from("listed/f09"));
            assert_eq!(world.tree(), before);
            chmod(&world.path("listed"), 0o755);
        },
    );
}

#[test]
fn a_file_needs_no_permission() {
    unprivileged("unreadable::a_file_needs_no_permission", || {
        let world = World::new();
        world.write("secret", "12345", 7);
        chmod(&world.path("secret"), 0);
        let report = world.stat();
        assert!(report.problems.is_empty());
        assert_eq!(
            world.record("secret"),
            "name: \"secret\"\nsize: 5\nmtime: 7\n"
        );
    });
}

#[test]
fn a_closed_realdir_is_an_error() {
    unprivileged("unreadable::a_closed_realdir_is_an_error", || {
        let world = World::new();
        world.write("f", "1", 1);
        world.stat();
        chmod(&world.realdir, 0);
        let before = world.shadow_files();
        let error = world
            .stat_with(|request| request.confirm_emptied = true)
            .unwrap_err();
        assert!(matches!(error, StatError::Read { .. }), "{error}");
        assert_eq!(world.shadow_files(), before);
        chmod(&world.realdir, 0o755);
    });
}

#[test]
fn a_tree_that_cannot_be_counted_is_not_adopted() {
    unprivileged(
        "unreadable::a_tree_that_cannot_be_counted_is_not_adopted",
        || {
            let world = World::new();
            world.write("closed/f", "1", 1);
            chmod(&world.path("closed"), 0);
            let tracking = nogfso_ids::SubdirTracking::EnterSubdirs;
            let cancel = std::sync::atomic::AtomicBool::new(false);
            let threads = std::num::NonZeroUsize::MIN;
            let denied = adoption::check(
                &world.realdir,
                tracking,
                Limits::default(),
                threads,
                &cancel,
            )
            .unwrap_err();
            let AdoptionError::Denied(Denial::CountFailed { below, .. }) = denied else {
                panic!("{denied}");
            };
            assert_eq!(below, PathBuf::from("closed"));
            chmod(&world.path("closed"), 0o755);
        },
    );
}

#[test]
fn a_git_repo_that_appeared_keeps_the_records_and_is_reported() {
    let world = World::new();
    world.write("sub/f", "1", 1);
    world.write("g", "1", 1);
    world.stat();
    world.write("sub/.git/HEAD", "ref: refs/heads/main\n", 1);
    world.write("sub/f", "22", 1);
    world.write("g", "22", 1);
    let report = world.stat();
    assert_eq!((report.modified, report.problems.count), (1, 1));
    assert_eq!(report.problems.first[0].path, PathBuf::from("sub"));
    assert_eq!(report.problems.first[0].reason, Reason::GitRepo);
    assert_eq!(world.record("sub/f"), "name: \"f\"\nsize: 1\nmtime: 1\n");
}
