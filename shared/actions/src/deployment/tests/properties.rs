//! What always holds: the fold is total (M1), what is decided folds (M2), a repeat adds nothing, ends are final.

use std::sync::Arc;

use nogfso_kernel::{Aggregate, Recorded};
use nogfso_testkit::given::event_id;
use nogfso_testkit::is_full;
use proptest::prelude::*;

use super::super::{
    Deployment, DeploymentCommand as Command, DeploymentEvent as Event, Deployments, Report, next,
};
use super::kit::*;
use super::sketch::{plans, sketches};

fn fold(
    state: &Option<Arc<Deployment>>,
    event: Event,
    at_ms: u64,
) -> Option<Option<Arc<Deployment>>> {
    let recorded = Recorded {
        id: event_id(at_ms),
        event,
    };
    Deployments::evolve(state.clone(), &recorded).ok()
}

/// Whether a second command of the kind is another matter and not a repeat.
fn adds_each_time(command: &Command) -> bool {
    matches!(
        command,
        Command::Claim(_)
            | Command::Report {
                report: Report::Handled { .. },
                ..
            }
    )
}

/// Decides, folds what was decided, and decides again.
fn decided(
    state: &Option<Arc<Deployment>>,
    command: &Command,
    now_ms: u64,
) -> Option<Arc<Deployment>> {
    let Ok(events) = Deployments::decide(state, command, now_ms) else {
        return state.clone();
    };
    let mut after = state.clone();
    for event in events {
        let folded = fold(&after, event.clone(), now_ms);
        after = folded.unwrap_or_else(|| panic!("{event:?} does not follow {after:?}"));
    }
    if let Some(deployment) = &after {
        assert_eq!(deployment.owed, None, "something must follow {command:?}");
    }
    if let Ok(again) = Deployments::decide(&after, command, now_ms) {
        assert!(
            again.is_empty() || adds_each_time(command),
            "{command:?}: {again:?}"
        );
    }
    after
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if is_full() { 200_000 } else { 2_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_sequence_of_events_makes_the_fold_panic(plan in plans(), sketches in sketches(80)) {
        let mut state = None;
        for (number, sketch) in (1..).zip(sketches) {
            let first = Event::DeploymentRequested(Arc::new(asked(plan.clone())));
            let event = if number == 1 { first } else { sketch.event(state.as_deref()) };
            let was_terminal = state.as_ref().is_some_and(|known: &Arc<Deployment>| known.stage.is_terminal());
            let before = state.clone();
            if let Some(after) = fold(&state, event, number) {
                state = after;
            }
            if was_terminal {
                let stage = |of: &Option<Arc<Deployment>>| of.as_ref().map(|known| known.stage.clone());
                prop_assert_eq!(stage(&before), stage(&state));
            }
            if let Some(deployment) = &state {
                let _next = next(deployment, u64::from(sketch.time), &manifest());
                let _residue = deployment.residue();
            }
        }
    }

    #[test]
    fn what_is_decided_folds_and_a_repeat_adds_nothing(plan in plans(), sketches in sketches(80)) {
        let mut state = None;
        let mut now_ms = 1;
        for sketch in sketches {
            now_ms += u64::from(sketch.time % 256);
            let asks = Command::Request(Arc::new(asked(plan.clone())));
            let command = if state.is_none() { asks } else { sketch.command(state.as_deref()) };
            state = decided(&state, &command, now_ms);
        }
    }

    #[test]
    fn what_is_decided_folds_whatever_was_written_before(plan in plans(), sketches in sketches(80)) {
        let first = Event::DeploymentRequested(Arc::new(asked(plan)));
        let mut state = fold(&None, first, 1).unwrap();
        for (number, sketch) in (2..).zip(sketches) {
            let is_decided = sketch.time % 2 == 0;
            // Commits are whole, so that nothing is owed when a command comes.
            let owes = state.as_ref().is_some_and(|known| known.owed.is_some());
            if is_decided && !owes {
                state = decided(&state, &sketch.command(state.as_deref()), number);
            } else if let Some(after) = fold(&state, sketch.event(state.as_deref()), number) {
                state = after;
            }
        }
    }

    #[test]
    fn events_survive_being_written_and_no_bytes_make_the_fold_panic(
        sketches in sketches(40),
        wrong in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..3),
    ) {
        let mut state = None;
        for (number, sketch) in (1..).zip(sketches) {
            let first = Event::DeploymentRequested(Arc::new(asked(plan())));
            let event = if number == 1 { first } else { sketch.event(state.as_deref()) };
            let mut bytes = serde_json::to_vec(&event).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Event>(&bytes).unwrap(), &event);
            if number > 1 {
                for (place, byte) in &wrong {
                    let place = usize::from(*place) % bytes.len();
                    bytes[place] = *byte;
                }
            }
            let Ok(event) = serde_json::from_slice::<Event>(&bytes) else { continue };
            if let Some(after) = fold(&state, event, number) {
                state = after;
            }
        }
    }
}
