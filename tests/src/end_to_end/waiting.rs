//! What a person sees who waits, watches, or changes their mind.

use std::collections::BTreeSet;
use std::fs;

use nogfso_faults::Point;
use nogfso_testkit::{Signal, wait_until_blocking};

use super::asking::{Asks, event_names, recorded_paths, stat_commit};
use super::world::{Service, Wishes, World};
use super::{AUTHOR, DEADLINE, GLOBAL_ROOT, HOST, REGISTRY};

const LONG_STAT_FOLDERS: usize = 20;
const LONG_STAT_FILES_PER_FOLDER: usize = 10;
/// With one thread the long stat takes 20 s: far more than a worker needs to hear that it was taken back.
const LONG_STAT_COST_PER_FILE_US: &str = "100000";

#[test]
fn a_watcher_sees_every_event_once_whatever_becomes_of_the_gateway() {
    let mut world = World::with_root();
    world.directory("a dir");
    let mut watcher = world.ctl_process(&["events", "registry", REGISTRY, "--watch"]);
    watcher.wait_for_line("EV_FSO_ROOT_ADDED", DEADLINE);
    watcher.wait_for_line("# Waiting for more events.", DEADLINE);

    // What regd adds may come while there is no gateway.
    let path = format!("{GLOBAL_ROOT}/a dir");
    world.ctl(&["init", "repo", AUTHOR, REGISTRY, &path]).ok();
    world.kill(Service::Gateway);
    watcher.wait_for_line("asking again", DEADLINE);
    world.restart(Service::Gateway);
    watcher.wait_for_line("EV_FSO_REPO_ADDED", DEADLINE);
    let host = format!("--host={HOST}");
    for n in 2..=4 {
        let (root, host_root) = (format!("/example/root {n}"), format!("/root {n}"));
        world
            .ctl(&["init", "root", &host, REGISTRY, &root, &host_root])
            .ok();
    }
    watcher.wait_for_line("/example/root 4", DEADLINE);
    watcher.signal(Signal::INT);
    assert_eq!(watcher.exit_status(DEADLINE).code(), Some(130));

    let lines = watcher.lines();
    let seen: Vec<_> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with('{'))
        .collect();
    let listed = world.ctl(&["events", "registry", REGISTRY]).ok();
    assert_eq!(seen, listed.lines().collect::<Vec<_>>());
    assert_eq!(event_names(seen.iter().copied()).len(), 7);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7);
}

#[test]
fn the_exit_status_of_a_stat_tells_how_it_ended() {
    let mut world = World::with_root();
    world.directory("a dir");
    let repo = world.adopt("a dir");
    let stat = ["stat", "--wait=30s", &repo.id];
    world.ctl(&stat).ok();
    world.ctl(&["stat", "--wait=30s", "no id"]).failed(2);
    let unknown = "2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11";
    world.ctl(&["stat", "--wait=30s", unknown]).failed(3);

    let moved = repo.realdir.with_file_name("moved away");
    fs::rename(&repo.realdir, &moved).unwrap();
    let missing = world.ctl(&stat);
    assert_eq!(missing.status, 1, "{missing:?}");
    assert!(missing.stderr.contains("fatal: stat failed"), "{missing:?}");
    fs::rename(&moved, &repo.realdir).unwrap();

    let stad = world.process(Service::Stad);
    stad.signal(Signal::TERM);
    assert!(stad.exit_status(DEADLINE).success());
    let late = world.ctl(&["stat", "--wait=500ms", &repo.id]);
    assert_eq!(late.status, 4, "{late:?}");
    let again = late
        .stderr
        .split_once("nogfsoctl ")
        .expect("it says how to go on")
        .1;
    let again: Vec<_> = again.split_whitespace().collect();
    assert_eq!(again[..3], ["request", "get", "--wait"]);

    let mut waiting = world.ctl_process(&again);
    wait_until_blocking("a request that waits", DEADLINE, || {
        let requests = world.repo(&repo.id)["work"]["requests"].clone();
        requests[0]["state"] == "waiting"
    });
    world.start(Service::Stad);
    assert!(
        waiting.exit_status(DEADLINE).success(),
        "{:?}",
        waiting.lines()
    );
}

#[test]
fn a_long_stat_that_is_taken_back_ends_cancelled() {
    let mut world = World::with_root_and(Wishes {
        stad_options: vec!["--threads=1".to_owned()],
        stad_cost_per_file_us: Some(LONG_STAT_COST_PER_FILE_US),
        ..Wishes::default()
    });
    world.directory("a dir");
    let repo = world.adopt("a dir");
    let before = stat_commit(&repo.shadow);
    for folder in 0..LONG_STAT_FOLDERS {
        let folder = repo.realdir.join(format!("folder {folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..LONG_STAT_FILES_PER_FOLDER {
            fs::write(folder.join(format!("file {file}")), "").unwrap();
        }
    }
    // The worker stands still until the cancellation is stored, so that it cannot be faster.
    world.arm(Point::StadLoaded);
    let accepted = world.ctl_json(&["stat", &repo.id]);
    let request = accepted["request"].as_str().unwrap();
    world.wait_until_halted(Service::Stad, Point::StadLoaded);
    let running = world.ctl_json(&["request", "cancel", &repo.id, request]);
    world.process(Service::Stad).signal(Signal::CONT);
    assert_eq!(running["request"]["state"], "running", "{running}");
    let ended = world.ctl(&["request", "get", "--wait=30s", &repo.id, request]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stdout.contains("state: cancelled"), "{ended:?}");
    assert_eq!(
        stat_commit(&repo.shadow),
        before,
        "nothing half is recorded"
    );
    assert!(world.repo(&repo.id)["error"].is_null());

    // Another worker, to which files cost nothing.
    world.process(Service::Stad).signal(Signal::TERM);
    let ended = world.process(Service::Stad).exit_status(DEADLINE);
    assert!(ended.success(), "{ended}");
    world.start(Service::SpareStad);
    world.ctl(&["stat", "--wait=60s", &repo.id]).ok();
    let recorded = recorded_paths(&repo.shadow).len();
    assert!(
        recorded > LONG_STAT_FOLDERS * LONG_STAT_FILES_PER_FOLDER,
        "{recorded}"
    );
}
