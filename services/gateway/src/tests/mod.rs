//! A gateway on the in-memory journal and bus. What regd and workers would append is appended by hand.

mod commands;
mod events;
mod refusals;
mod serving;
mod work;
mod world;
