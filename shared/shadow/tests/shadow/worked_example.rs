//! The worked example of the format, bit by bit.

use std::os::unix::fs::PermissionsExt;

use nogfso_shadow::Outcome;

use crate::fixture::World;

const EXPECTED: &str = "\
100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t.gitignore
100644 blob b5860c2c5e18b700e0afc1c2bff84802330e1856\t.nogtree
100644 blob cc19020301718ad39a20dcab5c3791a3605cf0ac\tREADME.md
040000 tree 4452297eb95dbf21df3ab13e305de8326072b11f\tdata
100644 blob 608471d9b8eaafd62bbaaf17b5464af9267c520f\tdata/.nogtree
100644 blob b5aed24b27a950b5e9179de89664780e02f6be02\tdata/b.dat
040000 tree 887d0435783064b43279bd575d427c108c0937d6\tdata/raw
100644 blob 8ae6ab92c8c433e2d17b74cd8724ce625722ef29\tdata/raw/.nogtree
100644 blob a78c26b8573cc153a959441c1a785bfb08a2812c\tdata/raw/näme \"q\".json
120000 blob 6a012ec25bf18e18d373a8a6e19f8f61e0a6953b\tlink
";

pub(crate) fn build(world: &World) {
    world.write("README.md", "hello\n", 1_500_000_100);
    world.write("data/b.dat", "data22", 1_500_000_200);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.path("data/b.dat"), executable).unwrap();
    world.write("data/raw/näme \"q\".json", "{\"a\":1}", 1_500_000_300);
    std::fs::create_dir(world.path("empty")).unwrap();
    world.fifo("fifo");
    world.link("link", "data/b.dat");
    for (path, mtime) in [
        ("fifo", 1_500_000_050),
        ("link", 1_500_000_400),
        ("empty", 1_500_000_050),
        ("data/raw", 1_500_000_500),
        ("data", 1_500_000_500),
        (".", 1_500_000_600),
    ] {
        world.touch(path, mtime);
    }
}

#[test]
fn the_tree_is_that_of_the_original() {
    let world = World::new();
    build(&world);
    let report = world.stat();
    assert_eq!(report.outcome, Outcome::Committed);
    let listing = world
        .git(&["ls-tree", "-r", "-t", "-z", "master-stat"])
        .replace('\0', "\n");
    assert_eq!(listing, EXPECTED);
    assert_eq!((report.added, report.modified, report.removed), (4, 0, 0));
    let totals = report.totals;
    assert_eq!(
        (
            totals.dirs,
            totals.files,
            totals.links,
            totals.others,
            totals.bytes
        ),
        (4, 3, 1, 1, 19)
    );
    assert!(report.problems.is_empty() && report.escaped.is_empty());
    world.assert_fsck_is_clean();
}

#[test]
fn the_commit_names_author_time_and_operation() {
    let world = World::new();
    build(&world);
    let report = world.stat();
    let shown = world.git(&[
        "log",
        "--format=%an <%ae>|%cn|%s|%ad|%H",
        "--date=iso-strict",
        "master-stat",
    ]);
    let lines: Vec<_> = shown.lines().collect();
    let expected = format!(
        "Alice A <alice@example.org>|Alice A|stat 2020-09-13T13:26:40+01:00|2020-09-13T13:26:40+01:00|{}",
        report.new
    );
    assert_eq!(lines[0], expected);
    assert!(
        lines[1].contains("|init 2020-09-13T13:26:40+01:00|")
            && lines[1].ends_with(&report.old.to_string())
    );
    assert!(
        world
            .git(&["log", "--stat", "master-stat"])
            .contains("README.md")
    );
    assert_eq!(
        world
            .git(&["reflog", "--format=%gs", "master-stat"])
            .lines()
            .count(),
        2
    );
}

#[test]
fn a_second_run_writes_nothing_at_all() {
    let world = World::new();
    build(&world);
    let first = world.stat();
    let before = world.shadow_files();
    let second = world.stat();
    assert_eq!(second.outcome, Outcome::Unchanged);
    assert_eq!((second.old, second.new), (first.new, first.new));
    assert_eq!(second.totals, first.totals);
    assert_eq!(world.shadow_files(), before);
}

#[test]
fn the_shadow_is_a_clean_checkout_of_the_stub() {
    let world = World::new();
    build(&world);
    world.stat();
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(
        world.git(&["symbolic-ref", "HEAD"]),
        "refs/heads/master-stub\n"
    );
    let realdir = world.git(&["config", "fso.realdir"]);
    assert_eq!(realdir.trim_end(), world.realdir.to_str().unwrap());
}
