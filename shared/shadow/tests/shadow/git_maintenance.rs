//! Shadows that somebody worked on with git.

use std::fs;

use nogfso_shadow::{Outcome, StatError, refs};

use crate::fixture::World;

#[test]
fn a_stat_reads_what_gc_and_repack_have_packed() {
    let world = World::new();
    for number in 0..60 {
        world.write(
            format!("dir{}/file-with-a-long-name-{number}", number % 3),
            "1",
            number,
        );
    }
    world.stat();
    for round in 0..4 {
        world.write(
            format!("dir1/file-with-a-long-name-{}", 1 + 3 * round),
            "22",
            1,
        );
        world.stat();
        world.git(if round % 2 == 0 {
            &["gc", "--quiet"]
        } else {
            &["repack", "-adfq", "--depth=50"]
        });
        assert!(!world.shadow.join(".git/refs/heads/master-stat").exists() || round % 2 == 1);
        assert_eq!(world.stat().outcome, Outcome::Unchanged);
    }
    world.write("dir2/new", "", 1);
    let report = world.stat();
    assert_eq!(report.added, 1);
    assert_eq!(
        refs::head(&world.shadow, "master-stat").unwrap(),
        Some(report.new)
    );
    assert_eq!(
        world.git(&["rev-parse", "master-stat"]).trim_end(),
        report.new.to_string()
    );
    world.assert_fsck_is_clean();
}

#[test]
fn a_stat_reads_loose_objects() {
    let world = World::new();
    world.write("a/f", "1", 1);
    world.stat();
    let packs = world.shadow.join(".git/objects/pack");
    for entry in fs::read_dir(&packs).unwrap() {
        let path = entry.unwrap().path();
        let outside = world.temp.path().join(path.file_name().unwrap());
        fs::rename(&path, &outside).unwrap();
        if outside.extension().unwrap() == "pack" {
            let unpack = crate::fixture::git_command(&world.shadow, &["unpack-objects", "-q"])
                .stdin(fs::File::open(&outside).unwrap())
                .status();
            assert!(unpack.unwrap().success());
        }
    }
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    world.write("a/f", "22", 1);
    assert_eq!(world.stat().modified, 1);
}

#[test]
fn a_branch_that_does_not_exist_has_no_head() {
    let world = World::new();
    assert_eq!(refs::head(&world.shadow, "master-meta").unwrap(), None);
    assert_eq!(
        refs::head(&world.path("nowhere"), "master-stat").unwrap(),
        None
    );
    world.git(&["branch", "-D", "master-stat", "-q"]);
    assert!(matches!(
        world.stat_with(|_| {}),
        Err(StatError::NoBranch { .. })
    ));
}

#[test]
fn a_missing_object_is_an_error_that_changes_nothing() {
    let world = World::new();
    world.write("a/f", "1", 1);
    world.stat();
    world.git(&["gc", "--quiet"]);
    for entry in fs::read_dir(world.shadow.join(".git/objects/pack")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let before = world.shadow_files();
    assert!(matches!(world.stat_with(|_| {}), Err(StatError::Odb(_))));
    assert_eq!(world.shadow_files(), before);
}
