//! What the clients of a load do, whatever is done to the cluster meanwhile: each write has a value of its own, and what
//! an answer tells of a write is the same for all.

pub mod told;
pub mod value;
