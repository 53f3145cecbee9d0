//! What the tests of all aggregates check alike: decisions fold, repeats are harmless, the wire form stays.

use std::fs;
use std::path::Path;

use nogfso_kernel::{Aggregate, Event};
use nogfso_testkit::given::{Given, given};

/// Gives `commands` one after the other, each twice.
///
/// Checks that what is decided folds, that each event is read back from both codecs, and that the second time adds
/// nothing wherever the first was accepted and `harmless` says so. Returns the aggregate as it is then.
pub(crate) fn obey<A>(commands: &[A::Command], harmless: impl Fn(&A::Command) -> bool) -> Given<A>
where
    A: Aggregate,
    A::Command: std::fmt::Debug,
{
    let mut aggregate = given::<A>([]);
    for command in commands {
        let Ok(events) = A::decide(aggregate.state(), command, 0) else {
            continue;
        };
        events.iter().for_each(assert_codecs_are_inverse);
        aggregate = aggregate.and(events);
        if harmless(command) {
            let repeated = A::decide(aggregate.state(), command, 0);
            assert!(
                matches!(&repeated, Ok(events) if events.is_empty()),
                "{command:?} repeated: {repeated:?}"
            );
        }
    }
    aggregate
}

/// Checks that each event is written as its stored sample says and read back from it, and that no name lacks a sample.
pub(crate) fn assert_samples<E: Event>(events: &[E]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples/events");
    for event in events {
        let written = serde_json::to_string_pretty(event).unwrap() + "\n";
        let path = folder.join(event.name()).with_extension("json");
        let sample = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; expected {written}", path.display()));
        assert_eq!(written, sample, "{}", path.display());
        assert_eq!(&serde_json::from_str::<E>(&sample).unwrap(), event);
        assert_codecs_are_inverse(event);
    }
    for name in E::NAMES {
        assert!(events.iter().any(|event| event.name() == *name), "{name}");
    }
}

/// Checks that fields which a newer build may add do not disturb.
pub(crate) fn assert_additions_are_ignored<E: Event>(event: &E) {
    let mut json = serde_json::to_value(event).unwrap();
    json["data"]["added_later"] = serde_json::json!({"of": ["any", 1]});
    let bytes = rmp_serde::to_vec_named(&json).unwrap();
    assert_eq!(&serde_json::from_value::<E>(json).unwrap(), event);
    assert_eq!(&rmp_serde::from_slice::<E>(&bytes).unwrap(), event);
}

fn assert_codecs_are_inverse<E: Event>(event: &E) {
    let json = serde_json::to_value(event).unwrap();
    assert_eq!(json["type"], event.name());
    assert_eq!(&serde_json::from_value::<E>(json).unwrap(), event);
    let bytes = rmp_serde::to_vec_named(event).unwrap();
    assert_eq!(&rmp_serde::from_slice::<E>(&bytes).unwrap(), event);
}
