//! The explorer: every world that can be reached, each looked at once, and a shortest way to a broken property.

use std::hash::{Hash, Hasher};

use super::moves::Move;
use super::scenario::{Kinds, Property, Scenario};
use super::world::World;

/// How many helpful moves lead to rest at most, before all others are tried, too.
const HELPFUL_MOVES_MAX: usize = 300;
const FIRST_SLOTS_COUNT: usize = 1 << 20;

/// What an exploration came to.
#[derive(Debug, Default)]
pub(super) struct Explored {
    /// How many worlds each number of faults leads to, and no smaller one.
    worlds: Vec<u64>,
    moves: u64,
    depth_max: usize,
}

impl std::fmt::Display for Explored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worlds: u64 = self.worlds.iter().sum();
        let (moves, depth) = (self.moves, self.depth_max);
        write!(
            f,
            "{worlds} worlds, {moves} moves, at most {depth} deep; with"
        )?;
        for (faults, worlds) in self.worlds.iter().enumerate() {
            write!(f, " {faults} faults {worlds} worlds;")?;
        }
        Ok(())
    }
}

/// A property that does not hold, and how it came to that.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) property: Property,
    pub(super) trace: Vec<(Move, World)>,
    pub(super) faults_count: usize,
}

/// Worlds by their digests; a digest of 61 bits makes a mistake less likely than one in ten thousand.
struct Table {
    slots: Vec<u64>,
    used: usize,
}

const LEFT_MASK: u64 = 0b011;
const GOOD: u64 = 0b100;
const FLAGS: u64 = 0b111;

impl Table {
    fn new() -> Self {
        Self {
            slots: vec![0; FIRST_SLOTS_COUNT],
            used: 0,
        }
    }

    fn slot(&mut self, digest: u64) -> &mut u64 {
        if self.used * 3 > self.slots.len() * 2 {
            self.grow();
        }
        let key = digest & !FLAGS;
        let place = place(&self.slots, key);
        if self.slots[place] == 0 {
            self.slots[place] = key;
            self.used += 1;
        }
        &mut self.slots[place]
    }

    fn grow(&mut self) {
        let mut larger = vec![0; self.slots.len() * 2];
        for &slot in self.slots.iter().filter(|slot| **slot != 0) {
            let place = place(&larger, slot & !FLAGS);
            larger[place] = slot;
        }
        self.slots = larger;
    }
}

fn place(slots: &[u64], key: u64) -> usize {
    let mask = slots.len() - 1;
    let mut place = (key >> 3) as usize & mask;
    while slots[place] != 0 && slots[place] & !FLAGS != key {
        place = (place + 1) & mask;
    }
    place
}

/// Mixes well and fast; the one of the standard library takes several times as long.
struct Digest(u64);

impl Digest {
    fn mix(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(29);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        let mut last = Self(self.0);
        last.mix(0x5851_F42D_4C95_7F2D);
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }
}

fn digest(world: &World) -> u64 {
    let mut digest = Digest(0x243F_6A88_85A3_08D3);
    world.hash(&mut digest);
    digest.finish() | 1 << 63
}

/// The kinds of these moves.
pub(super) fn kinds(moves: &[Move]) -> Kinds {
    Some(moves.iter().map(std::mem::discriminant).collect())
}

/// Looks at every world that can be reached, with one fault more in each round.
pub(super) fn explore(scenario: &Scenario) -> Result<Explored, Box<Broken>> {
    let mut search = Search {
        scenario,
        table: Table::new(),
        explored: Explored::default(),
        way: vec![],
    };
    for faults_max in 0..=scenario.faults_max {
        search.explored.worlds.push(0);
        if let Err(property) = search.round(faults_max) {
            // A shortest way is sought among the faults that led here; all would be too many.
            let faults: Vec<Move> = search
                .way
                .iter()
                .copied()
                .filter(|what| what.is_fault())
                .collect();
            let narrow = Scenario {
                strikes: kinds(&faults),
                ..scenario.clone()
            };
            let broken = shortest(&narrow, property);
            return Err(Box::new(broken.expect("it was just broken")));
        }
    }
    Ok(search.explored)
}

struct Search<'a> {
    scenario: &'a Scenario,
    table: Table,
    explored: Explored,
    /// The moves that led to the present world.
    way: Vec<Move>,
}

impl Search<'_> {
    fn round(&mut self, faults_max: u32) -> Result<(), Property> {
        let mut stack = vec![(World::new(self.scenario), faults_max, 0, None)];
        let mut moves = vec![];
        while let Some((world, faults_left, depth, last)) = stack.pop() {
            let digest = digest(&world);
            let slot = self.table.slot(digest);
            let known = (*slot & LEFT_MASK) as u32;
            if known > faults_left {
                continue;
            }
            *slot = (*slot & !LEFT_MASK) | u64::from(faults_left + 1);
            self.way.truncate(depth);
            self.way.extend(last);
            if known == 0 {
                if let Some(worlds) = self.explored.worlds.last_mut() {
                    *worlds += 1;
                }
                self.explored.depth_max = self.explored.depth_max.max(self.way.len());
                if self.scenario.checks(Property::Stuck) {
                    self.come_to_rest(world)?;
                }
            }
            moves.clear();
            world.moves(self.scenario, &mut moves);
            // A second fault strikes in the worlds of the sample, the first one everywhere.
            let is_second = faults_left == 1 && faults_max > 1;
            if faults_left > 0 && (!is_second || self.scenario.is_in_sample(digest)) {
                world.faults(self.scenario, &mut moves);
            }
            for &what in &moves {
                self.explored.moves += 1;
                let next = match world.after(self.scenario, what) {
                    Ok(next) => next,
                    Err(property) => {
                        self.way.push(what);
                        return Err(property);
                    }
                };
                let left = faults_left - u32::from(what.is_fault());
                stack.push((next, left, self.way.len(), Some(what)));
            }
        }
        Ok(())
    }

    /// Makes sure that `world` can come to rest without any further fault.
    fn come_to_rest(&mut self, world: World) -> Result<(), Property> {
        let mut way = vec![];
        let mut at = world;
        loop {
            let digest = digest(&at);
            let slot = self.table.slot(digest);
            if *slot & GOOD != 0 || at.is_at_rest() {
                way.push(digest);
                break;
            }
            way.push(digest);
            if way.len() > HELPFUL_MOVES_MAX {
                return self.try_everything(world);
            }
            let Some(next) = helpful(self.scenario, &at).next() else {
                return self.try_everything(world);
            };
            at = next?;
        }
        for digest in way {
            *self.table.slot(digest) |= GOOD;
        }
        Ok(())
    }

    fn try_everything(&mut self, world: World) -> Result<(), Property> {
        if can_rest(self.scenario, world)? {
            *self.table.slot(digest(&world)) |= GOOD;
            Ok(())
        } else {
            Err(Property::Stuck)
        }
    }
}

/// Where moves that can be counted upon lead, the most helpful first.
fn helpful<'a>(
    scenario: &'a Scenario,
    world: &'a World,
) -> impl Iterator<Item = Result<World, Property>> + 'a {
    let mut moves = vec![];
    world.moves(scenario, &mut moves);
    moves
        .into_iter()
        .filter(|what| world.may_count_on(*what))
        .map(|what| world.after(scenario, what))
}

fn can_rest(scenario: &Scenario, world: World) -> Result<bool, Property> {
    let mut seen = std::collections::HashSet::from([digest(&world)]);
    let mut stack = vec![world];
    while let Some(world) = stack.pop() {
        if world.is_at_rest() {
            return Ok(true);
        }
        for next in helpful(scenario, &world) {
            let next = next?;
            if seen.insert(digest(&next)) {
                stack.push(next);
            }
        }
    }
    Ok(false)
}

/// A way to a broken `property`, with as few faults as there can be, and then as few moves; none if it always holds.
pub(super) fn shortest(scenario: &Scenario, property: Property) -> Option<Broken> {
    let scenario = Scenario {
        // A trace is read more easily if nobody changes names.
        is_symmetric: false,
        checked: vec![property],
        ..scenario.clone()
    };
    (0..=scenario.faults_max).find_map(|faults_max| breadth_first(&scenario, property, faults_max))
}

fn breadth_first(scenario: &Scenario, property: Property, faults_max: u32) -> Option<Broken> {
    let start = World::new(scenario);
    let mut ways: Vec<(u32, Move)> = vec![(0, Move::Vanishes)];
    let mut table = Table::new();
    let mut search = Search {
        scenario,
        table: Table::new(),
        explored: Explored::default(),
        way: vec![],
    };
    let mut level = vec![(start, faults_max, 0_u32)];
    let mut moves = vec![];
    while !level.is_empty() {
        let mut next_level = vec![];
        for (world, faults_left, way) in level {
            if property == Property::Stuck && search.come_to_rest(world).is_err() {
                return Some(broken(scenario, property, &ways, way, None));
            }
            moves.clear();
            world.moves(scenario, &mut moves);
            if faults_left > 0 {
                world.faults(scenario, &mut moves);
            }
            for &what in &moves {
                let Ok(next) = world.after(scenario, what) else {
                    return Some(broken(scenario, property, &ways, way, Some(what)));
                };
                let left = faults_left - u32::from(what.is_fault());
                let slot = table.slot(digest(&next));
                if (*slot & LEFT_MASK) as u32 > left {
                    continue;
                }
                *slot = (*slot & !LEFT_MASK) | u64::from(left + 1);
                next_level.push((next, left, ways.len() as u32));
                ways.push((way, what));
            }
        }
        level = next_level;
    }
    None
}

fn broken(
    scenario: &Scenario,
    property: Property,
    ways: &[(u32, Move)],
    mut way: u32,
    last: Option<Move>,
) -> Broken {
    let mut moves: Vec<Move> = last.into_iter().collect();
    while way != 0 {
        let (before, what) = ways[way as usize];
        moves.push(what);
        way = before;
    }
    moves.reverse();
    let faults_count = moves.iter().filter(|what| what.is_fault()).count();
    let mut world = World::new(scenario);
    let mut trace = vec![];
    for what in moves {
        // The last one breaks what is checked, so that there is no world after it.
        world = world.after(scenario, what).unwrap_or(world);
        trace.push((what, world));
    }
    Broken {
        property,
        trace,
        faults_count,
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (faults, moves) = (self.faults_count, self.trace.len());
        writeln!(
            f,
            "{:?} with {faults} faults after {moves} moves",
            self.property
        )?;
        for (what, world) in &self.trace {
            writeln!(f, "  {what:?}\n      {}", world.sketch())?;
        }
        Ok(())
    }
}

impl World {
    /// The world in a line.
    fn sketch(&self) -> String {
        let tasks = |worker: usize| {
            let known = &self.workers[worker];
            let mut text = format!("{}:", ["a", "b"][worker]);
            for task in known.tasks() {
                let lock = if task.has_lock { "+lock" } else { "" };
                let turn = format!("{:?}", task.turn);
                text += &format!(" <{}> {:?} {turn}{lock};", task.delivered(), task.step);
            }
            text
        };
        let messages: Vec<_> = self
            .messages()
            .map(|message| format!("<{}> {:?}", message.at, message.is))
            .collect();
        format!(
            "claim {:?}, newest <{}>, {:?}; {}; mark {:?}; {} {}",
            self.lane.claim.map(|claim| (claim.epoch, claim.lease)),
            self.lane.newest_trigger,
            self.lane.requests,
            messages.join(" "),
            self.mark.map(|mark| mark.epoch),
            tasks(0),
            tasks(1)
        )
    }
}
