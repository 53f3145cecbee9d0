//! How much a directory may hold to be adopted.

use std::fs;

use super::asking::Asks;
use super::world::{Wishes, World};
use super::{AUTHOR, GLOBAL_ROOT, REGISTRY};

/// Ten files, the directory included, and 2 KiB.
fn limited() -> World {
    let options = ["--init-limit-max-files=10", "--init-limit-max-size=2k"];
    World::with_root_and(Wishes {
        stad_options: options.map(str::to_owned).to_vec(),
        ..Wishes::default()
    })
}

/// Scenarios 21 and 22.
#[test]
fn too_many_files_are_refused_until_there_are_fewer() {
    let world = limited();
    let path = format!("{GLOBAL_ROOT}/many files");
    let realdir = world.host_root().join("many files");
    fs::create_dir(&realdir).unwrap();
    for n in 1..=10 {
        fs::write(realdir.join(format!("file {n}")), "").unwrap();
    }
    let init = ["init", "repo", AUTHOR, REGISTRY, &path];
    let refused = world.ctl(&init).failed(3);
    assert!(refused.contains("more than 10 files"), "{refused}");
    assert_eq!(
        world.ctl_json(&["get", "repos", REGISTRY])["repos"],
        serde_json::json!([])
    );

    fs::remove_file(realdir.join("file 10")).unwrap();
    world.adopt("many files");
}

/// Scenarios 23 and 24; a directory's own size does not count.
#[test]
fn too_many_bytes_are_refused_until_there_are_fewer() {
    let world = limited();
    let path = format!("{GLOBAL_ROOT}/large file");
    let realdir = world.host_root().join("large file");
    fs::create_dir(&realdir).unwrap();
    fs::write(realdir.join("a file"), vec![0; 3 * 1024]).unwrap();
    let init = ["init", "repo", AUTHOR, REGISTRY, &path];
    let refused = world.ctl(&init).failed(3);
    assert!(
        refused.contains("contains more than 2048 bytes"),
        "{refused}"
    );

    fs::write(realdir.join("a file"), vec![0; 1500]).unwrap();
    // Another name of the same file is no other file.
    fs::hard_link(realdir.join("a file"), realdir.join("same file")).unwrap();
    world.adopt("large file");
}
