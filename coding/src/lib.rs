//! Coded blocks: how a block's bytes are dealt over data shards ([`Layout`]), and how parity shards and lost ones are
//! computed ([`Codec`]). Bytes in, bytes out: nothing here knows of workers or of the contract.

mod codec;
mod layout;
mod scheme;

pub use codec::{Codec, CodecError};
pub use layout::{LINE_BYTES, Layout, LayoutError, Place, Row};
pub use scheme::{DATA_MAX, PARITY_MAX, SHARDS_MAX, Scheme, SchemeError};
