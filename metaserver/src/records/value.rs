//! The envelope of every value: format version, CRC32C, kind, message.
//!
//! | byte | what |
//! |---|---|
//! | 0 | format version, [`FORMAT_VERSION`] |
//! | 1 to 4 | CRC32C of all that follows, little endian |
//! | 5 | the kind's tag, as in the key |
//! | 6 … | the message, in protobuf's wire format |
//!
//! The kind lies under the checksum, so that a value under another record's key is found out.

pub use super::error::RecordError;
use super::kind::Kind;
use bytes::{BufMut, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};

/// The first byte of every value.
pub const FORMAT_VERSION: u8 = 1;

const HEADER_BYTES: usize = 6;

/// A message that is stored under keys of one kind.
pub trait Record: prost::Message + Default {
    const KIND: Kind;
}

/// The value to store for a record.
pub fn encode<R: Record>(record: &R) -> Bytes {
    let mut value = BytesMut::with_capacity(HEADER_BYTES + record.encoded_len());
    value.put_u8(FORMAT_VERSION);
    value.put_u32_le(0);
    value.put_u8(R::KIND as u8);
    value.extend_from_slice(&record.encode_to_vec());
    let crc = crc32c(&value[5..]);
    value[1..5].copy_from_slice(&crc.to_le_bytes());
    value.freeze()
}

/// The record in a value.
///
/// # Errors
/// [`RecordError`] naming the key: another format version, a checksum that does not match, another kind of record, or
/// a message that can't be read.
pub fn decode<R: Record>(key: &[u8], value: Bytes) -> Result<R, RecordError> {
    let payload = open(R::KIND, key, value)?;
    R::decode(payload).map_err(|error| RecordError::new(R::KIND, key, error.to_string()))
}

fn open(kind: Kind, key: &[u8], value: Bytes) -> Result<Bytes, RecordError> {
    let damaged = |detail: String| Err(RecordError::new(kind, key, detail));
    if value.len() < HEADER_BYTES {
        return damaged(format!("it has {} bytes", value.len()));
    }
    if value[0] > FORMAT_VERSION {
        return damaged(format!(
            "it was written by a newer build: its format version is {}, this build knows them up to {FORMAT_VERSION}",
            value[0]
        ));
    }
    if value[0] != FORMAT_VERSION {
        return damaged(format!("its format version is {}, not {FORMAT_VERSION}", value[0]));
    }
    let stored = u32::from_le_bytes([value[1], value[2], value[3], value[4]]);
    let computed = crc32c(&value[5..]);
    if stored != computed {
        return damaged(format!("its checksum is {computed:08x}, not {stored:08x}"));
    }
    if value[5] != kind as u8 {
        return damaged(format!("it holds a record with tag {:#04x}", value[5]));
    }
    Ok(value.slice(HEADER_BYTES..))
}

fn crc32c(bytes: &[u8]) -> u32 {
    // The algorithm's width is 32 bits.
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::bucket::BucketRecord;
    use crate::records::worker::WorkerRecord;

    #[test]
    fn a_value_is_read_only_as_what_it_was_stored_as() {
        let value = encode(&BucketRecord { bucket_id: 7, ..Default::default() });
        assert_eq!(decode::<BucketRecord>(b"k", value.clone()).unwrap().bucket_id, 7);
        let error = decode::<WorkerRecord>(b"k\0", value).unwrap_err();
        assert_eq!(error.key, "k\\x00");
        assert!(error.to_string().contains("worker record"), "{error}");
    }

    #[test]
    fn a_cut_value_and_one_of_a_newer_build_are_refused() {
        let value = encode(&BucketRecord { bucket_id: 7, owner: "weir".into(), ..Default::default() });
        for length in 0..value.len() {
            assert!(decode::<BucketRecord>(b"k", value.slice(..length)).is_err(), "{length}");
        }
        let mut newer = value.to_vec();
        newer[0] = FORMAT_VERSION + 1;
        assert!(
            decode::<BucketRecord>(b"k", newer.into())
                .unwrap_err()
                .detail
                .contains("a newer build: its format version is 2")
        );
    }
}
