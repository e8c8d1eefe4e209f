//! Reviews through the whole handler, with a registry in memory.

mod bypass;
mod corpora;
mod docs;
mod messages;
mod protocol;
mod strangers;
mod tags;
mod updates;
pub(crate) mod world;
