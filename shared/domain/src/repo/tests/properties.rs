//! Wire samples of a repo, and what holds for every history of one.

use super::*;

#[test]
fn every_event_is_written_as_its_sample() {
    let with_paths = RepoEvent::ErrorSet {
        operation: Operation::Stat,
        error_code: ErrorCode::parse("unreadable").unwrap(),
        error_message: ErrorText::new("12 paths could not be read"),
        time_ms: UnixMillis(1_700_000_000_000),
        request_id: request(2),
        paths: vec![PathProblem::new("dir/file", "permission denied")],
        path_count: 12,
        result_number: 2,
    };
    let events = [
        begun(),
        counted_as(1, shadow_created(1)),
        with_paths,
        counted_as(3, succeeded(Operation::Stat, 3)),
    ];
    laws::assert_samples(&events);
    events.iter().for_each(laws::assert_additions_are_ignored);
    laws::assert_additions_are_ignored(&error_set(Operation::Sha, 1, "no"));
    laws::assert_additions_are_ignored(&cleared(Operation::Sha));
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(Operation::ALL.to_vec())
}

fn any_error() -> impl Strategy<Value = RepoError> {
    let paths = prop::collection::vec((".{0,40}", ".{0,300}"), 0..14);
    let text = prop_oneof![Just("no".to_owned()), ".{0,300}"];
    (0..6_u32, text, paths, any::<u64>()).prop_map(|(number, text, paths, time)| {
        let mut error = error(number + 1, &text);
        error.time = UnixMillis(time);
        for (path, reason) in paths {
            error.problems.record(PathProblem::new(&path, &reason));
        }
        error
    })
}

fn any_result() -> impl Strategy<Value = Carried> {
    (1..9_u32, 0..6_u64).prop_map(|(number, result_number)| counted(number, result_number))
}

fn command() -> impl Strategy<Value = RepoCommand> {
    let set_error = (operation(), any_error(), 0..6_u64);
    prop_oneof![
        2 => prop::sample::select(vec!["/data/a", "/data/b"]).prop_map(init),
        2 => ("/shadow/[ab]\\.fso", any_result()).prop_map(|(path, result)| {
            RepoCommand::ConfirmShadow { shadow_path: HostPath::parse(&path).unwrap(), result }
        }),
        6 => set_error.prop_map(|(operation, error, result_number)| {
            RepoCommand::SetError { operation, error, result_number }
        }),
        2 => operation().prop_map(|operation| clear(ClearBy::Operation(operation))),
        2 => prop::sample::select(vec!["", "no"]).prop_map(clear_text),
        2 => (operation(), any_result(), 0..6_u64).prop_map(|(operation, result, failed_before)| {
            clear(ClearBy::Success { operation, result, failed_before })
        }),
    ]
}

/// The command that carries one of the results of a lane, of which it is known whether they failed.
fn carry(failed: &[bool], at: usize) -> RepoCommand {
    let number = at as u64 + 1;
    let request_number = u32::try_from(number).unwrap();
    if failed[at] {
        RepoCommand::SetError {
            operation: Operation::Stat,
            error: error(request_number, &number.to_string()),
            result_number: number,
        }
    } else {
        let before = failed[..at].iter().rposition(|failed| *failed);
        clear(ClearBy::Success {
            operation: Operation::Stat,
            result: counted(request_number, number),
            failed_before: before.map_or(0, |before| before as u64 + 1),
        })
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_folds_and_repeats_add_nothing(
        commands in prop::collection::vec(command(), 0..40)
    ) {
        let is_by_text = |command: &RepoCommand| {
            matches!(command, RepoCommand::ClearError { by: ClearBy::Text(_) })
        };
        let repo = laws::obey::<Repo>(&commands, |command| !is_by_text(command));
        if let Some(known) = repo.state().known() {
            for (operation, error) in known.errors() {
                prop_assert_eq!(known.carried(operation), Some(error.request));
            }
            prop_assert_eq!(
                known.init_request().is_some(),
                known.shadow_path().is_none() && known.error(Operation::Init).is_none()
            );
        }
    }

    #[test]
    fn the_newest_result_decides_in_whatever_order_results_are_carried(
        failed in prop::collection::vec(any::<bool>(), 1..8),
        order in prop::collection::vec(0..8_usize, 0..30),
        newest_at in 0..30_usize,
    ) {
        let newest = failed.len() - 1;
        let mut carried: Vec<_> = order.iter().map(|at| at % failed.len()).collect();
        carried.insert(newest_at.min(carried.len()), newest);
        let mut commands = vec![init("/data/a")];
        commands.extend(carried.into_iter().map(|at| carry(&failed, at)));
        let repo = laws::obey::<Repo>(&commands, |_| true);
        let known = repo.state().known().unwrap();
        let stored = known.error(Operation::Stat).map(|error| error.message.as_str().to_owned());
        prop_assert_eq!(stored, failed[newest].then(|| failed.len().to_string()));
    }
}
