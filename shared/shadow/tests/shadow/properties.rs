//! Random histories of a tree: what is recorded step by step is what is recorded at once.

use std::fs;

use nogfso_shadow::MtimeRange;
use proptest::prelude::*;

use crate::fixture::{Listing, World, os, set_mtime, stat_in, tree_of};

const NAMES: [&[u8]; 6] = [b"a", b"a.b", b"a0", b".gitignore", b"b\xff", b".nogtree"];

#[derive(Debug, Clone)]
enum Change {
    File {
        path: Vec<usize>,
        size: usize,
        mtime: i64,
    },
    Link {
        path: Vec<usize>,
        target: usize,
    },
    Directory {
        path: Vec<usize>,
    },
    Pipe {
        path: Vec<usize>,
    },
    Remove {
        path: Vec<usize>,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let path = || prop::collection::vec(0..NAMES.len(), 1..4);
    prop_oneof![
        4 => (path(), 0..3_usize, 0..2_i64).prop_map(|(path, size, mtime)| Change::File { path, size, mtime }),
        1 => (path(), 0..2_usize).prop_map(|(path, target)| Change::Link { path, target }),
        1 => path().prop_map(|path| Change::Directory { path }),
        1 => path().prop_map(|path| Change::Pipe { path }),
        3 => path().prop_map(|path| Change::Remove { path }),
    ]
}

/// Makes room for something new at the path: directories above it, nothing at it.
fn clear(world: &World, path: &[usize]) -> std::path::PathBuf {
    let mut at = world.realdir.clone();
    for (depth, &name) in path.iter().enumerate() {
        at.push(os(NAMES[name]));
        let last = depth + 1 == path.len();
        match at.symlink_metadata() {
            Ok(found) if found.is_dir() && !last => {}
            Ok(found) if found.is_dir() => fs::remove_dir_all(&at).unwrap(),
            Ok(_) => fs::remove_file(&at).unwrap(),
            Err(_) => {}
        }
        if !last && !at.exists() {
            fs::create_dir(&at).unwrap();
        }
    }
    at
}

fn apply(world: &World, change: &Change) {
    match change {
        Change::File { path, size, mtime } => {
            let at = clear(world, path);
            fs::write(&at, "x".repeat(*size)).unwrap();
            set_mtime(&at, *mtime);
        }
        Change::Link { path, target } => {
            std::os::unix::fs::symlink(format!("target{target}"), clear(world, path)).unwrap();
        }
        Change::Directory { path } => fs::create_dir(clear(world, path)).unwrap(),
        Change::Pipe { path } => world.fifo(clear(world, path)),
        Change::Remove { path } => {
            let at: std::path::PathBuf = path.iter().map(|&name| os(NAMES[name])).collect();
            if world.path(&at).symlink_metadata().is_ok() {
                world.remove(at);
            }
        }
    }
}

fn without_directory_records(mut listing: Listing) -> Listing {
    listing.retain(|path, _| !path.ends_with(b"/.nogtree"));
    listing
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn step_by_step_and_at_once_give_the_same_tree(
        steps in prop::collection::vec(prop::collection::vec(change(), 1..12), 1..5)
    ) {
        let world = World::new();
        for (number, changes) in steps.iter().enumerate() {
            for change in changes {
                apply(&world, change);
            }
            let forced = |request: &mut nogfso_shadow::StatRequest<'_>| {
                request.mtime_range = MtimeRange::Also;
                request.confirm_emptied = true;
            };
            let report = world.stat_with(forced).unwrap();
            let fresh = world.fresh_shadow(number);
            let at_once = stat_in(&fresh, &world.realdir, forced).unwrap();
            prop_assert_eq!(&report.totals, &at_once.totals);
            let (step_by_step, at_once) = (world.tree(), tree_of(&fresh));
            prop_assert_eq!(without_directory_records(step_by_step), without_directory_records(at_once));
            let again = world.stat_with(forced).unwrap();
            prop_assert_eq!(again.old, again.new);
        }
        world.assert_fsck_is_clean();
    }
}
