//! Names of all kinds.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nogfso_shadow::Outcome;

use crate::fixture::{World, os};

const PLAIN: [&str; 9] = [
    "with space",
    "\"quoted\"",
    "back\\slash",
    "line\nbreak",
    "tab\tand\u{7f}",
    "näme",
    ".hidden",
    ".github",
    "100%",
];
const MEANINGFUL: [&str; 14] = [
    ".gitignore",
    ".gitattributes",
    ".gitmodules",
    ".nogtree",
    ".nogbundles",
    ".nogesc-x",
    ".GIT",
    ".Gitmodules",
    "git~1",
    "gitmod~1",
    "a\\.git",
    ".g\u{200c}it",
    ".git ",
    ".git::$INDEX_ALLOCATION",
];

#[test]
fn plain_names_are_stored_as_they_are() {
    let world = World::new();
    for name in PLAIN {
        world.write(format!("in {name}/{name}"), "", 1);
    }
    let report = world.stat();
    assert!(report.escaped.is_empty());
    let paths: BTreeSet<_> = world.paths().into_iter().collect();
    for name in PLAIN {
        assert!(paths.contains(&format!("in {name}/{name}")), "{name}");
    }
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    world.assert_fsck_is_clean();
}

#[test]
fn names_with_a_meaning_are_escaped_and_listed_as_files_directories_and_links() {
    let world = World::new();
    for name in MEANINGFUL {
        world.write(format!("files/{name}"), "[core]\n", 1);
        world.write(format!("dirs/{name}/file"), "", 1);
        std::fs::create_dir_all(world.path("links")).unwrap();
        world.link(format!("links/{name}"), "target");
    }
    world.write(".gitignore", "*\n", 1);
    let report = world.stat();
    assert_eq!(report.escaped.count, 3 * MEANINGFUL.len() as u64 + 1);
    assert_eq!(report.escaped.first.len(), 10);
    assert_eq!(report.escaped.first[0], PathBuf::from(".gitignore"));
    assert_eq!(report.added, 3 * MEANINGFUL.len() as u64 + 1);
    let listing = world.tree();
    assert_eq!(
        listing[b".gitignore".as_slice()].1,
        "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    );
    assert!(listing.contains_key(b"dirs/.nogesc-.nogtree/file".as_slice()));
    assert_eq!(
        world.record(".nogesc-.gitignore"),
        "name: \".nogesc-.gitignore\"\nsize: 2\nmtime: 1\n"
    );
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    world.assert_fsck_is_clean();
}

#[test]
fn names_that_are_not_utf8_are_escaped_and_can_change_and_go() {
    let world = World::new();
    world.write(os(b"b\xffd/f\xfe"), "1", 1);
    let report = world.stat();
    assert_eq!(
        report.escaped.first,
        [
            PathBuf::from(os(b"b\xffd")),
            PathBuf::from(os(b"b\xffd/f\xfe"))
        ]
    );
    let expected = [
        ".gitignore",
        ".nogesc-b%FFd/.nogesc-f%FE",
        ".nogesc-b%FFd/.nogtree",
        ".nogtree",
    ];
    assert_eq!(world.paths(), expected);
    world.write(os(b"b\xffd/f\xfe"), "22", 1);
    assert_eq!(world.stat().modified, 1);
    world.remove(os(b"b\xffd"));
    world.write("other", "", 1);
    assert_eq!(world.stat().removed, 1);
    world.assert_fsck_is_clean();
}

#[test]
fn ignore_files_of_users_hide_nothing() {
    let world = World::new();
    world.write(".gitignore", "*\n", 1);
    world.write("build/.gitignore", "*\n", 1);
    world.write("build/out.o", "1", 1);
    world.stat();
    assert!(world.paths().contains(&"build/out.o".to_owned()));
    world.write("build/out.o", "22", 1);
    assert_eq!(world.stat().modified, 1);
}

#[test]
fn a_mailmap_of_a_user_is_an_ordinary_file() {
    let world = World::new();
    world.write(".mailmap", "x", 1);
    world.stat();
    assert!(world.paths().contains(&".mailmap".to_owned()));
    world.assert_fsck_is_clean();
}
