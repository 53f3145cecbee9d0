//! Typed ids, names, paths and points in time: parse, print, compare.
//!
//! Everything here is validated once, where it enters, and is trusted from then on. Nothing here reads a clock,
//! makes a random number or touches a file.

mod author;
mod name;
mod path;
mod text;
mod time;
mod tracking;
mod uuids;

pub use author::{AUTHOR_FIELD_BYTES_MAX, Author};
pub use name::{
    Actor, CommandId, HOST_BYTES_MAX, Host, Instance, Lane, REGISTRY_NAME_BYTES_MAX, RegistryName,
};
pub use path::{GlobalPath, HostPath, PATH_BYTES_MAX};
pub use text::Malformed;
pub use time::UnixMillis;
pub use tracking::SubdirTracking;
pub use uuids::{RepoId, RequestId};

#[cfg(test)]
mod tests;
