//! Commands through the gateway beside raw appends: new repos one by one, and stats of many repos at once.
//!
//! The product goes on working on a command after its answer, on the same machine; each round waits until it is done.

use std::fs;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use nogfso_contract::command::{InitRepo, Stat};
use nogfso_contract::query::GetRepo;
use nogfso_contract::subjects::{self, WORK_STREAM};
use nogfso_domain::work::MtimeRange;
use nogfso_ids::{Author, GlobalPath, RepoId};
use nogfso_journal::Log;
use nogfso_testkit::NatsServer;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::disk;
use crate::measure::{Better, Figure, Rounds, Values, micros, side_by_side};
use crate::raw::Raw;
use crate::system::System;

/// How many repos are made in a round.
const ROUND_REPOS: usize = 20;
const FILES_PER_REPO: usize = 10;
/// How many repos are statted at once, a request of each in flight.
const LANES: usize = 64;
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
const SETTLE_PAUSE: Duration = Duration::from_millis(10);
/// How long a caller waits for the end of a stat.
const STAT_LIMIT: &str = "9s";
/// After how long without an append nothing more will come.
const REST: Duration = Duration::from_millis(200);

/// Stats that the worker does not take for one, so that each request is a commit.
const DISTINCT_STATS: [(MtimeRange, bool); 6] = [
    (MtimeRange::No, false),
    (MtimeRange::Also, false),
    (MtimeRange::Only, false),
    (MtimeRange::No, true),
    (MtimeRange::Also, true),
    (MtimeRange::Only, true),
];

/// The figures against the server, and the sizes of the payloads of the raw appends.
pub(crate) async fn figures(
    server: &NatsServer,
    rounds: u32,
) -> anyhow::Result<(Vec<(&'static str, usize)>, Vec<Figure>)> {
    let system = System::start(server).await?;
    let mut bench = Bench {
        raw: Raw::new(system.client.clone(), LANES),
        server,
        system: &system,
        repos: vec![],
    };
    let commit = bench.commit_of_a_new_repo().await?;
    let mut figures = bench.new_repos(&commit, rounds).await?;
    while bench.repos.len() < LANES {
        bench.make_repos(Pace::AtOnce).await?;
    }
    let work_commit = bench.commit_of_a_stat().await?;
    figures.extend(bench.stats(&work_commit, rounds).await?);
    let one = ["stat-finished-one-worker", "appends-of-a-stat-one-worker"];
    figures.extend(bench.finished_stats(&work_commit, rounds, one).await?);
    for _ in 0..2 {
        system.add_worker().await?;
    }
    let three = [
        "stat-finished-three-workers",
        "appends-of-a-stat-three-workers",
    ];
    figures.extend(bench.finished_stats(&work_commit, rounds, three).await?);
    let payloads = vec![
        ("raw-append-one-by-one", commit.len()),
        ("raw-append-64-at-once", work_commit.len()),
    ];
    system.stop().await?;
    Ok((payloads, figures))
}

struct Bench<'a> {
    raw: Raw,
    server: &'a NatsServer,
    system: &'a System,
    repos: Vec<RepoId>,
}

/// When the next repo is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As soon as the last one is accepted; its shadow is being made meanwhile.
    AtOnce,
    /// When nothing is left to do for the last one.
    Settled,
}

/// How far the product's streams have come.
#[derive(Debug, Clone, Copy)]
struct Counts {
    appends: u64,
    deliveries: u64,
    loads: u64,
}

impl Bench<'_> {
    /// The commit by which the registry takes a repo: what a raw append has to carry to be comparable.
    async fn commit_of_a_new_repo(&mut self) -> anyhow::Result<Bytes> {
        self.make_repos(Pace::AtOnce).await?;
        let subject = subjects::registry(&self.system.registry);
        let last = self.system.log.leader_last(&subject).await?;
        Ok(last.context("the registry has a commit")?.payload)
    }

    /// The last commit on the work of the first repo.
    async fn commit_of_a_stat(&self) -> anyhow::Result<Bytes> {
        self.stat(0, 0, None).await?;
        let filter = format!("fso.ev.*.work.*.*.{}", self.repos[0]);
        let last = self.system.log.find_last(WORK_STREAM, &filter).await?;
        self.settle(&self.repos[..1]).await?;
        Ok(last.context("the work has a commit")?.payload)
    }

    async fn new_repos(&mut self, commit: &Bytes, rounds: u32) -> anyhow::Result<Vec<Figure>> {
        let [mut fsync_us, mut raw_us, mut settled_us, mut at_once_us] =
            [const { Values::new() }; 4];
        let mut rounds = Rounds::new(rounds);
        while let Some(counts) = rounds.next() {
            fsync_us.note(counts, spawn_blocking(disk::fsync).await??);
            raw_us.note(counts, self.raw.one(commit).await?);
            settled_us.note(counts, self.make_repos(Pace::Settled).await?);
            at_once_us.note(counts, self.make_repos(Pace::AtOnce).await?);
        }
        let raw = Figure::new("raw-append-one-by-one", raw_us.median(), "us");
        let settled = Figure::new("repo-init-when-settled", settled_us.median(), "us");
        let at_once = Figure::new("repo-init-one-by-one", at_once_us.median(), "us");
        let fsync = Figure::new(disk::FSYNC, fsync_us.median(), "us");
        Ok(vec![
            settled.against(&raw, Better::Less),
            at_once.against(&raw, Better::Less),
            raw.against(&fsync, Better::Less),
            fsync,
        ])
    }

    async fn stats(&self, commit: &Bytes, rounds: u32) -> anyhow::Result<Vec<Figure>> {
        let [
            mut raw_rate,
            mut stat_rate,
            mut appends,
            mut deliveries,
            mut loads,
        ] = [const { Values::new() }; 5];
        let mut rounds = Rounds::new(rounds);
        while let Some(counts) = rounds.next() {
            raw_rate.note(counts, self.raw.many(commit).await?);
            let before = self.counts()?;
            let rate = side_by_side(LANES, DISTINCT_STATS.len(), async |lane, turn| {
                self.stat(lane, turn, None).await
            });
            stat_rate.note(counts, rate.await?);
            // Asking whether it is done would be counted, too.
            self.rest().await?;
            let after = self.counts()?;
            self.settle(&self.repos[..LANES]).await?;
            loads.note(counts, per_stat(after.loads - before.loads));
            appends.note(counts, per_stat(after.appends - before.appends));
            deliveries.note(counts, per_stat(after.deliveries - before.deliveries));
        }
        let raw = Figure::new("raw-append-64-at-once", raw_rate.median(), "1/s");
        let stat = Figure::new("stat-request-64-at-once", stat_rate.median(), "1/s");
        Ok(vec![
            stat.against(&raw, Better::More),
            raw,
            Figure::new("appends-per-stat", appends.median(), "appends"),
            Figure::new("deliveries-per-stat", deliveries.median(), "deliveries"),
            Figure::new("loads-per-stat", loads.median(), "loads"),
        ])
    }

    /// Stats of all repos at once, each awaited, beside the appends that they need.
    async fn finished_stats(
        &self,
        commit: &Bytes,
        rounds: u32,
        [name, limit]: [&'static str; 2],
    ) -> anyhow::Result<Vec<Figure>> {
        let [mut possible, mut finished] = [const { Values::new() }; 2];
        let mut rounds = Rounds::new(rounds);
        while let Some(counts) = rounds.next() {
            let raw_rate = self.raw.many(commit).await?;
            let before = self.counts()?;
            let rate = side_by_side(LANES, DISTINCT_STATS.len(), async |lane, turn| {
                self.stat(lane, turn, Some(STAT_LIMIT)).await
            });
            finished.note(counts, rate.await?);
            self.rest().await?;
            let appends = per_stat(self.counts()?.appends - before.appends);
            possible.note(counts, raw_rate / appends);
        }
        let limit = Figure::new(limit, possible.median(), "1/s");
        let finished = Figure::new(name, finished.median(), "1/s");
        Ok(vec![finished.against(&limit, Better::More), limit])
    }

    /// Waits until nothing is appended any more.
    async fn rest(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        let mut appends = 0;
        loop {
            let now = self.counts()?.appends;
            if now == appends {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the appends do not end");
            appends = now;
            sleep(REST).await;
        }
    }

    /// Makes some repos; the median time until one is accepted, in microseconds.
    async fn make_repos(&mut self, pace: Pace) -> anyhow::Result<f64> {
        let first = self.repos.len();
        let mut times = Values::default();
        for path in self.plant_directories(first..first + ROUND_REPOS)? {
            let init = InitRepo {
                registry: self.system.registry.clone(),
                global_path: path,
                author: Author::try_new("Bench", "bench@example.invalid")?,
                repo: None,
                vid: None,
                command_id: None,
                wait: None,
            };
            let began = Instant::now();
            let accepted = self.system.call(&init).await?;
            times.note(true, micros(began.elapsed()));
            self.repos.push(accepted.repo);
            if pace == Pace::Settled {
                self.settle(&[accepted.repo]).await?;
            }
        }
        self.settle(&self.repos[first..]).await?;
        Ok(times.median())
    }

    fn plant_directories(&self, numbers: Range<usize>) -> anyhow::Result<Vec<GlobalPath>> {
        let mut paths = vec![];
        for number in numbers {
            let (path, directory) = self.system.directory(&format!("repo-{number:04}"))?;
            fs::create_dir(&directory)?;
            for file in 0..FILES_PER_REPO {
                fs::write(directory.join(format!("file-{file}")), "content")?;
            }
            paths.push(path);
        }
        Ok(paths)
    }

    async fn stat(&self, lane: usize, turn: usize, wait: Option<&str>) -> anyhow::Result<()> {
        let (mtime_range, confirm_emptied) = DISTINCT_STATS[turn];
        let stat = Stat {
            repo: self.repos[lane],
            author: None,
            mtime_range,
            confirm_emptied,
            command_id: None,
            wait: wait
                .map(|wait| wait.parse().map_err(anyhow::Error::msg))
                .transpose()?,
        };
        self.system.call(&stat).await?;
        Ok(())
    }

    /// Waits until the repos have shadows and nothing is left to do for them.
    async fn settle(&self, repos: &[RepoId]) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        for &repo in repos {
            while !self.is_settled(repo).await? {
                ensure!(Instant::now() < deadline, "repo {repo} is not done");
                sleep(SETTLE_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn is_settled(&self, repo: RepoId) -> anyhow::Result<bool> {
        // A repo that was just accepted is unknown until regd has begun it.
        let Ok(info) = self.system.call(&GetRepo { repo }).await else {
            return Ok(false);
        };
        ensure!(info.error.is_none(), "repo {repo}: {:?}", info.error);
        let idle = info.work.requests.is_empty() && info.work.held_by.is_none();
        Ok(idle && info.shadow.is_some())
    }

    fn counts(&self) -> anyhow::Result<Counts> {
        let answer = self.server.monitor("/jsz?streams=1&consumers=1")?;
        let streams = answer["account_details"][0]["stream_detail"].as_array();
        let streams = streams.context("the server tells of its streams")?;
        let ours = streams.iter().filter(|stream| {
            stream["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("FSO_"))
        });
        let mut counts = Counts {
            appends: 0,
            deliveries: 0,
            loads: self.system.log.loads(),
        };
        for stream in ours {
            counts.appends += count(&stream["state"]["last_seq"]);
            let consumers = stream["consumer_detail"].as_array().into_iter().flatten();
            counts.deliveries += consumers
                .map(|consumer| count(&consumer["delivered"]["consumer_seq"]))
                .sum::<u64>();
        }
        Ok(counts)
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn per_stat(total: u64) -> f64 {
    let stats = u32::try_from(LANES * DISTINCT_STATS.len()).unwrap_or(u32::MAX);
    f64::from(u32::try_from(total).unwrap_or(u32::MAX)) / f64::from(stats)
}
