//! Every process is killed at every stage of an adoption; what was accepted is then done, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use nogfso_faults::Point;
use nogfso_testkit::wait_until_blocking;
use serde_json::Value;

use super::asking::{Answer, Asks, ctl_command, git};
use super::world::{Service, World};
use super::{AUTHOR, DEADLINE, GLOBAL_ROOT, REGISTRY};

/// Repos that are adopted at once.
const REPO_COUNT: usize = 3;
/// Files of each of them.
const FILE_COUNT: u64 = 3_000;
const FILES_PER_FOLDER: u64 = 100;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Service(Service),
    Server,
}

/// When it is killed: as soon as this is so for the first of the repos.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The command is on its way.
    Asked,
    /// It was acknowledged.
    Accepted,
    /// A worker has taken the lock.
    Locked,
    /// The shadow stands at its path.
    ShadowStands,
    /// The files are recorded.
    Recorded,
}

const MOMENTS: [Moment; 5] = [
    Moment::Asked,
    Moment::Accepted,
    Moment::Locked,
    Moment::ShadowStands,
    Moment::Recorded,
];

#[test]
fn the_gateway_may_be_killed_at_any_moment() {
    survives(Victim::Service(Service::Gateway));
}

#[test]
fn regd_may_be_killed_at_any_moment() {
    survives(Victim::Service(Service::Regd));
}

/// Scenario 45, and the moments before and after.
#[test]
fn the_worker_may_be_killed_at_any_moment() {
    survives(Victim::Service(Service::Stad));
}

#[test]
fn the_server_may_be_killed_at_any_moment() {
    survives(Victim::Server);
}

#[test]
fn a_second_worker_takes_over_what_the_first_had_in_hand() {
    let mut world = World::with_root();
    let names = make_trees(&world);
    // A worker that stands still keeps its locks until it dies. This one has a claim, and the disk untouched.
    world.arm(Point::StadLoaded);
    let stays_away = |world: &mut World| {
        world.wait_until_halted(Service::Stad, Point::StadLoaded);
        world.restart(Service::SpareStad);
        world.kill(Service::Stad);
    };
    let accepted = adopted_through_a_crash(&mut world, stays_away, Moment::Locked, &names);
    for id in &accepted {
        assert_adopted_once(&world, id);
    }
    let ids = accepted.into_iter().collect();
    assert_registered_once(&world, &ids);
    assert_some_taken_over(&world, &ids);
}

fn survives(victim: Victim) {
    let mut world = World::with_root();
    let mut ids = BTreeSet::new();
    let mut names = make_trees(&world);
    for moment in MOMENTS {
        // Making files takes longer than adopting them, so the same trees serve all moments.
        for (n, name) in names.iter_mut().enumerate() {
            let next = format!("{moment:?} {n}");
            let root = world.host_root();
            fs::rename(root.join(&*name), root.join(&next)).expect("the tree is ours");
            *name = next;
        }
        // At one of the moments a worker stands still with a claim until it is killed, however fast it else would be.
        let in_hand = matches!(
            (victim, moment),
            (Victim::Service(Service::Stad), Moment::Locked)
        );
        if in_hand {
            world.arm(Point::StadLoaded);
        }
        let comes_again = |world: &mut World| {
            if in_hand {
                world.wait_until_halted(Service::Stad, Point::StadLoaded);
            }
            kill_and_restart(world, victim);
        };
        let accepted = adopted_through_a_crash(&mut world, comes_again, moment, &names);
        for id in &accepted {
            assert_adopted_once(&world, id);
        }
        ids.extend(accepted);
    }
    assert_eq!(ids.len(), MOMENTS.len() * REPO_COUNT);
    assert_registered_once(&world, &ids);
    if matches!(victim, Victim::Service(Service::Stad)) {
        assert_some_taken_over(&world, &ids);
    }
}

/// That the crash met work in hand; else the test would show nothing.
fn assert_some_taken_over(world: &World, ids: &BTreeSet<String>) {
    let highest = ids.iter().map(|id| epoch_on_disk(world, id)).max();
    assert!(highest > Some(1), "no repo was ever taken over");
}

/// The epoch that the last worker wrote behind its lock.
fn epoch_on_disk(world: &World, id: &str) -> u64 {
    let path = world.shadow_root().join(format!(".nogfso/locks/{id}.main"));
    let mark = fs::read_to_string(path).expect("a worker has been there");
    let epoch = mark
        .split_whitespace()
        .next()
        .expect("a mark begins with the epoch");
    epoch.parse().expect("an epoch is a number")
}

/// The names of new directories for [`REPO_COUNT`] repos.
fn make_trees(world: &World) -> Vec<String> {
    let names: Vec<_> = (1..=REPO_COUNT).map(|n| format!("tree {n}")).collect();
    for name in &names {
        make_tree(&world.host_root().join(name));
    }
    names
}

/// The ids that were acknowledged.
fn adopted_through_a_crash(
    world: &mut World,
    crash: impl FnOnce(&mut World),
    moment: Moment,
    names: &[String],
) -> Vec<String> {
    let context = world.context();
    let round = Round {
        names,
        acknowledged: AtomicUsize::new(0),
        lock_count_before: lock_count(world),
    };
    std::thread::scope(|scope| {
        let commands: Vec<_> = names
            .iter()
            .map(|name| {
                let (context, acknowledged) = (&context, &round.acknowledged);
                scope.spawn(move || {
                    let id = init_until_accepted(context, name);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    id
                })
            })
            .collect();
        wait_until_blocking(&format!("{moment:?}"), DEADLINE, || {
            has_come(moment, world, &round)
        });
        crash(world);
        let joined = commands
            .into_iter()
            .map(|command| command.join().expect("it is accepted"));
        joined.collect()
    })
}

fn kill_and_restart(world: &mut World, victim: Victim) {
    match victim {
        Victim::Service(service) => {
            world.kill(service);
            world.restart(service);
        }
        Victim::Server => world.server.restart(),
    }
}

/// What a moment is judged by, beside what lies on the disk.
struct Round<'a> {
    names: &'a [String],
    acknowledged: AtomicUsize,
    lock_count_before: usize,
}

fn has_come(moment: Moment, world: &World, round: &Round<'_>) -> bool {
    let any_shadow = |is_so: &dyn Fn(&Path) -> bool| {
        round
            .names
            .iter()
            .any(|name| shadows_of(world, name).iter().any(|shadow| is_so(shadow)))
    };
    match moment {
        Moment::Asked => true,
        Moment::Accepted => round.acknowledged.load(Ordering::SeqCst) > 0,
        Moment::Locked => lock_count(world) > round.lock_count_before,
        Moment::ShadowStands => any_shadow(&|_| true),
        Moment::Recorded => any_shadow(&|shadow| {
            let commit = |branch| fs::read(shadow.join(".git/refs/heads").join(branch)).ok();
            commit("master-stat") != commit("master-stub")
        }),
    }
}

/// Asks until it is acknowledged, as an operator would who reads what the command line says.
pub(super) fn init_until_accepted(context: &Path, name: &str) -> String {
    let path = format!("{GLOBAL_ROOT}/{name}");
    wait_until_blocking("the repo to be accepted", DEADLINE, || {
        let answer = Answer::of(ctl_command(context).args([
            "--timeout=2s",
            "--output=json",
            "init",
            "repo",
            AUTHOR,
            REGISTRY,
            &path,
        ]));
        match answer.status {
            0 => {
                let accepted: Value = serde_json::from_str(&answer.stdout).expect("JSON");
                Ok(accepted["repo"].as_str().expect("an id").to_owned())
            }
            1 | 4 => Err(answer),
            _ => panic!("refused: {answer:?}"),
        }
    })
}

/// Waits for the end of an adoption that was accepted, and looks at all that it left.
pub(super) fn assert_adopted_once(world: &impl Asks, id: &str) {
    let info = wait_until_blocking("the end of the adoption", DEADLINE, || {
        // The history of a repo begins a little after its acceptance, and a server may just be starting again.
        let answer = world.ctl(&["--output=json", "get", "repo", id]);
        let info: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
        let is_done =
            info["shadow"].is_string() && info["work"]["requests"] == serde_json::json!([]);
        if is_done { Ok(info) } else { Err(answer) }
    });
    assert!(info["error"].is_null(), "{info}");
    let result = &info["work"]["last"][0]["result"];
    assert_eq!(result["files"], FILE_COUNT, "{info}");
    assert_eq!(
        world.event_names("repo", id),
        ["EV_FSO_REPO_INIT_STARTED", "EV_FSO_SHADOW_REPO_CREATED"]
    );
    let shadow = world.shadow(id);
    let place = shadow.parent().expect("a shadow lies in a folder");
    assert_eq!(
        entries(place),
        std::slice::from_ref(&shadow),
        "nothing is left over"
    );
    let found = git(&shadow, &["fsck", "--full", "--strict"]);
    assert!(
        !found.contains("missing") && !found.contains("error"),
        "{found}"
    );
    assert_eq!(git(&shadow, &["rev-list", "--count", "master-stat"]), "2");
}

/// Each accepted repo has one event of each kind in the history of its registry, and there are no others.
pub(super) fn assert_registered_once(world: &impl Asks, ids: &BTreeSet<String>) {
    let events = world
        .ctl(&["--output=json", "events", "registry", REGISTRY])
        .ok();
    for name in ["EV_FSO_REPO_ACCEPTED", "EV_FSO_REPO_ADDED"] {
        let mut found: Vec<_> = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .filter(|event| event["event"] == name)
            .map(|event| event["repo_info"]["id"].as_str().expect("an id").to_owned())
            .collect();
        found.sort();
        assert!(found.iter().eq(ids), "{name}: {found:?} for {ids:?}");
    }
    let parked = world.ctl_json(&["parked"]);
    assert_eq!(parked["entries"], serde_json::json!([]));
}

/// Locks are never removed.
fn lock_count(world: &World) -> usize {
    entries(&world.shadow_root().join(".nogfso/locks")).len()
}

fn shadows_of(world: &World, name: &str) -> Vec<PathBuf> {
    let mut found = entries(&world.shadow_root().join("real data/orga").join(name));
    found.retain(|path| path.extension().is_some_and(|end| end == "fso"));
    found
}

/// What lies in a folder; nothing if it is not there yet.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten();
    read.map(|entry| entry.expect("a folder of ours can be read").path())
        .collect()
}

pub(super) fn make_tree(top: &Path) {
    for n in 0..FILE_COUNT {
        let folder = top.join(format!("folder {}", n / FILES_PER_FOLDER));
        if n % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&folder).expect("the temporary folder can be written");
        }
        fs::write(folder.join(format!("file {n}")), "content")
            .expect("the temporary folder can be written");
    }
}
