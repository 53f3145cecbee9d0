//! What the parsers take, what they refuse, and that printing and parsing are inverse.

use crate::{
    Actor, Author, CommandId, GlobalPath, Host, HostPath, Lane, RegistryName, RepoId, RequestId,
    UnixMillis,
};

#[test]
fn registry_names_are_one_subject_token() {
    for good in ["a", "exreg", "a-b", "r2", &"a".repeat(63)] {
        assert_eq!(RegistryName::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "A",
        "2a",
        "-a",
        "a-",
        "a.b",
        "a b",
        "a*",
        ">",
        "ä",
        "a\0",
        &"a".repeat(64),
    ] {
        RegistryName::parse(bad).unwrap_err();
    }
}

#[test]
fn a_refusal_repeats_little_of_a_long_value() {
    let refused = RegistryName::parse(&"x".repeat(100_000)).unwrap_err();
    assert!(refused.to_string().len() < 300, "{refused}");
    assert!(refused.to_string().contains("lower-case letters"));
}

#[test]
fn hosts_survive_the_way_through_a_subject_token() {
    let host = Host::parse("files.example.com").unwrap();
    assert_eq!(host.token(), "files_example_com");
    assert_eq!(Host::from_token(&host.token()).unwrap(), host);
    for bad in ["", "Files", "a..b", "a_b", ".a", "a.", "-a.b"] {
        Host::parse(bad).unwrap_err();
    }
}

#[test]
fn paths_are_cleaned_and_the_dangerous_ones_refused() {
    for (given, clean) in [
        ("/a", "/a"),
        ("/a/", "/a"),
        ("//a///b/./c/", "/a/b/c"),
        ("/a b/ü", "/a b/ü"),
    ] {
        assert_eq!(GlobalPath::parse(given).unwrap().as_str(), clean);
        assert_eq!(HostPath::parse(given).unwrap().as_str(), clean);
    }
    for bad in [
        "",
        "/",
        "//",
        "/.",
        "a",
        "a/b",
        "/..",
        "/a/../b",
        "/a\0b",
        "/a\nb",
        &format!("/{}", "a".repeat(5000)),
    ] {
        GlobalPath::parse(bad).unwrap_err();
        HostPath::parse(bad).unwrap_err();
    }
}

#[test]
fn below_is_a_matter_of_whole_components() {
    let root = GlobalPath::parse("/ex/data").unwrap();
    let path = |text: &str| GlobalPath::parse(text).unwrap();
    assert_eq!(path("/ex/data").relative_to(&root), Some(""));
    assert_eq!(path("/ex/data/a/b").relative_to(&root), Some("a/b"));
    assert_eq!(path("/ex/database").relative_to(&root), None);
    assert!(!path("/ex").is_equal_or_below(&root));
    assert_eq!(path("/ex/data").parent(), Some(path("/ex")));
    assert_eq!(path("/ex").parent(), None);
}

#[test]
fn joining_keeps_paths_clean() {
    let root = HostPath::parse("/srv/a b").unwrap();
    assert_eq!(root.join("").unwrap(), root);
    assert_eq!(root.join("c/d").unwrap().as_str(), "/srv/a b/c/d");
    assert_eq!(root.join("../x"), None);
}

#[test]
fn authors_are_a_name_and_an_address() {
    let author = Author::parse("A. User <a@example.com>").unwrap();
    assert_eq!(
        (author.name(), author.email()),
        ("A. User", "a@example.com")
    );
    assert_eq!(Author::parse(&author.to_string()).unwrap(), author);
    for bad in [
        "", "a", "a <>", " <b>", "<b>", "a <b> ", "a <b\n>", "a <b <c>",
    ] {
        Author::parse(bad).unwrap_err();
    }
}

#[test]
fn ids_print_as_they_parse() {
    let text = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";
    assert_eq!(RepoId::parse(text).unwrap().to_string(), text);
    assert_eq!(
        RepoId::parse(&text.to_uppercase()).unwrap().to_string(),
        text
    );
    for bad in [
        "",
        "x",
        "0b5e7c3a6f0e4c1e9d521f4d2a8c7b11",
        "00000000-0000-0000-0000-000000000000",
    ] {
        RepoId::parse(bad).unwrap_err();
    }
}

#[test]
fn a_derived_request_id_depends_on_its_cause_alone() {
    assert_eq!(RequestId::derived_from("a"), RequestId::derived_from("a"));
    assert_ne!(RequestId::derived_from("a"), RequestId::derived_from("b"));
}

#[test]
fn tokens_and_actors_are_bounded() {
    CommandId::parse("a-Z_9").unwrap();
    CommandId::parse(&"a".repeat(65)).unwrap_err();
    CommandId::parse("a.b").unwrap_err();
    Actor::parse("user:alice").unwrap();
    for bad in ["alice", "root:alice", "user:", "user:a b"] {
        Actor::parse(bad).unwrap_err();
    }
    assert_eq!(Lane::from_token(Lane::Sha.token()), Some(Lane::Sha));
    assert_eq!(Lane::from_token("other"), None);
}

#[test]
fn times_print_in_utc_with_milliseconds() {
    assert_eq!(
        UnixMillis(1_500_000_600_042).to_string(),
        "2017-07-14T02:50:00.042Z"
    );
    assert_eq!(UnixMillis(5).since_ms(UnixMillis(7)), 0);
}
