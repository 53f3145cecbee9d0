//! Histories are spoilt, one way each, and the judge says so.

mod story;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answers::Answers;
use super::promises::Told;
use super::{Evidence, Kind, Raw, judge};
use story::{LANE, REPO, Step, promise, sealed, story, told};

/// What is complained of in these steps.
fn of_steps(steps: &[Step]) -> BTreeSet<Kind> {
    of_messages(sealed(steps))
}

fn of_messages(messages: Vec<Raw>) -> BTreeSet<Kind> {
    of(&Evidence {
        messages,
        promises: told(),
        answers: Answers::default(),
    })
}

fn of(evidence: &Evidence) -> BTreeSet<Kind> {
    let complaints = judge(evidence).complaints;
    complaints.iter().map(|complaint| complaint.kind).collect()
}

/// The place of the `nth` step (from 0) whose first fact is `kind`.
fn place(steps: &[Step], kind: &str, nth: usize) -> usize {
    let mut places = (0..steps.len()).filter(|&at| steps[at].facts[0].0 == kind);
    places.nth(nth).expect("the story has it")
}

/// The story with one step changed.
fn changed(kind: &str, nth: usize, change: impl FnOnce(&mut Step)) -> Vec<Step> {
    let mut steps = story();
    let at = place(&steps, kind, nth);
    change(&mut steps[at]);
    steps
}

fn without(kind: &str, nth: usize) -> Vec<Step> {
    let mut steps = story();
    let at = place(&steps, kind, nth);
    steps.remove(at);
    steps
}

#[track_caller]
fn assert_complains(found: &BTreeSet<Kind>, wanted: Kind) {
    assert!(found.contains(&wanted), "{found:?}");
}

#[test]
fn a_whole_history_is_not_complained_of() {
    let verdict = judge(&Evidence {
        messages: sealed(&story()),
        promises: told(),
        answers: Answers::default(),
    });
    assert!(verdict.complaints.is_empty(), "{:?}", verdict.complaints);
    assert_eq!(verdict.counts["requests"], 2);
}

#[test]
fn a_history_below_a_whole_state_may_be_gone() {
    let mut messages = sealed(&story());
    let released = messages
        .iter()
        .position(|raw| raw.subject == LANE && raw.sequence == 4)
        .unwrap();
    let mut at = 0;
    messages.retain(|raw| {
        at += 1;
        raw.subject != LANE || at > released
    });
    let found = of_messages(messages);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_removed_commit_has_no_successor() {
    for (subject, sequence) in [(LANE, 2), (REPO, 2), (LANE, 1), (REPO, 1)] {
        let mut messages = sealed(&story());
        messages.retain(|raw| raw.subject != subject || raw.sequence != sequence);
        assert_complains(&of_messages(messages), Kind::NoPredecessor);
    }
}

#[test]
fn a_lost_last_commit_breaks_what_was_promised() {
    let mut steps = story();
    let asked = place(&steps, "EV_FSO_WORK_REQUESTED", 1);
    let mut at = 0;
    steps.retain(|step| {
        at += 1;
        at <= asked || (step.subject != LANE && step.subject != REPO)
    });
    assert_eq!(of_steps(&steps), BTreeSet::from([Kind::LostPromise]));
}

#[test]
fn a_doubled_commit_is_seen_by_its_id_and_by_its_link() {
    let mut messages = sealed(&story());
    let mut again = messages.last().unwrap().clone();
    again.sequence += 1;
    messages.push(again);
    let found = of_messages(messages);
    assert_complains(&found, Kind::RepeatedCommit);
    assert_complains(&found, Kind::RepeatedEvent);
    assert_complains(&found, Kind::BrokenLink);
    assert_complains(&found, Kind::CarriedTwice);
}

#[test]
fn no_changed_byte_passes() {
    let messages = sealed(&story());
    for at in 0..messages[9].payload.len() {
        let mut spoilt = messages.clone();
        spoilt[9].payload[at] ^= 1;
        let found = of_messages(spoilt);
        assert!(
            found.contains(&Kind::WrongHash) || found.contains(&Kind::Unreadable),
            "byte {at}: {found:?}"
        );
    }
}

#[test]
fn swapped_commits_are_out_of_order() {
    let mut messages = sealed(&story());
    let lane: Vec<usize> = (0..messages.len())
        .filter(|&at| messages[at].subject == LANE)
        .collect();
    messages.swap(lane[1], lane[2]);
    let found = of_messages(messages.clone());
    assert_complains(&found, Kind::OutOfOrder);
    assert_complains(&found, Kind::NoPredecessor);
    // With their sequences put right the links still tell.
    let (first, second) = (messages[lane[1]].sequence, messages[lane[2]].sequence);
    messages[lane[1]].sequence = second;
    messages[lane[2]].sequence = first;
    assert_complains(&of_messages(messages), Kind::BrokenLink);
}

#[test]
fn a_commit_of_another_aggregate_is_told() {
    let mut messages = sealed(&story());
    messages[9].subject = LANE.replace("main", "sha");
    assert_complains(&of_messages(messages), Kind::WrongAggregate);
}

#[test]
fn a_missing_finish_leaves_a_request_open() {
    let mut steps = without("EV_FSO_WORK_FINISHED", 1);
    steps.truncate(steps.len() - 1);
    assert_eq!(of_steps(&steps), BTreeSet::from([Kind::Unfinished]));
}

#[test]
fn an_open_request_that_shows_its_reason_is_none_to_complain_of() {
    let mut steps = without("EV_FSO_WORK_FINISHED", 1);
    steps.truncate(steps.len() - 1);
    let shown = |row: Value| {
        let mut answers = Answers::default();
        answers
            .repo
            .insert("r1".to_owned(), json!({"work": {"requests": [row]}}));
        of(&Evidence {
            messages: sealed(&steps),
            promises: vec![],
            answers,
        })
    };
    let held = shown(json!({"request": "q2", "state": "running", "held_by": "stad-1"}));
    assert!(!held.contains(&Kind::Unfinished), "{held:?}");
    assert_complains(
        &shown(json!({"request": "q2", "state": "waiting"})),
        Kind::Unfinished,
    );
    assert_complains(
        &shown(json!({"request": "q3", "state": "running", "held_by": "stad-1"})),
        Kind::AnswerDiffers,
    );
}

#[test]
fn a_request_that_ends_twice_is_told() {
    let steps = changed("EV_FSO_WORK_FINISHED", 1, |step| {
        let again = step.facts[0].clone();
        step.facts.insert(0, again);
    });
    assert_complains(&of_steps(&steps), Kind::FinishedTwice);
}

#[test]
fn an_epoch_that_does_not_rise_is_told() {
    let steps = changed("EV_FSO_WORK_CLAIMED", 1, |step| {
        step.facts[0].1["epoch"] = json!(1);
    });
    assert_complains(&of_steps(&steps), Kind::EpochNotAbove);
}

#[test]
fn one_who_writes_under_a_claim_that_moved_on_is_told() {
    let steps = changed("EV_FSO_WORK_STARTED", 1, |step| {
        step.facts[0].1["epoch"] = json!(1);
    });
    assert_complains(&of_steps(&steps), Kind::NotTheHolder);
}

#[test]
fn a_whole_state_that_forgets_an_end_is_told() {
    let steps = changed("EV_FSO_WORK_FINISHED", 1, |step| {
        step.facts[1].1["backlog"]["finished"] = json!([]);
    });
    assert_complains(&of_steps(&steps), Kind::StateDiffers);
    let steps = changed("EV_FSO_WORK_FINISHED", 1, |step| {
        step.facts[1].1["backlog"]["results_count"] = json!(7);
    });
    assert_complains(&of_steps(&steps), Kind::StateDiffers);
}

#[test]
fn a_result_that_never_reached_its_repo_is_told() {
    assert_complains(
        &of_steps(&without("EV_FSO_REPO_ERROR_SET", 0)),
        Kind::NotCarried,
    );
    assert_complains(
        &of_steps(&without("EV_FSO_SHADOW_REPO_CREATED", 0)),
        Kind::NotCarried,
    );
}

#[test]
fn a_result_that_nobody_had_is_told() {
    let steps = changed("EV_FSO_REPO_ERROR_SET", 0, |step| {
        step.facts[0].1["request_id"] = json!("q1");
    });
    assert_complains(&of_steps(&steps), Kind::Unfounded);
}

#[test]
fn a_repo_that_was_accepted_and_not_begun_is_unfinished() {
    let mut steps = story();
    steps.truncate(place(&steps, "EV_FSO_REPO_INIT_STARTED", 0));
    assert_complains(&of_steps(&steps), Kind::Unfinished);
    assert_complains(
        &of_steps(&without("EV_FSO_REPO_ADDED", 0)),
        Kind::Unfinished,
    );
    assert_complains(
        &of_steps(&without("EV_FSO_REGISTRY_CONFIRMED", 0)),
        Kind::Unfinished,
    );
}

#[test]
fn a_repo_that_is_accepted_twice_is_impossible() {
    let steps = changed("EV_FSO_REPO_ACCEPTED", 0, |step| {
        let again = step.facts[0].clone();
        step.facts.push(again);
    });
    assert_complains(&of_steps(&steps), Kind::Impossible);
}

#[test]
fn a_command_that_was_carried_out_twice_is_told() {
    let steps = changed("EV_FSO_WORK_CLAIMED", 1, |step| step.command = Some("c1"));
    assert_eq!(of_steps(&steps), BTreeSet::from([Kind::DoubledCommand]));
}

#[test]
fn a_command_that_was_refused_and_stored_is_told() {
    let found = of(&Evidence {
        messages: sealed(&story()),
        promises: vec![promise(Told::Refused)],
        answers: Answers::default(),
    });
    assert_eq!(found, BTreeSet::from([Kind::RefusedButStored]));
}

#[test]
fn a_promise_that_is_not_kept_is_told() {
    let text = str::to_owned;
    let broken = [
        Told::Registry(text("other")),
        Told::Root {
            registry: text("ex"),
            root: text("/other"),
        },
        Told::Repo {
            registry: text("ex"),
            path: text("/d/other"),
            repo: text("r1"),
        },
        Told::Request {
            repo: text("r1"),
            request: text("q3"),
        },
        Told::TakenBack {
            repo: text("r1"),
            request: text("q3"),
        },
        Told::Event {
            subject: text(REPO),
            id: text("E-0-0"),
        },
    ];
    for told in broken {
        let found = of(&Evidence {
            messages: sealed(&story()),
            promises: vec![promise(told.clone())],
            answers: Answers::default(),
        });
        assert_eq!(found, BTreeSet::from([Kind::LostPromise]), "{told:?}");
    }
}

#[test]
fn an_answer_that_is_not_what_happened_is_told() {
    let good = || {
        Answers {
        registries: Some(json!({"registries": [{"name": "ex", "confirmed": true}]})),
        registry: [(
            "ex".to_owned(),
            json!({"vid": "E-7-0", "num_roots": 1, "num_repos": 1}),
        )]
        .into(),
        roots: [(
            "ex".to_owned(),
            json!({"roots": [{"global_root": "/d", "host": "host", "host_root": "/h"}]}),
        )]
        .into(),
        repos: [(
            "ex".to_owned(),
            vec![json!({"id": "r1", "global_path": "/d/r1", "confirmed": true})],
        )]
        .into(),
        repo: [(
            "r1".to_owned(),
            json!({"vid": "E-17-0", "registry": "ex", "global_path": "/d/r1", "shadow": "host:/s/r1.fso", "errors": [
                {"operation": "stat", "code": "realdir-missing", "message": "gone", "request": "q2"}
            ]}),
        )]
        .into(),
    }
    };
    let found = |answers| {
        of(&Evidence {
            messages: sealed(&story()),
            promises: vec![],
            answers,
        })
    };
    assert_eq!(found(good()), BTreeSet::new());
    let spoil: [fn(&mut Answers); 7] = [
        |answers| answers.registries = Some(json!({"registries": []})),
        |answers| answers.registry.get_mut("ex").unwrap()["num_repos"] = json!(2),
        |answers| answers.roots.clear(),
        |answers| answers.repos.get_mut("ex").unwrap()[0]["confirmed"] = json!(false),
        |answers| answers.repo.clear(),
        |answers| answers.repo.get_mut("r1").unwrap()["errors"] = json!([]),
        |answers| answers.repo.get_mut("r1").unwrap()["vid"] = json!("E-12-0"),
    ];
    for (n, spoil) in spoil.into_iter().enumerate() {
        let mut answers = good();
        spoil(&mut answers);
        assert_eq!(found(answers), BTreeSet::from([Kind::AnswerDiffers]), "{n}");
    }
}
