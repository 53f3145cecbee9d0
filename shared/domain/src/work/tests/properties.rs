//! What holds for every history.

use nogfso_kernel::{Aggregate as _, Event as _};
use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = WorkCommand> {
    let n = 0..4_u64;
    let epoch = 0..6_u64;
    prop_oneof![
        3 => (n.clone(), any::<bool>()).prop_map(|(n, c)| request_of(n, stat(c))),
        1 => n.clone().prop_map(request),
        1 => n.clone().prop_map(cancel),
        4 => (0..9_u64).prop_map(|lease| claim("a", lease)),
        4 => (n.clone(), epoch.clone()).prop_map(|(n, e)| start(n, e)),
        1 => (n.clone(), epoch.clone(), 0..3_u64)
            .prop_map(|(n, e, ms)| defer(n, e, NOW_MS + ms)),
        4 => (n.clone(), epoch.clone()).prop_map(|(n, e)| finish(n, e)),
        1 => epoch.clone().prop_map(release),
        1 => epoch.prop_map(revoke),
        1 => proptest::option::of(n).prop_map(wake),
    ]
}

proptest! {
    #[test]
    fn what_is_decided_folds_and_a_repeat_adds_nothing(
        commands in proptest::collection::vec(any_command(), 0..60)
    ) {
        let mut log = Log::new();
        for (n, command) in commands.iter().enumerate() {
            log.now_ms = NOW_MS + n as u64 / 10;
            if log.run(command).is_ok() {
                match command {
                    WorkCommand::Claim { .. } | WorkCommand::Wake { request: None } => {}
                    WorkCommand::Release { .. } => {
                        prop_assert!(log.decide(command).is_err());
                    }
                    WorkCommand::Defer { .. } | WorkCommand::Start { .. }
                        if log.work.claim.is_none() => {}
                    WorkCommand::Request { .. } | WorkCommand::Cancel { .. }
                    | WorkCommand::Start { .. } | WorkCommand::Defer { .. }
                    | WorkCommand::Finish { .. } | WorkCommand::Revoke { .. }
                    | WorkCommand::Wake { .. } => {
                        prop_assert_eq!(log.decide(command), Ok(vec![]), "{:?}", command);
                    }
                }
            }
            prop_assert!(log.work.waiting_count() <= WAITING_REQUESTS_MAX);
        }
    }

    #[test]
    fn a_fold_that_starts_at_a_release_ends_in_the_same_state(
        commands in proptest::collection::vec(any_command(), 0..60)
    ) {
        let mut log = Log::new();
        for command in &commands {
            log.run(command).ok();
        }
        prop_assert_eq!(&log.fold_from(0, Work::default()), &log.work);
        for (n, commit) in log.commits.iter().enumerate() {
            if WorkLane::starts_fold(&commit[0].event) {
                prop_assert_eq!(&log.fold_from(n, Work::default()), &log.work);
            }
        }
    }

    #[test]
    fn events_are_read_back_as_they_were_written(
        commands in proptest::collection::vec(any_command(), 0..60)
    ) {
        let mut log = Log::new();
        for command in &commands {
            for event in log.run(command).unwrap_or_default() {
                prop_assert!(WorkEvent::NAMES.contains(&event.name()));
                let json = serde_json::to_value(&event).unwrap();
                prop_assert_eq!(json["type"].as_str(), Some(event.name()));
                prop_assert_eq!(&serde_json::from_value::<WorkEvent>(json).unwrap(), &event);
                let bytes = rmp_serde::to_vec_named(&event).unwrap();
                prop_assert_eq!(&rmp_serde::from_slice::<WorkEvent>(&bytes).unwrap(), &event);
            }
        }
    }
}
