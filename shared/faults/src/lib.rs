//! What tests plant into the product: mistakes that a search must find, and marks by which it shows what it has met.
//!
//! All of it is compiled in by the feature `on`, which only test crates ask for; without it [`is_planted`] is `false`,
//! [`met`] does nothing, and the compiler removes both. Everything is per thread, so that searches run side by side.

mod mutant;
mod rule;

#[cfg(feature = "on")]
mod tally;

pub use mutant::{Mutant, is_planted};
pub use rule::{Rule, met};

#[cfg(feature = "on")]
pub use mutant::plant;
#[cfg(feature = "on")]
pub use tally::{Tally, forget_met, take_met};
