//! The rules of a deployment: each decision, what cannot follow, what always holds, and all runs of a small one.

mod commands;
mod explore;
mod forward;
mod kit;
mod limits;
mod lost;
mod properties;
mod rebinding;
mod refusals;
mod retries;
mod rollback;
mod sketch;
mod strict;
