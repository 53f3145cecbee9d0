//! Roots.

use super::*;
use crate::registry::GitlabNamespaceMalformed;

#[test]
fn a_root_is_added_once() {
    given::<Registry>([added()])
        .when(&init_root("/data", "/srv/data"), 0)
        .then(vec![root_added("/data", "/srv/data")])
        .when(&init_root("/data", "/srv/data"), 0)
        .then_nothing();
}

#[test]
fn a_root_on_other_terms_is_refused_and_the_difference_named() {
    let command = RegistryCommand::InitRoot {
        global_root: path("/data"),
        host: host("files.example.com"),
        host_root: host_path("/srv/other"),
        gitlab_namespace: namespace("git.example.com/data"),
    };
    with_root().when(&command, 0).then_refused(|refusal| {
        assert_eq!(
            refusal.to_string(),
            "init conflict: root /data exists with another host_root, gitlab_namespace"
        );
        matches!(refusal, RegistryRefusal::RootConflict { global_root, differs }
            if *global_root == path("/data") && !differs.host && differs.host_root && differs.gitlab_namespace)
    });
    let command = RegistryCommand::InitRoot {
        global_root: path("/data"),
        host: host("other.example.com"),
        host_root: host_path("/srv/data"),
        gitlab_namespace: None,
    };
    with_root().when(&command, 0).then_refused(
        |refusal| matches!(refusal, RegistryRefusal::RootConflict { differs, .. } if differs.host),
    );
}

#[test]
fn the_longest_root_covers_a_path() {
    let registry = with_root().and([root_added("/data/fast", "/ssd")]);
    let known = registry.state().known().unwrap();
    let root_of = |at| known.root_of(&path(at)).map(|root| root.host_root.as_str());
    assert_eq!(root_of("/data/fast/a/b"), Some("/ssd"));
    assert_eq!(root_of("/data/fast"), Some("/ssd"));
    assert_eq!(root_of("/data/faster"), Some("/srv/data"));
    assert_eq!(root_of("/data"), Some("/srv/data"));
    assert_eq!(root_of("/database"), None);
    assert_eq!(known.evaluate(&path("/data/fast/a")), Ok(permit("/ssd/a")));
}

#[test]
fn roots_are_sorted_and_found_by_their_path_only() {
    let registry = given::<Registry>([
        added(),
        root_added("/b", "/srv/b"),
        root_added("/a", "/srv/a"),
    ]);
    let known = registry.state().known().unwrap();
    let sorted: Vec<_> = known
        .roots()
        .map(|root| root.global_root.as_str())
        .collect();
    assert_eq!(sorted, ["/a", "/b"]);
    assert_eq!(known.root_count(), 2);
    assert!(known.root(&path("/a")).is_some());
    assert!(known.root(&path("/a/b")).is_none());
}

#[test]
fn a_gitlab_namespace_is_a_host_and_a_path() {
    assert_eq!(
        namespace("git.example.com/a//").unwrap().as_str(),
        "git.example.com/a"
    );
    for text in ["", "git.example.com", "git.example.com/", "/a"] {
        assert_eq!(
            GitlabNamespace::parse(text),
            Err(GitlabNamespaceMalformed::MissingSlash)
        );
    }
    for text in ["git.example.com/a b", &format!("h/{}", "x".repeat(511))] {
        assert_eq!(
            GitlabNamespace::parse(text),
            Err(GitlabNamespaceMalformed::Malformed)
        );
    }
}
