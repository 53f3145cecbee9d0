//! The whole system in one process, in virtual time: gateways, regds and stads on the in-memory journal and bus.
//!
//! One seed decides everything: what is asked, and what crashes, stands still, is lost, late, doubled or forgotten, at which
//! call. Invariants hold after each step; at the end everything asked is done. A run that breaks one tells its seed, with
//! which it goes the same way again.

mod auditor;
mod bus;
mod chance;
mod clients;
mod director;
mod fault;
mod host;
mod life;
mod log;
mod process;
mod run;
mod search;
mod stage;
mod verdict;
