//! The rules of a deployment: each decision, what cannot follow, what always holds, and all runs of a small one.

mod kit;
mod properties;
mod sketch;
mod strict;
