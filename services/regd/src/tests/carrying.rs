//! A registry, a repo and its shadow come to be: each step once, whatever breaks off, and one that cannot be done alone waits.

use nogfso_contract::subjects;
use nogfso_domain::main_list::MainListCommand;
use nogfso_domain::operation::{ErrorCode, ErrorText, Operation, Problems};
use nogfso_domain::repo::{Carried, ClearBy, RepoCommand, RepoError};
use nogfso_domain::work::{MtimeRange, Order, WAITING_REQUESTS_MAX, WorkCommand};
use nogfso_ids::{GlobalPath, HostPath, RegistryName, RequestId, UnixMillis};
use nogfso_journal::memory::ReadOddity;
use nogfso_journal::reaction::{Parked, ReactError, Reaction};
use nogfso_kernel::Position;

use super::world::{
    World, author, look_at, registry, registry_subject, repo_id, repo_subject, work_subject,
};
use crate::registryinit::RegistryInit;
use crate::replicate::Replicate;
use crate::repoinit::RepoInit;

fn name(text: &str) -> RegistryName {
    RegistryName::parse(text).unwrap()
}

async fn accepted_registries(world: &World, names: &[&str]) {
    world
        .main(MainListCommand::Init { name: name("main") })
        .await;
    for text in names {
        world
            .main(MainListCommand::InitRegistry { name: name(text) })
            .await;
    }
}

async fn pending(world: &World) -> Vec<String> {
    let main = world
        .stores
        .main
        .load(subjects::MAIN, Position::START)
        .await
        .unwrap();
    main.state.pending().map(ToString::to_string).collect()
}

async fn parked_items(parked: &Parked) -> Vec<String> {
    let entries = parked.entries().into_iter();
    entries
        .map(|entry| entry.item.unwrap_or_default())
        .collect()
}

fn passes(result: Result<Position, ReactError>) {
    assert!(
        matches!(result, Err(ReactError::Transient { .. })),
        "{result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_begun_and_confirmed_once() {
    let world = World::new().await;
    accepted_registries(&world, &["exreg"]).await;
    for _ in 0..2 {
        let reaction = RegistryInit::new(world.carry());
        reaction.react(&look_at(subjects::MAIN)).await.unwrap();
        assert_eq!(world.history(&registry_subject()).await.len(), 1);
        assert_eq!(world.history(subjects::MAIN).await.len(), 3);
    }
    assert!(pending(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_was_begun_and_not_confirmed_is_confirmed_later() {
    let world = World::new().await;
    accepted_registries(&world, &["exreg"]).await;
    world.no_room_for(subjects::MAIN);
    let reaction = RegistryInit::new(world.carry());
    passes(reaction.react(&look_at(subjects::MAIN)).await);
    assert_eq!(world.history(&registry_subject()).await.len(), 1);
    world.log.stop_playing();
    reaction.react(&look_at(subjects::MAIN)).await.unwrap();
    assert_eq!(world.history(&registry_subject()).await.len(), 1);
    assert!(pending(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_be_begun_waits_alone() {
    let world = World::new().await;
    accepted_registries(&world, &["a-bad", "exreg"]).await;
    world.damage(&subjects::registry(&name("a-bad"))).await;
    let carry = world.carry();
    let reaction = RegistryInit::new(carry.clone());
    for _ in 0..2 {
        reaction.react(&look_at(subjects::MAIN)).await.unwrap();
        assert_eq!(pending(&world).await, ["a-bad"]);
        assert_eq!(parked_items(&carry.parked).await, ["a-bad"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_passed_over_until_it_is_retried_and_gone_when_that_succeeds() {
    let world = World::new().await;
    accepted_registries(&world, &["exreg"]).await;
    let carry = world.carry();
    let park = carry
        .parked
        .park("registryinit", subjects::MAIN, Some("exreg"), 1, "no");
    park.await.unwrap();
    let reaction = RegistryInit::new(carry.clone());
    reaction.react(&look_at(subjects::MAIN)).await.unwrap();
    assert_eq!(pending(&world).await, ["exreg"]);
    let entry = carry.parked.entries().remove(0);
    carry.parked.mark_retry(&entry).await.unwrap();
    reaction.react(&look_at(subjects::MAIN)).await.unwrap();
    assert!(pending(&world).await.is_empty());
    assert!(carry.parked.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repo_that_cannot_be_begun_waits_alone_and_the_others_are_begun_once() {
    let world = World::new().await;
    world.ready_registry().await;
    for number in 1..=3 {
        world.accept_repo(number).await;
    }
    // Under the id of the second there is another one already.
    let other = RepoCommand::Init {
        registry: registry(),
        global_path: GlobalPath::parse("/elsewhere").unwrap(),
        creator: author(),
        file_host: nogfso_ids::Host::parse("files.example.com").unwrap(),
        host_path: HostPath::parse("/elsewhere").unwrap(),
        subdir_tracking: nogfso_ids::SubdirTracking::EnterSubdirs,
        cause: nogfso_kernel::EventId(ulid::Ulid::from_parts(1, 1)),
    };
    world.repo(2, other).await;
    let carry = world.carry();
    let reaction = RepoInit::new(carry.clone());
    world.no_room_for(&repo_subject(3));
    passes(reaction.react(&look_at(&registry_subject())).await);
    world.log.stop_playing();
    for _ in 0..2 {
        reaction.react(&look_at(&registry_subject())).await.unwrap();
        for number in 1..=3 {
            assert_eq!(world.history(&repo_subject(number)).await.len(), 1);
        }
        assert_eq!(parked_items(&carry.parked).await, [repo_id(2).to_string()]);
    }
    let begun = world.known_repo(1).await;
    assert_eq!(begun.host_path.as_str(), "/srv/data/1");
    assert_eq!(begun.creator, author());
}

async fn requests(world: &World) -> Vec<RequestId> {
    let work = world
        .stores
        .work
        .load(&work_subject(1), Position::START)
        .await
        .unwrap();
    work.state
        .backlog
        .requests
        .iter()
        .map(|known| known.request)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_repo_is_confirmed_and_its_shadow_asked_for_once() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let registry_before = world.history(&registry_subject()).await.len();
    world.no_room_for(&work_subject(1));
    passes(
        Replicate::new(world.carry())
            .react(&look_at(&repo_subject(1)))
            .await,
    );
    world.log.stop_playing();
    assert_eq!(requests(&world).await, []);
    for _ in 0..2 {
        let reaction = Replicate::new(world.carry());
        reaction.react(&look_at(&repo_subject(1))).await.unwrap();
        assert_eq!(requests(&world).await.len(), 1);
        let registry = world.history(&registry_subject()).await;
        assert_eq!(registry.len(), registry_before + 1);
        assert_eq!(registry.last().unwrap(), &["EV_FSO_REPO_ADDED"]);
    }
    let repo = world.known_repo(1).await;
    assert_eq!(requests(&world).await, [repo.init_request().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_first_commit_that_does_not_show_yet_is_waited_for() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let carry = world.carry();
    let reaction = Replicate::new(carry.clone());
    // The state is read whole; what is read after it lags.
    for missing in [0, 1] {
        let lag = ReadOddity::Stale(missing);
        world.log.script_read(&repo_subject(1), lag);
    }
    passes(reaction.react(&look_at(&repo_subject(1))).await);
    assert!(carry.parked.entries().is_empty());
    reaction.react(&look_at(&repo_subject(1))).await.unwrap();
    assert_eq!(requests(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_is_asked_for_again_only_when_its_error_is_cleared() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let reaction = Replicate::new(world.carry());
    reaction.react(&look_at(&repo_subject(1))).await.unwrap();
    let first = requests(&world).await;
    world
        .finish(1, first[0], super::world::failed("disk full"))
        .await;
    let error = RepoError {
        code: ErrorCode::parse("io").unwrap(),
        message: ErrorText::new("disk full"),
        time: UnixMillis(1),
        request: first[0],
        problems: Problems::default(),
    };
    // Between the end and the error that is carried, the request is known to have ended.
    reaction.react(&look_at(&repo_subject(1))).await.unwrap();
    assert_eq!(requests(&world).await, []);
    let set = RepoCommand::SetError {
        operation: Operation::Init,
        error,
        result_number: 1,
    };
    world.repo(1, set).await;
    reaction.react(&look_at(&repo_subject(1))).await.unwrap();
    assert_eq!(requests(&world).await, []);
    let by = ClearBy::Operation(Operation::Init);
    world.repo(1, RepoCommand::ClearError { by }).await;
    for _ in 0..2 {
        reaction.react(&look_at(&repo_subject(1))).await.unwrap();
        let second = requests(&world).await;
        assert_eq!(second.len(), 1);
        assert_ne!(second, first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repo_with_a_shadow_asks_for_none() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let result = Carried {
        request: RequestId::derived_from("x"),
        number: 1,
    };
    let shadow_path = HostPath::parse("/shadow/1.fso").unwrap();
    world
        .repo(
            1,
            RepoCommand::ConfirmShadow {
                shadow_path,
                result,
            },
        )
        .await;
    let reaction = Replicate::new(world.carry());
    reaction.react(&look_at(&repo_subject(1))).await.unwrap();
    assert_eq!(requests(&world).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_is_waited_for() {
    let world = World::new().await;
    world.begin_repo(1).await;
    for number in 0..WAITING_REQUESTS_MAX {
        // Started ones are not equal to what waits, so each is a request of its own.
        let order = Order::Stat {
            mtime_range: MtimeRange::No,
            confirm_emptied: false,
        };
        let request = RequestId::derived_from(&number.to_string());
        world
            .work(
                1,
                WorkCommand::Request {
                    request,
                    order,
                    author: author(),
                    at: UnixMillis(1),
                },
            )
            .await;
        world.start_and_drop(1, request).await;
    }
    let reaction = Replicate::new(world.carry());
    passes(reaction.react(&look_at(&repo_subject(1))).await);
}
