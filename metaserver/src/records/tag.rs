//! A tag of a user or a role: holder, tag's key → its value. A record each: fifty with the longest texts do not fit one.

use super::holder::HolderName;
use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct TagRecord {
    #[prost(string, tag = "1")]
    pub value: String,
}

impl Record for TagRecord {
    const KIND: Kind = Kind::Tag;
}

pub fn key(holder: &HolderName, tag_key: &str) -> Bytes {
    holder.write(KeyWriter::new(Kind::Tag)).last(tag_key.as_bytes())
}

/// Holder and tag's key.
///
/// # Errors
/// The key is not a tag's.
pub fn name(key: &[u8]) -> Result<(HolderName, String), RecordError> {
    let mut reader = KeyReader::new(Kind::Tag, key)?;
    Ok((HolderName::read(&mut reader)?, reader.last_text()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::holder::HolderKind;
    use crate::records::testing::round_trips;

    #[test]
    fn a_tag_comes_out_as_it_went_in() {
        round_trips(&TagRecord { value: "𝄞".repeat(256) });
        let holder = HolderName::new(HolderKind::Role, "backup");
        assert_eq!(name(&key(&holder, "cost center")).unwrap(), (holder, "cost center".into()));
    }
}
