//! A large block as a file of its own, made under its final name: block ids are never used twice, so there is nothing
//! to replace and nothing to rename.
//!
//! ```text
//! 0                header: magic, version, block id, CRC
//! 512              summary: block id, length, CRC of the block, CRC of the page checksums, its own CRC, magic
//! 4096             the block's bytes
//! 4096 + length    CRC32C of each 64 KiB
//! …                the summary again; the file ends here
//! ```
//! Both summaries are written after the data, and before the one fdatasync. So a file that has neither is what is left
//! of a write that nobody acknowledged, and a flipped bit in one of them can't make an acknowledged block look so.

pub mod format;
mod open;
mod read;
mod write;

pub use open::{Opened, recover};
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use open::{Verdict, look};
pub use read::{OpenBlockFile, ReadFault};
pub use write::BlockFileWriter;
