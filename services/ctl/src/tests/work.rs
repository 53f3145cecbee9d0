//! Waiting for work: it ends, fails, takes too long, or loses its gateway on the way.

use std::time::Duration;

use nogfso_bus::{Bus, MemoryBus, Message};
use serde_json::{Value, json};

use super::played::{REPO, REQUEST, info, ok, refused, typed};
use crate::exit::Exit;

fn accepted() -> Option<Value> {
    ok(json!({"repo": REPO, "request": REQUEST}))
}

fn done() -> Value {
    let mut done = info("done");
    done["result"] = json!({
        "end": "done", "outcome": "committed", "old_ref": "aa", "new_ref": "bb",
        "added": 2, "modified": 1, "removed": 0, "files": 7, "bytes": 2048,
    });
    done
}

fn failed(code: &str) -> Value {
    let mut failed = info("failed");
    failed["result"] = json!({"end": "failed", "code": code, "message": "it is gone"});
    failed
}

/// A stat with `--wait` while the question for the request is answered with `answers`, one after the other.
async fn stat_waits(words: &[&str], answers: Vec<Option<Value>>) -> super::played::Ended {
    let bus = MemoryBus::new();
    let mut answers = answers.into_iter();
    let words: Vec<_> = ["stat", REPO].iter().chain(words).copied().collect();
    typed(&words, &bus, async |subject: &str, call: Value| {
        if subject == "fso.cmd.repo.stat" {
            assert_eq!(call["wait"], Value::Null);
            return accepted();
        }
        assert_eq!(
            (call["repo"].as_str(), call["request"].as_str()),
            (Some(REPO), Some(REQUEST))
        );
        answers.next().unwrap_or(ok(info("running")))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_stat_that_is_waited_for_shows_its_result() {
    let ended = stat_waits(&["--wait=30s"], vec![ok(info("waiting")), ok(done())]).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    assert!(
        ended
            .out
            .starts_with(&format!("repo: {REPO}\nrequest: {REQUEST}\n")),
        "{}",
        ended.out
    );
    for line in [
        "state: done",
        "changed: 2 added, 1 modified, 0 removed",
        "size: 2 KiB",
    ] {
        assert!(ended.out.contains(line), "{}", ended.out);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_through_lost_replies_and_outages() {
    let unavailable = refused("unavailable", "the journal does not answer", json!({}));
    let ended = stat_waits(&["--wait=60s"], vec![None, unavailable, ok(done())]).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
}

#[tokio::test(start_paused = true)]
async fn failed_work_is_shown_and_has_an_exit_status() {
    let ended = stat_waits(&["--wait"], vec![ok(failed("io"))]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.out.contains("error: it is gone"), "{}", ended.out);
    assert!(
        ended.err.starts_with("fatal: stat failed: it is gone\n"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains(&format!("nogfsoctl get repo {REPO}")),
        "{}",
        ended.err
    );

    let emptied = stat_waits(&["--wait"], vec![ok(failed("realdir-emptied"))]).await;
    assert!(emptied.err.contains("--confirm-emptied"), "{}", emptied.err);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_answered_in_place_of_the_request_is_looked_up() {
    let gone = refused("work-failed", "stat failed", json!({"repo": REPO}));
    let ended = stat_waits(&["--wait"], vec![gone, ok(failed("io"))]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.out.contains("error: it is gone"), "{}", ended.out);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_another_gateway_does_not_know_yet_is_asked_for_again() {
    let not_yet = || refused("not-found", "no such request", json!({}));
    let ended = stat_waits(&["--wait"], vec![not_yet(), not_yet(), ok(done())]).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    let never = std::iter::repeat_with(not_yet).take(1_000).collect();
    assert_eq!(stat_waits(&["--wait"], never).await.exit, Exit::Refused);
}

#[tokio::test(start_paused = true)]
async fn work_that_left_paths_aside_counts_as_failed() {
    let mut left = done();
    left["result"]["problems"] =
        json!({"paths": [{"path": "a b", "reason": "permission denied"}], "path_count": 1});
    let ended = stat_waits(&["--wait"], vec![ok(left)]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.out.contains("\"a b\", permission denied"),
        "{}",
        ended.out
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_short_says_how_to_wait_again() {
    let ended = stat_waits(&["--wait=20s"], vec![]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Open, ""));
    assert!(
        ended.err.starts_with("fatal: not finished within 20 s\n"),
        "{}",
        ended.err
    );
    let again = format!("nogfsoctl request get --wait {REPO} {REQUEST}");
    assert!(ended.err.contains(&again), "{}", ended.err);

    let json = stat_waits(&["--wait=1s", "--output=json"], vec![]).await;
    let document: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(document["error"]["code"], "timed-out");
    assert_eq!(
        document["error"]["details"],
        json!({"repo": REPO, "request": REQUEST})
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_told_apart() {
    let ended = stat_waits(&["--wait"], vec![ok(info("cancelled"))]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.err.starts_with("fatal: stat was cancelled\n"),
        "{}",
        ended.err
    );
}

#[tokio::test(start_paused = true)]
async fn looking_at_a_request_that_failed_has_an_exit_status_too() {
    let bus = MemoryBus::new();
    for (state, exit) in [(info("running"), Exit::Done), (failed("io"), Exit::Failed)] {
        let words = ["request", "get", REPO, REQUEST];
        let ended = typed(&words, &bus, async |_: &str, _| ok(state.clone())).await;
        assert_eq!(ended.exit, exit, "{}", ended.err);
        assert!(ended.out.contains("operation: stat"));
    }
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_now_and_then() {
    let bus = MemoryBus::new();
    let worker = bus.another_client();
    let mut asked = 0;
    let ended = typed(&["stat", REPO, "--wait"], &bus, async |subject: &str, _| {
        if subject == "fso.cmd.repo.stat" {
            return accepted();
        }
        asked += 1;
        for files in 0..10 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            worker.publish(progress(files * 1_000)).await.unwrap();
        }
        ok(if asked == 3 { done() } else { info("running") })
    })
    .await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    let lines: Vec<_> = ended.err.lines().collect();
    assert_eq!(lines, ["# stat: 9,000 entries, 1 MiB, 250/s"; 2]);
}

fn progress(files: u64) -> Message {
    let payload = json!({
        "repo": REPO, "request": REQUEST, "operation": "stat", "instance": "i", "phase": "running",
        "files": files, "bytes": 1_048_576, "files_per_s": 250, "elapsed_ms": 4_000,
    });
    Message::new(
        format!("fso.progress.exreg.h.{REPO}"),
        serde_json::to_vec(&payload).unwrap(),
    )
}

/// An adoption with `--wait` while the repo looks like `repos`, one after the other.
async fn init_waits(repos: Vec<Option<Value>>) -> super::played::Ended {
    let bus = MemoryBus::new();
    let mut repos = repos.into_iter();
    let words = [
        "init",
        "repo",
        "--author=A <a@b.c>",
        "exreg",
        "/ex/r",
        "--wait=30s",
    ];
    typed(&words, &bus, async |subject: &str, _| match subject {
        "fso.cmd.repo.init" => ok(json!({"registry": "exreg", "registry_vid": "v", "repo": REPO})),
        "fso.get.repo" => repos.next().unwrap_or(ok(repo(json!({})))),
        "fso.get.events" => ok(json!({"events": [], "caught_up": true})),
        other => panic!("{other}"),
    })
    .await
}

fn repo(more: Value) -> Value {
    let mut repo = json!({
        "repo": REPO, "vid": "v", "registry": "exreg", "global_path": "/ex/r", "file": "h:/ex/r",
        "storage_tier": "ST_ONLINE", "subdir_tracking": "enter-subdirs",
        "work": {"requests": [], "last": []},
    });
    for (key, value) in more.as_object().unwrap() {
        repo[key] = value.clone();
    }
    repo
}

#[tokio::test(start_paused = true)]
async fn an_adoption_is_waited_for_from_before_the_repo_has_a_history() {
    let not_yet = refused("not-found", "no such repo", json!({}));
    let made = ok(repo(json!({"shadow": "h:/shadow/a b/x.fso"})));
    let ended = init_waits(vec![not_yet, ok(repo(json!({}))), made]).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    assert_eq!(
        ended.out,
        format!("registry: exreg\nregistryVid: v\nrepo: {REPO}\nshadow: h:/shadow/a b/x.fso\n")
    );
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_fails_says_why() {
    let errors = json!({"errors": [{
        "operation": "init", "code": "denied", "message": "not here", "request": REQUEST,
        "time": "2026-01-02T03:04:05.678Z", "path_count": 0,
    }]});
    let ended = init_waits(vec![ok(repo(errors))]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.err.contains("fatal: init failed: not here\n"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(REPO), "{}", ended.err);
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_takes_too_long_is_open() {
    let ended = init_waits(vec![]).await;
    assert_eq!(ended.exit, Exit::Open);
    assert!(
        ended.err.contains(&format!("nogfsoctl get repo {REPO}")),
        "{}",
        ended.err
    );
}
