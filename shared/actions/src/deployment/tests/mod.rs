//! The rules of a deployment: each decision, what cannot follow, what always holds, and all runs of a small one.

mod forward;
mod kit;
mod lost;
mod properties;
mod retries;
mod rollback;
mod sketch;
mod strict;
