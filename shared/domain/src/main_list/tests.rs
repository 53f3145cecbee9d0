//! Decisions, properties and wire samples of the main list.

use nogfso_ids::RegistryName;
use nogfso_testkit::given::given;
use proptest::prelude::*;

use super::{MainList, MainListCommand, MainListEvent, MainListRefusal, REGISTRIES_MAX};
use crate::laws;

fn name(text: &str) -> RegistryName {
    RegistryName::parse(text).unwrap()
}

fn init(text: &str) -> MainListCommand {
    MainListCommand::Init { name: name(text) }
}

fn init_registry(text: &str) -> MainListCommand {
    MainListCommand::InitRegistry { name: name(text) }
}

fn confirm_registry(text: &str) -> MainListCommand {
    MainListCommand::ConfirmRegistry { name: name(text) }
}

fn initialized() -> MainListEvent {
    MainListEvent::Initialized {
        main_name: name("main"),
    }
}

fn accepted(text: &str) -> MainListEvent {
    MainListEvent::RegistryAccepted {
        registry_name: name(text),
    }
}

fn confirmed(text: &str) -> MainListEvent {
    MainListEvent::RegistryConfirmed {
        registry_name: name(text),
    }
}

#[test]
fn the_list_begins_once() {
    given::<MainList>([])
        .when(&init("main"), 0)
        .then(vec![initialized()])
        .when(&init("main"), 0)
        .then_nothing()
        .when(&init("other"), 0)
        .then_refused(|r| *r == MainListRefusal::InitConflict);
}

#[test]
fn nothing_is_listed_before_the_list_begins() {
    for command in [init_registry("exreg"), confirm_registry("exreg")] {
        given::<MainList>([])
            .when(&command, 0)
            .then_refused(|r| *r == MainListRefusal::Uninitialized);
    }
}

#[test]
fn a_registry_is_accepted_once() {
    given::<MainList>([initialized()])
        .when(&init_registry("exreg"), 0)
        .then(vec![accepted("exreg")])
        .when(&init_registry("exreg"), 0)
        .then_nothing()
        .and([confirmed("exreg")])
        .when(&init_registry("exreg"), 0)
        .then_nothing();
}

#[test]
fn confirming_twice_is_harmless_and_ends_the_wait() {
    let list = given::<MainList>([initialized(), accepted("b"), accepted("a")]);
    assert_eq!(
        list.state().pending().collect::<Vec<_>>(),
        [&name("a"), &name("b")]
    );
    let list = list
        .when(&confirm_registry("b"), 0)
        .then(vec![confirmed("b")])
        .when(&confirm_registry("b"), 0)
        .then_nothing();
    assert_eq!(list.state().pending().collect::<Vec<_>>(), [&name("a")]);
    let listed: Vec<_> = list
        .state()
        .registries()
        .map(|registry| (registry.name.as_str(), registry.confirmed))
        .collect();
    assert_eq!(listed, [("b", true), ("a", false)]);
}

#[test]
fn a_registry_that_was_never_accepted_cannot_be_confirmed() {
    given::<MainList>([initialized()])
        .when(&confirm_registry("exreg"), 0)
        .then_refused(|r| *r == MainListRefusal::UnknownRegistry);
}

#[test]
fn a_full_list_takes_no_more_but_knows_what_it_has() {
    let full = (0..REGISTRIES_MAX).map(|n| accepted(&format!("r{n}")));
    let list = given::<MainList>([initialized()]).and(full);
    list.when(&init_registry("one-more"), 0)
        .then_refused(|r| *r == MainListRefusal::TooManyRegistries);
    list.when(&init_registry("r0"), 0).then_nothing();
    assert_eq!(
        list.state().known().unwrap().registry_count(),
        REGISTRIES_MAX
    );
}

#[test]
fn a_history_out_of_order_is_broken() {
    given::<MainList>([]).cannot_be_followed_by(accepted("a"));
    given::<MainList>([]).cannot_be_followed_by(confirmed("a"));
    let list = given::<MainList>([initialized(), accepted("a")]);
    list.cannot_be_followed_by(initialized());
    list.cannot_be_followed_by(accepted("a"));
    list.cannot_be_followed_by(confirmed("b"));
    list.and([confirmed("a")])
        .cannot_be_followed_by(confirmed("a"));
}

#[test]
fn every_event_is_written_as_its_sample() {
    let events = [initialized(), accepted("exreg"), confirmed("exreg")];
    laws::assert_samples(&events);
    events.iter().for_each(laws::assert_additions_are_ignored);
}

fn command() -> impl Strategy<Value = MainListCommand> {
    let name = prop::sample::select(vec!["main", "a", "b", "c"]);
    (0..3, name).prop_map(|(verb, name)| match verb {
        0 => init(name),
        1 => init_registry(name),
        _ => confirm_registry(name),
    })
}

proptest! {
    #[test]
    fn whatever_is_asked_folds_and_repeats_add_nothing(
        commands in prop::collection::vec(command(), 0..40)
    ) {
        let list = laws::obey::<MainList>(&commands, |_| true);
        let unconfirmed = list.state().registries().filter(|r| !r.confirmed).count();
        prop_assert_eq!(list.state().pending().count(), unconfirmed);
    }
}
