//! The result of a change that its sender may not have heard: session id, sequence → the answer.

use super::key::{KeyReader, KeyWriter, Kind, successor};
use super::value::{Record, RecordError};
use bytes::Bytes;
use weir_proto::v1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ResultRecord {
    /// What was asked for, so that an answer is never given to another question.
    #[prost(enumeration = "Operation", tag = "1")]
    pub operation: i32,
    /// The answer's message.
    #[prost(bytes = "bytes", tag = "2")]
    pub answer: Bytes,
}

/// The operations whose results are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Operation {
    None = 0,
    CreateBucket = 1,
    DeleteBucket = 2,
    CommitObject = 3,
    DeleteObjects = 4,
    CopyObject = 5,
    RenameObject = 6,
    CreateUpload = 7,
    CommitPart = 8,
    CopyPart = 9,
    CompleteUpload = 10,
    AbortUpload = 11,
    ChangeAccess = 12,
    SetObjectAcl = 13,
}

/// The answer of DeleteObjects, without what the repeated request says itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeleteOutcomes {
    /// By entry: a [`weir_proto::v1::Reason`], or 0 when it succeeded.
    #[prost(int32, repeated, tag = "1")]
    pub reasons: Vec<i32>,
    #[prost(bool, repeated, tag = "2")]
    pub existed: Vec<bool>,
}

/// The answer of ChangeAccess, without what the directory has anyway. Secrets are in it sealed alone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AccessOutcome {
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// What was made or changed; none: something was removed.
    #[prost(message, optional, tag = "2")]
    pub shown: Option<v1::AccessName>,
    /// The access key that was made, as it was then.
    #[prost(message, optional, tag = "3")]
    pub new_key: Option<v1::AccessKey>,
}

impl Record for ResultRecord {
    const KIND: Kind = Kind::RequestResult;
}

pub fn key(session_id: u64, sequence: u64) -> Bytes {
    KeyWriter::new(Kind::RequestResult).number(session_id).number(sequence).done()
}

/// Where the results of a session end.
pub fn end(session_id: u64) -> Option<Bytes> {
    successor(&KeyWriter::new(Kind::RequestResult).number(session_id).done())
}

/// The session that a key tells of.
pub fn session_of(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::RequestResult, key)?.number()
}

/// The prefix of all results.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::RequestResult).done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;
    use prost::Message as _;

    #[test]
    fn a_result_comes_out_as_it_went_in() {
        round_trips(&ResultRecord { operation: Operation::CopyPart.into(), answer: Bytes::from_static(b"answer") });
        assert!(key(3, u64::MAX) < end(3).unwrap());
    }

    #[test]
    fn the_outcomes_of_a_thousand_deletes_fit_a_record() {
        let outcomes = DeleteOutcomes { reasons: vec![7; 1_000], existed: vec![true; 1_000] };
        round_trips(&ResultRecord {
            operation: Operation::DeleteObjects.into(),
            answer: outcomes.encode_to_vec().into(),
        });
    }
}
