//! Requests for work: made once, waited for, taken back; what is parked.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, Message};
use nogfso_contract::Code;
use nogfso_contract::subjects;
use nogfso_domain::operation::{ErrorText, PathProblem, Problems};
use nogfso_domain::work::{Counts, FailureCode, Outcome, Report, WorkResult};
use nogfso_ids::{Host, Instance, Lane, RepoId};
use nogfso_journal::reaction::Parked;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{HOST, World, init_repo, registry_name, repo_of, request_of};

fn stat(id: RepoId) -> Value {
    json!({"repo": id})
}

fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

fn report(problems: Problems) -> WorkResult {
    WorkResult::Done(Report {
        outcome: Outcome::Unchanged,
        shadow_path: None,
        old_ref: None,
        new_ref: None,
        counts: Counts::default(),
        problems,
    })
}

fn done() -> WorkResult {
    report(Problems::default())
}

#[tokio::test(start_paused = true)]
async fn a_repo_without_a_shadow_is_not_worked_on() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let id = repo_of(
        &world
            .ok("cmd.repo.init", init_repo("exreg", "/data/a"))
            .await,
    );
    assert_eq!(
        world.refused("cmd.repo.stat", stat(id)).await.code,
        Code::NotFound
    );
    world.begin_repo("exreg", id).await;
    assert_eq!(
        world.refused("cmd.repo.stat", stat(id)).await.code,
        Code::Precondition
    );
}

#[tokio::test(start_paused = true)]
async fn equal_requests_that_wait_are_one_and_a_command_id_names_one_for_ever() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let named = with(stat(id), "command_id", json!("c1"));
    let first = world.ok("cmd.repo.stat", named.clone()).await;
    assert_eq!(
        world.ok("cmd.repo.stat", stat(id)).await["request"],
        first["request"]
    );
    assert_eq!(
        world.ok("cmd.repo.stat", named.clone()).await["request"],
        first["request"]
    );
    let other = with(stat(id), "confirm_emptied", json!(true));
    assert_ne!(
        world.ok("cmd.repo.stat", other).await["request"],
        first["request"]
    );
    let request = request_of(&first);
    world.start_work(id, request, 1).await;
    world.finish_work(id, request, 1, done()).await;
    assert_eq!(
        world.ok("cmd.repo.stat", named.clone()).await["request"],
        first["request"]
    );
    let waited = world
        .ok("cmd.repo.stat", with(named, "wait", json!("1s")))
        .await;
    assert_eq!(waited["ended"]["state"], "done");
    let outcome = json!({"command_id": "c1", "repo": id});
    assert_eq!(world.ok("get.outcome", outcome).await["stored"], true);
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_over_as_soon_as_the_work_is() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let named = with(stat(id), "command_id", json!("c1"));
    let request = request_of(&world.ok("cmd.repo.stat", named.clone()).await);
    let started = Instant::now();
    let worked = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.start_work(id, request, 1).await;
        world.finish_work(id, request, 1, done()).await;
    };
    let asked = json!({"repo": id, "request": request, "wait": "1h"});
    let (by_stat, by_query, ()) = tokio::join!(
        world.ok("cmd.repo.stat", with(named, "wait", json!("1h"))),
        world.ok("get.request", asked),
        worked
    );
    assert_eq!(by_stat["ended"]["state"], "done");
    assert_eq!(by_query["state"], "done");
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_short_tells_where_the_request_stands() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let waiting = with(stat(id), "wait", json!("1s"));
    let nobody = world.refused("cmd.repo.stat", waiting).await;
    assert_eq!(nobody.code, Code::TimedOut);
    assert!(nobody.message.contains("waits for a worker"), "{nobody}");
    let request = nobody.details.request.unwrap().parse().unwrap();
    world.start_work(id, request, 1).await;
    let asked = json!({"repo": id, "request": request, "wait": "1s"});
    let held = world.refused("get.request", asked).await;
    assert_eq!(held.code, Code::TimedOut);
    assert!(held.message.contains("held by stad-1"), "{held}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_work_that_fails_in_whole_or_in_part_hears_it() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let mut problems = Problems::default();
    problems.record(PathProblem::new("dir/file", "permission denied"));
    let failed = WorkResult::Failed {
        code: FailureCode::RealdirMissing,
        message: ErrorText::new("it is gone"),
        problems: Problems::default(),
    };
    let cases = [
        (failed, "realdir-missing", "it is gone"),
        (
            report(problems),
            "unreadable-paths",
            "dir/file: permission denied",
        ),
    ];
    for (epoch, (result, work_code, text)) in (1..).zip(cases) {
        let request = request_of(&world.ok("cmd.repo.stat", stat(id)).await);
        world.start_work(id, request, epoch).await;
        world.finish_work(id, request, epoch, result).await;
        let asked = json!({"repo": id, "request": request});
        world.ok("get.request", asked.clone()).await;
        let told = world
            .refused("get.request", with(asked, "wait", json!("1s")))
            .await;
        assert_eq!(told.code, Code::WorkFailed);
        assert_eq!(told.details.work_code.as_deref(), Some(work_code));
        assert_eq!(told.details.request, Some(request.to_string()));
        assert!(told.message.contains(text), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_taken_back_once_and_who_waits_for_it_hears_it() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let request = request_of(&world.ok("cmd.repo.stat", stat(id)).await);
    let cancel = json!({"repo": id, "request": request});
    let cancelled = world.ok("cmd.request.cancel", cancel.clone()).await;
    assert_eq!(cancelled["request"]["state"], "cancelled");
    assert_eq!(
        world.ok("cmd.request.cancel", cancel.clone()).await,
        cancelled
    );
    let waited = world
        .refused("get.request", with(cancel, "wait", json!("1s")))
        .await;
    assert_eq!(waited.code, Code::Cancelled);
    let unknown = json!({"repo": id, "request": id});
    for subject in ["cmd.request.cancel", "get.request"] {
        assert_eq!(
            world.refused(subject, unknown.clone()).await.code,
            Code::NotFound
        );
    }
    let running = request_of(&world.ok("cmd.repo.stat", stat(id)).await);
    world.start_work(id, running, 1).await;
    let cancel = json!({"repo": id, "request": running});
    let told = world.ok("cmd.request.cancel", cancel).await;
    assert_eq!(told["request"]["state"], "running");
    assert_eq!(told["request"]["reason"], "is being cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_whose_result_was_replaced_is_still_a_failure() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let failed = WorkResult::Failed {
        code: FailureCode::Io,
        message: ErrorText::new("no"),
        problems: Problems::default(),
    };
    let mut requests = vec![];
    for (epoch, result) in (1..).zip([failed, done()]) {
        let request = request_of(&world.ok("cmd.repo.stat", stat(id)).await);
        world.start_work(id, request, epoch).await;
        world.finish_work(id, request, epoch, result).await;
        requests.push(request);
    }
    let asked = json!({"repo": id, "request": requests[0], "wait": "1s"});
    assert_eq!(
        world.refused("get.request", asked).await.code,
        Code::WorkFailed
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_listed_retried_and_skipped_and_what_is_gone_is_not() {
    let world = World::new().await;
    let regd = Parked::new(Arc::new(world.log.clone()), world.environment.clone());
    let subject = "fso.ev.exreg.registry.exreg";
    for item in [Some("a"), Some("b"), None] {
        regd.park("repoinit", subject, item, 7, "no").await.unwrap();
    }
    world.settle().await;
    let entries = async || {
        let listed = world.ok("get.parked", json!({})).await;
        let entries = listed["entries"].as_array().unwrap().clone();
        let short = |entry: &Value| (entry["item"].clone(), entry["retrying"] == true);
        entries.iter().map(short).collect::<Vec<_>>()
    };
    assert_eq!(entries().await.len(), 3);
    let entry = |item: &str| json!({"reaction": "repoinit", "subject": subject, "item": item});
    world.ok("cmd.parked.retry", entry("a")).await;
    assert!(entries().await.contains(&(json!("a"), true)));
    assert!(
        !regd
            .is_passed_over("repoinit", subject, Some("a"))
            .await
            .unwrap()
    );
    regd.remove("repoinit", subject, Some("a")).await.unwrap();
    world.ok("cmd.parked.skip", entry("b")).await;
    assert_eq!(entries().await, [(Value::Null, false)]);
    for gone in ["a", "b", "c"] {
        for verb in ["cmd.parked.retry", "cmd.parked.skip"] {
            assert_eq!(world.refused(verb, entry(gone)).await.code, Code::NotFound);
        }
    }
    assert_eq!(entries().await.len(), 1, "a retry brings nothing back");
}

/// Such as when a process stands still between its lock and its claim.
#[tokio::test(start_paused = true)]
async fn what_nobody_claimed_is_held_by_who_has_its_lock() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let request = request_of(&world.ok("cmd.repo.stat", stat(id)).await);
    let asked = json!({"repo": id, "request": request});
    let seen = world.ok("get.request", asked.clone()).await;
    assert_eq!(seen["held_by"], Value::Null);

    let host = Host::parse(HOST).unwrap();
    let instance = Instance::parse("stad-2").unwrap();
    let word = json!({
        "host": HOST, "instance": instance, "prefixes": [], "shadow_root": "/shadow",
        "limits": {"files_max": 0, "bytes_max": 0}, "version": "0", "started_ms": 1, "slots": 4, "busy": 0, "ready": true,
        "locked_out": [{
            "subject": subjects::work(&registry_name("exreg"), &host, Lane::Main, id), "holder": "stad-9",
        }],
    });
    let subject = subjects::presence(&host, &instance);
    let message = Message::new(subject, word.to_string());
    world.bus.publish(message).await.unwrap();
    world.settle().await;
    assert_eq!(
        world.ok("get.request", asked.clone()).await["held_by"],
        "stad-9"
    );
    let repo = world.ok("get.repo", json!({"repo": id})).await;
    assert_eq!(repo["work"]["held_by"], "stad-9");
    let open = world
        .refused("get.request", with(asked.clone(), "wait", json!("1s")))
        .await;
    assert!(open.message.contains("held by stad-9"), "{open}");

    world.start_work(id, request, 1).await;
    let claimed = world.ok("get.request", asked).await["held_by"].clone();
    assert!(
        claimed.is_string() && claimed != "stad-9",
        "a claim says it: {claimed}"
    );
}
