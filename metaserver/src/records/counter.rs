//! Numbers and names of the whole cluster: counter name → value.

use super::key::{KeyWriter, Kind};
use super::value::Record;
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct CounterRecord {
    #[prost(uint64, tag = "1")]
    pub value: u64,
    /// Of the cluster's identity: its id.
    #[prost(string, tag = "2")]
    pub text: String,
}

impl Record for CounterRecord {
    const KIND: Kind = Kind::Counter;
}

/// What there is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// The next id of a version, part, block, session, worker or bucket.
    Ids,
    /// The next upload id.
    UploadIds,
    /// How often a metaserver was started on this store. Its name on disk is older than what is called epoch now.
    Starts,
    /// Under which epoch this store is served: raised when a standby is promoted.
    Epoch,
    /// Who this cluster is.
    Cluster,
    /// The version of the directory of access.
    AccessVersion,
}

pub fn key(counter: Counter) -> Bytes {
    let name: &[u8] = match counter {
        Counter::Ids => b"ids",
        Counter::UploadIds => b"upload-ids",
        Counter::Starts => b"epoch",
        Counter::Epoch => b"metaserver-epoch",
        Counter::Cluster => b"cluster",
        Counter::AccessVersion => b"access-version",
    };
    KeyWriter::new(Kind::Counter).last(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_counter_comes_out_as_it_went_in() {
        round_trips(&CounterRecord { value: u64::MAX, text: "0123".into() });
        assert_ne!(key(Counter::Ids), key(Counter::UploadIds));
    }
}
