//! Workers of one host, each a process of its own, and the repos that they have to share.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nogfso_domain::work::{Work, WorkEvent};
use nogfso_faults::{COST_PER_FILE_US, HALT_FOLDER, Halts, Point};
use nogfso_ids::{RepoId, RequestId};
use nogfso_testkit::{Process, wait_until_blocking};
use serde_json::json;

use crate::end_to_end::asking::git;
use crate::end_to_end::world::{Service, Wishes, World};
use crate::end_to_end::{DEADLINE, GLOBAL_ROOT, REGISTRY};
use crate::witness::{Witness, lock_holder};

/// How many repos there are.
pub(super) const REPO_COUNT: u32 = 60;
/// Repos that a worker has in hand at a time, if a test does not wish otherwise.
const SLOTS: &str = "2";
const FOLDERS: u32 = 3;
const FILES_PER_FOLDER: u32 = 4;
/// Makes a repo take a third of a second, so that whatever happens meets work in hand.
const COST_US: &str = "25000";
/// Far above what all repos take, for a machine that is busy.
pub(super) const ROUND_DEADLINE: Duration = Duration::from_secs(120);

/// One worker.
pub(super) struct Worker {
    pub(super) process: Process,
    /// The name by which the journal knows it.
    pub(super) instance: String,
    /// The name by which the commits of shadows know it.
    pub(super) committer: String,
    /// Where it alone is made to stand still.
    pub(super) halts: Halts,
}

/// The host of the workers and everything round it.
pub(super) struct Fleet {
    pub(super) workers: Vec<Worker>,
    pub(super) witness: Witness,
    pub(super) repos: Vec<RepoId>,
    pub(super) world: World,
    rounds: u32,
}

impl Fleet {
    /// Everything but workers, and `repo_count` directories.
    pub(super) fn without_workers(ack_wait_ms: &'static str, repo_count: u32) -> Self {
        let world = World::with_root_without_worker(Wishes {
            ack_wait_ms: Some(ack_wait_ms),
            ..Wishes::default()
        });
        let id = |n: u32| format!("00000000-0000-4000-8000-{n:012x}");
        let repos: Vec<RepoId> = (1..=repo_count)
            .map(|n| id(n).parse().expect("an id is well formed"))
            .collect();
        for repo in &repos {
            for folder in 0..FOLDERS {
                let folder = world.host_root().join(format!("{repo}/folder {folder}"));
                fs::create_dir_all(&folder).expect("the temporary folder can be written");
                for file in 0..FILES_PER_FOLDER {
                    fs::write(folder.join(format!("file {file}")), "content")
                        .expect("the temporary folder can be written");
                }
            }
        }
        Self {
            workers: vec![],
            witness: Witness::of(&world),
            repos,
            world,
            rounds: 0,
        }
    }

    /// Three workers that have adopted all repos together.
    pub(super) fn of_three(ack_wait_ms: &'static str) -> Self {
        let mut fleet = Self::without_workers(ack_wait_ms, REPO_COUNT);
        for _ in 0..3 {
            fleet.add_worker(|_| {});
        }
        fleet.adopt_all();
        fleet
    }

    /// Starts another worker and waits until it is ready.
    pub(super) fn add_worker(&mut self, change: impl FnOnce(&mut Command)) -> usize {
        let committer = format!("worker {}", self.workers.len() + 1);
        let halt_folder = self.world.halt_folder().join(&committer);
        fs::create_dir(&halt_folder).expect("the temporary folder can be written");
        let mut command = self.command();
        command
            .arg(format!("--git-committer={committer} <w@example.com>"))
            .env(HALT_FOLDER, &halt_folder);
        change(&mut command);
        let mut process = Process::start(&mut command);
        let ready = process.wait_for_line("ready", DEADLINE);
        let (_, instance) = ready.split_once("instance=").expect("it tells its name");
        self.workers.push(Worker {
            instance: instance.trim().to_owned(),
            committer,
            process,
            halts: Halts::new(&halt_folder),
        });
        self.workers.len() - 1
    }

    /// What starts a worker.
    pub(super) fn command(&self) -> Command {
        let mut command = self.world.command(Service::Stad);
        command
            .args(["--slots", SLOTS, "--threads", "1"])
            .env(COST_PER_FILE_US, COST_US);
        command
    }

    pub(super) fn adopt_all(&self) {
        for repo in &self.repos {
            let command = json!({
                "registry": REGISTRY,
                "global_path": format!("{GLOBAL_ROOT}/{repo}"),
                "author": "A. U. Thor <author@example.com>",
                "repo": repo,
            });
            self.witness.accepted("fso.cmd.repo.init", &command);
        }
        for repo in &self.repos {
            wait_until_blocking("the shadow", ROUND_DEADLINE, || {
                let info = self.witness.ask("fso.get.repo", &json!({ "repo": repo }))?;
                if info["shadow"].is_string() {
                    Ok(())
                } else {
                    Err(info.to_string())
                }
            });
        }
    }

    /// Changes every directory and asks for a stat of it; the requests.
    pub(super) fn ask_all(&mut self) -> BTreeMap<RepoId, RequestId> {
        self.rounds += 1;
        let round = self.rounds;
        let ask = |repo: &RepoId| {
            let file = self.realdir(*repo).join(format!("of round {round}"));
            fs::write(file, "content").expect("the temporary folder can be written");
            let command = json!({ "repo": repo, "command_id": format!("round-{round}") });
            let accepted = self.witness.accepted("fso.cmd.repo.stat", &command);
            let request = accepted["request"].as_str().expect("a request has an id");
            (*repo, request.parse().expect("an id is well formed"))
        };
        self.repos.iter().map(ask).collect()
    }

    /// Waits until all these requests have ended and no claim is left.
    pub(super) fn await_all(&self, requests: &BTreeMap<RepoId, RequestId>) {
        for (repo, request) in requests {
            wait_until_blocking("the end of the work", ROUND_DEADLINE, || {
                let work = self.witness.work_state(*repo);
                let is_done = work.finished(*request).is_some() && work.claim.is_none();
                if is_done { Ok(()) } else { Err(work) }
            });
        }
    }

    /// That each request of each round ended once, and that each shadow has one commit for each.
    pub(super) fn assert_recorded_once(&self) {
        for repo in &self.repos {
            let mut ended: Vec<RequestId> = vec![];
            for commit in self.witness.work(*repo) {
                for stored in commit.envelope.events {
                    if let WorkEvent::Finished { request_id, .. } = stored.fact {
                        ended.push(request_id);
                    }
                }
            }
            let distinct: BTreeSet<_> = ended.iter().collect();
            let errand_count = 1 + usize::try_from(self.rounds).expect("rounds are few");
            assert_eq!((ended.len(), distinct.len()), (errand_count, errand_count));
            let commits = git(&self.shadow(*repo), &["rev-list", "--count", "master-stat"]);
            assert_eq!(commits, (1 + errand_count).to_string(), "{repo}");
        }
    }

    /// The repos that a worker has in hand: by its claim, or by its lock.
    pub(super) fn held_by(&self, worker: usize) -> BTreeSet<RepoId> {
        let Worker {
            process, instance, ..
        } = &self.workers[worker];
        let is_held = |repo: &RepoId| {
            lock_holder(&self.lock(*repo)) == Some(process.id())
                || holder(&self.witness.work_state(*repo)).as_ref() == Some(instance)
        };
        self.repos.iter().copied().filter(is_held).collect()
    }

    /// Asks for a stat of everything, and has the worker stand still as soon as it comes to `point`. Its signal lets it go on.
    pub(super) fn ask_all_until_stopped(
        &mut self,
        worker: usize,
        point: Point,
    ) -> BTreeMap<RepoId, RequestId> {
        let halts = self.workers[worker].halts.clone();
        halts.arm(point).expect("the folder is ours");
        let requests = self.ask_all();
        let process = &self.workers[worker].process;
        wait_until_blocking("the worker to stand still", ROUND_DEADLINE, || {
            halts.is_reached(point) && process.is_stopped()
        });
        halts.let_go(point).expect("the folder is ours");
        requests
    }

    pub(super) fn realdir(&self, repo: RepoId) -> PathBuf {
        self.world.host_root().join(repo.to_string())
    }

    pub(super) fn shadow(&self, repo: RepoId) -> PathBuf {
        let place = format!("real data/orga/{repo}/{repo}.fso");
        self.world.shadow_root().join(place)
    }

    pub(super) fn lock(&self, repo: RepoId) -> PathBuf {
        let place = format!(".nogfso/locks/{repo}.main");
        self.world.shadow_root().join(place)
    }
}

fn holder(work: &Work) -> Option<String> {
    work.claim.as_ref().map(|claim| claim.instance.to_string())
}
