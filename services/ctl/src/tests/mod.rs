//! Whole commands against a gateway that is played, over the in-memory bus.

mod arguments;
mod failures;
mod played;
mod watching;
mod work;
