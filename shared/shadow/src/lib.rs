//! Shadow repos: git repositories that record the metadata of a real directory tree.
//!
//! Everything blocks, nothing starts a process. The on-disk format is that of `git-fso`.
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
mod stub;
mod totals;
mod tree;

pub use commit::Moment;
pub use create::{CreateError, CreateShadow, Created, create};

pub use gix_hash::ObjectId as Oid;
pub use location::{PlacementError, shadow_path};
pub use sample::{SAMPLE_COUNT_MAX, Sample};
pub use stub::stub_files;
pub use totals::Totals;
