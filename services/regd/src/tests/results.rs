//! Results are carried once, and the newest one decides.

use nogfso_domain::operation::Operation;
use nogfso_domain::repo::{Carried, ClearBy, RepoCommand};
use nogfso_domain::work::Order;
use nogfso_ids::{HostPath, RequestId};
use nogfso_journal::memory::ReadOddity;
use nogfso_journal::reaction::{Reaction, Wake};
use nogfso_kernel::Position;

use super::world::{World, done, failed, look_at, repo_subject, stat, work_subject};
use crate::results::Results;

const SHADOW: &str = "/shadow/1.fso";

/// Carries as a process that was just started.
async fn carry(world: &World) {
    let reaction = Results::new(world.carry());
    reaction.react(&look_at(&work_subject(1))).await.unwrap();
}

/// Carries as a process that was asleep since `position`: it sees nothing later.
async fn carry_late(world: &World, position: Position) {
    let stored = nogfso_journal::Log::read(&world.log, &work_subject(1), position).await;
    let later = stored.unwrap().len();
    world
        .log
        .script_read(&work_subject(1), ReadOddity::Stale(later));
    let wake = Wake {
        subject: work_subject(1),
        position,
        is_alarm: false,
    };
    let reaction = Results::new(world.carry());
    assert_eq!(reaction.react(&wake).await, Ok(position));
}

async fn errors(world: &World) -> Vec<(Operation, String)> {
    let repo = world.known_repo(1).await;
    let errors = repo.errors();
    errors
        .map(|(operation, error)| (operation, error.message.as_str().to_owned()))
        .collect()
}

async fn clear(world: &World, operation: Operation) {
    let by = ClearBy::Operation(operation);
    world.repo(1, RepoCommand::ClearError { by }).await;
}

async fn repo_commits(world: &World) -> usize {
    world.history(&repo_subject(1)).await.len()
}

#[tokio::test(start_paused = true)]
async fn an_init_that_succeeded_is_one_shadow_whoever_carries_it() {
    let world = World::new().await;
    world.begin_repo(1).await;
    world
        .worked(1, "i", Order::Init {}, done(Some(SHADOW), None))
        .await;
    for _ in 0..2 {
        carry(&world).await;
        let history = world.history(&repo_subject(1)).await;
        assert_eq!(history[1..], [["EV_FSO_SHADOW_REPO_CREATED"]]);
    }
    world
        .worked(1, "again", Order::Init {}, done(Some(SHADOW), None))
        .await;
    carry(&world).await;
    assert_eq!(repo_commits(&world).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_first_stat_left_aside_is_an_error_of_stat_also_if_carried_in_two_parts() {
    let world = World::new().await;
    world.begin_repo(1).await;
    world
        .worked(1, "i", Order::Init {}, done(Some(SHADOW), Some("dir")))
        .await;
    // The process that carried the first part ended here.
    let result = Carried {
        request: RequestId::derived_from("i"),
        number: 1,
    };
    let shadow_path = HostPath::parse(SHADOW).unwrap();
    world
        .repo(
            1,
            RepoCommand::ConfirmShadow {
                shadow_path,
                result,
            },
        )
        .await;
    for _ in 0..2 {
        carry(&world).await;
        let errors = errors(&world).await;
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].0, Operation::Stat);
        assert_eq!(repo_commits(&world).await, 3);
    }
    clear(&world, Operation::Stat).await;
    carry(&world).await;
    assert!(errors(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_error_is_carried_once_and_a_success_clears_it() {
    let world = World::new().await;
    world.begin_repo(1).await;
    world.worked(1, "a", stat(), failed("first")).await;
    carry(&world).await;
    assert_eq!(
        errors(&world).await,
        [(Operation::Stat, "first".to_owned())]
    );
    clear(&world, Operation::Stat).await;
    carry(&world).await;
    assert!(errors(&world).await.is_empty(), "a cleared error came back");
    world.worked(1, "b", stat(), failed("second")).await;
    carry(&world).await;
    assert_eq!(
        errors(&world).await,
        [(Operation::Stat, "second".to_owned())]
    );
    world.worked(1, "c", stat(), done(None, None)).await;
    for _ in 0..2 {
        carry(&world).await;
        assert!(errors(&world).await.is_empty());
    }
    assert_eq!(repo_commits(&world).await, 5);
}

#[tokio::test(start_paused = true)]
async fn the_success_of_an_init_does_not_erase_the_error_of_a_later_stat() {
    let world = World::new().await;
    world.begin_repo(1).await;
    world
        .worked(1, "i", Order::Init {}, done(Some(SHADOW), None))
        .await;
    world.worked(1, "s", stat(), failed("no")).await;
    for _ in 0..3 {
        carry(&world).await;
        assert_eq!(errors(&world).await, [(Operation::Stat, "no".to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn successes_that_clear_nothing_leave_no_trace() {
    let world = World::new().await;
    world.begin_repo(1).await;
    for cause in ["a", "b", "c"] {
        world.worked(1, cause, stat(), done(None, None)).await;
        carry(&world).await;
    }
    assert_eq!(repo_commits(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_process_erases_no_newer_error_and_brings_back_no_older_one() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let succeeded = world.worked(1, "a", stat(), done(None, None)).await;
    let failed_first = world.worked(1, "b", stat(), failed("first")).await;
    let failed_again = world.worked(1, "c", stat(), failed("second")).await;
    carry(&world).await;
    for late in [succeeded, failed_first, failed_again] {
        carry_late(&world, late).await;
        assert_eq!(
            errors(&world).await,
            [(Operation::Stat, "second".to_owned())]
        );
    }
    world.worked(1, "d", stat(), done(None, None)).await;
    carry(&world).await;
    for late in [succeeded, failed_first, failed_again] {
        carry_late(&world, late).await;
        assert!(errors(&world).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_was_overtaken_by_a_success_does_not_land_later() {
    let world = World::new().await;
    world.begin_repo(1).await;
    let failed_at = world.worked(1, "a", stat(), failed("late")).await;
    world.worked(1, "b", stat(), done(None, None)).await;
    carry(&world).await;
    carry_late(&world, failed_at).await;
    assert!(errors(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_carried_waits_alone() {
    let world = World::new().await;
    world.begin_repo(1).await;
    world.worked(1, "i", Order::Init {}, done(None, None)).await;
    world.worked(1, "s", stat(), failed("no")).await;
    let carry = world.carry();
    let reaction = Results::new(carry.clone());
    reaction.react(&look_at(&work_subject(1))).await.unwrap();
    assert_eq!(errors(&world).await, [(Operation::Stat, "no".to_owned())]);
    let parked = carry.parked.entries();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].item.as_deref(), Some("init"));
}
