//! Several workers of one host: each repo is in one pair of hands at a time, whatever becomes of the others.
//!
//! Files cost time here, so that all workers take part. That no lane is in two hands is shown from the journal ([`hands`])
//! and from the locks and branches on the disk ([`watch`]).

mod fleet;
mod hands;
mod watch;

use std::collections::BTreeSet;
use std::time::Duration;

use nogfso_faults::Point;
use nogfso_testkit::{Process, Proxy, Signal, wait_until_blocking};
use serde_json::json;

use self::fleet::Fleet;
use self::hands::{Ended, counts, lost, tenures};
use self::watch::Watch;
use crate::end_to_end::DEADLINE;
use crate::end_to_end::asking::Asks;
use crate::witness::lock_holder;

const ACK_WAIT_MS: &str = "2000";
/// Which of three workers something happens to.
const VICTIM: usize = 1;
/// For the cut: the third of it that is left after the holder noticed must do for the file at hand, on a busy machine too.
const CUT_ACK_WAIT_MS: &str = "6000";
const CUT_ACK_WAIT: Duration = Duration::from_secs(6);
/// So long that who waits for it misses [`HAND_OVER_LIMIT`].
const DRAIN_ACK_WAIT_MS: &str = "120000";
const HAND_OVER_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn three_workers_share_the_work_and_no_lane_is_in_two_hands() {
    let mut fleet = Fleet::of_three(ACK_WAIT_MS);
    let watch = Watch::on(&fleet);
    let requests = fleet.ask_all();
    fleet.await_all(&requests);
    watch.found_order(&fleet);
    let tenures = tenures(&fleet);
    assert_eq!(lost(&tenures), Vec::<&hands::Tenure>::new());
    let counts = counts(&tenures);
    assert_eq!(counts.len(), 3, "all take part: {counts:?}");
}

#[test]
fn what_a_killed_worker_had_in_hand_is_taken_over() {
    let mut fleet = Fleet::of_three(ACK_WAIT_MS);
    let watch = Watch::on(&fleet);
    let requests = fleet.ask_all_until_stopped(VICTIM, Point::StadRecorded);
    fleet.workers[VICTIM].process.signal(Signal::KILL);
    fleet.await_all(&requests);
    watch.found_order(&fleet);
    let tenures = tenures(&fleet);
    let lost = lost(&tenures);
    assert!(!lost.is_empty());
    let name = &fleet.workers[VICTIM].instance;
    assert!(
        lost.iter().all(|tenure| tenure.instance == *name),
        "{lost:?}"
    );
}

/// It stands where the next thing that it does is to move a branch.
#[test]
fn a_stopped_worker_keeps_its_repos_and_no_other_and_goes_on_later() {
    let mut fleet = Fleet::of_three(ACK_WAIT_MS);
    let watch = Watch::on(&fleet);
    let requests = fleet.ask_all_until_stopped(VICTIM, Point::StadRecorded);
    let held = fleet.held_by(VICTIM);
    assert!(!held.is_empty());
    let mut others = requests.clone();
    others.retain(|repo, _| !held.contains(repo));
    assert!(others.len() > held.len());
    fleet.await_all(&others);

    let name = fleet.workers[VICTIM].instance.clone();
    for repo in &held {
        let asked = json!({ "repo": repo, "request": requests[repo] });
        let seen = fleet.witness.accepted("fso.get.request", &asked);
        assert_eq!(seen["held_by"], name, "{seen}");
        let words = [
            "request",
            "get",
            &repo.to_string(),
            &requests[repo].to_string(),
        ];
        let told = fleet.world.ctl(&words).ok();
        assert!(told.contains(&format!("heldBy: {name}\n")), "{told}");
    }
    assert_eq!(fleet.held_by(VICTIM), held, "nobody took them");

    fleet.workers[VICTIM].process.signal(Signal::CONT);
    fleet.await_all(&requests);
    watch.found_order(&fleet);
    let tenures = tenures(&fleet);
    let lost = lost(&tenures);
    assert!(
        lost.iter().all(|tenure| tenure.instance == name),
        "{lost:?}"
    );
}

/// Between its lock and its claim it is not in the journal.
#[test]
fn who_has_a_lock_without_a_claim_is_shown_as_the_holder() {
    let mut fleet = Fleet::without_workers(ACK_WAIT_MS, 1);
    let first = fleet.add_worker(|_| {});
    fleet.adopt_all();
    let requests = fleet.ask_all_until_stopped(first, Point::StadLocked);
    fleet.add_worker(|_| {});
    let (repo, request) = requests.iter().next().expect("there is one");
    let asked = json!({ "repo": repo, "request": request });
    wait_until_blocking("the holder to be shown", DEADLINE, || {
        let seen = fleet.witness.ask("fso.get.request", &asked)?;
        let is_shown = seen["held_by"] == fleet.workers[first].instance;
        if is_shown {
            Ok(())
        } else {
            Err(seen.to_string())
        }
    });
    assert_eq!(fleet.witness.work_state(*repo).claim, None);
    fleet.workers[first].process.signal(Signal::CONT);
    fleet.await_all(&requests);
    fleet.assert_recorded_once();
}

#[test]
fn a_worker_that_is_cut_off_unlocks_in_time_and_goes_on_when_it_is_back() {
    is_cut_off_and_comes_back(Proxy::cut);
}

/// What it said before and while nothing passed reaches the server late, when others have taken over.
#[test]
fn a_worker_whose_line_falls_silent_unlocks_in_time_and_goes_on_when_it_is_back() {
    is_cut_off_and_comes_back(Proxy::silence);
}

fn is_cut_off_and_comes_back(cut_off: fn(&Proxy)) {
    let mut fleet = Fleet::without_workers(CUT_ACK_WAIT_MS, fleet::REPO_COUNT);
    let proxy = Proxy::to(fleet.world.listen());
    let far = fleet.add_worker(|command| {
        command.env("NOGFSO_SERVER", proxy.url());
    });
    for _ in 0..2 {
        fleet.add_worker(|_| {});
    }
    fleet.adopt_all();
    let watch = Watch::on(&fleet);
    let requests = fleet.ask_all_until_stopped(far, Point::StadLoaded);
    cut_off(&proxy);
    fleet.workers[far].process.signal(Signal::CONT);
    wait_until_unlocked(&fleet, far);
    fleet.await_all(&requests);
    proxy.mend();
    wait_until_blocking("the worker to be back", DEADLINE, || {
        proxy.connection_count() > 0
    });

    let before = counts(&tenures(&fleet))[fleet.workers[far].instance.as_str()];
    let requests = fleet.ask_all();
    fleet.await_all(&requests);
    watch.found_order(&fleet);
    let tenures = tenures(&fleet);
    let name = fleet.workers[far].instance.as_str();
    assert!(counts(&tenures)[name] > before, "it takes part again");
    let lost = lost(&tenures);
    assert!(!lost.is_empty(), "others took over what it had");
    assert!(
        lost.iter().all(|tenure| tenure.instance == name),
        "{lost:?}"
    );
}

#[test]
fn a_lone_worker_that_is_cut_off_goes_on_where_it_was() {
    let points = [Point::StadMarked, Point::StadLoaded, Point::StadFinishes];
    let tenures = cut_off_alone(Proxy::cut, &points);
    let lost = lost(&tenures);
    assert!(lost.is_empty(), "the claim stays its own: {lost:?}");
}

/// What it waits for an answer to may be stored, and it does not know.
#[test]
fn a_worker_that_is_cut_off_while_it_waits_for_an_answer_unlocks_in_time_too() {
    let points = [Point::StadClaims, Point::StadStarts, Point::StadStarted];
    cut_off_alone(Proxy::cut, &points);
}

#[test]
fn a_worker_whose_line_falls_silent_while_it_waits_for_an_answer_unlocks_in_time_too() {
    let points = [Point::StadClaims, Point::StadStarted, Point::StadFinishes];
    cut_off_alone(Proxy::silence, &points);
}

fn cut_off_alone(cut_off: fn(&Proxy), at: &[Point]) -> hands::Tenures {
    let mut fleet = Fleet::without_workers(CUT_ACK_WAIT_MS, 1);
    let proxy = Proxy::to(fleet.world.listen());
    let far = fleet.add_worker(|command| {
        command.env("NOGFSO_SERVER", proxy.url());
    });
    fleet.adopt_all();
    for point in at {
        let requests = fleet.ask_all_until_stopped(far, *point);
        cut_off(&proxy);
        fleet.workers[far].process.signal(Signal::CONT);
        wait_until_unlocked(&fleet, far);
        proxy.mend();
        fleet.await_all(&requests);
        fleet.assert_recorded_once();
    }
    tenures(&fleet)
}

#[test]
fn a_worker_that_is_told_to_end_hands_over_at_once() {
    let mut fleet = Fleet::of_three(DRAIN_ACK_WAIT_MS);
    let watch = Watch::on(&fleet);
    let requests = fleet.ask_all_until_stopped(VICTIM, Point::StadStarted);
    let held = fleet.held_by(VICTIM);
    let process = &mut fleet.workers[VICTIM].process;
    process.signal(Signal::TERM);
    process.signal(Signal::CONT);
    assert!(process.exit_status(DEADLINE).success());
    wait_until_blocking("what it had to be taken on", HAND_OVER_LIMIT, || {
        let left: BTreeSet<_> = held
            .iter()
            .filter(|repo| {
                let work = fleet.witness.work_state(**repo);
                work.finished(requests[*repo]).is_none() && work.claim.is_none()
            })
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    fleet.await_all(&requests);
    watch.found_order(&fleet);
    let tenures = tenures(&fleet);
    assert_eq!(lost(&tenures), Vec::<&hands::Tenure>::new());
    let name = &fleet.workers[VICTIM].instance;
    let handed_over = tenures.values().any(|of_repo| {
        of_repo.windows(2).any(|pair| {
            let is_given = matches!(pair[0].ended, Some(Ended::Released(_)));
            pair[0].instance == *name && is_given && pair[1].instance != *name
        })
    });
    assert!(handed_over, "{tenures:?}");
}

#[test]
fn a_worker_with_other_prefixes_than_those_present_does_not_start() {
    let mut fleet = Fleet::without_workers(ACK_WAIT_MS, 1);
    fleet.add_worker(|_| {});
    let mut command = fleet.command();
    command.args(["--prefix", "/example/other"]);
    let mut refused = Process::start(&mut command);
    assert_eq!(refused.exit_status(DEADLINE).code(), Some(1));
    let said = refused.lines().join("\n");
    let present = &fleet.workers[0].instance;
    assert!(
        said.contains("--prefix") && said.contains(present),
        "{said}"
    );
    fleet.adopt_all();
}

#[test]
fn of_two_workers_with_different_prefixes_that_start_at_once_one_starts() {
    let fleet = Fleet::without_workers(ACK_WAIT_MS, 0);
    let mut processes = ["/example/one", "/example/other"].map(|prefix| {
        let mut command = fleet.command();
        Process::start(command.args(["--prefix", prefix]))
    });
    let refused = wait_until_blocking("one to be refused", DEADLINE, || {
        let mut refused = processes.iter_mut().enumerate();
        refused.find_map(|(n, process)| process.try_exit_status().map(|status| (n, status)))
    });
    let (n, status) = refused;
    assert_eq!(status.code(), Some(1));
    let said = processes[n].lines().join("\n");
    assert!(said.contains("--prefix"), "{said}");
    processes[1 - n].wait_for_line("ready", DEADLINE);
}

/// Waits until a worker that was just cut off has let go of every lock, at most as long as its claims last.
fn wait_until_unlocked(fleet: &Fleet, worker: usize) {
    let process = fleet.workers[worker].process.id();
    wait_until_blocking("its locks to be free", CUT_ACK_WAIT, || {
        let locks = fleet.repos.iter().map(|repo| fleet.lock(*repo));
        let held: Vec<_> = locks
            .filter(|lock| lock_holder(lock) == Some(process))
            .collect();
        if held.is_empty() { Ok(()) } else { Err(held) }
    });
}
