//! Registries, roots, repos and their stored errors.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nogfso_contract::Code;
use nogfso_contract::codec::Answer;
use nogfso_contract::host::MayInitReply;
use nogfso_domain::operation::{ErrorCode, ErrorText, Operation, Problems};
use nogfso_domain::repo::{RepoCommand, RepoError};
use nogfso_ids::{RepoId, RequestId, UnixMillis};
use nogfso_journal::memory::ReadOddity;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{HOST, World, init_repo, repo_of};

const CHOSEN: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";

fn root(path: &str) -> Value {
    json!({"registry": "exreg", "global_root": path, "host": HOST})
}

fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_accepted_at_once_if_nobody_waits_and_twice_is_once() {
    let world = World::new().await;
    let init = json!({"name": "exreg", "wait": "0s", "command_id": "c1"});
    let started = Instant::now();
    let first = world.ok("cmd.registry.init", init.clone()).await;
    assert!(started.elapsed() < Duration::from_millis(100));
    assert_eq!(first["confirmed"], false);
    assert_eq!(world.ok("cmd.registry.init", init).await, first);
    world.begin_registry("exreg").await;
    let again = json!({"name": "exreg"});
    assert_eq!(
        world.ok("cmd.registry.init", again).await["confirmed"],
        true
    );
    let listed = world.ok("get.registries", json!({})).await;
    assert_eq!(
        listed["registries"],
        json!([{"name": "exreg", "confirmed": true}])
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_for_a_registry_hears_of_it_at_once() {
    let world = World::new().await;
    let started = Instant::now();
    let begun = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.begin_registry("exreg").await;
    };
    let init = json!({"name": "exreg"});
    let (answer, ()) = tokio::join!(world.ok("cmd.registry.init", init), begun);
    assert_eq!(answer["confirmed"], true);
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_root_waits_for_a_registry_that_was_just_accepted() {
    let world = World::new().await;
    let none = world.refused("cmd.root.init", root("/data")).await;
    assert_eq!(none.code, Code::NotFound);
    world
        .ok("cmd.registry.init", json!({"name": "exreg", "wait": "0s"}))
        .await;
    let begun = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.begin_registry("exreg").await;
    };
    let (ready, ()) = tokio::join!(world.ok("cmd.root.init", root("/data")), begun);
    assert_eq!(world.ok("cmd.root.init", root("/data")).await, ready);
    let other = with(root("/data"), "host_root", json!("/srv/data"));
    let conflict = world.refused("cmd.root.init", other).await;
    assert_eq!(conflict.code, Code::Conflict);
    assert_eq!(conflict.details.field.as_deref(), Some("global_root"));
    let found = world
        .ok(
            "get.root",
            json!({"registry": "exreg", "global_root": "/data"}),
        )
        .await;
    assert_eq!(found["root"]["host_root"], "/data");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_stays_away_is_not_waited_for_without_end() {
    let world = World::new().await;
    world
        .ok("cmd.registry.init", json!({"name": "exreg", "wait": "0s"}))
        .await;
    let refused = world.refused("cmd.root.init", root("/data")).await;
    assert_eq!(refused.code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_command_on_another_version_is_a_conflict_that_tells_the_version() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let vid = world.ok("get.registry", json!({"registry": "exreg"})).await["vid"].clone();
    let added = world
        .ok("cmd.root.init", with(root("/a"), "vid", vid.clone()))
        .await;
    let outdated = world
        .refused("cmd.root.init", with(root("/b"), "vid", vid.clone()))
        .await;
    assert_eq!(outdated.code, Code::VersionConflict);
    assert_eq!(json!(outdated.details.stored_vid), added["registry_vid"]);
    // Even what would change nothing is decided upon the version that was named.
    let nothing = world
        .refused("cmd.root.init", with(root("/a"), "vid", vid))
        .await;
    assert_eq!(nothing.code, Code::VersionConflict);
    for vid in ["NoVC", "RetryNoVC"] {
        world
            .ok("cmd.root.init", with(root("/b"), "vid", json!(vid)))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_root_or_a_host_no_repo_is_accepted() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let before = world.stored_count().await;
    let outside = world
        .refused("cmd.repo.init", init_repo("exreg", "/elsewhere"))
        .await;
    assert_eq!(outside.code, Code::NotFound);
    assert_eq!(outside.details.field.as_deref(), Some("global_path"));
    assert!(outside.message.starts_with("unknown root"), "{outside}");
    let started = Instant::now();
    let chosen = with(init_repo("exreg", "/data/a"), "repo", json!(CHOSEN));
    let unserved = world.refused("cmd.repo.init", chosen.clone()).await;
    assert_eq!(unserved.code, Code::HostUnavailable);
    assert!(started.elapsed() < Duration::from_secs(1));
    world
        .host_answers(Answer::Ok(MayInitReply::Denied {
            reason: "too large".to_owned(),
        }))
        .await;
    let denied = world.refused("cmd.repo.init", chosen).await;
    assert_eq!(denied.code, Code::InitDenied);
    assert!(denied.message.contains("too large"), "{denied}");
    assert_eq!(
        world.stored_count().await,
        before,
        "a refused init reserves nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_init_is_the_same_repo_and_asks_the_host_once() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let asked = world.agreeable_host().await;
    let first = world
        .ok("cmd.repo.init", init_repo("exreg", "/data/a"))
        .await;
    assert_eq!(
        world
            .ok("cmd.repo.init", init_repo("exreg", "/data/a"))
            .await,
        first
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let other = with(
        init_repo("exreg", "/data/a"),
        "author",
        json!("Bob <bob@example.com>"),
    );
    let conflict = world.refused("cmd.repo.init", other).await;
    assert_eq!(conflict.code, Code::Conflict);
    assert_eq!(json!(conflict.details.repo), first["repo"]);
    let below = world
        .refused("cmd.repo.init", init_repo("exreg", "/data/a/b"))
        .await;
    assert_eq!(below.code, Code::Precondition);
}

#[tokio::test(start_paused = true)]
async fn a_repo_that_was_just_accepted_is_waited_for() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let id = world.accepted("/data/a").await;
    let asked = world.ok("get.repo", json!({ "repo": id }));
    let (info, ()) = tokio::join!(asked, world.begin_repo("exreg", id));
    assert_eq!(info["repo"], json!(id));
    let never_begun = world.accepted("/data/b").await;
    let refused = world
        .refused("get.repo", json!({ "repo": never_begun }))
        .await;
    assert_eq!(refused.code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn two_inits_at_one_path_at_once_give_one_repo() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let init = || world.ok("cmd.repo.init", init_repo("exreg", "/data/a"));
    let (one, two) = tokio::join!(init(), init());
    assert_eq!(one["repo"], two["repo"]);
    let listed = world.ok("get.repos", json!({"registry": "exreg"})).await;
    assert_eq!(listed["repos"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_host_is_asked_anew_if_the_root_changed_in_between() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    // The answer about the first root is only given when a nearer root is there.
    let host = nogfso_ids::Host::parse(HOST).unwrap();
    let subject = nogfso_contract::subjects::host(&host, nogfso_contract::host::MAY_INIT);
    let mut questions = nogfso_bus::Bus::subscribe(&world.bus, &subject)
        .await
        .unwrap();
    let answering = async {
        let mut seen = vec![];
        for nth in 0..2 {
            let question = futures_util::StreamExt::next(&mut questions).await.unwrap();
            let asked: Value = serde_json::from_slice(&question.payload).unwrap();
            seen.push(asked["host_path"].clone());
            if nth == 0 {
                let nearer = with(root("/data/sub"), "host_root", json!("/other"));
                world.ok("cmd.root.init", nearer).await;
            }
            let allowed = Answer::Ok(MayInitReply::Allowed { files: 1, bytes: 1 });
            let payload = serde_json::to_vec(&allowed).unwrap();
            let reply = nogfso_bus::Message::new(question.reply.unwrap(), payload);
            nogfso_bus::Bus::publish(&world.bus, reply).await.unwrap();
        }
        seen
    };
    let init = world.ok("cmd.repo.init", init_repo("exreg", "/data/sub/a"));
    let (_, seen) = tokio::join!(init, answering);
    assert_eq!(seen, [json!("/data/sub/a"), json!("/other/a")]);
}

#[tokio::test(start_paused = true)]
async fn a_chosen_id_is_given_to_one_registry() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.ready_registry("other").await;
    world.agreeable_host().await;
    let init = |registry| with(init_repo(registry, "/data/a"), "repo", json!(CHOSEN));
    let (one, two) = tokio::join!(
        world.ask("cmd.repo.init", init("exreg")),
        world.ask("cmd.repo.init", init("other"))
    );
    let (winner, loser) = match (&one, &two) {
        (Ok(_), Err(_)) => ("exreg", two.unwrap_err()),
        (Err(_), Ok(_)) => ("other", one.unwrap_err()),
        both => panic!("{both:?}"),
    };
    assert_eq!(loser.code, Code::Conflict);
    assert_eq!(loser.details.field.as_deref(), Some("repo"));
    let again = world.ok("cmd.repo.init", init(winner)).await;
    assert_eq!(again["repo"], CHOSEN);
    let elsewhere = with(init(winner), "global_path", json!("/data/b"));
    assert_eq!(
        world.refused("cmd.repo.init", elsewhere).await.code,
        Code::Conflict
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_that_the_server_made_cannot_be_chosen_in_another_registry() {
    let world = World::new().await;
    world.ready_repo().await;
    world.ready_registry("other").await;
    let listed = world.ok("get.repos", json!({"registry": "exreg"})).await;
    let taken = listed["repos"][0]["id"].clone();
    let chosen = with(init_repo("other", "/data/a"), "repo", taken);
    assert_eq!(
        world.refused("cmd.repo.init", chosen).await.code,
        Code::Conflict
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_shadow_hears_where_it_is_at_once() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let id: RepoId = CHOSEN.parse().unwrap();
    let made = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.begin_repo("exreg", id).await;
        world.confirm_shadow(id).await;
    };
    let init = with(init_repo("exreg", "/data/a"), "repo", json!(CHOSEN));
    let init = with(init, "wait", json!("1h"));
    let started = Instant::now();
    let (ready, ()) = tokio::join!(world.ok("cmd.repo.init", init), made);
    assert_eq!(ready["shadow"], format!("{HOST}:/shadow/a.fso"));
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

fn init_failed(text: &str) -> RepoCommand {
    RepoCommand::SetError {
        operation: Operation::Init,
        error: RepoError {
            code: ErrorCode::parse("denied").unwrap(),
            message: ErrorText::new(text),
            time: UnixMillis(1),
            request: RequestId::derived_from("init"),
            problems: Problems::default(),
        },
        result_number: 1,
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_shadow_hears_why_there_is_none() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let init = with(init_repo("exreg", "/data/a"), "wait", json!("1s"));
    let late = world.refused("cmd.repo.init", init.clone()).await;
    assert_eq!(late.code, Code::TimedOut);
    let id: RepoId = late.details.repo.unwrap().parse().unwrap();
    world.begin_repo("exreg", id).await;
    world.on_repo(id, &init_failed("disk full")).await;
    let failed = world.refused("cmd.repo.init", init).await;
    assert_eq!(failed.code, Code::WorkFailed);
    assert_eq!(failed.details.work_code.as_deref(), Some("denied"));
    assert!(failed.message.contains("disk full"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_error_is_cleared_by_operation_or_by_its_text() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let id = repo_of(
        &world
            .ok("cmd.repo.init", init_repo("exreg", "/data/a"))
            .await,
    );
    world.begin_repo("exreg", id).await;
    let clear = |fields: Value| {
        let mut request = json!({"repo": id});
        request
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        request
    };
    let both = clear(json!({"operation": "init", "error_message": "disk full"}));
    for neither in [clear(json!({})), both] {
        let refused = world.refused("cmd.repo.clear-error", neither).await;
        assert_eq!(refused.code, Code::InvalidField);
        assert_eq!(refused.details.field.as_deref(), Some("operation"));
    }
    world.on_repo(id, &init_failed("disk full")).await;
    let info = world.ok("get.repo", json!({"repo": id})).await;
    assert_eq!(info["errors"][0]["message"], "disk full");
    let other = clear(json!({"error_message": "disk"}));
    assert_eq!(
        world.refused("cmd.repo.clear-error", other).await.code,
        Code::Conflict
    );
    let empty = clear(json!({"error_message": ""}));
    assert_eq!(
        world.refused("cmd.repo.clear-error", empty).await.code,
        Code::InvalidField
    );
    let cleared = world
        .ok(
            "cmd.repo.clear-error",
            clear(json!({"error_message": "disk full"})),
        )
        .await;
    assert_eq!(
        world.ok("get.repo", json!({"repo": id})).await.get("error"),
        None
    );
    let again = world
        .ok("cmd.repo.clear-error", clear(json!({"operation": "init"})))
        .await;
    assert_eq!(again["repo_vid"], cleared["repo_vid"]);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_is_there_is_seen_though_reads_lag() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    for missing in [1, 2] {
        world
            .log
            .script_read("fso.ev.exreg.repo.*", ReadOddity::Stale(missing));
        world.ok("cmd.repo.stat", json!({"repo": id})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_found_though_reads_lag() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.settle().await;
    world
        .log
        .script_read("fso.ev.exreg.registry.exreg", ReadOddity::Stale(9));
    world.ok("get.registry", json!({"registry": "exreg"})).await;
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_command_is_found_by_its_id_and_by_its_giver_only() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let asked = |id: &str| json!({"command_id": id, "registry": "exreg"});
    assert_eq!(world.ok("get.outcome", asked("c1")).await["stored"], false);
    world
        .ok("cmd.root.init", with(root("/a"), "command_id", json!("c1")))
        .await;
    world
        .log
        .script_read("fso.ev.exreg.registry.exreg", ReadOddity::Stale(1));
    let found = world.ok("get.outcome", asked("c1")).await;
    assert_eq!(found["stored"], true);
    assert_eq!(found["commit"]["events"][0]["event"], "EV_FSO_ROOT_ADDED");
    assert_eq!(found["commit"]["actor"], "user:alice");
    // What changed nothing left no commit.
    world
        .ok("cmd.root.init", with(root("/a"), "command_id", json!("c2")))
        .await;
    assert_eq!(world.ok("get.outcome", asked("c2")).await["stored"], false);
    let both = json!({"command_id": "c1", "registry": "exreg", "repo": CHOSEN});
    assert_eq!(
        world.refused("get.outcome", both).await.code,
        Code::InvalidField
    );
}
