//! The tests of the workspace as a whole: its house rules, and what only all parts together show.
//!
//! What one crate can show is tested in that crate.

mod checker;
mod dependencies;
mod end_to_end;
mod kill_matrix;
mod loaded;
mod many_workers;
mod product;
mod server_faults;
mod simulation;
mod tidy;
mod witness;
mod workspace;
