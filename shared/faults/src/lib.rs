//! What tests plant into the product: mistakes that a search must find, marks by which it shows what it has met, points
//! where a process stands still until it is killed or let go, and a cost for what is too quick.
//!
//! All of it is compiled in by the feature `on`, which only test crates ask for; without it [`is_planted`] is `false`,
//! [`met`], [`reach`] and [`spend`] do nothing, and the compiler removes them all. Mistakes and marks are per thread, so that
//! searches run side by side; points and cost are per process, and asked for by its environment.

mod cost;
mod mutant;
mod point;
mod rule;

#[cfg(feature = "on")]
mod halt;
#[cfg(feature = "on")]
mod tally;

pub use cost::spend;
pub use mutant::{Mutant, is_planted};
pub use point::{Errand, Point, Service, reach};
pub use rule::{Rule, met};

#[cfg(feature = "on")]
pub use cost::COST_PER_FILE_US;
#[cfg(feature = "on")]
pub use halt::{HALT_FOLDER, Halts};
#[cfg(feature = "on")]
pub use mutant::plant;
#[cfg(feature = "on")]
pub use tally::{Tally, forget_met, take_met};
