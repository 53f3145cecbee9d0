//! The product under load while everything breaks at random; then the judge of [`checker`](crate::checker).
//!
//! Two gateways, two regds and three workers of one host, on one server, each on a line of its own, or on three; sixteen clients
//! with mixed commands, which ask again with the same words while an outcome is open, as clients do. The seed is printed;
//! it fixes what is asked for and what breaks, not how threads and processes meet.

pub(crate) mod asking;
pub(crate) mod broker;
mod chance;
mod client;
mod faults;
pub(crate) mod fleet;
pub(crate) mod quiet;
mod tally;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nogfso_testkit::{is_full, wished};
use serde_json::json;

use crate::checker::promises::Promise;
use crate::checker::{Evidence, judge};
use broker::Broker;
use chance::Chance;
use client::{Client, Shared};
use fleet::{Fleet, connect};
use tally::Tally;

/// Far above what anything here takes, for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(60);
/// Short, so that crashes are noticed within a test.
const ACK_WAIT_MS: &str = "2000";
const CLIENT_COUNT: u64 = 16;
const LOAD_SECONDS: u64 = 40;
/// Three servers, each of which writes everything, take longer to come to the same.
const LOAD_SECONDS_OF_THREE: u64 = 30;
const LOAD_SECONDS_FULL: u64 = 600;
/// The stream of numbers of what breaks; the clients have those below.
const FAULTS: u64 = 1_000;

pub(crate) const HOST: &str = "files.example.com";
pub(crate) const AUTHOR: &str = "A. U. Thor <author@example.com>";
const ACTOR: &str = "user:operator";
pub(crate) const REGISTRIES: [&str; 3] = ["load-a", "load-b", "load-c"];

#[test]
fn what_was_acknowledged_is_there_once_whatever_broke() {
    let seconds = wished_seconds(LOAD_SECONDS);
    load_and_judge(seconds, Fleet::start);
}

#[test]
fn what_three_replicas_acknowledged_is_there_once_whichever_of_them_died() {
    let seconds = wished_seconds(LOAD_SECONDS_OF_THREE);
    load_and_judge(seconds, || Fleet::start_with(&[], Broker::three));
}

fn wished_seconds(sample: u64) -> u64 {
    let usual = if is_full() { LOAD_SECONDS_FULL } else { sample };
    wished("NOGFSO_LOAD_SECONDS").unwrap_or(usual)
}

fn load_and_judge(seconds: u64, start: impl FnOnce() -> Fleet) {
    let seed = wished("NOGFSO_LOAD_SEED").unwrap_or_else(Chance::fresh_seed);
    eprintln!("NOGFSO_LOAD_SEED={seed} NOGFSO_LOAD_SECONDS={seconds}");
    let began = Instant::now();
    let fleet = start();
    let host_roots = REGISTRIES.map(|registry| fleet.host_root(registry));
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        repos: Mutex::default(),
        host_roots: host_roots.to_vec(),
    });
    on_a_runtime(begin(&fleet));
    let fleet = Mutex::new(fleet);
    let (done, promises) = run(&fleet, &shared, seed, seconds);
    let loaded = began.elapsed();
    let mut fleet = fleet.into_inner().expect("nobody panics with it");
    let end = on_a_runtime(taken_down(&fleet, promises));
    fleet.look_after();
    (0..fleet.members.len()).for_each(|at| fleet.note_alarms(at));

    let verdict = judge(&end.evidence);
    for line in done.lines() {
        eprintln!("{line}");
    }
    eprintln!(
        "{} operations and faults in {loaded:?}, judged after {:?}: {:?}",
        done.total(),
        began.elapsed(),
        verdict.counts
    );
    let complaints: Vec<String> = verdict.complaints.iter().map(ToString::to_string).collect();
    let (complaints, alarms) = (complaints.join("\n"), fleet.alarms.join("\n"));
    assert!(complaints.is_empty(), "seed {seed}:\n{complaints}");
    assert_eq!(end.quiet, Ok(()), "seed {seed}");
    assert_eq!(end.parked, json!([]), "seed {seed}");
    assert!(alarms.is_empty(), "seed {seed}:\n{alarms}");
    // Whatever the faults do to the server, a process waits for it.
    let ended = fleet.ended.join("\n");
    assert!(
        ended.is_empty(),
        "seed {seed}, ended by themselves:\n{ended}"
    );
    assert!(done.of_outcome("done") > 0);
}

/// What clients and faults did until the time was over, and what clients were told.
fn run(
    fleet: &Mutex<Fleet>,
    shared: &Arc<Shared>,
    seed: u64,
    seconds: u64,
) -> (Tally, Vec<Promise>) {
    let (urls, operator) = {
        let fleet = fleet.lock().expect("nobody panics with it");
        (fleet.broker.urls(), fleet.accounts.operator.clone())
    };
    let calm = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENT_COUNT)
            .map(|number| {
                let (shared, urls, operator) = (Arc::clone(shared), urls.clone(), &operator);
                scope.spawn(move || {
                    on_a_runtime(async move {
                        let nats = connect(urls, operator).await.expect("it is retried");
                        let chance = Chance::new(seed, number);
                        let mut client = Client::new(number, nats, chance, shared);
                        client.run().await;
                        (client.tally, client.promises)
                    })
                })
            })
            .collect();
        let breaking = scope.spawn(|| faults::inflict(fleet, Chance::new(seed, FAULTS), &calm));
        std::thread::sleep(Duration::from_secs(seconds));
        shared.stop.store(true, Ordering::SeqCst);
        calm.store(true, Ordering::SeqCst);
        let broken = breaking.join().expect("what breaks things does not panic");
        // Clients are still asking again, and get their answers only when all is well.
        fleet.lock().expect("nobody panics with it").heal();
        let (mut done, mut promises) = (Tally::default(), Vec::new());
        for client in clients {
            let (tally, told) = client.join().expect("a client does not panic");
            done.add(tally);
            promises.extend(told);
        }
        done.add(broken);
        (done, promises)
    })
}

/// Makes the registries and their roots.
pub(crate) async fn begin(fleet: &Fleet) {
    let nats = connect(fleet.broker.urls(), &fleet.accounts.operator)
        .await
        .expect("the server takes the operator");
    let mut chance = Chance::new(0, 0);
    for registry in REGISTRIES {
        let host_root = fleet.host_root(registry);
        fs::create_dir_all(&host_root).expect("the temporary folder can be written");
        let root = json!({"registry": registry, "global_root": format!("/load/{registry}"), "host": HOST,
            "host_root": host_root});
        for (subject, wanted) in [
            ("fso.cmd.registry.init", json!({"name": registry})),
            ("fso.cmd.root.init", root),
        ] {
            let payload = wanted.to_string();
            let outcome = asking::ask(&nats, &mut chance, subject, payload.as_bytes()).await;
            assert!(matches!(outcome, asking::Outcome::Done(_)), "{outcome:?}");
        }
    }
}

/// What there is to know when nothing moves any more.
pub(crate) struct End {
    /// What moved on to the very deadline.
    pub(crate) quiet: Result<(), String>,
    pub(crate) evidence: Evidence,
    /// What could not be processed.
    pub(crate) parked: serde_json::Value,
}

/// Waits until nothing moves any more, and takes everything down.
pub(crate) async fn taken_down(fleet: &Fleet, promises: Vec<Promise>) -> End {
    let journal = quiet::journal(fleet).await;
    let operator = connect(fleet.broker.urls(), &fleet.accounts.operator)
        .await
        .expect("the server takes the operator");
    let quiet = quiet::until_quiet(&journal).await;
    let messages = quiet::messages(&journal).await;
    End {
        quiet,
        evidence: Evidence {
            messages,
            promises,
            answers: quiet::answers(&operator).await,
        },
        parked: quiet::parked(&operator).await,
    }
}

pub(crate) fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(work)
}
