//! The command line is read as written, from whatever place the options stand in.

use clap::CommandFactory;
use clap::error::ErrorKind;
use nogfso_bus::MemoryBus;
use serde_json::{Value, json};

use super::played::{REPO, REQUEST, ok, parsed, refused, typed};
use crate::arguments::{Arguments, Command};
use crate::console::Format;
use crate::exit::Exit;

const VID: &str = "01HZXW3T9GQ0M6J5V4K3N2P1R0";

/// What the first request of a command line says, and where.
async fn sent(words: &[&str]) -> (String, Value) {
    let mut first = None;
    let bus = MemoryBus::new();
    let ended = typed(words, &bus, async |subject: &str, call| {
        first.get_or_insert((subject.to_owned(), call));
        refused("denied", "enough seen", json!({}))
    })
    .await;
    assert_eq!(ended.exit, Exit::Refused, "{}", ended.err);
    first.unwrap()
}

async fn assert_sends(words: &[&str], subject: &str, call: Value) {
    assert_eq!(sent(words).await, (subject.to_owned(), call), "{words:?}");
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[tokio::test]
async fn commands_on_registries_and_roots_are_sent_as_typed() {
    assert_sends(
        &["init", "registry", "exreg"],
        "fso.cmd.registry.init",
        json!({"name": "exreg"}),
    )
    .await;
    assert_sends(
        &[
            "init",
            "registry",
            "--no-vid",
            "--command-id=c1",
            "--wait=3s",
            "exreg",
        ],
        "fso.cmd.registry.init",
        json!({"name": "exreg", "vid": "NoVC", "command_id": "c1", "wait": "3000ms"}),
    )
    .await;
    assert_sends(
        &[
            "init",
            "root",
            "--host=files.example.com",
            "exreg",
            "/ex/a b/",
        ],
        "fso.cmd.root.init",
        json!({"registry": "exreg", "global_root": "/ex/a b", "host": "files.example.com"}),
    )
    .await;
    let vid = format!("--vid={VID}");
    assert_sends(
        &[
            "init",
            "root",
            "exreg",
            &vid,
            "/ex",
            "/srv/x y",
            "--host",
            "h",
            "--gitlab-namespace=g/x",
        ],
        "fso.cmd.root.init",
        json!({
            "registry": "exreg", "global_root": "/ex", "host": "h", "host_root": "/srv/x y",
            "gitlab_namespace": "g/x", "vid": VID
        }),
    )
    .await;
}

#[tokio::test]
async fn commands_on_repos_are_sent_as_typed() {
    let uuid = format!("--uuid={REPO}");
    assert_sends(
        &[
            "init",
            "repo",
            "--author=A U <a@b.c>",
            &uuid,
            "exreg",
            "/ex/r",
        ],
        "fso.cmd.repo.init",
        json!({"registry": "exreg", "global_path": "/ex/r", "author": "A U <a@b.c>", "repo": REPO}),
    )
    .await;
    for (option, mtime_range, confirm_emptied) in [
        ("--timeout=10s", "no", false),
        ("--mtime-range", "also", false),
        ("--mtime-range-only", "only", false),
        ("--confirm-emptied", "no", true),
    ] {
        assert_sends(
            &["stat", option, REPO],
            "fso.cmd.repo.stat",
            json!({"repo": REPO, "mtime_range": mtime_range, "confirm_emptied": confirm_emptied}),
        )
        .await;
    }
    assert_sends(
        &["clear-error", REPO, "it's broken"],
        "fso.cmd.repo.clear-error",
        json!({"repo": REPO, "error_message": "it's broken"}),
    )
    .await;
    assert_sends(
        &["clear-error", "--operation=init", REPO],
        "fso.cmd.repo.clear-error",
        json!({"repo": REPO, "operation": "init"}),
    )
    .await;
    assert_sends(
        &["request", "cancel", REPO, REQUEST],
        "fso.cmd.request.cancel",
        json!({"repo": REPO, "request": REQUEST}),
    )
    .await;
}

#[tokio::test]
async fn questions_are_sent_as_typed() {
    let rows = 1_000;
    for (words, subject, call) in [
        (vec!["get", "registries"], "registries", json!({})),
        (
            vec!["get", "roots", "exreg"],
            "roots",
            json!({"registry": "exreg"}),
        ),
        (
            vec!["get", "root", "exreg", "/ex"],
            "root",
            json!({"registry": "exreg", "global_root": "/ex"}),
        ),
        (
            vec!["get", "repos", "--global-path-prefix=/ex//", "exreg"],
            "repos",
            json!({"registry": "exreg", "global_path_prefix": "/ex", "limit": rows}),
        ),
        (vec!["get", "repo", REPO], "repo", json!({"repo": REPO})),
        (
            vec!["info", "exreg"],
            "registry",
            json!({"registry": "exreg"}),
        ),
        (
            vec!["request", "get", REPO, REQUEST],
            "request",
            json!({"repo": REPO, "request": REQUEST}),
        ),
        (
            vec!["outcome", "c1", "--registry=exreg"],
            "outcome",
            json!({"command_id": "c1", "registry": "exreg"}),
        ),
        (
            vec![
                "events",
                "registry",
                "exreg",
                "--after=01hzxw3t9gq0m6j5v4k3n2p1r0",
            ],
            "events",
            json!({"registry": "exreg", "after": VID, "limit": rows}),
        ),
        (
            vec!["events", "repo", "--watch", REPO],
            "events",
            json!({"repo": REPO, "limit": rows}),
        ),
        (vec!["workers", "--host=h"], "workers", json!({"host": "h"})),
        (vec!["parked"], "parked", json!({})),
    ] {
        assert_sends(&words, &format!("fso.get.{subject}"), call).await;
    }
    for verb in ["retry", "skip"] {
        assert_sends(
            &["parked", verb, "carry", "fso.ev.r.registry.r", "item"],
            &format!("fso.cmd.parked.{verb}"),
            json!({"reaction": "carry", "subject": "fso.ev.r.registry.r", "item": "item"}),
        )
        .await;
    }
}

#[tokio::test]
async fn a_repo_that_is_named_by_its_path_is_looked_up() {
    let bus = MemoryBus::new();
    let mut calls = vec![];
    let ended = typed(
        &["stat", "--registry=exreg", "/ex/r"],
        &bus,
        async |subject: &str, call: Value| {
            calls.push(call);
            if subject == "fso.get.repos" {
                let repo = json!({"id": REPO, "global_path": "/ex/r", "confirmed": true});
                ok(json!({"registry": "exreg", "vid": VID, "repos": [repo]}))
            } else {
                ok(json!({"repo": REPO, "request": REQUEST}))
            }
        },
    )
    .await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    assert_eq!(calls[0]["global_path_prefix"], "/ex/r");
    assert_eq!(calls[1]["repo"], REPO);
    assert_eq!(ended.out, format!("repo: {REPO}\nrequest: {REQUEST}\n"));

    let unknown = typed(
        &["get", "repo", "--registry=exreg", "/ex/r"],
        &bus,
        async |_: &str, _| ok(json!({"registry": "exreg", "vid": VID, "repos": []})),
    )
    .await;
    assert_eq!(unknown.exit, Exit::Refused);
    let nowhere = typed(&["get", "repo", "/ex/r"], &bus, async |_: &str, _| None).await;
    assert_eq!(nowhere.exit, Exit::Usage);
}

#[test]
fn options_may_stand_anywhere() {
    for words in [
        ["--output=json", "--timeout=3s", "get", "registries"],
        ["get", "--output=json", "registries", "--timeout=3s"],
    ] {
        let options = parsed(&words).unwrap().options;
        assert_eq!(options.output, Format::Json);
        assert_eq!(options.timeout.duration().as_secs(), 3);
    }
}

#[test]
fn a_wait_without_a_time_is_an_hour_and_takes_no_other_word() {
    let command = parsed(&["stat", "--wait", REPO]).unwrap().command;
    assert!(
        format!("{command:?}").contains("Wait(3600s)"),
        "{command:?}"
    );
}

#[test]
fn a_typed_server_goes_before_the_context_of_the_environment() {
    let typed = parsed(&["workers", "--server=nats://x:1"])
        .unwrap()
        .options
        .connection;
    assert_eq!(
        (typed.context, typed.server.as_deref()),
        (None, Some("nats://x:1"))
    );
    let both = parsed(&["--context=c", "workers", "--server=nats://x:1"]).unwrap();
    assert_eq!(both.options.connection.context.as_deref(), Some("c"));
}

#[test]
fn what_cannot_be_is_refused_with_the_status_for_usage() {
    for words in [
        &["init", "registry", "Not A Name"][..],
        &["init", "repo", "exreg", "/ex/r"],
        &["init", "repo", "--author=nobody", "exreg", "/ex/r"],
        &["init", "registry", "exreg", "--vid=x"],
        &["init", "registry", "exreg", "--vid=NoVC", "--no-vid"],
        &["get", "repo", "not-a-uuid"],
        &["get", "repo"],
        &["clear-error", REPO],
        &["clear-error", REPO, "text", "--operation=stat"],
        &["clear-error", REPO, "--operation=nothing"],
        &["stat", "--mtime-range", "--mtime-range-only", REPO],
        &["stat", "--wait=2h", REPO],
        &["outcome", "c1", "--registry=exreg", "--repo", REPO],
        &["events", "broadcast"],
        &["events", "registry", "exreg", "--after=NoVC"],
        &["--output=yaml", "workers"],
        &[],
    ] {
        assert_eq!(parsed(words).unwrap_err().exit_code(), 2, "{words:?}");
    }
    let help = parsed(&["--help"]).unwrap_err();
    assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
}

#[test]
fn completion_scripts_are_made_for_the_usual_shells() {
    use super::played::Paper;
    use crate::console::Console;

    for shell in ["bash", "zsh", "fish"] {
        let Command::Completion { shell } = parsed(&["completion", shell]).unwrap().command else {
            panic!("another command");
        };
        let out = Paper::default();
        let (to_out, to_err) = (Box::new(out.clone()), Box::new(Paper::default()));
        let mut console = Console::writing_to(Format::Text, to_out, to_err);
        crate::commands::completion(shell, &mut console).unwrap();
        for word in ["nogfsoctl", "clear-error", "command-id"] {
            assert!(out.text().contains(word), "{shell}: {word}");
        }
    }
}
