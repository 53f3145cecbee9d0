//! A realdir that is not what it was: nothing is recorded without a confirmation.

use std::fs;

use nogfso_shadow::{MtimeRange, Outcome, StatError};

use crate::fixture::{World, git_command};

fn recorded() -> World {
    let world = World::new();
    world.write("a/f", "1", 1);
    world.write("g", "1", 1);
    world.stat();
    world
}

fn assert_refused(world: &World, expected: fn(&StatError) -> bool) {
    let before = world.shadow_files();
    for mtime_range in [MtimeRange::No, MtimeRange::Also, MtimeRange::Only] {
        let error = world
            .stat_with(|request| request.mtime_range = mtime_range)
            .unwrap_err();
        assert!(expected(&error) && error.needs_confirmation(), "{error}");
    }
    assert_eq!(world.shadow_files(), before);
}

fn confirmed(world: &World) -> nogfso_shadow::StatReport {
    world
        .stat_with(|request| request.confirm_emptied = true)
        .unwrap()
}

#[test]
fn a_missing_realdir_changes_nothing_until_confirmed() {
    let world = recorded();
    fs::rename(&world.realdir, world.temp.path().join("elsewhere")).unwrap();
    assert_refused(&world, |error| matches!(error, StatError::Missing(_)));
    assert_eq!(confirmed(&world).removed, 2);
    assert_eq!(world.paths(), [".gitignore"]);
    world.assert_fsck_is_clean();
}

#[test]
fn a_symbolic_link_is_no_realdir() {
    let world = recorded();
    let elsewhere = world.temp.path().join("elsewhere");
    fs::rename(&world.realdir, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &world.realdir).unwrap();
    assert_refused(&world, |error| matches!(error, StatError::NotADirectory(_)));
}

#[test]
fn an_emptied_realdir_changes_nothing_until_confirmed() {
    let world = recorded();
    world.remove("a");
    world.remove("g");
    assert_refused(&world, |error| matches!(error, StatError::Emptied(_)));
    assert_eq!(confirmed(&world).removed, 2);
    assert_eq!(world.paths(), [".gitignore", ".nogtree"]);
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
}

#[test]
fn another_device_changes_nothing_until_confirmed() {
    let world = recorded();
    let identity = world.shadow.join(".git/fso/realdir.json");
    let text = fs::read_to_string(&identity).unwrap();
    let device = text
        .split(['{', ',', ':', '}'])
        .find_map(|part| part.parse::<u64>().ok())
        .unwrap();
    let other = text.replacen(&device.to_string(), &(device + 1).to_string(), 1);
    fs::write(&identity, other).unwrap();
    world.write("h", "1", 1);
    assert_refused(&world, |error| {
        matches!(error, StatError::OtherDevice { .. })
    });
    assert_eq!(confirmed(&world).added, 1);
    assert_eq!(fs::read_to_string(&identity).unwrap(), text);
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
}

#[test]
fn an_empty_realdir_with_an_empty_record_is_fine() {
    let world = World::new();
    assert_eq!(world.stat().outcome, Outcome::Committed);
    assert_eq!(world.paths(), [".gitignore", ".nogtree"]);
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
}

#[test]
fn the_record_of_a_frozen_realdir_survives_its_absence() {
    let world = recorded();
    record_as_immutable(&world);
    let elsewhere = world.temp.path().join("elsewhere");
    fs::rename(&world.realdir, &elsewhere).unwrap();
    let before = world.shadow_files();
    for confirm in [false, true] {
        let report = world
            .stat_with(|request| request.confirm_emptied = confirm)
            .unwrap();
        assert_eq!(
            (report.outcome, report.old),
            (Outcome::Immutable, report.new)
        );
    }
    assert_eq!(world.shadow_files(), before);
    fs::rename(&elsewhere, &world.realdir).unwrap();
    world.write("g", "22", 1);
    assert_eq!(
        world.stat().modified,
        1,
        "a directory that is not immutable any more is recorded again"
    );
    assert!(world.record(".nogtree").ends_with("attrs: \"\"\n"));
}

/// Rewrites the toplevel record with git, as if the realdir had the immutable attribute, which takes privileges.
fn record_as_immutable(world: &World) {
    let frozen = world
        .record(".nogtree")
        .replace("attrs: \"\"", "attrs: \"i\"");
    let file = world.temp.path().join("frozen");
    fs::write(&file, frozen).unwrap();
    let blob = world.git(&["hash-object", "-w", file.to_str().unwrap()]);
    let index = world.temp.path().join("index");
    let git = |arguments: &[&str]| {
        let output = git_command(&world.shadow, arguments)
            .env("GIT_INDEX_FILE", &index)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    };
    git(&["read-tree", "master-stat"]);
    git(&[
        "update-index",
        "--cacheinfo",
        &format!("100644,{},.nogtree", blob.trim_end()),
    ]);
    let tree = git(&["write-tree"]);
    let commit = git(&["commit-tree", &tree, "-p", "master-stat", "-m", "frozen"]);
    git(&["update-ref", "refs/heads/master-stat", &commit]);
}
