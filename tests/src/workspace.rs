//! What this workspace consists of: its files and its crates, as git and cargo list them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Folders that hold nothing of ours, where git cannot be asked.
const UNTRACKED_FOLDERS: [&str; 3] = [".git", ".tools", "target"];

/// The workspace's root folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
}

/// Every file that is tracked or could be, relative to the root, in order.
pub(crate) fn files() -> BTreeSet<PathBuf> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output();
    let mut files: BTreeSet<PathBuf> = match listed {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .expect("our file names are UTF-8")
            .split_terminator('\0')
            .map(PathBuf::from)
            .collect(),
        _ => BTreeSet::new(),
    };
    if files.is_empty() {
        walk(root(), &mut files);
    }
    files.retain(|file| root().join(file).is_file());
    files
}

/// The text of a file that [`files`] names.
pub(crate) fn text(file: &Path) -> String {
    fs::read_to_string(root().join(file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The workspace's packages, as `cargo metadata` tells them.
pub(crate) fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    serde_json::from_value(metadata["packages"].take()).expect("packages are a list")
}

fn walk(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("our folders can be read") {
        let entry = entry.expect("our folders can be read");
        let path = entry.path();
        // In a further working tree of a repository, `.git` is a file.
        let is_untracked = UNTRACKED_FOLDERS
            .iter()
            .any(|name| entry.file_name() == *name);
        if is_untracked {
            continue;
        }
        if !path.is_dir() {
            files.insert(
                path.strip_prefix(root())
                    .expect("the walk began at the root")
                    .to_owned(),
            );
        } else {
            walk(&path, files);
        }
    }
}

#[test]
fn without_git_the_same_folders_are_walked() {
    let mut walked = BTreeSet::new();
    walk(root(), &mut walked);
    assert!(walked.contains(Path::new("tests/src/main.rs")));
    let is_ours = |file: &PathBuf| {
        !UNTRACKED_FOLDERS
            .iter()
            .any(|folder| file.starts_with(folder))
    };
    assert!(walked.iter().all(is_ours));
}
