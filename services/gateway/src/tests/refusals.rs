//! Every endpoint refuses what it cannot read, names the field, and appends nothing.

use nogfso_bus::Message;
use nogfso_contract::codec::{Answer, CONTENT_TYPE};
use nogfso_contract::{Code, Failure};
use serde_json::{Value, json};

use super::world::World;
use crate::routes::routes;

/// What a field may hold.
#[derive(Clone, Copy)]
enum Field {
    Registry,
    Path,
    Host,
    Id,
    Author,
    Vid,
    CommandId,
    Wait,
    Limit,
    Cursor,
    Operation,
    MtimeRange,
    Bool,
    Namespace,
    /// Any text is read; what it names may not exist.
    Text,
}

use Field::*;

const ID: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";

impl Field {
    fn good(self) -> Value {
        match self {
            Registry => json!("exreg"),
            Path => json!("/data/a"),
            Host => json!("files.example.com"),
            Id => json!(ID),
            Author => json!("Alice <alice@example.com>"),
            Vid => json!("NoVC"),
            CommandId => json!("c1"),
            Wait => json!("0s"),
            Limit => json!(1),
            Cursor => json!("01ARZ3NDEKTSV4RRFFQ69G5FAV@3"),
            Operation => json!("stat"),
            MtimeRange => json!("no"),
            Bool => json!(false),
            Namespace => json!("git.example.com/group"),
            Text => json!("text"),
        }
    }

    fn bad(self) -> Vec<Value> {
        let long = "a".repeat(100_000);
        let mut bad = match self {
            Registry => vec![
                json!(""),
                json!("Exreg"),
                json!("a.b"),
                json!("a*"),
                json!(">"),
                json!("_"),
            ],
            Path => vec![
                json!(""),
                json!("a"),
                json!("/.."),
                json!("/a/../b"),
                json!("/a\u{0}b"),
            ],
            Host => vec![json!(""), json!("A"), json!("a_b"), json!("a b")],
            Id => vec![
                json!(""),
                json!("x"),
                json!(ID.replace('-', "")),
                json!("00000000-0000-0000-0000-000000000000"),
            ],
            Author => vec![json!(""), json!("Alice"), json!("A\u{0} <a@b>")],
            Vid => vec![json!(""), json!("novc"), json!("1")],
            CommandId => vec![json!(""), json!("a b"), json!("a".repeat(65))],
            Wait => vec![json!("1"), json!("2h"), json!("-1s"), json!("1d")],
            Limit => vec![json!(0), json!(5_001), json!(-1), json!(1.5), json!("1")],
            Cursor => vec![
                json!(""),
                json!("x"),
                json!("01ARZ3NDEKTSV4RRFFQ69G5FAV@"),
                json!("01ARZ3NDEKTSV4RRFFQ69G5FAV@x"),
            ],
            Operation => vec![json!(""), json!("Stat")],
            MtimeRange => vec![json!(""), json!("yes")],
            Bool => vec![json!("false"), json!(0)],
            Namespace => vec![json!(""), json!("x"), json!("a/ b")],
            Text => vec![],
        };
        bad.extend([json!({"a": 1}), json!([1])]);
        match self {
            Text | Bool | Limit => {}
            Registry | Path | Host | Id | Author | Vid | CommandId | Wait | Cursor | Operation
            | MtimeRange | Namespace => bad.extend([json!(7), json!(true), json!(long)]),
        }
        bad
    }
}

struct Endpoint {
    subject: &'static str,
    required: &'static [(&'static str, Field)],
    optional: &'static [(&'static str, Field)],
}

const fn endpoint(
    subject: &'static str,
    required: &'static [(&'static str, Field)],
    optional: &'static [(&'static str, Field)],
) -> Endpoint {
    Endpoint {
        subject,
        required,
        optional,
    }
}

const PARKED: &[(&str, Field)] = &[("reaction", Text), ("subject", Text)];
const REGISTRY: &[(&str, Field)] = &[("registry", Registry)];

const ENDPOINTS: [Endpoint; 19] = [
    endpoint(
        "fso.cmd.registry.init",
        &[("name", Registry)],
        &[("vid", Vid), ("command_id", CommandId), ("wait", Wait)],
    ),
    endpoint(
        "fso.cmd.root.init",
        &[
            ("registry", Registry),
            ("global_root", Path),
            ("host", Host),
        ],
        &[
            ("host_root", Path),
            ("gitlab_namespace", Namespace),
            ("vid", Vid),
            ("command_id", CommandId),
        ],
    ),
    endpoint(
        "fso.cmd.repo.init",
        &[
            ("registry", Registry),
            ("global_path", Path),
            ("author", Author),
        ],
        &[
            ("repo", Id),
            ("vid", Vid),
            ("command_id", CommandId),
            ("wait", Wait),
        ],
    ),
    endpoint(
        "fso.cmd.repo.clear-error",
        &[("repo", Id)],
        &[
            ("operation", Operation),
            ("error_message", Text),
            ("vid", Vid),
            ("command_id", CommandId),
        ],
    ),
    endpoint(
        "fso.cmd.repo.stat",
        &[("repo", Id)],
        &[
            ("author", Author),
            ("mtime_range", MtimeRange),
            ("confirm_emptied", Bool),
            ("command_id", CommandId),
            ("wait", Wait),
        ],
    ),
    endpoint(
        "fso.cmd.request.cancel",
        &[("repo", Id), ("request", Id)],
        &[("command_id", CommandId)],
    ),
    endpoint("fso.cmd.parked.retry", PARKED, &[("item", Text)]),
    endpoint("fso.cmd.parked.skip", PARKED, &[("item", Text)]),
    endpoint("fso.get.registries", &[], &[]),
    endpoint("fso.get.registry", REGISTRY, &[]),
    endpoint("fso.get.roots", REGISTRY, &[]),
    endpoint(
        "fso.get.root",
        &[("registry", Registry), ("global_root", Path)],
        &[],
    ),
    endpoint(
        "fso.get.repos",
        REGISTRY,
        &[
            ("global_path_prefix", Path),
            ("after", Path),
            ("limit", Limit),
        ],
    ),
    endpoint("fso.get.repo", &[("repo", Id)], &[]),
    endpoint(
        "fso.get.events",
        &[],
        &[
            ("registry", Registry),
            ("repo", Id),
            ("after", Cursor),
            ("limit", Limit),
            ("wait", Wait),
        ],
    ),
    endpoint(
        "fso.get.request",
        &[("repo", Id), ("request", Id)],
        &[("wait", Wait)],
    ),
    endpoint(
        "fso.get.outcome",
        &[("command_id", CommandId)],
        &[("registry", Registry), ("repo", Id)],
    ),
    endpoint("fso.get.workers", &[], &[("host", Host)]),
    endpoint("fso.get.parked", &[], &[]),
];

impl Endpoint {
    fn fields(&self) -> impl Iterator<Item = &(&'static str, Field)> {
        self.required.iter().chain(self.optional)
    }

    /// A request with every field.
    fn full(&self) -> Value {
        let fields = self.fields();
        Value::Object(
            fields
                .map(|(name, field)| ((*name).to_owned(), field.good()))
                .collect(),
        )
    }

    /// Requests that are wrong in one field each, and the name of that field.
    fn wrong(&self) -> Vec<(Value, &'static str)> {
        let mut wrong = vec![];
        for (name, field) in self.fields() {
            for bad in field.bad() {
                let mut request = self.full();
                request[name] = bad;
                wrong.push((request, *name));
            }
        }
        for (name, _) in self.required {
            let mut without = self.full();
            without.as_object_mut().unwrap().remove(*name);
            let mut null = self.full();
            null[name] = Value::Null;
            wrong.extend([(without, *name), (null, *name)]);
        }
        let mut unknown = self.full();
        unknown["colour"] = json!("red");
        wrong.push((unknown, "colour"));
        wrong
    }
}

fn read(reply: &Message) -> Failure {
    let content_type = reply.headers.value(CONTENT_TYPE);
    let answer: Answer<Value> = if content_type == Some("application/msgpack") {
        nogfso_contract::codec::Encoding::MessagePack
            .decode(&reply.payload)
            .unwrap()
    } else {
        serde_json::from_slice(&reply.payload).unwrap()
    };
    let Answer::Error(failure) = answer else {
        panic!("not refused: {reply:?}");
    };
    let code = reply.headers.value("Nats-Service-Error-Code");
    assert_eq!(code, Some(failure.code.status().to_string().as_str()));
    assert!(reply.headers.value("Nats-Service-Error").unwrap().len() <= 200);
    assert!(failure.message.len() < 1_000, "{}", failure.message.len());
    failure
}

#[test]
fn every_route_stands_in_the_table() {
    let mut served: Vec<String> = routes()
        .into_iter()
        .map(|route| route.endpoint.subject)
        .collect();
    let mut listed: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.subject).collect();
    served.sort();
    listed.sort_unstable();
    assert_eq!(served, listed);
    let names: std::collections::BTreeSet<String> = routes()
        .into_iter()
        .map(|route| route.endpoint.name)
        .collect();
    assert_eq!(names.len(), listed.len());
    let schemas: Vec<String> = nogfso_contract::schemas::all()
        .into_iter()
        .map(|(file, _)| file)
        .collect();
    for subject in listed {
        let file = format!("{}.json", subject.strip_prefix("fso.").unwrap());
        assert!(schemas.contains(&file), "{file}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_field_is_named_in_either_encoding_and_nothing_is_appended() {
    let world = World::new().await;
    let before = world.stored_count().await;
    for endpoint in &ENDPOINTS {
        for (request, field) in endpoint.wrong() {
            let packed = nogfso_contract::codec::Encoding::MessagePack
                .encode(&request)
                .unwrap();
            let json = Message::new(endpoint.subject, request.to_string());
            let packed = Message::new(endpoint.subject, packed)
                .with_header(CONTENT_TYPE, "application/msgpack");
            for message in [json, packed] {
                let shown: String = request.to_string().chars().take(300).collect();
                let failure = read(&world.ask_raw(message).await);
                let named = failure.details.field.as_deref();
                assert_eq!(
                    (failure.code, named),
                    (Code::InvalidField, Some(field)),
                    "{} {shown}: {failure}",
                    endpoint.subject
                );
            }
        }
    }
    assert_eq!(world.stored_count().await, before);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_refused_by_kind_and_nothing_is_appended() {
    let world = World::new().await;
    let before = world.stored_count().await;
    for endpoint in &ENDPOINTS {
        let full = endpoint.full().to_string();
        let oversized = format!("{full}{}", " ".repeat(300 * 1024));
        let nested = format!("{{\"a\":{}", "[".repeat(200_000));
        for (payload, code) in [
            ("x".to_owned(), Code::Malformed),
            ("{".to_owned(), Code::Malformed),
            ("[]".to_owned(), Code::Malformed),
            ("[1]".to_owned(), Code::Malformed),
            ("null".to_owned(), Code::Malformed),
            ("7".to_owned(), Code::Malformed),
            (format!("{full}{full}"), Code::Malformed),
            (format!("{full}\u{0}"), Code::Malformed),
            (oversized, Code::TooLarge),
        ] {
            let reply = world.ask_raw(Message::new(endpoint.subject, payload)).await;
            assert_eq!(read(&reply).code, code, "{}", endpoint.subject);
        }
        let reply = world.ask_raw(Message::new(endpoint.subject, nested)).await;
        let code = read(&reply).code;
        assert!(matches!(code, Code::Malformed | Code::InvalidField));
        let foreign = Message::new(endpoint.subject, full.clone());
        let foreign = foreign.with_header(CONTENT_TYPE, "text/xml");
        assert_eq!(read(&world.ask_raw(foreign).await).code, Code::Unsupported);
        let mut trailing = nogfso_contract::codec::Encoding::MessagePack
            .encode(&endpoint.full())
            .unwrap();
        trailing.push(0x80);
        for packed in [trailing, vec![0xc1], vec![0x90], b"{}".to_vec()] {
            let message = Message::new(endpoint.subject, packed);
            let message = message.with_header(CONTENT_TYPE, "application/msgpack");
            let failure = read(&world.ask_raw(message).await);
            assert_eq!(failure.code, Code::Malformed, "{}", endpoint.subject);
        }
    }
    assert_eq!(world.stored_count().await, before);
}

#[tokio::test(start_paused = true)]
async fn without_a_user_every_endpoint_denies() {
    let world = World::with(crate::config::Settings::default()).await;
    let before = world.stored_count().await;
    for endpoint in &ENDPOINTS {
        for stamp in [
            None,
            Some(r#"{"acc":"FSO","user":"alice"}"#),
            Some(r#"{"acc":"USERS"}"#),
            Some("?"),
        ] {
            let message = Message::new(endpoint.subject, endpoint.full().to_string());
            let message = match stamp {
                Some(stamp) => message.with_header("Nats-Request-Info", stamp),
                None => message,
            };
            assert_eq!(read(&world.ask_raw(message).await).code, Code::Denied);
        }
    }
    assert_eq!(world.stored_count().await, before);
}
