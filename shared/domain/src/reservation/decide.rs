//! The rule of ids: the first who asks.

use super::{Reservation, ReservationCommand, ReservationEvent, ReservationRefusal};

/// Answers `command` with the events to append.
///
/// No events means that the id is given to that holder already, so a repeated command is harmless.
///
/// # Errors
///
/// Refuses an id that was given to another.
pub fn decide(
    id: &Reservation,
    command: &ReservationCommand,
) -> Result<Vec<ReservationEvent>, ReservationRefusal> {
    match (command, id) {
        (ReservationCommand::Reserve(holder), Reservation::Free) => {
            Ok(vec![ReservationEvent::Reserved {
                kind: holder.kind,
                registry: holder.registry.clone(),
            }])
        }
        (ReservationCommand::Reserve(holder), Reservation::Held(held)) if holder == held => {
            Ok(vec![])
        }
        (ReservationCommand::Reserve(_), Reservation::Held(_)) => Err(ReservationRefusal::Taken),
    }
}
