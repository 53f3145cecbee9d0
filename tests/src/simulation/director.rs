//! What goes wrong beside the calls: the server, deliveries, alarms, and whole processes.

use std::sync::Arc;
use std::time::Duration;

use nogfso_contract::subjects::{self, WORK_STREAM};
use nogfso_ids::{Host, Lane};
use nogfso_journal::memory::ChecksFirst;
use tokio::time::sleep;

use super::fault::DRAINS;
use super::process::{HOST, Process};
use super::stage::{Stage, lock};

/// For how long the server may be away; longer than an append is patient.
const DOWN_MS: (u32, u32) = (50, 17_000);
const FORGOTTEN_ACKS_MAX: u32 = 8;
const ALARM_MS_MAX: u32 = 100_000;

/// Plays faults for as long as it is rough.
pub(super) async fn direct(stage: &Arc<Stage>, processes: &[Arc<Process>]) {
    loop {
        sleep(stage.chance.ms(50, stage.temper.calm_ms_max)).await;
        if !stage.is_rough() {
            return;
        }
        direct_once(stage, processes).await;
    }
}

async fn direct_once(stage: &Arc<Stage>, processes: &[Arc<Process>]) {
    let chance = &stage.chance;
    let places = u32::try_from(processes.len()).unwrap_or(1);
    let process = &processes[chance.below(places) as usize];
    let mut drawn = chance.below(stage.temper.directions.iter().sum());
    let mut direction = 0;
    for weight in stage.temper.directions {
        if drawn < weight {
            break;
        }
        drawn -= weight;
        direction += 1;
    }
    match direction {
        0 => {
            let acks = chance.below(FORGOTTEN_ACKS_MAX + 1) as usize;
            stage.tell(|| format!("the server restarts and forgets up to {acks} acks"));
            stage.log.restart_forgetting_acks(acks);
        }
        1 => take_down(stage).await,
        2 | 3 => {
            let nth = chance.below(1_000) as usize;
            if stage.log.deliver_twice(nth) {
                stage.tell(|| "something is delivered twice".to_owned());
            }
        }
        4 | 8 => {
            let longest = chance.one_of(&[1, 2_000, ALARM_MS_MAX, ALARM_MS_MAX]);
            let delay = Duration::from_millis(u64::from(chance.below(longest)));
            stage.log.move_alarm(chance.below(1_000) as usize, delay);
        }
        5 => {
            let checks_first = chance.one_of(&[ChecksFirst::Guard, ChecksFirst::MessageId]);
            stage.log.check_first(checks_first);
        }
        DRAINS => process.drain(),
        7 if stage.temper.sweeps => {
            let host = Host::parse(HOST).expect("a host");
            let consumer = subjects::worker_consumer(&host, Lane::Main);
            if stage
                .log
                .lose_delivery(&consumer, chance.below(1_000) as usize)
            {
                stage.tell(|| "the server loses a delivery".to_owned());
            }
        }
        9 => restore(stage, processes),
        _ => {
            if let Some(life) = process.life() {
                match chance.below(3) {
                    0 => life.crash(),
                    1 => life.pause(),
                    _ => life.cut_off(),
                }
            }
        }
    }
}

/// Sets the server up from a copy that lacks the last claims, after everybody was stopped, as one does it.
fn restore(stage: &Stage, processes: &[Arc<Process>]) {
    let lost = lock(&stage.auditor).forget_last_claims();
    if lost == 0 {
        return;
    }
    stage.note_restored();
    stage.tell(|| format!("the server is restored without the last {lost} commits of work"));
    for life in processes.iter().filter_map(|process| process.life()) {
        life.end();
    }
    stage.log.truncate(WORK_STREAM, lost);
}

/// Takes the server down for a time; it may forget acknowledgements by that.
async fn take_down(stage: &Stage) {
    let chance = &stage.chance;
    let longest = chance.one_of(&[300, 3_000, DOWN_MS.1]);
    let time = chance.ms(DOWN_MS.0, longest);
    stage.tell(|| format!("the server is down for {time:?}"));
    stage.log.take_down();
    tokio::select! {
        biased;
        () = stage.calm.cancelled() => return,
        () = sleep(time) => {}
    }
    stage.log.bring_up();
    stage.tell(|| "the server is up again".to_owned());
    if chance.per_mille(500) {
        let acks = chance.below(FORGOTTEN_ACKS_MAX) as usize;
        stage.log.restart_forgetting_acks(acks);
    }
}
