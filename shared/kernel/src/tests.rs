//! Subject filters and the fold.

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{
    Aggregate, Event, EventId, Folded, Keep, Position, Recorded, StreamSpec, Vid, fold_events,
    matches,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Counted {
    #[serde(rename = "EV_UP")]
    Up {},
}

impl Event for Counted {
    const NAMES: &'static [&'static str] = &["EV_UP"];
    fn name(&self) -> &'static str {
        "EV_UP"
    }
}

#[derive(Debug)]
struct Counter;

impl Aggregate for Counter {
    const KIND: &'static str = "counter";
    type State = (u32, Position);
    type Event = Counted;
    type Command = ();
    type Refusal = std::fmt::Error;
    type Broken = std::fmt::Error;

    fn decide(_: &Self::State, (): &(), _: u64) -> Result<Vec<Counted>, Self::Refusal> {
        Ok(vec![Counted::Up {}])
    }

    fn evolve(state: Self::State, _: &Recorded<Counted>) -> Result<Self::State, Self::Broken> {
        if state.0 == 3 {
            Err(std::fmt::Error)
        } else {
            Ok((state.0 + 1, state.1))
        }
    }

    fn committed(state: Self::State, _: &[Recorded<Counted>], at: Position) -> Self::State {
        (state.0, at)
    }
}

fn ups(count: u128) -> Vec<Recorded<Counted>> {
    (1..=count)
        .map(|n| Recorded {
            id: EventId(Ulid(n)),
            event: Counted::Up {},
        })
        .collect()
}

#[test]
fn a_fold_has_the_version_of_its_last_event_and_the_position_of_its_commit() {
    let folded = fold_events::<Counter>(Folded::default(), &ups(2), Position(7)).unwrap();
    assert_eq!(folded.state, (2, Position(7)));
    assert_eq!(folded.vid, Vid(Ulid(2)));
}

#[test]
fn an_empty_commit_changes_no_version() {
    let folded = fold_events::<Counter>(Folded::default(), &[], Position(7)).unwrap();
    assert_eq!(folded.vid, Vid::EPOCH);
}

#[test]
fn an_event_that_cannot_follow_ends_the_fold() {
    fold_events::<Counter>(Folded::default(), &ups(4), Position(7)).unwrap_err();
}

#[test]
fn filters_match_as_the_server_matches() {
    for (filter, subject, expected) in [
        ("a.b", "a.b", true),
        ("a.*", "a.b", true),
        ("a.*", "a.b.c", false),
        ("a.>", "a.b.c", true),
        ("a.>", "a", false),
        ("*.b", "a.b", true),
        ("a.b", "a", false),
        ("a", "a.b", false),
    ] {
        assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
    }
    let spec = StreamSpec {
        name: "S",
        subjects: &["x.*", "y"],
        keep: Keep::Forever,
    };
    assert!(spec.stores("x.1") && spec.stores("y") && !spec.stores("z"));
}
