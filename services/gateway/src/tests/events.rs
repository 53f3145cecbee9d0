//! Pages of events: nothing is missed, nothing comes twice, no commit is cut.

use std::time::Duration;

use nogfso_contract::Code;
use nogfso_domain::operation::{ErrorCode, ErrorText, Operation, Problems};
use nogfso_domain::repo::{Carried, RepoCommand, RepoError};
use nogfso_ids::{HostPath, RepoId, RequestId, UnixMillis};
use nogfso_journal::memory::ReadOddity;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{HOST, World, init_repo, repo_of};

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}

async fn add_root(world: &World, number: usize) {
    let path = format!("/r{number}");
    let root = json!({"registry": "exreg", "global_root": path, "host": HOST});
    world.ok("cmd.root.init", root).await;
}

fn after(page: &Value) -> Value {
    page["next"].clone()
}

#[tokio::test(start_paused = true)]
async fn pages_join_without_gap_and_each_event_names_the_one_before() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    for number in 0..8 {
        add_root(&world, number).await;
    }
    let all = world.ok("get.events", json!({"registry": "exreg"})).await;
    assert_eq!(all["caught_up"], true);
    let events = all["events"].as_array().unwrap();
    assert_eq!(events[0]["parent"], "0".repeat(26));
    for pair in events.windows(2) {
        assert_eq!(pair[1]["parent"], pair[0]["id"]);
    }
    let mut joined = vec![];
    let mut request = json!({"registry": "exreg", "limit": 3});
    loop {
        let page = world.ok("get.events", request.clone()).await;
        joined.extend(page["events"].as_array().unwrap().clone());
        request["after"] = after(&page);
        if page["caught_up"] == true {
            break;
        }
    }
    assert_eq!(&joined, events);
    for bare in ids(&all) {
        let page = json!({"registry": "exreg", "after": bare});
        let page = world.ok("get.events", page).await;
        let at = ids(&all).iter().position(|id| *id == bare).unwrap();
        assert_eq!(ids(&page), ids(&all)[at + 1..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_in_the_history_is_refused() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let next = after(&world.ok("get.events", json!({"registry": "exreg"})).await);
    let (id, position) = next.as_str().unwrap().split_once('@').unwrap();
    let position: u64 = position.parse().unwrap();
    let foreign = "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned();
    for wrong in [
        format!("{foreign}@{position}"),
        format!("{id}@{}", position + 1),
        format!("{id}@{}", u64::MAX),
        format!("{id}@0"),
        foreign,
    ] {
        let asked = json!({"registry": "exreg", "after": wrong});
        let refused = world.refused("get.events", asked).await;
        assert_eq!(refused.code, Code::NotFound, "{wrong}");
        assert_eq!(refused.details.field.as_deref(), Some("after"));
    }
}

async fn repo_with_two_events_in_a_commit(world: &World) -> RepoId {
    world.ready_registry("exreg").await;
    world.agreeable_host().await;
    let id = repo_of(
        &world
            .ok("cmd.repo.init", init_repo("exreg", "/data/a"))
            .await,
    );
    world.begin_repo("exreg", id).await;
    let failed = RepoCommand::SetError {
        operation: Operation::Init,
        error: RepoError {
            code: ErrorCode::parse("io").unwrap(),
            message: ErrorText::new("no"),
            time: UnixMillis(1),
            request: RequestId::derived_from("1"),
            problems: Problems::default(),
        },
        result_number: 1,
    };
    let made = RepoCommand::ConfirmShadow {
        shadow_path: HostPath::parse("/shadow/a.fso").unwrap(),
        result: Carried {
            request: RequestId::derived_from("2"),
            number: 2,
        },
    };
    world.on_repo(id, &failed).await;
    world.on_repo(id, &made).await;
    id
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_several_events_is_not_cut_and_can_be_entered_anywhere() {
    let world = World::new().await;
    let id = repo_with_two_events_in_a_commit(&world).await;
    let all = ids(&world.ok("get.events", json!({"repo": id})).await);
    assert_eq!(all.len(), 4);
    let three = world
        .ok("get.events", json!({"repo": id, "limit": 3}))
        .await;
    assert_eq!(ids(&three), all);
    assert_eq!(
        after(&three).as_str().unwrap().split_once('@').unwrap().0,
        all[3]
    );
    let position = after(&three)
        .as_str()
        .unwrap()
        .split_once('@')
        .unwrap()
        .1
        .to_owned();
    for cursor in [all[2].clone(), format!("{}@{position}", all[2])] {
        let page = world
            .ok("get.events", json!({"repo": id, "after": cursor}))
            .await;
        assert_eq!(ids(&page), all[3..]);
        assert_eq!(page["events"][0]["parent"], json!(all[2]));
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_again_and_again_sees_everything_once_while_others_append() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let appended = async {
        for number in 0..30 {
            add_root(&world, number).await;
            if number % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    };
    let read = async {
        let mut seen = vec![];
        let mut request = json!({"registry": "exreg", "limit": 4, "wait": "10s"});
        while seen.len() < 32 {
            world
                .log
                .script_read("fso.ev.exreg.registry.exreg", ReadOddity::Stale(2));
            let page = world.ok("get.events", request.clone()).await;
            seen.extend(ids(&page));
            request["after"] = after(&page);
        }
        seen
    };
    let (seen, ()) = tokio::join!(read, appended);
    world.log.stop_playing();
    assert_eq!(
        seen,
        ids(&world.ok("get.events", json!({"registry": "exreg"})).await)
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_events_ends_with_the_first_or_with_its_time() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let next = after(&world.ok("get.events", json!({"registry": "exreg"})).await);
    let asked = json!({"registry": "exreg", "after": next, "wait": "5s"});
    let started = Instant::now();
    let empty = world.ok("get.events", asked.clone()).await;
    assert_eq!(ids(&empty).len(), 0);
    assert_eq!(after(&empty), next);
    assert!(started.elapsed() >= Duration::from_secs(5));
    let started = Instant::now();
    let appended = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        add_root(&world, 1).await;
    };
    let (page, ()) = tokio::join!(world.ok("get.events", asked), appended);
    assert_eq!(ids(&page).len(), 1);
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn events_are_asked_of_one_registry_or_repo_that_exists() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let both = json!({"registry": "exreg", "repo": id});
    for wrong in [json!({}), both] {
        assert_eq!(
            world.refused("get.events", wrong).await.code,
            Code::InvalidField
        );
    }
    let unknown = json!({"registry": "nowhere"});
    assert_eq!(
        world.refused("get.events", unknown).await.code,
        Code::NotFound
    );
}
