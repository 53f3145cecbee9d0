//! What is shipped has nothing in it of what tests plant.

use std::process::Command;

use crate::workspace;

const FAULTS: &str = "nogfso-faults ";

/// A plain `cargo build` makes the default members, without what only tests depend on.
#[test]
fn a_product_is_built_without_what_tests_plant() {
    let planted = features_of_faults(&[]);
    assert!(!planted.is_empty(), "the services name the crate");
    assert!(planted.iter().all(String::is_empty), "{planted:?}");
}

/// So that the test above cannot hold because it looks for the wrong thing.
#[test]
fn tests_are_built_with_it() {
    assert_eq!(features_of_faults(&["--package=nogfso-tests"]), ["on"]);
}

/// The features with which the crate is built, each time that it is named.
fn features_of_faults(which: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges=normal,build"])
        .args(["--prefix=none", "--format={p} [{f}]", "--no-dedupe"])
        .args(which)
        .current_dir(workspace::root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let lines = text.lines().filter(|line| line.starts_with(FAULTS));
    lines
        .map(|line| {
            let features = line
                .split_once('[')
                .and_then(|(_, end)| end.split_once(']'));
            features.expect("the format has brackets").0.to_owned()
        })
        .collect()
}
