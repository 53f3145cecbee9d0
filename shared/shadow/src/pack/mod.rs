//! Writing objects: straight into a pack and its index, both visible in whole or not at all.
//!
//! Decides how objects are encoded and when they can be seen. An object is never left out because the shadow may have
//! it already: that one could be just about to be collected as unreferenced.

mod encode;
mod index;
mod writer;

pub(crate) use encode::Encoder;
pub(crate) use writer::{PackWriter, clean_up};
