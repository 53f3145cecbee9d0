//! Properties of any sequence of commands.

use proptest::prelude::*;

use super::*;

const PATHS: [&str; 6] = [
    "/data",
    "/data/a",
    "/data/a/b",
    "/data/a-b",
    "/ssd/a",
    "/none/a",
];

fn command() -> impl Strategy<Value = RegistryCommand> {
    let at = prop::sample::select(PATHS.to_vec());
    let root = prop::sample::select(vec![
        ("/data", "/srv"),
        ("/data/a", "/ssd"),
        ("/ssd", "/ssd"),
    ]);
    prop_oneof![
        1 => prop::sample::select(vec!["exreg", "other"]).prop_map(init),
        2 => root.prop_map(|(root, host_root)| init_root(root, host_root)),
        6 => (at, 1..6_u32, any::<bool>(), any::<bool>(), "/srv|/srv/a|/srv/a/b|/srv/a-b|/ssd|/ssd/b|/ssd/a")
            .prop_map(|(at, number, chosen, by_alice, on_host)| {
                let id = repo_id(number);
                let id = if chosen { NewRepoId::Chosen(id) } else { NewRepoId::Fresh(id) };
                init_repo(id, at, if by_alice { alice() } else { bob() }, &on_host)
            }),
        3 => (1..6_u32).prop_map(confirm_repo),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_folds_and_repeats_add_nothing(
        commands in prop::collection::vec(command(), 0..60)
    ) {
        let registry = laws::obey::<Registry>(&commands, |_| true);
        let Some(known) = registry.state().known() else { return Ok(()) };
        let all: Vec<_> = known.repos(None, None, usize::MAX).collect();
        prop_assert_eq!(all.len(), known.repo_count());
        prop_assert!(all.is_sorted_by(|a, b| a.global_path < b.global_path));
        for repo in &all {
            prop_assert_eq!(known.repo(repo.id), Some(*repo));
            prop_assert_eq!(known.repo_at(&repo.global_path), Some(*repo));
            prop_assert!(known.root_of(&repo.global_path).is_some());
        }
        let waiting = all.iter().filter(|repo| !repo.confirmed()).count();
        prop_assert_eq!(waiting, known.pending_count());
        prop_assert_eq!(waiting, known.pending().count());
    }

    #[test]
    fn what_is_evaluated_is_what_is_accepted(
        commands in prop::collection::vec(command(), 0..60),
        at in prop::sample::select(PATHS.to_vec()),
    ) {
        let registry = laws::obey::<Registry>(&commands, |_| true);
        let Some(known) = registry.state().known() else { return Ok(()) };
        if known.repo_at(&path(at)).is_some() { return Ok(()) }
        let id = NewRepoId::Fresh(repo_id(77));
        let permit = known.evaluate(&path(at)).ok();
        let command = RegistryCommand::InitRepo { id, global_path: path(at), creator: alice(), permit: permit.clone() };
        prop_assert_eq!(super::super::decide(registry.state(), &command).is_ok(), permit.is_some());
    }
}
