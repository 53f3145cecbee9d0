//! The journal passes the contract.

use nogfso_jetstream::{JetStreamLog, Replicas};
use nogfso_journal::contract::{self, Bench, STREAMS};
use nogfso_journal::{Log, SystemClock, log_contract};
use nogfso_testkit::NatsServer;

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
