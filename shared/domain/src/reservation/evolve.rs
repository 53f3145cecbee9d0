//! The fold of an id.

use nogfso_kernel::{Event, Recorded};

use super::{BrokenReservation, Holder, Reservation, ReservationEvent};

/// Applies one stored event to `id`. Holds no rules: what happened, happened.
///
/// # Errors
///
/// Returns [`BrokenReservation`] if the event cannot follow; the history must not be used further.
pub fn evolve(
    id: Reservation,
    recorded: &Recorded<ReservationEvent>,
) -> Result<Reservation, BrokenReservation> {
    match (id, &recorded.event) {
        (Reservation::Free, ReservationEvent::Reserved { kind, registry }) => {
            Ok(Reservation::Held(Holder {
                kind: *kind,
                registry: registry.clone(),
            }))
        }
        (Reservation::Held(_), ReservationEvent::Reserved { .. }) => Err(BrokenReservation {
            event: recorded.event.name(),
            why: "the id is given away already",
        }),
    }
}
