//! Which crate may depend on which: the table of the workspace, held against `cargo metadata`.

use serde_json::Value;

use crate::workspace;

/// The library crates, and what each may depend on.
const LIBRARIES: [(&str, &[&str]); 13] = [
    ("faults", &[]),
    ("kernel", &[]),
    ("ids", &[]),
    ("domain", &["kernel", "ids"]),
    ("contract", &["kernel", "ids", "domain"]),
    ("journal", &["kernel", "faults"]),
    ("bus", &[]),
    ("jetstream", &["kernel", "journal", "bus", "faults"]),
    ("claims", &["kernel", "journal", "bus", "faults"]),
    ("actions", &["kernel", "journal", "bus", "claims", "faults"]),
    ("shadow", &["ids", "faults"]),
    ("host", &[]),
    (TESTKIT, ANY_LIBRARY),
];

const TESTKIT: &str = "testkit";
const ANY_LIBRARY: &[&str] = &[
    "faults",
    "kernel",
    "ids",
    "domain",
    "contract",
    "journal",
    "bus",
    "jetstream",
    "claims",
    "actions",
    "shadow",
    "host",
];

/// The one service that may depend on services.
const COMPOSER: &str = "nogfso";

/// Crates that decide and do nothing, and what would let them do something.
const PURE: [&str; 3] = ["kernel", "ids", "domain"];
const IMPURE: [&str; 8] = [
    "async-nats",
    "async-trait",
    "config",
    "futures-util",
    "rand",
    "tokio",
    "tokio-util",
    "tracing",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// By the crate itself or its build script.
    Normal,
    /// By its tests alone.
    Test,
}

#[derive(Debug, Clone)]
struct Crate {
    /// Relative to the root, such as `shared/kernel`.
    folder: String,
    edges: Vec<(Use, Target)>,
}

#[derive(Debug, Clone)]
enum Target {
    /// One of our crates, by its folder.
    Ours(String),
    /// Anybody else's, by its name.
    Outside(String),
}

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    let crates = crates();
    assert!(
        crates.iter().any(|one| one.folder == "shared/kernel"),
        "{crates:?}"
    );
    let found = violations(&crates);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn violations(crates: &[Crate]) -> Vec<String> {
    crates
        .iter()
        .flat_map(|one| {
            one.edges
                .iter()
                .filter_map(|edge| violation(&one.folder, edge))
        })
        .chain(
            crates
                .iter()
                .filter(|one| !is_known(&one.folder))
                .map(|one| format!("{} is not in the table", one.folder)),
        )
        .collect()
}

fn is_known(folder: &str) -> bool {
    match folder.split_once('/') {
        Some(("shared", name)) => LIBRARIES.iter().any(|(library, _)| *library == name),
        Some(("services", _)) => true,
        _ => folder == "tests",
    }
}

fn violation(from: &str, (usage, target): &(Use, Target)) -> Option<String> {
    let reason = match target {
        Target::Ours(to) if *usage == Use::Test && to == "shared/testkit" => None,
        // The tests of a crate may ask for features of its own.
        Target::Ours(to) if *usage == Use::Test && to == from => None,
        Target::Ours(to) => forbidden(from, to),
        Target::Outside(name) => from
            .strip_prefix("shared/")
            .filter(|library| PURE.contains(library) && *usage == Use::Normal)
            .filter(|_| IMPURE.contains(&name.as_str()))
            .map(|_| format!("depends on {name}, but is free of async, tracing, NATS and chance")),
    };
    reason.map(|reason| format!("{from} {reason}"))
}

fn forbidden(from: &str, to: &str) -> Option<String> {
    let is_allowed = match (from.split_once('/'), to.split_once('/')) {
        (Some(("shared", library)), Some(("shared", other))) => LIBRARIES
            .iter()
            .any(|(name, allowed)| *name == library && allowed.contains(&other)),
        (Some(("services", _)), Some(("shared", library))) => library != TESTKIT,
        (Some(("services", service)), Some(("services", _))) => service == COMPOSER,
        (None, Some(_)) => from == "tests",
        _ => false,
    };
    (!is_allowed).then(|| format!("must not depend on {to}"))
}

fn crates() -> Vec<Crate> {
    workspace::packages().iter().map(crate_of).collect()
}

fn crate_of(package: &Value) -> Crate {
    let manifest = package["manifest_path"]
        .as_str()
        .expect("a package has a manifest");
    let edges = package["dependencies"]
        .as_array()
        .expect("a package lists its dependencies");
    Crate {
        folder: folder_of(manifest.trim_end_matches("/Cargo.toml")),
        edges: edges.iter().map(edge_of).collect(),
    }
}

fn edge_of(dependency: &Value) -> (Use, Target) {
    let usage = if dependency["kind"] == "dev" {
        Use::Test
    } else {
        Use::Normal
    };
    let target = match dependency["path"].as_str() {
        Some(path) => Target::Ours(folder_of(path)),
        None => Target::Outside(
            dependency["name"]
                .as_str()
                .expect("a dependency has a name")
                .to_owned(),
        ),
    };
    (usage, target)
}

fn folder_of(path: &str) -> String {
    let root = format!("{}/", workspace::root().display());
    path.strip_prefix(&root)
        .expect("our crates lie in the workspace")
        .to_owned()
}

#[test]
fn an_edge_that_points_up_is_found() {
    let found = violations(&[planted(
        "shared/kernel",
        Use::Normal,
        ours("shared/journal"),
    )]);
    assert_eq!(found, ["shared/kernel must not depend on shared/journal"]);
}

#[test]
fn a_service_that_depends_on_a_service_is_found_unless_it_composes() {
    let edge = ours("services/regd");
    let found = violations(&[planted("services/gateway", Use::Test, edge.clone())]);
    assert_eq!(found, ["services/gateway must not depend on services/regd"]);
    assert!(violations(&[planted("services/nogfso", Use::Normal, edge)]).is_empty());
}

#[test]
fn a_library_that_depends_on_a_service_is_found() {
    assert_eq!(
        violations(&[planted(
            "shared/testkit",
            Use::Normal,
            ours("services/regd")
        )])
        .len(),
        1
    );
}

#[test]
fn test_machinery_is_for_tests_only() {
    for folder in ["shared/host", "services/regd"] {
        assert_eq!(
            violations(&[planted(folder, Use::Normal, ours("shared/testkit"))]).len(),
            1
        );
        assert!(violations(&[planted(folder, Use::Test, ours("shared/testkit"))]).is_empty());
    }
}

#[test]
fn a_library_that_the_table_does_not_know_is_found() {
    let unknown = Crate {
        folder: String::from("shared/extras"),
        edges: vec![],
    };
    assert_eq!(
        violations(&[unknown]),
        ["shared/extras is not in the table"]
    );
}

#[test]
fn a_pure_crate_with_a_runtime_is_found() {
    let tokio = || Target::Outside(String::from("tokio"));
    assert_eq!(
        violations(&[planted("shared/domain", Use::Normal, tokio())]).len(),
        1
    );
    assert!(violations(&[planted("shared/journal", Use::Normal, tokio())]).is_empty());
}

fn planted(folder: &str, usage: Use, target: Target) -> Crate {
    Crate {
        folder: folder.to_owned(),
        edges: vec![(usage, target)],
    }
}

fn ours(folder: &str) -> Target {
    Target::Ours(folder.to_owned())
}
