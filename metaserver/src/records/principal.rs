//! Whom a principal of a bucket's or a role's document stands for: holder, ARN → id. A record each: those of a long
//! document do not fit one.

use super::holder::HolderName;
use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PrincipalRecord {
    /// Of the user or the role that had the ARN when the document was saved.
    #[prost(string, tag = "1")]
    pub id: String,
}

impl Record for PrincipalRecord {
    const KIND: Kind = Kind::Principal;
}

pub fn key(holder: &HolderName, arn: &str) -> Bytes {
    holder.write(KeyWriter::new(Kind::Principal)).last(arn.as_bytes())
}

/// Holder and ARN.
///
/// # Errors
/// The key is not a principal's.
pub fn name(key: &[u8]) -> Result<(HolderName, String), RecordError> {
    let mut reader = KeyReader::new(Kind::Principal, key)?;
    Ok((HolderName::read(&mut reader)?, reader.last_text()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::holder::HolderKind;
    use crate::records::testing::round_trips;

    #[test]
    fn a_principal_comes_out_as_it_went_in() {
        round_trips(&PrincipalRecord { id: "AIDA".repeat(5) });
        let holder = HolderName::new(HolderKind::Bucket, "photos");
        let arn = format!("arn:aws:iam::000000000000:user/{}/alice", "p".repeat(510));
        assert_eq!(name(&key(&holder, &arn)).unwrap(), (holder, arn));
    }
}
