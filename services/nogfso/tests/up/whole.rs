//! The services on the broker: they answer, adopt what is named, and outlive the server and its starter.

use std::fs;

use async_nats::Client;
use async_nats::header::HeaderMap;
use nogfso_testkit::{Process, Signal, wait_until};
use serde_json::Value;

use crate::place::{DEADLINE, Place, kill};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_as_a_root_is_adopted_once() {
    let place = Place::new();
    let tree = place.data().with_file_name("real data");
    fs::create_dir_all(tree.join("sub dir")).unwrap();
    fs::write(tree.join("sub dir/file"), "content").unwrap();
    let root = format!("/example/a b={}", tree.display());

    let mut first = ready(&place, &["--root", &root]);
    let repo = repo_in(&first);
    let operator = place.connect("context.json").await;
    wait_until("the shadow", DEADLINE, async || {
        let answer = ask(
            &operator,
            "fso.get.repo",
            &format!(r#"{{"repo":"{repo}"}}"#),
        )
        .await;
        answer["ok"]["shadow"]
            .as_str()
            .map(|_| ())
            .ok_or(answer.clone())
    })
    .await;
    stop(&mut first);

    let mut second = ready(&place, &["--root", &root]);
    assert_eq!(repo_in(&second), repo);
    assert!(second.find_line("with shadow").is_some());
    let operator = place.connect("context.json").await;
    let repos = ask(&operator, "fso.get.repos", r#"{"registry":"main"}"#).await;
    assert_eq!(repos["ok"]["repos"].as_array().unwrap().len(), 1, "{repos}");
    stop(&mut second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_cannot_be_adopted_keeps_nothing_from_running() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();
    let root = format!("/example={}", place.data().display());
    let up = ready(&place, &["--root", &root]);
    let line = up.find_line("was not adopted").unwrap();
    assert!(line.contains("shadow root"), "{line}");
    let operator = place.connect("context.json").await;
    let answer = ask(&operator, "fso.get.registries", "{}").await;
    assert_eq!(answer["ok"]["registries"][0]["name"], "main", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_answer_again_when_the_server_was_killed() {
    let place = Place::new();
    let mut up = ready(&place, &[]);
    let operator = place.connect("context.json").await;
    for name in ["first", "second"] {
        init_registry(&operator, name).await;
        tokio::task::block_in_place(|| kill(place.server()));
    }
    init_registry(&operator, "third").await;
    let answer = ask(&operator, "fso.get.registries", "{}").await;
    let names: Vec<_> = answer["ok"]["registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|registry| registry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["first", "second", "third"], "{answer}");
    stop(&mut up);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_go_on_with_a_server_that_survived_their_process() {
    let place = Place::new();
    let mut first = ready(&place, &[]);
    let operator = place.connect("context.json").await;
    init_registry(&operator, "first").await;
    first.signal(Signal::KILL);
    first.exit_status(DEADLINE);
    let mut second = ready(&place, &[]);
    assert!(second.find_line("attached to the NATS server").is_some());
    // The same connection: the server never went away.
    init_registry(&operator, "second").await;
    stop(&mut second);
}

fn ready(place: &Place, options: &[&str]) -> Process {
    tokio::task::block_in_place(|| place.ready(options))
}

fn stop(up: &mut Process) {
    tokio::task::block_in_place(|| {
        up.signal(Signal::INT);
        assert!(up.exit_status(DEADLINE).success());
    });
}

fn repo_in(up: &Process) -> String {
    let line = up.find_line("/example/a b is repo ").unwrap();
    let words = line.strip_prefix("/example/a b is repo ").unwrap();
    words.chars().take(36).collect()
}

/// Asks until there is an answer; all that is asked here is harmless when repeated.
async fn ask(client: &Client, subject: &'static str, payload: &str) -> Value {
    wait_until("an answer", DEADLINE, async || {
        let reply = client.request(subject, payload.to_owned().into()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        serde_json::from_slice(&reply.payload).map_err(|error| error.to_string())
    })
    .await
}

async fn init_registry(client: &Client, name: &str) {
    wait_until("the registry", DEADLINE, async || {
        let payload = format!(r#"{{"name":"{name}","wait":"5s"}}"#);
        let answer = ask(client, "fso.cmd.registry.init", &payload).await;
        if answer["ok"]["confirmed"] == true {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_in_other_letters_is_not_believed() {
    let place = Place::new();
    let _up = ready(&place, &["--user", "alice"]);
    let alice = place.connect("context-alice.json").await;
    // In whatever order headers arrive, the forged one must never count.
    for _ in 0..16 {
        for name in [
            "nats-request-info",
            "NATS-REQUEST-INFO",
            "Nats-request-info",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, r#"{"acc":"NOBODY","user":"operator"}"#);
            let reply = alice
                .request_with_headers("fso.get.registries", headers, "{}".into())
                .await
                .unwrap();
            let answer: Value = serde_json::from_slice(&reply.payload).unwrap();
            assert!(answer["error"].is_null(), "{name} was believed: {answer}");
        }
    }
}
