//! Which records are written when a tree changes.

use nogfso_shadow::{MtimeRange, Outcome};

use crate::fixture::World;

#[test]
fn changes_are_counted_and_committed() {
    let world = World::new();
    world.write("a/keep", "1", 1_500_000_000);
    world.write("a/change", "1", 1_500_000_000);
    world.write("a/remove", "1", 1_500_000_000);
    world.write("zero", "", 0);
    world.stat();
    world.write("a/change", "22", 1_500_000_000);
    world.remove("a/remove");
    world.write("b/new", "", 1_500_000_001);
    world.link("b/dangling", "nowhere/at all");
    let report = world.stat();
    assert_eq!((report.added, report.modified, report.removed), (2, 1, 1));
    let paths = [
        ".gitignore",
        ".nogtree",
        "a/.nogtree",
        "a/change",
        "a/keep",
        "b/.nogtree",
        "b/dangling",
        "b/new",
        "zero",
    ];
    assert_eq!(world.paths(), paths);
    assert_eq!(
        world.record("a/change"),
        "name: \"change\"\nsize: 2\nmtime: 1500000000\n"
    );
    assert_eq!(world.record("zero"), "name: \"zero\"\nsize: 0\nmtime: 0\n");
    assert_eq!(world.record("b/dangling"), "nowhere/at all");
    world.assert_fsck_is_clean();
}

#[test]
fn hard_links_count_as_files_each_and_their_size_once() {
    let world = World::new();
    world.write("a/one", "12345", 1_500_000_000);
    std::fs::create_dir(world.path("b")).unwrap();
    std::fs::hard_link(world.path("a/one"), world.path("b/two")).unwrap();
    std::fs::hard_link(world.path("a/one"), world.temp.path().join("outside")).unwrap();
    let report = world.stat();
    assert_eq!((report.totals.files, report.totals.bytes), (2, 5));
    assert_eq!(
        world.record("b/two"),
        "name: \"two\"\nsize: 5\nmtime: 1500000000\n"
    );
}

#[test]
fn a_directory_without_direct_children_that_are_recorded_has_no_record() {
    let world = World::new();
    world.write("a/b/c", "", 1);
    world.fifo("a/pipe");
    world.stat();
    assert_eq!(
        world.paths(),
        [".gitignore", ".nogtree", "a/b/.nogtree", "a/b/c"]
    );
}

#[test]
fn a_directory_record_changes_only_with_a_direct_child() {
    let world = World::new();
    world.write("a/f", "", 1);
    world.write("a/b/f", "", 1);
    world.touch("a", 100);
    world.stat();
    world.touch("a", 200);
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    world.write("a/b/f", "x", 1);
    world.stat();
    assert_eq!(world.record("a/.nogtree"), "name: \"a\"\nmtime: 100\n");
    world.write("a/f", "x", 1);
    world.touch("a", 300);
    world.stat();
    assert_eq!(world.record("a/.nogtree"), "name: \"a\"\nmtime: 300\n");
}

#[test]
fn a_directory_record_goes_with_the_last_entry() {
    let world = World::new();
    world.write("a/f", "", 1);
    world.write("b/f", "", 1);
    world.write("b/sub/g", "", 1);
    world.write("c/f", "", 1);
    world.stat();
    world.remove("a/f");
    world.remove("b/f");
    world.remove("c");
    world.stat();
    let paths = [
        ".gitignore",
        ".nogtree",
        "b/.nogtree",
        "b/sub/.nogtree",
        "b/sub/g",
    ];
    assert_eq!(
        world.paths(),
        paths,
        "an empty a, a gone c, and a b that still has a directory"
    );
}

#[test]
fn the_toplevel_record_waits_for_a_change_at_the_top() {
    let world = World::new();
    world.write("a/f", "", 1);
    world.touch(".", 1_500_000_000);
    world.stat();
    let before = world.record(".nogtree");
    world.write("a/g", "12345", 1);
    let report = world.stat();
    assert_eq!(
        (report.outcome, report.totals.bytes),
        (Outcome::Committed, 5)
    );
    assert_eq!(world.record(".nogtree"), before);
    world.touch(".", 1_500_000_001);
    world.stat();
    assert!(
        world
            .record(".nogtree")
            .contains("files: 2\nlinks: 0\nothers: 0\nsize: 5\n")
    );
}

#[test]
fn a_forced_toplevel_record_comes_beside_the_rest_or_alone() {
    let world = World::new();
    world.write("a/f", "", 1);
    world.touch(".", 1_500_000_000);
    world.stat();
    world.write("a/g", "12345", 1);
    let alone = world
        .stat_with(|request| request.mtime_range = MtimeRange::Only)
        .unwrap();
    assert_eq!((alone.outcome, alone.added), (Outcome::Committed, 0));
    assert!(world.record(".nogtree").contains("size: 5\n"));
    assert!(!world.paths().contains(&"a/g".to_owned()));
    let subject = world.git(&["log", "-1", "--format=%s", "master-stat"]);
    assert_eq!(subject, "stat 2020-09-13T13:26:40+01:00: mtime range\n");
    world.write("a/h", "1", 1);
    let beside = world
        .stat_with(|request| request.mtime_range = MtimeRange::Also)
        .unwrap();
    assert_eq!(beside.added, 2);
    assert!(world.record(".nogtree").contains("size: 6\n"));
    let again = world
        .stat_with(|request| request.mtime_range = MtimeRange::Also)
        .unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
}

#[test]
fn a_file_may_become_a_directory_and_come_back() {
    let world = World::new();
    world.write("d/x", "1", 1);
    world.stat();
    world.remove("d/x");
    world.write("d/x/y/z", "1", 1);
    let there = world.stat();
    assert_eq!((there.added, there.modified, there.removed), (1, 0, 1));
    assert_eq!(
        world.paths(),
        [
            ".gitignore",
            ".nogtree",
            "d/.nogtree",
            "d/x/y/.nogtree",
            "d/x/y/z"
        ]
    );
    world.remove("d/x");
    world.link("d/x", "target");
    let back = world.stat();
    assert_eq!((back.added, back.modified, back.removed), (1, 0, 1));
    assert_eq!(
        world.paths(),
        [".gitignore", ".nogtree", "d/.nogtree", "d/x"]
    );
    world.remove("d/x");
    world.write("d/x", "1", 1);
    assert_eq!(world.stat().modified, 1);
    world.remove("d/x");
    world.fifo("d/x");
    assert_eq!(world.stat().removed, 1);
    world.assert_fsck_is_clean();
}

#[test]
fn deep_trees_are_recorded_with_few_open_directories() {
    const LEVELS: usize = 1_000;
    let world = World::new();
    let mut here = rustix::fs::open(
        &world.realdir,
        rustix::fs::OFlags::PATH,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let mode = rustix::fs::Mode::RWXU;
    for _ in 0..LEVELS {
        // Siblings stay to be visited while the walk goes down, so that more directories are wanted open than may be.
        for name in ["a", "b", "c"] {
            rustix::fs::mkdirat(&here, name, mode).unwrap();
        }
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        here = rustix::fs::openat(&here, "b", flags, mode).unwrap();
        let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
        rustix::fs::openat(&here, "file", create, mode).unwrap();
    }
    let report = world.stat();
    assert_eq!(report.added, LEVELS as u64);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.totals.dirs, 3 * LEVELS as u64 + 1);
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    world.assert_fsck_is_clean();
    let removed = std::process::Command::new("rm")
        .arg("-rf")
        .arg(&world.realdir)
        .status()
        .unwrap();
    assert!(removed.success());
}
