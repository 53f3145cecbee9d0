//! Everything that can happen, by chance.

use std::time::Duration;

use nogfso_journal::memory::Odds;
use tokio::time::sleep;

use super::jobs::JobCommand;
use super::running::{ACK_WAIT, SHORT, World};

/// Kills, drains, revocations, restarts of the server and odd answers, by one seed.
async fn survives(seed: u64) {
    let world = World::new().await;
    let odds = Odds {
        in_flight: 30,
        lost_request: 20,
        lost_answer: 30,
        late: 10,
        duplicate_at_zero: 20,
        own_conflict: 20,
        publish_unavailable: 20,
        stale: 100,
        read_unavailable: 20,
    };
    world.log.play_by_chance(seed, odds);
    let mut workers = vec![world.worker("a", SHORT), world.worker("b", SHORT * 50)];
    for round in 0..8_u64 {
        for n in 0..3 {
            world.tell(&format!("jobs.{n}"), JobCommand::Ask).await;
        }
        let fate = seed.wrapping_mul(31).wrapping_add(round * 7) % 5;
        sleep(Duration::from_millis(150 * (fate + 1))).await;
        let name = format!("w{round}");
        match fate {
            0 => workers.remove(0).kill().await,
            1 => workers.remove(0).drain().await,
            2 => world.log.restart_forgetting_acks(5),
            3 => {
                world.log.take_down();
                sleep(ACK_WAIT).await;
                world.log.bring_up();
            }
            _ => world.tell("jobs.0", JobCommand::Revoke).await,
        }
        if workers.len() < 2 {
            workers.push(world.worker(&name, SHORT * 3));
        }
    }
    world.log.stop_playing();
    for n in 0..3 {
        world.until_done(&format!("jobs.{n}"), 8).await;
    }
    world.assert_nobody_met();
    world.until_nothing_is_unacknowledged().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_meets_and_everything_ends_whatever_happens() {
    for seed in 1..=40 {
        survives(seed).await;
    }
}
