//! A gateway whose answers a test decides, and a console that keeps what is written.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, Endpoint, MemoryBus, Reply, Request, ServiceSpec};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::commands::{Ctl, run};
use crate::console::Console;
use crate::exit::Exit;
use crate::gateway::Gateway;

pub(super) const REPO: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";
pub(super) const REQUEST: &str = "5f0e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b22";

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

/// Writes into memory that a test can look at meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Paper(Rc<RefCell<Vec<u8>>>);

impl Paper {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::read(["nogfsoctl"].iter().chain(words))
}

/// Runs a command line while `answer` plays the gateway: subject and request in, reply out, or no reply at all.
pub(super) async fn typed(
    words: &[&str],
    bus: &MemoryBus,
    answer: impl AsyncFnMut(&str, Value) -> Option<Value>,
) -> Ended {
    let (out, err) = (Paper::default(), Paper::default());
    let requests = served(bus).await;
    let exit = tokio::select! {
        exit = alone(words, bus, &out, &err) => exit,
        () = play(requests, answer) => panic!("the gateway ended before the command"),
    };
    Ended {
        exit,
        out: out.text(),
        err: err.text(),
    }
}

/// Runs a command line with whoever serves on the bus.
pub(super) async fn alone(words: &[&str], bus: &MemoryBus, out: &Paper, err: &Paper) -> Exit {
    let arguments = parsed(words).unwrap();
    let options = &arguments.options;
    let (to_out, to_err) = (Box::new(out.clone()), Box::new(err.clone()));
    let mut console = Console::writing_to(options.output, to_out, to_err);
    let gateway = Gateway::new(Arc::new(bus.another_client()), options.timeout.duration());
    match run(
        arguments.command,
        &mut Ctl {
            gateway,
            console: &mut console,
        },
    )
    .await
    {
        Ok(()) => Exit::Done,
        Err(trouble) => {
            console.tell(&trouble);
            trouble.exit()
        }
    }
}

pub(super) async fn served(bus: &MemoryBus) -> nogfso_bus::Requests {
    let endpoint = |subject: &str| Endpoint {
        name: subject.replace('.', "-"),
        subject: subject.to_owned(),
        metadata: vec![],
    };
    bus.serve(ServiceSpec {
        name: "nogfso".to_owned(),
        version: "0.0.0".to_owned(),
        description: String::new(),
        queue_group: "gateway".to_owned(),
        endpoints: [
            "registry.init",
            "root.init",
            "repo.init",
            "repo.clear-error",
            "repo.stat",
            "request.cancel",
            "parked.retry",
            "parked.skip",
        ]
        .map(|verb| endpoint(&format!("fso.cmd.{verb}")))
        .into_iter()
        .chain(
            [
                "events",
                "outcome",
                "parked",
                "registries",
                "registry",
                "repo",
                "repos",
                "request",
                "root",
                "roots",
                "workers",
            ]
            .map(|what| endpoint(&format!("fso.get.{what}"))),
        )
        .collect(),
    })
    .await
    .unwrap()
}

pub(super) async fn play(
    mut requests: nogfso_bus::Requests,
    mut answer: impl AsyncFnMut(&str, Value) -> Option<Value>,
) {
    // Requests that are never answered stay alive here, as at a gateway that died with them.
    let mut lost: Vec<Request> = vec![];
    while let Some(request) = requests.next().await {
        let call = serde_json::from_slice(&request.message.payload).unwrap();
        let subject = request.message.subject.clone();
        match answer(&subject, call).await {
            Some(reply) => {
                let payload = serde_json::to_vec(&reply).unwrap().into();
                request
                    .respond(Reply {
                        payload,
                        ..Reply::default()
                    })
                    .await
                    .unwrap();
            }
            None => lost.push(request),
        }
    }
}

pub(super) fn ok(value: Value) -> Option<Value> {
    Some(json!({ "ok": value }))
}

pub(super) fn refused(code: &str, message: &str, details: Value) -> Option<Value> {
    Some(json!({ "error": { "code": code, "message": message, "details": details } }))
}

pub(super) fn info(state: &str) -> Value {
    json!({
        "request": REQUEST, "operation": "stat", "state": state, "time": "2026-01-02T03:04:05.678Z"
    })
}

/// The nth event of a history.
pub(super) fn event(n: u32) -> Value {
    let id = |n: u32| format!("{n:026}");
    json!({
        "event": "EV_FSO_ROOT_ADDED", "id": id(n), "parent": id(n - 1),
        "etime": "2026-01-02T03:04:05.678Z", "root_info": { "global_root": format!("/ex/r_{n}") }
    })
}

/// Lets everything that is ready run, and time pass.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
