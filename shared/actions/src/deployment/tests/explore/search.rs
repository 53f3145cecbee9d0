//! The explorer: every world that can be reached, each looked at once, with a shortest way to what is broken.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::super::super::Stage;
use super::invariants::Property;
use super::moves::Move;
use super::world::{At, Scenario, World, digest_of};

/// What an exploration came to.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) worlds_count: usize,
    pub(super) moves_count: usize,
    pub(super) resumed_count: usize,
    pub(super) ends: HashSet<&'static str>,
    seconds: f32,
}

impl std::fmt::Display for Explored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (worlds, moves) = (self.worlds_count, self.moves_count);
        let (resumed, seconds) = (self.resumed_count, self.seconds);
        write!(
            f,
            "{worlds} worlds, {moves} moves, resumed from {resumed} journals, {seconds:.1} s"
        )
    }
}

/// A property that does not hold, and how it came to that.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) property: Property,
    pub(super) way: Vec<Move>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after", self.property)?;
        self.way.iter().try_for_each(|what| write!(f, " {what:?};"))
    }
}

struct Search<'a> {
    scenario: &'a Scenario,
    numbers: HashMap<u64, u32>,
    /// From where each world was first reached.
    ways: Vec<(u32, Option<Move>)>,
    /// The worlds before each one from which it is certain to be reached.
    sources: Vec<Vec<u32>>,
    at_rest: Vec<u32>,
    /// Journals, as far as they decide, that were resumed from.
    resumed: HashSet<u64>,
    ends: HashSet<&'static str>,
    moves_count: usize,
}

/// Looks at every world that can be reached.
pub(super) fn explore(scenario: &Scenario) -> Result<Explored, Broken> {
    let began = Instant::now();
    let mut search = Search {
        scenario,
        numbers: HashMap::new(),
        ways: vec![],
        sources: vec![],
        at_rest: vec![],
        resumed: HashSet::new(),
        ends: HashSet::new(),
        moves_count: 0,
    };
    search.visit_all()?;
    search.check_ends()?;
    Ok(Explored {
        worlds_count: search.ways.len(),
        moves_count: search.moves_count,
        resumed_count: search.resumed.len(),
        ends: search.ends,
        seconds: began.elapsed().as_secs_f32(),
    })
}

impl Search<'_> {
    fn visit_all(&mut self) -> Result<(), Broken> {
        let mut queue = VecDeque::new();
        let first = World::new(self.scenario);
        self.number_of(&first, (0, None));
        queue.push_back((0, first));
        while let Some((number, world)) = queue.pop_front() {
            if world.is_at_rest() {
                self.at_rest.push(number);
                self.ends.insert(world.head.stage.word());
            }
            self.resume(&world)
                .map_err(|property| self.broken(property, number, None))?;
            for what in world.moves(self.scenario) {
                self.moves_count += 1;
                let after = world.after(self.scenario, what);
                let after = after.map_err(|property| self.broken(property, number, Some(what)))?;
                let known_count = self.ways.len();
                let next = self.number_of(&after, (number, Some(what)));
                if what.is_certain() {
                    self.sources[next as usize].push(number);
                }
                if self.ways.len() > known_count {
                    queue.push_back((next, after));
                }
            }
        }
        Ok(())
    }

    fn number_of(&mut self, world: &World, way: (u32, Option<Move>)) -> u32 {
        let next = u32::try_from(self.ways.len()).expect("fewer worlds than that");
        let number = *self
            .numbers
            .entry(world.digest(self.scenario))
            .or_insert(next);
        if number == next {
            self.ways.push(way);
            self.sources.push(vec![]);
        }
        number
    }

    fn broken(&self, property: Property, at: u32, last: Option<Move>) -> Broken {
        let mut way: Vec<Move> = last.into_iter().collect();
        let mut number = at as usize;
        while let (before, Some(what)) = self.ways[number] {
            way.push(what);
            number = before as usize;
        }
        way.reverse();
        Broken { property, way }
    }

    /// An end must be reachable from everywhere, found by walking back from the ends.
    fn check_ends(&self) -> Result<(), Broken> {
        let mut can_end = vec![false; self.ways.len()];
        let mut stack = self.at_rest.clone();
        while let Some(number) = stack.pop() {
            if !std::mem::replace(&mut can_end[number as usize], true) {
                stack.extend(&self.sources[number as usize]);
            }
        }
        match can_end.iter().position(|can| !can) {
            None => Ok(()),
            Some(number) => {
                let number = u32::try_from(number).expect("worlds have such numbers");
                Err(self.broken(Property::Stuck, number, None))
            }
        }
    }

    /// Whoever resumes from the journal alone comes to the same end as the one who goes on (M6).
    fn resume(&mut self, world: &World) -> Result<(), Property> {
        let is_new = self.resumed.insert(digest_of(&world.head));
        if !is_new || world.is_held || self.scenario.mistake.is_some() {
            return Ok(());
        }
        let mut crashed = world.clone();
        for worker in &mut crashed.workers {
            worker.at = At::Idle;
        }
        let (goes_on, resumes) = (self.end_of(world.clone())?, self.end_of(crashed)?);
        match goes_on == resumes {
            true => Ok(()),
            false => Err(Property::JournalIsTruth),
        }
    }

    /// How it ends if nothing more goes wrong: the holder goes on, and without one the first worker comes.
    fn end_of(&self, mut world: World) -> Result<Stage, Property> {
        world.faults_left = 0;
        // Longer than any such way.
        for _ in 0..200 {
            if world.is_at_rest() {
                return Ok(world.head.stage.clone());
            }
            let moves = world.moves(self.scenario);
            let holds = |what: &Move| {
                let (Move::Run(index, _) | Move::Report(index) | Move::GoOn(index)) = *what else {
                    return false;
                };
                !world.is_replaced(&world.workers[index])
            };
            let mut certain = moves.iter().copied().filter(|what| what.is_certain());
            let step = certain.clone().find(holds).or_else(|| certain.next());
            world = world.after(self.scenario, step.ok_or(Property::Stuck)?)?;
        }
        Err(Property::Stuck)
    }
}
