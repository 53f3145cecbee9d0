//! Pages of repos, in a registry whose names sort around the slash.

use super::*;
use crate::registry::KnownRegistry;

const PATHS: [&str; 6] = [
    "/data/a",
    "/data/a b",
    "/data/a-c",
    "/data/a/x",
    "/data/a/x/y",
    "/data/b",
];

fn registry() -> Given<Registry> {
    let accepted = PATHS.iter().zip(1..);
    with_root().and(accepted.map(|(at, number)| repo_accepted(number, at, at)))
}

fn page(
    known: &KnownRegistry,
    prefix: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let prefix = prefix.map(path);
    let after = after.map(path);
    known
        .repos(prefix.as_ref(), after.as_ref(), limit)
        .map(|repo| repo.global_path.to_string())
        .collect()
}

#[test]
fn all_repos_are_sorted_by_path() {
    let registry = registry();
    let known = registry.state().known().unwrap();
    assert_eq!(page(known, None, None, 100), PATHS);
    assert_eq!(known.repo_count(), PATHS.len());
}

#[test]
fn a_prefix_is_a_path_not_a_text() {
    let registry = registry();
    let known = registry.state().known().unwrap();
    assert_eq!(
        page(known, Some("/data/a"), None, 100),
        ["/data/a", "/data/a/x", "/data/a/x/y"]
    );
    assert_eq!(page(known, Some("/data/b"), None, 100), ["/data/b"]);
    assert_eq!(page(known, Some("/data"), None, 100), PATHS);
    assert_eq!(page(known, Some("/dat"), None, 100), [""; 0]);
}

#[test]
fn pages_of_any_size_are_the_whole_list() {
    let registry = registry();
    let known = registry.state().known().unwrap();
    for prefix in [None, Some("/data"), Some("/data/a"), Some("/data/a/x")] {
        let whole = page(known, prefix, None, 100);
        for limit in 1..=PATHS.len() {
            let mut read: Vec<String> = vec![];
            loop {
                let next = page(known, prefix, read.last().map(String::as_str), limit);
                assert!(next.len() <= limit);
                if next.is_empty() {
                    break;
                }
                read.extend(next);
            }
            assert_eq!(read, whole, "{prefix:?} in pages of {limit}");
        }
    }
}

#[test]
fn a_page_may_begin_behind_a_path_that_is_no_repo() {
    let registry = registry();
    let known = registry.state().known().unwrap();
    assert_eq!(page(known, None, Some("/data/a-d"), 1), ["/data/a/x"]);
    assert_eq!(
        page(known, Some("/data/a"), Some("/data/Z"), 1),
        ["/data/a"]
    );
    assert_eq!(page(known, Some("/data/a"), Some("/data/z"), 1), [""; 0]);
}

#[test]
fn a_repo_is_found_by_id_and_by_path() {
    let registry = registry();
    let known = registry.state().known().unwrap();
    let by_path = known.repo_at(&path("/data/a-c")).unwrap();
    assert_eq!(known.repo(by_path.id), Some(by_path));
    assert_eq!(by_path.creator, alice());
    assert_eq!(known.repo_at(&path("/data/c")), None);
    assert_eq!(known.repo(repo_id(99)), None);
}
