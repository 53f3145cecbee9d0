//! Decisions, properties and the wire sample of an id.

use nogfso_ids::RegistryName;
use nogfso_testkit::given::given;
use proptest::prelude::*;

use super::{
    Holder, IdKind, Reservation, ReservationCommand, ReservationEvent, ReservationRefusal,
};
use crate::laws;

fn reserve(registry: &str) -> ReservationCommand {
    ReservationCommand::Reserve(Holder {
        kind: IdKind::Repo,
        registry: RegistryName::parse(registry).unwrap(),
    })
}

fn reserved(registry: &str) -> ReservationEvent {
    ReservationEvent::Reserved {
        kind: IdKind::Repo,
        registry: RegistryName::parse(registry).unwrap(),
    }
}

#[test]
fn an_id_is_given_to_the_first_who_asks() {
    given::<Reservation>([])
        .when(&reserve("exreg"), 0)
        .then(vec![reserved("exreg")])
        .when(&reserve("exreg"), 0)
        .then_nothing()
        .when(&reserve("other"), 0)
        .then_refused(|refusal| *refusal == ReservationRefusal::Taken);
}

#[test]
fn an_id_is_given_away_once() {
    given::<Reservation>([reserved("exreg")]).cannot_be_followed_by(reserved("exreg"));
}

#[test]
fn every_event_is_written_as_its_sample() {
    laws::assert_samples(&[reserved("exreg")]);
    laws::assert_additions_are_ignored(&reserved("exreg"));
}

proptest! {
    #[test]
    fn whatever_is_asked_folds_and_repeats_add_nothing(
        registries in prop::collection::vec("[a-c]", 0..20)
    ) {
        let commands: Vec<_> = registries.iter().map(|registry| reserve(registry)).collect();
        laws::obey::<Reservation>(&commands, |_| true);
    }
}
