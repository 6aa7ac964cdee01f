//! An issuer of OpenID Connect tokens: its URL without the scheme → the URL, and for whom its tokens may be.

use super::key::{KeyWriter, Kind};
use super::value::Record;
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct OidcProviderRecord {
    #[prost(string, tag = "1")]
    pub url: String,
    #[prost(string, repeated, tag = "2")]
    pub client_ids: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub thumbprints: Vec<String>,
    #[prost(int64, tag = "4")]
    pub created_ms: i64,
}

impl Record for OidcProviderRecord {
    const KIND: Kind = Kind::OidcProvider;
}

pub fn key(name: &str) -> Bytes {
    KeyWriter::new(Kind::OidcProvider).last(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_provider_comes_out_as_it_went_in() {
        round_trips(&OidcProviderRecord {
            url: format!("https://{}", "i".repeat(247)),
            client_ids: vec!["c".repeat(100); 100],
            thumbprints: vec!["0".repeat(40); 5],
            created_ms: 1,
        });
    }
}
