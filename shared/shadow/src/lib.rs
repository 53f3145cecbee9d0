//! Shadow repos: git repositories that record the metadata of a real directory tree.
//!
//! Decides whether a directory may be adopted ([`adoption`]), what a new shadow looks like ([`create()`]), and what
//! of a tree is recorded and how ([`stat()`]). The on-disk format is that of `git-fso`; trees of the same content
//! are identical to its trees, bit by bit. Everything blocks, nothing starts a process.
//!
//! Leaves to its caller: who may ask, that at most one writer works on a shadow at a time, when to retry, what time
//! it is, and what to tell the user.

pub mod adoption;
mod commit;
mod create;
mod descent;
mod directory;
mod durable;
mod location;
pub mod names;
mod odb;
mod pack;
pub mod record;
pub mod refs;
mod sample;
mod stat;
mod stub;
mod totals;
mod tree;

pub use commit::Moment;
pub use create::{CreateError, CreateShadow, Created, create};

pub use gix_hash::ObjectId as Oid;
pub use location::{PlacementError, shadow_path};
pub use sample::{SAMPLE_COUNT_MAX, Sample};
pub use stat::{
    MtimeRange, Outcome, Problem, Progress, Reason, StatError, StatReport, StatRequest, stat,
};
pub use stub::stub_files;
pub use totals::Totals;
