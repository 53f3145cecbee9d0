//! The product through clients that know nothing of it: the stock `nats` command line, or where there is none, an independent
//! client library that sends the same bytes.

mod tool;

use nogfso_testkit::wait_until_blocking;
use serde_json::{Value, json};

use super::world::{Wishes, World};
use super::{DEADLINE, GLOBAL_ROOT, HOST, REGISTRY};
use tool::Tool;

#[test]
fn a_directory_is_adopted_and_followed_with_the_stock_client() {
    let world = World::with_root();
    let operator = Tool::of(&world, "operator");
    let services = operator.services();
    assert!(services.contains("nogfso"), "{services}");

    let registry = operator.asked("fso.cmd.registry.init", &json!({ "name": "second" }));
    assert_eq!(registry["ok"]["registry"], "second", "{registry}");
    let root = json!({
        "registry": "second",
        "global_root": GLOBAL_ROOT,
        "host": HOST,
        "host_root": world.host_root(),
    });
    let root = operator.asked("fso.cmd.root.init", &root);
    assert_eq!(root["ok"]["global_root"], GLOBAL_ROOT, "{root}");

    world.directory("a dir");
    let mut feed = operator.listening("fso.feed.>");
    // What happens before the server has heard of the subscription is missing, as it may.
    let mut count = 0;
    wait_until_blocking("the feed", DEADLINE, || {
        count += 1;
        let name = format!("third-{count}");
        operator.asked("fso.cmd.registry.init", &json!({ "name": name }));
        feed.find_line("EV_FSO_REGISTRY_ACCEPTED")
    });
    let path = format!("{GLOBAL_ROOT}/a dir");
    let init = json!({ "registry": "second", "global_path": path, "author": "A <a@example.com>", "wait": "30s" });
    let repo = operator.asked("fso.cmd.repo.init", &init);
    let id = repo["ok"]["repo"]
        .as_str()
        .unwrap_or_else(|| panic!("{repo}"));
    assert!(
        repo["ok"]["shadow"]
            .as_str()
            .is_some_and(|shadow| shadow.ends_with(".fso")),
        "{repo}"
    );
    feed.wait_for_line("EV_FSO_SHADOW_REPO_CREATED", DEADLINE);
    feed.wait_for_line("EV_FSO_REPO_ADDED", DEADLINE);

    let info = operator.asked("fso.get.repo", &json!({ "repo": id }));
    assert_eq!(info["ok"]["global_path"], path, "{info}");
    let stat = operator.asked("fso.cmd.repo.stat", &json!({ "repo": id, "wait": "30s" }));
    assert_eq!(stat["ok"]["ended"]["state"], "done", "{stat}");
}

#[test]
fn an_error_can_be_read_with_the_stock_client() {
    let world = World::with_root();
    let operator = Tool::of(&world, "operator");
    let refused = operator.asked("fso.cmd.registry.init", &json!({ "name": "Not A Name" }));
    assert_eq!(refused["error"]["code"], "invalid-field", "{refused}");
    assert_eq!(refused["error"]["details"]["field"], "name");
    let unknown = json!({ "registry": REGISTRY, "global_path": "/example/plain/a", "author": "A <a@example.com>" });
    let refused = operator.asked("fso.cmd.repo.init", &unknown);
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("unknown root"), "{refused}");
}

#[test]
fn a_user_reaches_neither_the_journal_nor_other_users_with_the_stock_client() {
    let world = World::with_root_and(Wishes {
        users: vec!["alice", "bob"],
        ..Wishes::default()
    });
    let (operator, alice) = (Tool::of(&world, "operator"), Tool::of(&world, "alice"));
    for user in [&operator, &alice] {
        let before = world.message_counts();
        for subject in [
            "fso.ev._.main.main",
            &format!("fso.ev.{REGISTRY}.registry.{REGISTRY}"),
            "fso.submit.bob.registry.init",
            "_INBOX_bob.answer",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.DELETE.FSO_REPO",
        ] {
            let said = user.publish(subject, "{}");
            assert!(is_refusal(&said, subject), "{subject}: {said}");
        }
        assert_eq!(world.message_counts(), before);
    }

    let mut deaf: Vec<_> = ["_INBOX_bob.>", "_INBOX.>", ">", "fso.get.>", "fso.cmd.>"]
        .into_iter()
        .map(|filter| (filter, alice.listening(filter)))
        .collect();
    for (filter, subscriber) in &mut deaf {
        wait_until_blocking(filter, DEADLINE, || {
            let lines = subscriber.lines();
            lines
                .iter()
                .any(|line| is_refusal(line, filter))
                .then_some(())
                .ok_or(lines)
        });
    }
    let bob = Tool::of(&world, "bob");
    let answer = bob.asked("fso.get.roots", &json!({ "registry": REGISTRY }));
    assert_eq!(
        answer["ok"]["roots"][0]["global_root"], GLOBAL_ROOT,
        "{answer}"
    );
    for (filter, subscriber) in deaf {
        let heard = subscriber.find_line(GLOBAL_ROOT);
        assert_eq!(heard, None, "{filter}");
    }
}

/// Whether the client tells that the broker forbids the subject; one of them tells it in lower case.
fn is_refusal(said: &str, subject: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("permissions violation") && said.contains(&subject.to_lowercase())
}

impl Tool {
    /// The answer to a request, which is JSON whether it is good or bad.
    fn asked(&self, subject: &str, payload: &Value) -> Value {
        let answer = self.request(subject, &payload.to_string());
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}
