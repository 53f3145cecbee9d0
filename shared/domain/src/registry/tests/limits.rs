//! Limits.

use std::sync::Arc;

use super::*;
use crate::registry::path_key::PathKey;
use crate::registry::{REPOS_MAX, ROOTS_MAX, decide};

#[test]
fn a_registry_full_of_roots_takes_no_more_but_knows_what_it_has() {
    let roots = (0..ROOTS_MAX).map(|n| root_added(&format!("/r{n}"), "/srv"));
    let registry = given::<Registry>([added()]).and(roots);
    registry
        .when(&init_root("/one-more", "/srv"), 0)
        .then_refused(|r| *r == RegistryRefusal::TooManyRoots);
    registry.when(&init_root("/r0", "/srv"), 0).then_nothing();
}

#[test]
fn a_registry_full_of_repos_takes_no_more_but_knows_what_it_has() {
    let registry = with_root().and([repo_accepted(1, "/data/a", "/srv/data/a")]);
    let Registry::Known(mut known) = registry.state().clone() else {
        panic!("the registry exists");
    };
    let first = Arc::clone(known.repos.get("/data/a").unwrap());
    let others = (1..REPOS_MAX).map(|n| PathKey::new(&path(&format!("/data/{n}"))));
    known
        .repos
        .extend(others.map(|key| (key, Arc::clone(&first))));
    let full = Registry::Known(known);
    let asked = |number, at| {
        let id = NewRepoId::Fresh(repo_id(number));
        decide(&full, &init_repo(id, at, alice(), "/srv/data/b"))
    };
    assert_eq!(asked(2, "/data/b"), Err(RegistryRefusal::TooManyRepos));
    assert_eq!(asked(2, "/data/a"), Ok(vec![]));
}

#[test]
fn a_path_that_is_too_long_on_its_host_is_refused() {
    let deep = format!("/d/{}", "x".repeat(4_090));
    let registry = given::<Registry>([added(), root_added("/d", "/srv/data")]);
    registry
        .when(
            &init_repo(NewRepoId::Fresh(repo_id(1)), &deep, alice(), "/srv"),
            0,
        )
        .then_refused(|r| *r == RegistryRefusal::HostPathTooLong);
}
