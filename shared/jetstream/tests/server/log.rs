//! The journal passes the contract.

use nogfso_jetstream::{Connection, JetStreamLog, Replicas, Settings};
use nogfso_journal::contract::{self, Bench, STREAMS};
use nogfso_journal::{Log, SystemClock, log_contract};
use nogfso_testkit::{Cluster, NatsServer};

use crate::connect;

macro_rules! case {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let server = NatsServer::start();
            let log = log(&server).await;
            contract::$name(&Bench {
                log: &log,
                clock: &SystemClock,
                prefix: "case",
            })
            .await;
        }
    };
}

log_contract!(case);

pub(crate) async fn log(server: &NatsServer) -> JetStreamLog {
    let log = JetStreamLog::new(connect(server).await, Replicas::default());
    log.ensure_streams(&STREAMS)
        .await
        .expect("the streams are made");
    log
}

#[tokio::test]
async fn following_goes_on_after_a_restart() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    let bench = Bench {
        log: &log,
        clock: &SystemClock,
        prefix: "case",
    };
    let server = std::cell::RefCell::new(&mut server);
    let restart = async || server.borrow_mut().restart();
    contract::following_goes_on_after_a_restart(&bench, restart).await;
}

/// One cluster for all cases, because its elections take seconds.
#[tokio::test]
async fn three_replicas_pass_the_contract() {
    let mut cluster = Cluster::start();
    let settings = Settings {
        servers: cluster.urls(),
        ..Settings::new("", "test")
    };
    let log = JetStreamLog::new(Connection::connect(&settings).await.unwrap(), Replicas(3));
    log.ensure_streams(&STREAMS).await.unwrap();
    macro_rules! case_on_cluster {
        ($name:ident) => {
            let bench = Bench {
                log: &log,
                clock: &SystemClock,
                prefix: stringify!($name),
            };
            let began = std::time::Instant::now();
            Box::pin(contract::$name(&bench)).await;
            println!("{} passed in {:?}", stringify!($name), began.elapsed());
        };
    }
    log_contract!(case_on_cluster);

    let bench = Bench {
        log: &log,
        clock: &SystemClock,
        prefix: "restarts",
    };
    let nodes = std::cell::RefCell::new((0.., &mut cluster));
    let restart = async || {
        let (numbers, cluster) = &mut *nodes.borrow_mut();
        cluster.restart(numbers.next().unwrap_or_default());
    };
    contract::following_goes_on_after_a_restart(&bench, restart).await;
}
