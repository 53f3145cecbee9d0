//! An id that a caller chose: it is given away once, for one kind of thing in one registry (design 2).
//!
//! Ids that the server makes need no reservation. What was reserved stays so, also if the thing itself was refused then; who
//! asks again for the same gets the same answer.

mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod state;

pub use command::ReservationCommand;
pub use decide::decide;
pub use error::{BrokenReservation, ReservationRefusal};
pub use event::{IdKind, ReservationEvent};
pub use evolve::evolve;
pub use state::{Holder, Reservation};

use nogfso_kernel::{Aggregate, Recorded};

impl Aggregate for Reservation {
    const KIND: &'static str = "id";

    type State = Self;
    type Event = ReservationEvent;
    type Command = ReservationCommand;
    type Refusal = ReservationRefusal;
    type Broken = BrokenReservation;

    fn decide(
        state: &Self,
        command: &ReservationCommand,
        _now_ms: u64,
    ) -> Result<Vec<ReservationEvent>, ReservationRefusal> {
        decide(state, command)
    }

    fn evolve(
        state: Self,
        recorded: &Recorded<ReservationEvent>,
    ) -> Result<Self, BrokenReservation> {
        evolve(state, recorded)
    }
}

#[cfg(test)]
mod tests;
