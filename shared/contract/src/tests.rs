//! What callers send is read or refused with the field that is wrong; the schemas are those that are stored.

use std::path::Path;
use std::time::Duration;

use nogfso_ids::{GlobalPath, RepoId};

use crate::codec::{Answer, Encoding, REQUEST_BYTES_MAX};
use crate::command::{InitRegistry, InitRepo, InitRoot, Stat};
use crate::query::{GetRegistries, GetRepos};
use crate::subjects::{self, Named};
use crate::{Code, Failure, VidArg, Wait, schemas};

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(
    payload: &str,
) -> (Code, Option<String>) {
    let failure: Failure = Encoding::Json.decode::<T>(payload.as_bytes()).unwrap_err();
    assert!(failure.message.len() < 1_000, "{}", failure.message);
    (failure.code, failure.details.field)
}

#[test]
fn the_stock_command_line_form_is_read() {
    let init: InitRegistry = Encoding::Json.decode(br#"{"name":"exreg"}"#).unwrap();
    assert_eq!(init.name.as_str(), "exreg");
    let _: GetRegistries = Encoding::Json.decode(b"").unwrap();
    let packed = Encoding::MessagePack.encode(&init).unwrap();
    assert_eq!(
        Encoding::MessagePack
            .decode::<InitRegistry>(&packed)
            .unwrap(),
        init
    );
}

#[test]
fn a_refusal_names_the_field() {
    let field = |name: &str| (Code::InvalidField, Some(name.to_owned()));
    assert_eq!(refused::<InitRegistry>("{}"), field("name"));
    assert_eq!(refused::<InitRegistry>(r#"{"name":"A"}"#), field("name"));
    assert_eq!(refused::<InitRegistry>(r#"{"name":7}"#), field("name"));
    assert_eq!(
        refused::<InitRegistry>(r#"{"name":"a","colour":1}"#),
        field("colour")
    );
    assert_eq!(
        refused::<InitRegistry>(&format!(r#"{{"name":"{}"}}"#, "a".repeat(100_000))),
        field("name")
    );
    let root = |path: &str| format!(r#"{{"registry":"a","global_root":"{path}","host":"h"}}"#);
    for bad in ["a", "/..", "/a/../b", "/a\\u0000b", "/"] {
        assert_eq!(
            refused::<InitRoot>(&root(bad)),
            field("global_root"),
            "{bad}"
        );
    }
    let repo = r#"{"registry":"a","global_path":"/a","author":"nobody"}"#;
    assert_eq!(refused::<InitRepo>(repo), field("author"));
    assert_eq!(refused::<Stat>(r#"{"repo":"x"}"#), field("repo"));
    let wait = r#"{"repo":"0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11","wait":"2h"}"#;
    assert_eq!(refused::<Stat>(wait), field("wait"));
    assert_eq!(
        refused::<GetRepos>(r#"{"registry":"a","limit":0}"#),
        field("limit")
    );
}

#[test]
fn what_is_no_object_is_malformed() {
    for bad in [
        "x",
        "[1]",
        "7",
        "\"a\"",
        "{",
        "{\"name\":\"a\"}{}",
        "{\"name\":\"a\"}x",
    ] {
        assert_eq!(refused::<InitRegistry>(bad).0, Code::Malformed, "{bad}");
    }
    let huge = " ".repeat(REQUEST_BYTES_MAX + 1);
    assert_eq!(refused::<InitRegistry>(&huge).0, Code::TooLarge);
    assert_eq!(
        Encoding::named(Some("text/xml")).unwrap_err().code,
        Code::Unsupported
    );
    assert_eq!(
        Encoding::named(Some("application/json; charset=utf-8")).unwrap(),
        Encoding::Json
    );
}

#[test]
fn a_field_of_another_type_is_named_also_where_a_name_is_expected() {
    for (payload, field) in [
        (
            r#"{"repo":"0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11","mtime_range":[1]}"#,
            "mtime_range",
        ),
        (
            r#"{"repo":"0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11","mtime_range":7}"#,
            "mtime_range",
        ),
    ] {
        assert_eq!(
            refused::<Stat>(payload),
            (Code::InvalidField, Some(field.to_owned()))
        );
    }
}

#[test]
fn nothing_may_follow_a_packed_request() {
    let mut packed = Encoding::MessagePack.encode(&GetRegistries {}).unwrap();
    let _: GetRegistries = Encoding::MessagePack.decode(&packed).unwrap();
    packed.push(0x80);
    let failure = Encoding::MessagePack
        .decode::<GetRegistries>(&packed)
        .unwrap_err();
    assert_eq!(failure.code, Code::Malformed);
}

#[test]
fn waits_and_vids_are_read_as_they_are_written() {
    assert_eq!(
        "30s".parse::<Wait>().unwrap().duration(),
        Duration::from_secs(30)
    );
    assert_eq!(
        "500ms".parse::<Wait>().unwrap().duration(),
        Duration::from_millis(500)
    );
    for bad in ["", "s", "30", "-1s", "61m", "1d", "99999999999999999999s"] {
        bad.parse::<Wait>().unwrap_err();
    }
    for good in ["NoVC", "RetryNoVC", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        assert_eq!(String::from(good.parse::<VidArg>().unwrap()), good);
    }
    "latest".parse::<VidArg>().unwrap_err();
}

#[test]
fn answers_have_one_of_two_keys() {
    let ok = Encoding::Json.encode(&Answer::Ok(1)).unwrap();
    assert_eq!(ok, br#"{"ok":1}"#);
    let error = Encoding::Json
        .encode(&Answer::<()>::Error(Failure::field("name", "is wrong")))
        .unwrap();
    let expected = r#"{"error":{"code":"invalid-field","message":"name: is wrong","details":{"field":"name"}}}"#;
    assert_eq!(String::from_utf8(error).unwrap(), expected);
}

#[test]
fn subjects_are_read_back() {
    let registry = "exreg".parse().unwrap();
    let host = "files.example.com".parse().unwrap();
    let repo: RepoId = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11".parse().unwrap();
    let lane = nogfso_ids::Lane::Main;
    assert_eq!(
        subjects::parse(&subjects::registry(&registry)),
        Some(Named::Registry(registry.clone()))
    );
    assert_eq!(
        subjects::parse(&subjects::repo(&registry, repo)),
        Some(Named::Repo(registry.clone(), repo))
    );
    let work = subjects::work(&registry, &host, lane, repo);
    assert_eq!(
        subjects::parse(&work),
        Some(Named::Work(registry, host, lane, repo))
    );
    for subject in [subjects::MAIN, work.as_str()] {
        let holders = subjects::STREAMS
            .iter()
            .filter(|stream| stream.stores(subject))
            .count();
        assert_eq!(holders, 1, "{subject}");
    }
    assert_eq!(subjects::parse("fso.ev.a.registry.b"), None);
    GlobalPath::parse("/a").unwrap();
}

#[test]
fn the_stored_schemas_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    let again = "cargo run --package nogfso-contract --example schemas schemas";
    let mut expected = vec![];
    for (file, schema) in schemas::all() {
        let stored = std::fs::read_to_string(directory.join(&file)).unwrap_or_default();
        let written = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        assert_eq!(
            stored, written,
            "schemas/{file} differs; write it with `{again}` and review the change"
        );
        expected.push(file);
    }
    let stored = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    for file in stored
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.ends_with(".json"))
    {
        assert!(
            expected.contains(&file),
            "schemas/{file} belongs to no type"
        );
    }
}
