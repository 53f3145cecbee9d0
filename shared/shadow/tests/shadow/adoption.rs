//! Which directories may become repos.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nogfso_ids::SubdirTracking;
use nogfso_shadow::adoption::{AdoptionError, Denial, Limits, Survey, check};

use crate::fixture::World;

fn survey(path: &Path, files_max: u64, bytes_max: u64) -> Result<Survey, AdoptionError> {
    let limits = Limits {
        files_max,
        bytes_max,
    };
    let threads = NonZeroUsize::new(2).unwrap();
    check(
        path,
        SubdirTracking::EnterSubdirs,
        limits,
        threads,
        &AtomicBool::new(false),
    )
}

fn denial(path: &Path, files_max: u64, bytes_max: u64) -> Denial {
    match survey(path, files_max, bytes_max) {
        Err(AdoptionError::Denied(denial)) => denial,
        other => panic!("{other:?}"),
    }
}

fn tree() -> World {
    let world = World::new();
    world.write("a/f", "12345", 1);
    std::fs::hard_link(world.path("a/f"), world.path("a/g")).unwrap();
    world.write("b/h", "1", 1);
    world.link("link", "a");
    world
}

#[test]
fn entries_are_counted_with_directories_and_bytes_without() {
    let world = tree();
    assert_eq!(
        survey(&world.realdir, 0, 0).unwrap(),
        Survey { files: 7, bytes: 6 }
    );
}

#[test]
fn a_value_at_the_limit_is_allowed_and_one_above_is_not() {
    let world = tree();
    assert!(survey(&world.realdir, 7, 6).is_ok());
    let path = world.realdir.clone();
    let files = denial(&world.realdir, 6, 0);
    assert_eq!(
        files.to_string(),
        format!("more than 6 files below `{}`", path.display())
    );
    let bytes = denial(&world.realdir, 0, 5);
    assert_eq!(
        bytes.to_string(),
        format!("`{}` contains more than 5 bytes", path.display())
    );
}

#[test]
fn only_directories_are_adopted() {
    let world = tree();
    for name in ["missing", "a/f", "link"] {
        let path = world.path(name);
        assert_eq!(denial(&path, 0, 0), Denial::NotADirectory(path));
    }
}

#[test]
fn git_repos_are_refused_wherever_they_are() {
    for git in [".git/HEAD", "b/c/.git"] {
        let world = tree();
        world.write(git, "", 1);
        let Denial::GitRepo { git: found, .. } = denial(&world.realdir, 0, 0) else {
            panic!("not refused as a git repo");
        };
        assert_eq!(found, PathBuf::from(git.trim_end_matches("/HEAD")));
    }
}

#[test]
fn a_check_can_be_cancelled_and_knows_one_mode() {
    let world = tree();
    let run = |tracking, cancel| {
        check(
            &world.realdir,
            tracking,
            Limits::default(),
            NonZeroUsize::MIN,
            &AtomicBool::new(cancel),
        )
    };
    assert!(matches!(
        run(SubdirTracking::EnterSubdirs, true),
        Err(AdoptionError::Cancelled)
    ));
    assert!(matches!(
        run(SubdirTracking::IgnoreMost, false),
        Err(AdoptionError::UnsupportedTracking(_))
    ));
}
