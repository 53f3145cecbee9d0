//! Workers as processes beside a real NATS server.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nogfso_contract::subjects::STREAMS;
use nogfso_domain::work::{Order, Outcome};
use nogfso_jetstream::{Connection, JetStreamBus, JetStreamLog, Replicas, Settings};
use nogfso_journal::{Environment, Log};
use nogfso_testkit::{NatsServer, NatsSettings, Process, Signal};

use crate::world::{HOST, PATIENCE, STAT, World, report};

const DRAIN_LIMIT: Duration = Duration::from_secs(5);

async fn world(server: &NatsServer) -> World {
    let settings = Settings::new(server.url(), "test");
    let connection = Connection::connect(&settings).await.unwrap();
    let log = JetStreamLog::new(connection.clone(), Replicas(1));
    log.ensure_streams(&STREAMS).await.unwrap();
    World::new(
        Arc::new(log),
        Arc::new(JetStreamBus::new(connection)),
        Environment::system(),
    )
}

fn command(shadow_root: &Path, server: &NatsServer) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nogfsostad"));
    command
        .args(["--server", &server.url(), "--host", HOST])
        .args(["--prefix", "/ex/data", "--ack-wait-ms", "2000"])
        .args(["--log", "info,nogfso_claims=debug,nogfso_stad=debug"])
        .arg("--shadow-root")
        .arg(shadow_root);
    command
}

fn worker(world: &World, server: &NatsServer) -> Process {
    let mut process = Process::start(&mut command(&world.shadow_root(), server));
    process.wait_for_line("ready", PATIENCE);
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_while_workers_come_and_go() {
    let server = NatsServer::start();
    let world = world(&server).await;
    let names: Vec<String> = (0..6).map(|n| format!("repo{n}")).collect();
    for name in &names {
        world.make_realdir(name);
        world.add_repo(name, HOST).await;
    }
    let mut first = worker(&world, &server);
    let mut second = worker(&world, &server);
    for name in &names {
        let init = world.done(name, Order::Init {}).await;
        assert_eq!(report(&init).outcome, Outcome::Committed);
        world.confirm_shadow(name, &init).await;
    }

    let mut requests = vec![];
    for name in &names {
        requests.push(world.request(name, STAT).await);
    }
    let told = Instant::now();
    first.signal(Signal::TERM);
    first.wait_for_line("Completed graceful shutdown.", DRAIN_LIMIT);
    assert!(first.exit_status(DRAIN_LIMIT).success());
    assert!(told.elapsed() < DRAIN_LIMIT);
    second.signal(Signal::KILL);
    second.exit_status(PATIENCE);

    let mut third = worker(&world, &server);
    for (name, request) in names.iter().zip(requests) {
        let stat = world.ended(name, &STAT, request).await;
        assert_eq!(report(&stat).outcome, Outcome::Unchanged);
    }
    third.signal(Signal::TERM);
    assert!(third.exit_status(DRAIN_LIMIT).success());
}

/// One that is not set up for JetStream answers no question about streams.
#[test]
fn a_worker_that_still_waits_for_its_server_ends_in_order_when_it_is_told_to() {
    let server = NatsServer::start_with(NatsSettings::default().without_jetstream());
    let shadow_root = tempfile::tempdir().unwrap();
    let mut worker = Process::start(&mut command(shadow_root.path(), &server));
    worker.wait_for_line("cannot look at the streams yet", PATIENCE);
    let told = Instant::now();
    worker.signal(Signal::TERM);
    assert!(worker.exit_status(DRAIN_LIMIT).success());
    assert!(told.elapsed() < DRAIN_LIMIT);
    assert!(worker.find_line("Completed graceful shutdown.").is_some());
    assert!(worker.find_line("ready").is_none());
}

fn refusal(command: &mut Command) -> String {
    let mut process = Process::start(command);
    assert!(!process.exit_status(PATIENCE).success());
    process.lines().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_is_refused_by_its_name_and_what_is_allowed() {
    let server = NatsServer::start();
    let world = world(&server).await;
    let output = refusal(command(&world.shadow_root(), &server).args(["--slots", "0"]));
    assert!(
        output.contains("--slots") && output.contains("1 to 256"),
        "{output}"
    );
    std::fs::remove_dir(world.shadow_root()).unwrap();
    let output = refusal(&mut command(&world.shadow_root(), &server));
    assert!(
        output.contains("--shadow-root") && output.contains("a directory that exists"),
        "{output}"
    );
}
