//! One of many clients: what it asks for, and what it was told.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client as Nats;
use serde_json::{Value, json};

use super::asking::{Outcome, ask, one_try};
use super::chance::Chance;
use super::tally::Tally;
use super::{ACTOR, AUTHOR, HOST, REGISTRIES};
use crate::checker::promises::{Promise, Told};

const PAUSE_MS: (u64, u64) = (5, 60);
const FILES_PER_REPO: u64 = 3;

/// A repo that some client was told of.
#[derive(Debug, Clone)]
pub(crate) struct Adopted {
    id: String,
    registry: String,
    path: String,
    realdir: PathBuf,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    pub(crate) repos: Mutex<Vec<Adopted>>,
    /// The folder of the directories of each registry's repos.
    pub(crate) host_roots: Vec<PathBuf>,
}

/// One client.
pub(crate) struct Client {
    number: u64,
    nats: Nats,
    chance: Chance,
    shared: Arc<Shared>,
    /// How many things it asked for.
    serial: u64,
    /// Its repos, for what only one may do.
    own: Vec<Adopted>,
    requests: Vec<(String, String)>,
    pub(crate) tally: Tally,
    pub(crate) promises: Vec<Promise>,
}

impl Client {
    pub(crate) fn new(number: u64, nats: Nats, chance: Chance, shared: Arc<Shared>) -> Self {
        Self {
            number,
            nats,
            chance,
            shared,
            serial: 0,
            own: Vec::new(),
            requests: Vec::new(),
            tally: Tally::default(),
            promises: Vec::new(),
        }
    }

    /// Asks for one thing after the other until all are told to stop.
    pub(crate) async fn run(&mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            self.serial += 1;
            match self.chance.below(100) {
                0..=2 => self.init_registry().await,
                3..=6 => self.init_root().await,
                7..=21 => self.init_repo().await,
                22..=61 => self.stat().await,
                62..=73 => self.cancel().await,
                74..=80 => self.clear_error().await,
                81..=84 => self.break_or_mend(),
                85..=88 => self.write_a_file(),
                89..=92 => self.ask_badly().await,
                _ => self.query().await,
            }
            let pause = self.chance.between(PAUSE_MS.0, PAUSE_MS.1);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Asks with a command id, takes down what came of it, and what was told if that can be checked.
    async fn command(&mut self, kind: &str, subject: &str, mut arguments: Value) -> Outcome {
        let id = format!("client-{}-{}", self.number, self.serial);
        arguments["command_id"] = json!(id);
        let payload = arguments.to_string();
        let outcome = ask(&self.nats, &mut self.chance, subject, payload.as_bytes()).await;
        self.tally.note(kind, outcome.name());
        if let Outcome::Refused {
            is_certain: true, ..
        } = outcome
        {
            self.promise(Told::Refused);
        }
        outcome
    }

    fn promise(&mut self, told: Told) {
        self.promises.push(Promise {
            actor: ACTOR.to_owned(),
            command_id: Some(format!("client-{}-{}", self.number, self.serial)),
            told,
        });
    }

    fn promise_event(&mut self, subject: String, reply: &Value, field: &str) {
        if let Some(id) = reply[field].as_str() {
            let id = id.to_owned();
            self.promise(Told::Event { subject, id });
        }
    }

    fn registry(&mut self) -> (usize, &'static str) {
        let at = self.chance.below(REGISTRIES.len() as u64);
        let at = usize::try_from(at).expect("there are few");
        (at, REGISTRIES[at])
    }

    async fn init_registry(&mut self) {
        let name = if self.chance.one_in(3) {
            format!("extra-{}", self.chance.below(20))
        } else {
            self.registry().1.to_owned()
        };
        let wanted = json!({"name": name, "wait": "1s"});
        let outcome = self
            .command("init registry", "fso.cmd.registry.init", wanted)
            .await;
        if let Outcome::Done(reply) = outcome {
            self.promise(Told::Registry(name));
            self.promise_event("fso.ev._.main.main".to_owned(), &reply, "main_vid");
        }
    }

    async fn init_root(&mut self) {
        let (_, registry) = self.registry();
        let n = self.chance.below(30);
        let root = format!("/extra/{registry}/{n}");
        // The same root on another directory contradicts.
        let host_root = format!("/unused/{n}/{}", self.chance.below(2));
        let wanted = json!({"registry": registry, "global_root": root, "host": HOST, "host_root": host_root});
        let outcome = self.command("init root", "fso.cmd.root.init", wanted).await;
        if let Outcome::Done(reply) = outcome {
            let registry_subject = format!("fso.ev.{registry}.registry.{registry}");
            self.promise(Told::Root {
                registry: registry.to_owned(),
                root,
            });
            self.promise_event(registry_subject, &reply, "registry_vid");
        }
    }

    async fn init_repo(&mut self) {
        let (at, registry) = self.registry();
        let again = self.chance.one_in(10).then(|| self.own.last().cloned());
        let (registry, path, realdir) = match again.flatten() {
            Some(known) => (known.registry, known.path, known.realdir),
            None => {
                let name = format!("repo {} {}", self.number, self.serial);
                let realdir = self.shared.host_roots[at].join(&name);
                if !self.chance.one_in(20) {
                    make_files(&realdir);
                }
                let top = if self.chance.one_in(20) {
                    "nowhere"
                } else {
                    "load"
                };
                let path = format!("/{top}/{registry}/{name}");
                (registry.to_owned(), path, realdir)
            }
        };
        let mut wanted = json!({"registry": registry, "global_path": path, "author": AUTHOR});
        if self.chance.one_in(3) {
            wanted["repo"] = json!(self.chance.uuid());
        }
        if self.chance.one_in(5) {
            wanted["wait"] = json!("3s");
        }
        let reply = match self.command("init repo", "fso.cmd.repo.init", wanted).await {
            Outcome::Done(reply) | Outcome::Accepted { details: reply, .. } => reply,
            Outcome::Refused { .. } | Outcome::Unknown => return,
        };
        let id = reply["repo"].as_str().unwrap_or_default().to_owned();
        self.promise(Told::Repo {
            registry: registry.clone(),
            path: path.clone(),
            repo: id.clone(),
        });
        let registry_subject = format!("fso.ev.{registry}.registry.{registry}");
        self.promise_event(registry_subject, &reply, "registry_vid");
        if self.own.iter().all(|known| known.id != id) {
            let adopted = Adopted {
                id,
                registry,
                path,
                realdir,
            };
            self.own.push(adopted.clone());
            self.repos().push(adopted);
        }
    }

    async fn stat(&mut self) {
        let Some(repo) = self.some_repo() else {
            return;
        };
        let mut wanted = json!({"repo": repo.id, "author": AUTHOR});
        if self.chance.one_in(5) {
            wanted["wait"] = json!("2s");
        }
        if self.chance.one_in(4) {
            wanted["mtime_range"] = json!("also");
        }
        let reply = match self.command("stat", "fso.cmd.repo.stat", wanted).await {
            Outcome::Done(reply) | Outcome::Accepted { details: reply, .. } => reply,
            Outcome::Refused { .. } | Outcome::Unknown => return,
        };
        let request = reply["request"].as_str().unwrap_or_default().to_owned();
        self.promise(Told::Request {
            repo: repo.id.clone(),
            request: request.clone(),
        });
        self.requests.push((repo.id, request));
    }

    async fn cancel(&mut self) {
        let newest = self.requests.len().saturating_sub(3);
        let Some((repo, request)) = self.chance.pick(&self.requests[newest..]).cloned() else {
            return;
        };
        let wanted = json!({"repo": repo, "request": request});
        let outcome = self
            .command("cancel", "fso.cmd.request.cancel", wanted)
            .await;
        if let Outcome::Done(_) = outcome {
            self.promise(Told::TakenBack { repo, request });
        }
    }

    async fn clear_error(&mut self) {
        let Some(repo) = self.some_repo() else {
            return;
        };
        let wanted = json!({"repo": repo.id, "operation": "stat"});
        let outcome = self
            .command("clear error", "fso.cmd.repo.clear-error", wanted)
            .await;
        if let Outcome::Done(reply) = outcome {
            let subject = format!("fso.ev.{}.repo.{}", repo.registry, repo.id);
            self.promise_event(subject, &reply, "repo_vid");
        }
    }

    /// Takes the directory of one of its repos away, or brings it back, so that stats fail and succeed.
    fn break_or_mend(&mut self) {
        let Some(repo) = self.chance.pick(&self.own).cloned() else {
            return;
        };
        let away = repo.realdir.with_extension("away");
        let moved = if repo.realdir.exists() {
            fs::rename(&repo.realdir, away)
        } else {
            fs::rename(away, &repo.realdir)
        };
        self.tally.note(
            "directory moved",
            if moved.is_ok() { "done" } else { "not there" },
        );
    }

    fn write_a_file(&mut self) {
        let Some(repo) = self.some_repo() else {
            return;
        };
        let file = repo.realdir.join(format!("file {}", self.chance.below(20)));
        let written = fs::write(file, self.serial.to_string());
        self.tally.note(
            "file written",
            if written.is_ok() { "done" } else { "not there" },
        );
    }

    /// What no gateway may store.
    async fn ask_badly(&mut self) {
        let (subject, wanted) = match self.chance.below(4) {
            0 => ("fso.cmd.registry.init", json!({"name": "Not A Name"})),
            1 => (
                "fso.cmd.repo.stat",
                json!({"repo": self.chance.uuid(), "colour": "red"}),
            ),
            2 => ("fso.cmd.repo.stat", json!({"repo": self.chance.uuid()})),
            _ => (
                "fso.cmd.root.init",
                json!({"registry": "no-such", "global_root": "/a", "host": HOST}),
            ),
        };
        self.command("bad", subject, wanted).await;
    }

    async fn query(&mut self) {
        let (subject, wanted) = match (self.chance.below(3), self.some_repo()) {
            (0, Some(repo)) => ("fso.get.repo", json!({"repo": repo.id})),
            (1, Some(repo)) => ("fso.get.repos", json!({"registry": repo.registry})),
            (_, _) => ("fso.get.registries", json!({})),
        };
        let answer = one_try(&self.nats, subject, wanted.to_string().as_bytes()).await;
        let outcome = match &answer {
            Some(Ok(_)) => "done",
            Some(Err(error)) => error["code"].as_str().unwrap_or("no code"),
            None => "no answer",
        };
        self.tally.note("query", outcome);
    }

    /// One of the newest repos, mostly, so that work on one repo piles up.
    fn some_repo(&mut self) -> Option<Adopted> {
        let shared = Arc::clone(&self.shared);
        let repos = shared.repos.lock().expect("nobody panics with it");
        let newest = repos.len().saturating_sub(30);
        self.chance.pick(&repos[newest..]).cloned()
    }

    fn repos(&self) -> std::sync::MutexGuard<'_, Vec<Adopted>> {
        self.shared.repos.lock().expect("nobody panics with it")
    }
}

fn make_files(realdir: &PathBuf) {
    fs::create_dir_all(realdir).expect("the temporary folder can be written");
    for n in 0..FILES_PER_REPO {
        fs::write(realdir.join(format!("file {n}")), "content")
            .expect("the temporary folder can be written");
    }
}
