//! A worker on the in-memory journal and bus.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{MemoryBus, Message};
use nogfso_contract::codec::Answer;
use nogfso_contract::host::{MAY_INIT, MayInit, MayInitReply};
use nogfso_contract::presence::{Presence, Served};
use nogfso_contract::progress::{Progress, ProgressPhase};
use nogfso_contract::subjects::{self, PRESENCE_ALL, STREAMS};
use nogfso_contract::{Code, Failure};
use nogfso_domain::operation::Operation;
use nogfso_domain::work::{End, FailureCode, Order, Outcome, WorkCommand};
use nogfso_host::Tasks;
use nogfso_ids::{GlobalPath, Host, HostPath, Instance, SubdirTracking};
use nogfso_journal::memory::{MemoryLog, PublishOddity, ReadOddity};
use nogfso_journal::{Environment, Log, RandomIds};
use nogfso_kernel::Position;
use nogfso_stad::{PresenceError, Settings, StartError, start};
use nogfso_testkit::wait_until;

use crate::world::{HOST, PATIENCE, STAT, World, report};

const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// So that a start takes about half a second.
const STARTS_LOST: usize = 5;
const TRIES_MAX: usize = 10;
/// More than a worker makes before the longest test ends.
const READS_REFUSED: usize = 1_000;

async fn world() -> World {
    world_on(&MemoryLog::default()).await
}

async fn world_on(log: &MemoryLog) -> World {
    log.ensure_streams(&STREAMS).await.unwrap();
    let environment = Environment {
        clock: log.clock(),
        ids: Arc::new(RandomIds),
    };
    World::new(
        Arc::new(log.clone()),
        Arc::new(MemoryBus::new()),
        environment,
    )
}

fn settings(world: &World) -> Settings {
    let mut settings = Settings::new(
        Host::parse(HOST).unwrap(),
        vec![GlobalPath::parse("/ex/data").unwrap()],
        HostPath::parse(world.shadow_root().to_str().unwrap()).unwrap(),
    );
    settings.ack_wait_ms = 1_000;
    settings
}

async fn start_with(world: &World, settings: Settings) -> Result<(Tasks, Instance), StartError> {
    let tasks = Tasks::default();
    let instance = start(
        Arc::clone(&world.log),
        Arc::clone(&world.bus),
        world.environment.clone(),
        settings,
        &tasks,
    )
    .await?;
    Ok((tasks, instance))
}

async fn worker(world: &World) -> (Tasks, Instance) {
    start_with(world, settings(world)).await.unwrap()
}

fn claim_by_the_dead() -> WorkCommand {
    WorkCommand::Claim {
        instance: Instance::parse("dead").unwrap(),
        lease: Position(1),
        above: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_adopted_and_then_followed() {
    let world = world().await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    let (tasks, _) = worker(&world).await;

    let init = world.done("a", Order::Init {}).await;
    let shadow = report(&init).shadow_path.clone().unwrap();
    assert!(Path::new(&shadow).starts_with(world.shadow_root()));
    assert_eq!(report(&init).outcome, Outcome::Committed);
    assert_eq!(
        (report(&init).counts.files, report(&init).counts.added),
        (1, 1)
    );
    world.confirm_shadow("a", &init).await;

    let unchanged = world.done("a", STAT).await;
    assert_eq!(report(&unchanged).outcome, Outcome::Unchanged);
    assert_eq!(report(&unchanged).new_ref, report(&init).new_ref);

    std::fs::write(world.realdir("a").join("file"), "other content").unwrap();
    let changed = world.done("a", STAT).await;
    assert_eq!(report(&changed).outcome, Outcome::Committed);
    assert_eq!(report(&changed).counts.modified, 1);
    let head = nogfso_shadow::refs::head(Path::new(&shadow), "master-stat").unwrap();
    assert_eq!(head.map(|head| head.to_string()), report(&changed).new_ref);

    let again = world.done("a", Order::Init {}).await;
    assert_eq!(report(&again).outcome, Outcome::Unchanged);
    assert_eq!(report(&again).shadow_path.as_ref(), Some(&shadow));
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_fails_with_its_code() {
    let world = world().await;
    for name in ["missing", "unready", "elsewhere", "emptied"] {
        let host = if name == "elsewhere" {
            "other.example.com"
        } else {
            HOST
        };
        world.add_repo(name, host).await;
    }
    world.make_realdir("unready");
    world.make_realdir("emptied");
    let (tasks, _) = worker(&world).await;
    let code = async |name: &str, order: Order| {
        let answered = world.done(name, order).await;
        answered.result.failure().unwrap().code
    };

    assert_eq!(
        code("missing", Order::Init {}).await,
        FailureCode::RealdirMissing
    );
    assert_eq!(code("unready", STAT).await, FailureCode::NotReady);
    assert_eq!(
        code("elsewhere", Order::Init {}).await,
        FailureCode::NotReady
    );
    assert_eq!(code("unknown", Order::Init {}).await, FailureCode::NotReady);

    let init = world.done("emptied", Order::Init {}).await;
    world.confirm_shadow("emptied", &init).await;
    std::fs::remove_file(world.realdir("emptied").join("file")).unwrap();
    assert_eq!(code("emptied", STAT).await, FailureCode::RealdirEmptied);
    let shadow = report(&init).shadow_path.clone().unwrap();
    std::fs::write(Path::new(&shadow).join(".git/fso/uuid"), "another\n").unwrap();
    assert_eq!(code("emptied", STAT).await, FailureCode::ShadowBroken);
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_process_has_the_lock_nothing_is_claimed() {
    let world = world().await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    let locks = world.shadow_root().join(".nogfso/locks");
    std::fs::create_dir_all(&locks).unwrap();
    let file = File::create(locks.join(format!("{}.main", World::repo_id("a")))).unwrap();
    file.lock().unwrap();
    let (tasks, _) = worker(&world).await;
    let request = world.request("a", Order::Init {}).await;
    // When a later request is done, this one has been looked at too.
    world.make_realdir("b");
    world.add_repo("b", HOST).await;
    world.done("b", Order::Init {}).await;
    assert_eq!(world.work("a").await.epoch, 0);

    drop(file);
    let answered = world.ended("a", &Order::Init {}, request).await;
    assert_eq!(report(&answered).outcome, Outcome::Committed);
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_instance_began_is_taken_over() {
    let world = world().await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    let request = world.request("a", Order::Init {}).await;
    world.tell_work("a", claim_by_the_dead()).await;
    world
        .tell_work("a", WorkCommand::Start { request, epoch: 1 })
        .await;
    let (tasks, _) = worker(&world).await;
    let answered = world.ended("a", &Order::Init {}, request).await;
    assert_eq!(report(&answered).outcome, Outcome::Committed);
    assert_eq!(world.work("a").await.epoch, 2);
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_killed_three_instances_is_given_up() {
    let world = world().await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    let request = world.request("a", Order::Init {}).await;
    for epoch in 1..=3 {
        world.tell_work("a", claim_by_the_dead()).await;
        world
            .tell_work("a", WorkCommand::Start { request, epoch })
            .await;
    }
    let (tasks, _) = worker(&world).await;
    let answered = world.ended("a", &Order::Init {}, request).await;
    assert_eq!(
        answered.result.failure().unwrap().code,
        FailureCode::CrashLoop
    );
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_what_runs_ends_it() {
    let log = MemoryLog::default();
    let world = world_on(&log).await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    // The worker begins the request and is then kept from going on, for as long as it takes.
    for _ in 0..READS_REFUSED {
        log.script_read("fso.ev.*.repo.*", ReadOddity::Unavailable);
    }
    let (tasks, _) = worker(&world).await;
    let request = world.request("a", Order::Init {}).await;
    wait_until("it runs", PATIENCE, async || {
        let work = world.work("a").await;
        work.request(request).is_some_and(|known| known.starts == 1)
    })
    .await;
    world.tell_work("a", WorkCommand::Cancel { request }).await;
    let finished = wait_until("it has ended", PATIENCE, async || {
        let work = world.work("a").await;
        work.finished(request).cloned().ok_or(work)
    })
    .await;
    assert_eq!((finished.end, finished.epoch), (End::Cancelled, Some(1)));
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_just_before_it_begins_leaves_nothing_claimed() {
    // On a busy machine the start may be stored before the request is taken back, which shows nothing.
    for _ in 0..TRIES_MAX {
        if end_of_what_is_taken_back().await == End::Cancelled {
            return;
        }
    }
    panic!("the request was never taken back in time");
}

async fn end_of_what_is_taken_back() -> End {
    let log = MemoryLog::default();
    let world = world_on(&log).await;
    world.add_repo("a", HOST).await;
    let request = world.request("a", Order::Init {}).await;
    // The claim is stored; the start is kept from that for a moment, in which the request is taken back.
    let subject = World::subject("a");
    log.script_publish(&subject, PublishOddity::DuplicateAtZero);
    for _ in 0..STARTS_LOST {
        log.script_publish(&subject, PublishOddity::LostRequest);
    }
    let mut settings = settings(&world);
    // What waits for the lease to come again comes too late.
    settings.ack_wait_ms = 10 * u64::try_from(PATIENCE.as_millis()).unwrap();
    let (tasks, _) = start_with(&world, settings).await.unwrap();
    wait_until("it is claimed", PATIENCE, async || {
        world.work("a").await.claim.is_some()
    })
    .await;
    world.tell_work("a", WorkCommand::Cancel { request }).await;
    let work = wait_until("nothing is claimed", PATIENCE, async || {
        let work = world.work("a").await;
        work.claim.is_none().then_some(work)
    })
    .await;
    tasks.drain(DRAIN_LIMIT).await.unwrap();
    work.finished(request).unwrap().end
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_tells_the_request_and_its_end() {
    let world = world().await;
    world.make_realdir("a");
    world.add_repo("a", HOST).await;
    let mut words = world.bus.subscribe("fso.progress.>").await.unwrap();
    let (tasks, instance) = worker(&world).await;
    let request = world.request("a", Order::Init {}).await;
    let ended = wait_until("the end is told", PATIENCE, async || {
        let word = words.next().await.unwrap();
        let progress: Progress = serde_json::from_slice(&word.payload).unwrap();
        (progress.phase == ProgressPhase::Ended).then_some(progress)
    })
    .await;
    assert_eq!((ended.request, ended.instance), (request, instance));
    assert_eq!((ended.operation, ended.files), (Operation::Init, 1));
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

async fn ask<T: serde::de::DeserializeOwned>(
    world: &World,
    subject: String,
    question: &impl serde::Serialize,
) -> Result<T, Failure> {
    let payload = serde_json::to_vec(question).unwrap();
    let reply = world
        .bus
        .request(Message::new(subject, payload), PATIENCE)
        .await
        .unwrap();
    match serde_json::from_slice(&reply.payload).unwrap() {
        Answer::Ok(answer) => Ok(answer),
        Answer::Error(failure) => Err(failure),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_says_what_may_become_a_repo() {
    let world = world().await;
    world.make_realdir("a");
    let mut settings = settings(&world);
    settings.init_limit_max_size = 3;
    let (tasks, _) = start_with(&world, settings).await.unwrap();
    let host = Host::parse(HOST).unwrap();
    let may_init = async |global: &str, name: &str| {
        let question = MayInit {
            global_path: GlobalPath::parse(global).unwrap(),
            host_path: HostPath::parse(world.realdir(name).to_str().unwrap()).unwrap(),
            subdir_tracking: SubdirTracking::EnterSubdirs,
        };
        ask::<MayInitReply>(&world, subjects::host(&host, MAY_INIT), &question).await
    };
    let allowed = may_init("/ex/data/a", "a").await.unwrap();
    assert_eq!(allowed, MayInitReply::Allowed { files: 2, bytes: 1 });
    std::fs::write(world.realdir("a").join("more"), "1234").unwrap();
    let denied = may_init("/ex/data/a", "a").await.unwrap();
    assert!(matches!(denied, MayInitReply::Denied { .. }), "{denied:?}");
    let elsewhere = may_init("/elsewhere/a", "a").await.unwrap_err();
    assert_eq!(elsewhere.code, Code::InvalidField);
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_that_it_is_there_and_what_it_serves_and_when_it_goes() {
    let world = world().await;
    let mut words = world.bus.subscribe(PRESENCE_ALL).await.unwrap();
    let (tasks, instance) = worker(&world).await;
    let host = Host::parse(HOST).unwrap();
    let own = subjects::worker(&host, &instance);
    let served: Served = ask(&world, own, &serde_json::json!({})).await.unwrap();
    assert_eq!(served.claims, []);
    let word: Presence = serde_json::from_slice(&words.next().await.unwrap().payload).unwrap();
    assert_eq!((word.instance, word.ready), (instance, true));
    tasks.drain(DRAIN_LIMIT).await.unwrap();
    wait_until("it says that it goes", PATIENCE, async || {
        let word = words.next().await.unwrap();
        let presence: Presence = serde_json::from_slice(&word.payload).unwrap();
        !presence.ready
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_other_settings_than_those_present_does_not_start() {
    let world = world().await;
    let (first, instance) = worker(&world).await;
    let mut other = settings(&world);
    other.init_limit_max_files = 7;
    let refused = start_with(&world, other).await;
    let Err(StartError::Presence(PresenceError::Differs { instance: by, .. })) = refused else {
        panic!("it started");
    };
    assert_eq!(by, instance);
    let mut slower = settings(&world);
    slower.slots = std::num::NonZeroUsize::MIN;
    let (second, _) = start_with(&world, slower).await.unwrap();
    first.drain(DRAIN_LIMIT).await.unwrap();
    second.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_with_different_settings_that_start_at_once_one_starts() {
    let world = world().await;
    let mut other = settings(&world);
    other.prefixes = vec![GlobalPath::parse("/ex/other").unwrap()];
    let (one, other) = tokio::join!(
        start_with(&world, settings(&world)),
        start_with(&world, other)
    );
    let (started, refused) = match (one, other) {
        (Ok(started), Err(refused)) | (Err(refused), Ok(started)) => (started, refused),
        (Ok(_), Ok(_)) => panic!("both started"),
        (Err(one), Err(other)) => panic!("none started: {one}; {other}"),
    };
    let (tasks, instance) = started;
    let StartError::Presence(PresenceError::Differs {
        instance: by,
        setting,
    }) = refused
    else {
        panic!("{refused}");
    };
    assert_eq!((by, setting), (instance, "--prefix"));
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_with_equal_settings_that_start_at_once_all_start() {
    let world = world().await;
    let (one, other, third) = tokio::join!(worker(&world), worker(&world), worker(&world));
    for (tasks, _) in [one, other, third] {
        tasks.drain(DRAIN_LIMIT).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_while_the_server_is_away_waits_for_it() {
    let log = MemoryLog::default();
    log.ensure_streams(&STREAMS).await.unwrap();
    let environment = Environment {
        clock: log.clock(),
        ids: Arc::new(RandomIds),
    };
    let bus = MemoryBus::new();
    let world = World::new(Arc::new(log), Arc::new(bus.clone()), environment);
    bus.disconnect();
    let back = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        bus.reconnect();
    };
    let (started, ()) = tokio::join!(start_with(&world, settings(&world)), back);
    let (tasks, _) = started.unwrap();
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}
