//! Every service and the server are killed while a process stands at a point between two of its steps, be it the victim or
//! another; what was asked is then done, once.
//!
//! The points are listed in [`Point`]. A cell is a point, who is killed, and the errand on whose way the point lies; a cell
//! whose point is not reached fails. A run takes a sample of the cells, drawn evenly by a seed that is printed and replayed
//! with `NOGFSO_KILL_SEED`; `scripts/test --full` takes all of them, `NOGFSO_KILL_POINT` those of one point by its name.

mod cell;
mod traces;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use nogfso_faults::{Errand, Point};
use nogfso_testkit::{is_full, wished};

use self::cell::{Cell, REACH_LIMIT, Scene, Victim};

/// How many cells of each victim a run without `--full` takes.
const SAMPLE_COUNT: usize = 14;

#[test]
fn the_gateway_may_be_killed_at_every_point() {
    survives(Victim::Gateway);
}

#[test]
fn regd_may_be_killed_at_every_point() {
    survives(Victim::Regd);
}

#[test]
fn the_worker_may_be_killed_at_every_point() {
    survives(Victim::Stad);
}

#[test]
fn the_server_may_be_killed_at_every_point() {
    survives(Victim::Server);
}

#[expect(
    clippy::print_stdout,
    reason = "what a sample took belongs to its result"
)]
fn survives(victim: Victim) {
    let all = cells(victim);
    let wish = wished::<u64>("NOGFSO_KILL_SEED");
    let seed = wish.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    let point = wished::<String>("NOGFSO_KILL_POINT");
    let chosen: Vec<_> = match point {
        Some(name) => {
            let cells = all.iter().copied();
            cells.filter(|cell| cell.point.name() == name).collect()
        }
        None if is_full() => all.clone(),
        None => sample(&all, seed),
    };
    println!(
        "kill matrix, {victim:?} killed: {} of {} cells, NOGFSO_KILL_SEED={seed}",
        chosen.len(),
        all.len()
    );
    let mut scene = Scene::new(REACH_LIMIT);
    for (n, cell) in chosen.iter().enumerate() {
        let began = std::time::Instant::now();
        println!("{n}: {} on the way of {:?}", cell.point.name(), cell.errand);
        scene.play(*cell);
        println!("{n}: held, after {} ms", began.elapsed().as_millis());
    }
    scene.end();
}

fn cells(victim: Victim) -> Vec<Cell> {
    let of_point = |point: Point| {
        let errands = point.errands().iter();
        errands.map(move |errand| Cell {
            point,
            errand: *errand,
            victim,
        })
    };
    Point::ALL.into_iter().flat_map(of_point).collect()
}

/// One cell out of each of [`SAMPLE_COUNT`] equal parts of all.
fn sample(all: &[Cell], seed: u64) -> Vec<Cell> {
    let mut state = seed;
    let part = |n: usize| all.len() * n / SAMPLE_COUNT;
    let one_of = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let length = part(n + 1) - part(n);
        let offset = usize::try_from(state >> 33).expect("31 bits fit") % length;
        all[part(n) + offset]
    };
    (0..SAMPLE_COUNT).map(one_of).collect()
}

/// No cell may hold because nobody was killed.
#[test]
#[should_panic(expected = "to stand at gateway-asks")]
fn a_cell_whose_point_is_not_reached_fails() {
    let cell = Cell {
        point: Point::GatewayAsks,
        errand: Errand::Stat,
        victim: Victim::Gateway,
    };
    Scene::new(Duration::from_secs(1)).play(cell);
}

#[test]
fn the_cells_are_all_points_of_all_errands() {
    let adopt = |cell: &&Cell| cell.errand == Errand::Adopt;
    let all = cells(Victim::Server);
    assert_eq!(all.iter().filter(adopt).count(), Point::ALL.len());
    assert!(all.len() > Point::ALL.len());
    let drawn: Vec<_> = (0..200).flat_map(|seed| sample(&all, seed)).collect();
    assert!(all.iter().all(|cell| drawn.contains(cell)), "drawn evenly");
}
