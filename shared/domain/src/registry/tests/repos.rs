//! Repos: acceptance and confirmation.

use super::*;
use crate::tier::StorageTier;

fn fresh(number: u32) -> NewRepoId {
    NewRepoId::Fresh(repo_id(number))
}

fn chosen(number: u32) -> NewRepoId {
    NewRepoId::Chosen(repo_id(number))
}

fn with_repo() -> Given<Registry> {
    with_root().and([repo_accepted(1, "/data/a", "/srv/data/a")])
}

#[test]
fn a_repo_is_accepted_with_what_its_host_agreed_to() {
    for id in [fresh(1), chosen(1)] {
        with_root()
            .when(&init_repo(id, "/data/a", alice(), "/srv/data/a"), 0)
            .then(vec![repo_accepted(1, "/data/a", "/srv/data/a")]);
    }
}

#[test]
fn the_same_creator_at_the_same_path_gets_the_first_repo() {
    for id in [fresh(1), fresh(2), chosen(1)] {
        let registry = with_repo()
            .when(&init_repo(id, "/data/a", alice(), "/srv/data/a"), 0)
            .then_nothing();
        let repo = registry.state().known().unwrap().repo_at(&path("/data/a"));
        assert_eq!(repo.unwrap().id, repo_id(1));
    }
}

#[test]
fn another_creator_or_another_chosen_id_at_the_same_path_is_refused() {
    for (id, creator) in [(fresh(2), bob()), (chosen(1), bob()), (chosen(2), alice())] {
        with_repo()
            .when(&init_repo(id, "/data/a", creator, "/srv/data/a"), 0)
            .then_refused(
                |r| matches!(r, RegistryRefusal::RepoConflict { existing } if *existing == repo_id(1)),
            );
    }
}

#[test]
fn an_id_is_not_used_for_two_paths() {
    for id in [fresh(1), chosen(1)] {
        with_repo()
            .when(&init_repo(id, "/data/b", alice(), "/srv/data/b"), 0)
            .then_refused(|r| *r == RegistryRefusal::RepoIdInUse);
    }
}

#[test]
fn a_path_without_a_root_is_refused() {
    with_root()
        .when(&init_repo(fresh(1), "/other/a", alice(), "/srv/data/a"), 0)
        .then_refused(|r| *r == RegistryRefusal::UnknownRoot);
}

#[test]
fn a_permit_that_is_missing_or_about_something_else_is_to_be_asked_for() {
    let mut tracking = permit("/srv/data/a");
    tracking.subdir_tracking = SubdirTracking::IgnoreMost;
    let mut other_host = permit("/srv/data/a");
    other_host.file_host = host("other.example.com");
    for outdated in [
        None,
        Some(permit("/srv/b")),
        Some(tracking),
        Some(other_host),
    ] {
        let command = RegistryCommand::InitRepo {
            id: fresh(1),
            global_path: path("/data/a"),
            creator: alice(),
            permit: outdated,
        };
        with_root().when(&command, 0).then_refused(|r| {
            matches!(r, RegistryRefusal::PermitOutdated { wanted } if *wanted == permit("/srv/data/a"))
        });
    }
}

#[test]
fn a_permit_is_outdated_by_a_root_that_came_between() {
    let command = init_repo(fresh(1), "/data/fast/a", alice(), "/srv/data/fast/a");
    with_root()
        .and([root_added("/data/fast", "/ssd")])
        .when(&command, 0)
        .then_refused(
            |r| matches!(r, RegistryRefusal::PermitOutdated { wanted } if *wanted == permit("/ssd/a")),
        );
}

#[test]
fn the_nearest_ancestor_must_be_online() {
    let below = init_repo(fresh(9), "/data/a/b/c", alice(), "/srv/data/a/b/c");
    let registry = with_repo();
    registry
        .when(&below, 0)
        .then_refused(|r| *r == RegistryRefusal::ParentRepoImmutable);
    let registry = registry.and([repo_added(1, "/data/a")]);
    registry
        .when(&below, 0)
        .then(vec![repo_accepted(9, "/data/a/b/c", "/srv/data/a/b/c")]);
    registry
        .and([repo_accepted(2, "/data/a/b", "/srv/data/a/b")])
        .when(&below, 0)
        .then_refused(|r| *r == RegistryRefusal::ParentRepoImmutable);
}

#[test]
fn what_lies_beside_or_below_does_not_matter() {
    let registry = with_root().and([
        repo_accepted(1, "/data/a", "/srv/data/a"),
        repo_accepted(2, "/data/b/c", "/srv/data/b/c"),
    ]);
    registry
        .when(
            &init_repo(fresh(3), "/data/a b", alice(), "/srv/data/a b"),
            0,
        )
        .then(vec![repo_accepted(3, "/data/a b", "/srv/data/a b")]);
    registry
        .when(&init_repo(fresh(3), "/data/b", alice(), "/srv/data/b"), 0)
        .then(vec![repo_accepted(3, "/data/b", "/srv/data/b")]);
}

#[test]
fn a_root_itself_can_be_a_repo() {
    with_root()
        .when(&init_repo(fresh(1), "/data", alice(), "/srv/data"), 0)
        .then(vec![repo_accepted(1, "/data", "/srv/data")]);
}

#[test]
fn confirming_twice_is_harmless_and_ends_the_wait() {
    let registry = with_repo();
    let known = registry.state().known().unwrap();
    let waiting: Vec<_> = known.pending().collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].id, repo_id(1));
    assert_eq!(waiting[0].accepted_by, event_id(3));
    assert_eq!(waiting[0].tier, StorageTier::Unspecified);
    let registry = registry
        .when(&confirm_repo(1), 0)
        .then(vec![repo_added(1, "/data/a")])
        .when(&confirm_repo(1), 0)
        .then_nothing();
    let known = registry.state().known().unwrap();
    assert_eq!(known.pending_count(), 0);
    assert_eq!(known.repo(repo_id(1)).unwrap().tier, StorageTier::Online);
}

#[test]
fn a_repo_that_was_never_accepted_cannot_be_confirmed() {
    with_repo()
        .when(&confirm_repo(2), 0)
        .then_refused(|r| *r == RegistryRefusal::UnknownRepo);
}
