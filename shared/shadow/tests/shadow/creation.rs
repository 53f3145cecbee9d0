//! Making shadows, again and again.

use std::fs;

use nogfso_ids::SubdirTracking;
use nogfso_shadow::{CreateError, PlacementError, create, refs};

use crate::fixture::{REPO, World, author, create_in, create_request, files_below, git_in};

#[test]
fn a_new_shadow_has_all_branches_at_one_commit() {
    let world = World::new();
    let heads: Vec<_> = ["stub", "stat", "sha", "content", "sot", "tos"]
        .map(|branch| refs::head(&world.shadow, &format!("master-{branch}")).unwrap())
        .into_iter()
        .collect();
    assert!(
        heads[0].is_some() && heads.iter().all(|head| *head == heads[0]),
        "{heads:?}"
    );
    assert_eq!(
        world
            .git(&["for-each-ref", "--format=%(refname)"])
            .lines()
            .count(),
        6
    );
    assert_eq!(
        world.git(&["ls-tree", "-r", "--name-only", "HEAD"]),
        ".gitignore\n"
    );
    assert_eq!(
        fs::read_to_string(world.shadow.join(".git/fso/uuid")).unwrap(),
        format!("{REPO}\n")
    );
    assert_eq!(world.git(&["config", "core.trustctime"]), "false\n");
    assert_eq!(world.git(&["config", "core.filemode"]), "false\n");
    assert_eq!(
        world.git(&["config", "--bool", "filter.sha.required"]),
        "true\n"
    );
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["reflog", "HEAD"]).lines().count(), 1);
    world.assert_fsck_is_clean();
}

#[test]
fn settings_keep_unusual_paths() {
    let temp = tempfile::tempdir().unwrap();
    let realdir = temp.path().join("a \"b\" ;c\\d #e");
    fs::create_dir(&realdir).unwrap();
    let shadow = create_in(temp.path(), &realdir).unwrap().path;
    let setting = git_in(&shadow, &["config", "-z", "fso.realdir"]);
    assert_eq!(setting.trim_end_matches('\0'), realdir.to_str().unwrap());
}

#[test]
fn creating_twice_changes_nothing() {
    let world = World::new();
    world.write("f", "1", 1);
    world.stat();
    let before = world.shadow_files();
    let again = create_in(world.temp.path(), &world.realdir).unwrap();
    assert!(again.was_there);
    assert_eq!(again.path, world.shadow);
    assert_eq!(world.shadow_files(), before);
}

#[test]
fn a_dead_run_at_any_step_is_cleaned_up() {
    let world = World::new();
    let staged = world
        .shadow
        .with_file_name(format!("{REPO}.fso.__tmp__1600000000000000000__"));
    let others = world
        .shadow
        .with_file_name("1b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11.fso.__tmp__1__");
    fs::create_dir(&others).unwrap();
    let mut files: Vec<_> = files_below(&world.shadow).into_keys().collect();
    files.sort();
    let complete = world.temp.path().join("complete");
    fs::rename(&world.shadow, &complete).unwrap();
    // Paths sort before what lies below them, so every prefix of the list is a state that a dead run could leave.
    for present in 0..files.len() {
        for path in &files[..=present] {
            let relative = path.strip_prefix(&world.shadow).unwrap();
            let (source, target) = (complete.join(relative), staged.join(relative));
            if source.is_dir() {
                fs::create_dir(target).unwrap();
            } else {
                fs::copy(source, target).unwrap();
            }
        }
        let created = create_in(world.temp.path(), &world.realdir).unwrap();
        assert!(!created.was_there && !staged.exists());
        if present % 10 == 0 {
            world.assert_fsck_is_clean();
        }
        fs::remove_dir_all(&created.path).unwrap();
    }
    assert!(others.exists(), "what belongs to another repo stays");
}

#[test]
fn what_is_not_the_shadow_of_the_repo_is_left_alone() {
    let world = World::new();
    let uuid = world.shadow.join(".git/fso/uuid");
    fs::write(&uuid, "1b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11\n").unwrap();
    let error = create_in(world.temp.path(), &world.realdir).unwrap_err();
    assert!(
        matches!(error, CreateError::Occupied { found: Some(_), .. }),
        "{error}"
    );
    fs::remove_file(&uuid).unwrap();
    let error = create_in(world.temp.path(), &world.realdir).unwrap_err();
    assert!(
        matches!(error, CreateError::Occupied { found: None, .. }),
        "{error}"
    );
}

#[test]
fn a_failing_rename_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let realdir = temp.path().join("exp1");
    fs::create_dir(&realdir).unwrap();
    // A dangling link at the final path is there, but is no shadow.
    let path = nogfso_shadow::shadow_path(
        &temp.path().join("shadow"),
        None,
        &realdir,
        crate::fixture::repo(),
    )
    .unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(matches!(
        create_in(temp.path(), &realdir),
        Err(CreateError::Occupied { .. })
    ));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn only_directories_outside_the_shadow_root_get_a_shadow() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("shadow");
    fs::create_dir_all(root.join("inside")).unwrap();
    let error = create_in(temp.path(), &root.join("inside")).unwrap_err();
    assert!(
        matches!(
            error,
            CreateError::Placement(PlacementError::BelowShadowRoot { .. })
        ),
        "{error}"
    );
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(temp.path(), &link).unwrap();
    for realdir in [temp.path().join("missing"), link] {
        let error = create_in(temp.path(), &realdir).unwrap_err();
        assert!(matches!(error, CreateError::NotADirectory(_)), "{error}");
    }
}

#[test]
fn other_modes_are_refused_for_now() {
    let temp = tempfile::tempdir().unwrap();
    let author = author();
    let root = temp.path().join("shadow");
    for tracking in [
        SubdirTracking::BundleSubdirs,
        SubdirTracking::IgnoreSubdirs,
        SubdirTracking::IgnoreMost,
    ] {
        let mut request = create_request(&root, temp.path(), &author);
        request.tracking = tracking;
        let error = create(&request).unwrap_err();
        assert!(
            matches!(error, CreateError::UnsupportedTracking(mode) if mode == tracking),
            "{error}"
        );
    }
    assert!(!root.exists());
}
