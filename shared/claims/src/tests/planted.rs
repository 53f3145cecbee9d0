//! Planted mistakes act on the real loop, too, and leave the traces that a simulation has to find.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nogfso_faults::{Mutant, Rule, forget_met, plant, take_met};
use tokio::time::sleep;

use super::jobs::JobCommand;
use super::running::{ACK_WAIT, LONG, SHORT, World};
use crate::Claiming;
use crate::rules::Mark;

/// A lane that is being worked on, with that mistake planted.
async fn claimed_with(mutant: Mutant) -> (World, super::running::Worker) {
    plant(Some(mutant));
    let world = World::new().await;
    let worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    (world, worker)
}

#[tokio::test(start_paused = true)]
async fn an_early_acknowledgement_loses_the_work_of_a_killed_holder() {
    let (world, worker) = claimed_with(Mutant::AckBeforeRelease).await;
    sleep(Duration::from_secs(1)).await;
    worker.kill().await;
    let _second = world.worker("b", SHORT);
    sleep(ACK_WAIT * 10).await;
    assert_eq!(world.jobs("jobs.1").await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_after_the_epoch_moved_loses_the_work_of_the_next_holder() {
    let (world, _worker) = claimed_with(Mutant::AckAfterEpochLoss).await;
    let lease = world.jobs("jobs.1").await.newest_trigger;
    let claiming = Claiming {
        instance: "b".to_owned(),
        lease,
        above: 0,
    };
    world.tell("jobs.1", JobCommand::Claim(claiming)).await;
    sleep(ACK_WAIT * 10).await;
    assert_eq!(world.jobs("jobs.1").await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_lock_two_meet_at_the_disk() {
    let (world, _worker) = claimed_with(Mutant::NoLock).await;
    let _second = world.worker("b", LONG);
    // The newest trigger has to come to the second worker once.
    for _ in 0..30 {
        world.ask("jobs.1", 1).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert!(world.disk.faults.load(Ordering::SeqCst) > 0);
}

#[tokio::test(start_paused = true)]
async fn without_the_fence_an_older_epoch_follows_a_newer_one() {
    plant(Some(Mutant::NoFence));
    let world = World::new().await;
    let mark = Mark {
        epoch: 41,
        instance: "gone".to_owned(),
    };
    world.locks.leave_mark("jobs.1", mark);
    let _worker = world.worker("a", SHORT);
    world.ask("jobs.1", 1).await;
    assert_eq!(world.until_done("jobs.1", 1).await.done, [1]);
}

/// Whether a holder that drains has given up its lock while no server can have stored its release.
async fn unlocks_early(mutant: Option<Mutant>) -> bool {
    plant(mutant);
    let world = World::new().await;
    let worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    world.log.take_down();
    let look = async {
        sleep(Duration::from_secs(1)).await;
        let is_free = !world.locks.is_taken("jobs.1");
        world.log.bring_up();
        is_free
    };
    let (is_free, ()) = tokio::join!(look, worker.drain());
    is_free
}

#[tokio::test(start_paused = true)]
async fn an_early_unlock_leaves_a_claim_without_a_lock() {
    assert!(!unlocks_early(None).await);
    assert!(unlocks_early(Some(Mutant::UnlockBeforeRelease)).await);
}

#[tokio::test(start_paused = true)]
async fn rare_branches_leave_their_marks() {
    forget_met();
    let world = World::new().await;
    let first = world.worker("a", LONG);
    world.ask("jobs.1", 2).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let second = world.worker("b", LONG);
    world.ask("jobs.1", 2).await;
    sleep(ACK_WAIT * 2).await;
    first.drain().await;
    sleep(ACK_WAIT).await;
    second.kill().await;
    let _third = world.worker("c", SHORT);
    world.until_done("jobs.1", 4).await;
    let met = take_met();
    for rule in [Rule::LockBusy, Rule::HandedBack, Rule::TakeOver] {
        assert!(met.contains_key(&rule), "{rule:?}: {met:?}");
    }
}
