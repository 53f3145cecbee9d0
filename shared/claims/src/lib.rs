//! One worker per aggregate, any number of workers: the rules of design 5.
//!
//! [`rules`] decides, without a clock or I/O, what a delivery asks for and what a holder does next. [`Claims`] runs
//! those decisions on the journal port: it pulls deliveries for its free slots, locks, claims, works and releases. What
//! the aggregate is, where locks lie and how work is done is the matter of a [`Host`] and its [`Locks`].

mod held;
mod hold;
mod host;
pub mod rules;
mod run;
mod table;

pub use held::{Held, HoldError, News, Standing};
pub use host::{Claiming, Host, Lock, LockFault, Locked, Locks};
pub use run::{Claims, Settings};
pub use table::Serving;

#[cfg(test)]
mod tests;
