//! One cell: an errand, a process that stands still on its way, and somebody who is killed then.

use std::time::Duration;

use nogfso_faults::{Errand, Halts, Point, Service as Owner};
use nogfso_ids::RepoId;
use nogfso_testkit::{Signal, wait_until_blocking};
use serde_json::{Value, json};

use super::traces::{self, Expected};
use crate::end_to_end::world::{Service, Wishes, World};
use crate::end_to_end::{GLOBAL_ROOT, REGISTRY};
use crate::witness::Witness;

/// Within which a point is reached, or the cell fails.
pub(super) const REACH_LIMIT: Duration = Duration::from_secs(30);

/// Who is killed: the process that stands at the point, or another one, or the server, while it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Gateway,
    Regd,
    Stad,
    Server,
}

impl Victim {
    /// The service that is killed, if it is one.
    fn service(self) -> Option<Service> {
        match self {
            Self::Gateway => Some(Service::Gateway),
            Self::Regd => Some(Service::Regd),
            Self::Stad => Some(Service::Stad),
            Self::Server => None,
        }
    }
}

/// A cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) point: Point,
    pub(super) errand: Errand,
    pub(super) victim: Victim,
}

/// A world in which cells are played one after the other, each with a repo of its own.
pub(super) struct Scene {
    world: World,
    witness: Witness,
    halts: Halts,
    reach_limit: Duration,
    played: u32,
}

/// A command with the id by which it is known.
struct Command {
    subject: &'static str,
    payload: Value,
}

/// Longer than a cell takes, and shorter than all of them.
const PURGE_AFTER_MS: &str = "20000";

impl Scene {
    pub(super) fn new(reach_limit: Duration) -> Self {
        let world = World::with_root_and(Wishes {
            // A witness that could not follow while the server was away still finds what was stored before.
            purge_after_ms: Some(PURGE_AFTER_MS),
            ..Wishes::default()
        });
        Self {
            witness: Witness::of(&world),
            halts: Halts::new(&world.halt_folder()),
            world,
            reach_limit,
            played: 0,
        }
    }

    pub(super) fn play(&mut self, cell: Cell) {
        self.played += 1;
        let n = self.played;
        let name = format!("cell {n}");
        let id = format!("00000000-0000-4000-8000-{n:012x}");
        let repo: RepoId = id.parse().expect("an id is well formed");
        let realdir = self.world.directory(&name);
        let adopt = Command {
            subject: "fso.cmd.repo.init",
            payload: json!({
                "registry": REGISTRY,
                "global_path": format!("{GLOBAL_ROOT}/{name}"),
                "author": "A. U. Thor <author@example.com>",
                "repo": id,
                "command_id": format!("adopt-{n}"),
            }),
        };
        let stat = Command {
            subject: "fso.cmd.repo.stat",
            payload: json!({ "repo": id, "command_id": format!("stat-{n}") }),
        };
        let mut expected = Expected { repo, stat: None };
        let (command, answer) = match cell.errand {
            Errand::Adopt => {
                let answer = self.carried_through(cell, &adopt);
                (adopt, answer)
            }
            Errand::Stat => {
                self.witness.accepted(adopt.subject, &adopt.payload);
                traces::settle(&self.world, &self.witness, &expected);
                std::fs::write(realdir.join("a later file"), "content")
                    .expect("the temporary folder can be written");
                let answer = self.carried_through(cell, &stat);
                let request = answer["request"].as_str().expect("a request has an id");
                expected.stat = Some(request.parse().expect("an id is well formed"));
                (stat, answer)
            }
        };
        assert_eq!(answer["repo"], id);
        traces::settle(&self.world, &self.witness, &expected);
        traces::examine(&self.world, &self.witness, &expected);
        let again = self.witness.accepted(command.subject, &command.payload);
        for key in ["repo", "request"] {
            assert_eq!(again[key], answer[key], "a repeat answers the same");
        }
        traces::examine(&self.world, &self.witness, &expected);
    }

    /// Looks at the end that nothing was forgotten on the way.
    pub(super) fn end(self) {
        traces::settle_all_deliveries(&self.world);
    }

    /// Gives the command until it is accepted, through the crash of the cell; returns the answer.
    fn carried_through(&mut self, cell: Cell, command: &Command) -> Value {
        self.halts.arm(cell.point).expect("the folder is ours");
        let (world, witness, halts) = (&mut self.world, &self.witness, &self.halts);
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| witness.accepted(command.subject, &command.payload));
            let standing = match cell.point.service() {
                Owner::Gateway => Service::Gateway,
                Owner::Regd => Service::Regd,
                Owner::Stad => Service::Stad,
            };
            let process = world.process(standing);
            let what = format!("{} to stand at {}", process.id(), cell.point.name());
            wait_until_blocking(&what, self.reach_limit, || {
                halts.is_reached(cell.point) && process.is_stopped()
            });
            let victim = cell.victim.service();
            match victim {
                Some(service) => {
                    world.kill(service);
                    world.restart(service);
                }
                None => world.server.restart(),
            }
            if victim != Some(standing) {
                halts.let_go(cell.point).expect("the folder is ours");
                world.process(standing).signal(Signal::CONT);
            }
            answer.join().expect("it is accepted")
        })
    }
}
