//! One worker per aggregate, any number of workers: the rules of design 5.
//!
//! [`rules`] answers, without a clock or I/O, what a delivery asks for and what a holder does next, and `course` puts the
//! answers into their order as one machine. [`Claims`] runs that machine on the journal port: it pulls deliveries for its
//! free slots, and locks, claims, works and releases as it is told. What the aggregate is, where locks lie and how work is
//! done is the matter of a [`Host`] and its [`Locks`].

mod asking;
mod course;
mod held;
mod hold;
mod host;
pub mod rules;
mod run;
mod table;

pub use asking::{AskingLocks, answer};
pub use held::{Held, HoldError, News, Standing};
pub use host::{Claiming, Host, Lock, LockFault, Locked, Locks};
pub use run::{Claims, Settings};
pub use table::Serving;

#[cfg(test)]
mod tests;
