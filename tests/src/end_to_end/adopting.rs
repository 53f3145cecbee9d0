//! From nothing to an adopted directory: what is accepted, what is refused, and what is then seen where.

use std::fs;

use nogfso_testkit::{Signal, wait_until_blocking};

use super::asking::{Asks, git, recorded_paths};
use super::world::{Service, Wishes, World};
use super::{AUTHOR, DEADLINE, GLOBAL_ROOT, HOST, REGISTRY, SOON};

/// Scenarios 1, 3 (`workers` shows the worker ready) and 18.
#[test]
fn the_services_are_there_soon_and_stop_in_order() {
    let mut world = World::server_alone(Wishes::default());
    for service in [Service::Gateway, Service::Regd] {
        world.start(service);
        world.process(service).wait_for_line("ready", SOON);
    }
    world.start(Service::Stad);
    let workers = wait_until_blocking("a worker", SOON, || {
        let workers = world.ctl_json(&["workers"])["workers"].clone();
        (workers != serde_json::json!([])).then_some(workers)
    });
    assert_eq!(workers[0]["host"], HOST);
    assert_eq!(workers[0]["ready"], true);
    assert_eq!(workers[0]["prefixes"][0], GLOBAL_ROOT);
    assert!(workers[1].is_null(), "{workers}");

    for service in [Service::Stad, Service::Regd, Service::Gateway] {
        let process = world.process(service);
        process.signal(Signal::TERM);
        assert!(process.exit_status(SOON).success(), "{service:?}");
        let said = process.find_line("Completed graceful shutdown.");
        assert!(said.is_some(), "{service:?}");
    }
}

/// Scenarios 2 and 4.
#[test]
fn a_registry_and_a_root_are_begun_once() {
    let world = World::with_root();
    world.ctl(&["init", "registry", REGISTRY]).ok();
    let registries = world.ctl_json(&["get", "registries"]);
    assert_eq!(
        registries["registries"],
        serde_json::json!([{ "name": REGISTRY, "confirmed": true }])
    );

    world.init_root().ok();
    let roots = world.ctl_json(&["get", "roots", REGISTRY])["roots"].clone();
    assert_eq!(
        roots,
        serde_json::json!([{ "global_root": GLOBAL_ROOT, "host": HOST, "host_root": world.host_root() }])
    );
    assert_eq!(
        world.event_names("registry", REGISTRY),
        ["EV_FSO_REGISTRY_ADDED", "EV_FSO_ROOT_ADDED"]
    );
    let refused = world.ctl(&[
        "init",
        "root",
        "--host=other.example.com",
        REGISTRY,
        GLOBAL_ROOT,
    ]);
    assert!(refused.failed(3).starts_with("fatal: "));
}

/// Scenarios 6, 7, 8, 9, 11 and 12.
#[test]
fn a_directory_is_adopted_and_seen_everywhere() {
    let world = World::with_root();
    let outside = ["init", "repo", AUTHOR, REGISTRY, "/example/plain/a dir"];
    let refused = world.ctl(&outside).failed(3);
    assert!(refused.contains("unknown root"), "{refused}");

    world.directory("a dir");
    let path = format!("{GLOBAL_ROOT}/a dir");
    let init = ["init", "repo", AUTHOR, REGISTRY, &path];
    let accepted = world.ctl_json(&init);
    let id = accepted["repo"].as_str().unwrap();
    let shadow = wait_until_blocking("the shadow", SOON, || {
        let info = world.repo(id);
        info["shadow"].as_str().map(str::to_owned).ok_or(info)
    });
    let name = format!("real data/orga/a dir/{id}.fso");
    assert!(shadow.ends_with(&name), "{shadow}");
    assert_eq!(
        world.ctl_json(&init)["repo"],
        id,
        "a repeat is the same repo"
    );

    let repos = world.ctl(&["get", "repos", REGISTRY]).ok();
    assert!(repos.contains(id) && repos.contains(&path), "{repos}");
    let info = world.ctl(&["info", REGISTRY]).ok();
    assert!(info.contains("numRoots: 1\n"), "{info}");
    assert!(info.contains("numRepos: 1\n"), "{info}");
    let text = world.ctl(&["get", "repo", id]).ok();
    let line = format!("  \"shadow\": {:?},", shadow);
    assert!(text.lines().any(|found| found == line), "{text}");

    wait_until_blocking("the registry to know", SOON, || {
        let events = world.event_names("registry", REGISTRY);
        (events.len() >= 4).then_some(events)
    });
    assert_eq!(
        world.event_names("registry", REGISTRY),
        [
            "EV_FSO_REGISTRY_ADDED",
            "EV_FSO_ROOT_ADDED",
            "EV_FSO_REPO_ACCEPTED",
            "EV_FSO_REPO_ADDED"
        ]
    );
    assert_eq!(
        world.event_names("repo", id),
        ["EV_FSO_REPO_INIT_STARTED", "EV_FSO_SHADOW_REPO_CREATED"]
    );
    let shadow = world.shadow(id);
    git(&shadow, &["fsck", "--full", "--strict"]);
    let recorded = recorded_paths(&shadow);
    assert!(
        recorded.iter().any(|path| path.contains("a file")),
        "{recorded:?}"
    );
}

/// Scenario 17.
#[test]
fn an_id_that_was_asked_for_stands_in_the_shadow() {
    const ID: &str = "2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11";
    let world = World::with_root();
    world.directory("a dir");
    world.directory("second dir");
    world.adopt("a dir");
    let path = format!("{GLOBAL_ROOT}/second dir");
    let uuid = format!("--uuid={ID}");
    let accepted = world.ctl_json(&["init", "repo", AUTHOR, &uuid, REGISTRY, &path]);
    assert_eq!(accepted["repo"], ID);
    wait_until_blocking("the shadow", SOON, || world.repo(ID)["shadow"].is_string());
    let shadow = world.shadow(ID);
    let stands = wait_until_blocking("the id in the shadow", DEADLINE, || {
        fs::read_to_string(shadow.join(".git/fso/uuid"))
    });
    assert_eq!(stands.trim_end(), ID);

    let elsewhere = format!("{GLOBAL_ROOT}/third dir");
    world.directory("third dir");
    let taken = world.ctl(&["init", "repo", AUTHOR, &uuid, REGISTRY, &elsewhere]);
    assert!(taken.failed(3).contains("already in use"));
}
