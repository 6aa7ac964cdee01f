//! Signature Version 4, in the Authorization header and in the query.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use super::{Draft, Keys, hmac_sha256, sha256_hex};
use crate::{decoded, path_of, query_of};
use jiff::Timestamp;

pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Signs requests. Each field may be made wrong.
#[derive(Clone, Debug)]
pub struct Signer {
    pub keys: Keys,
    pub time: Timestamp,
    /// `20130524`; that of the time, if right.
    pub date: String,
    pub region: String,
    pub service: String,
    pub terminator: String,
    /// Headers that are left out of the signature, in lower case.
    pub unsigned_headers: Vec<String>,
}

/// What the signatures of the chunks of a body begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    pub key: Vec<u8>,
    pub time: String,
    pub scope: String,
    pub signature: String,
}

impl Signer {
    /// A right one.
    pub fn new(keys: &Keys, time: Timestamp, region: &str) -> Self {
        Self {
            keys: keys.clone(),
            time,
            date: time.strftime("%Y%m%d").to_string(),
            region: region.to_owned(),
            service: "s3".to_owned(),
            terminator: "aws4_request".to_owned(),
            unsigned_headers: Vec::new(),
        }
    }

    /// Adds `x-amz-date`, the session token if there is one, and `authorization` over all headers that are there.
    /// `payload` is the last line of the canonical request; it is also the value of `x-amz-content-sha256`, which the
    /// caller adds.
    pub fn sign_header(&self, draft: &mut Draft, payload: &str) -> Seed {
        draft.add_header("x-amz-date", self.stamp());
        if let Some(token) = &self.keys.token {
            draft.add_header("x-amz-security-token", token);
        }
        let names = self.signed_names(draft);
        let seed = self.seed(draft, &names, payload);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={}",
            self.keys.access, seed.scope, seed.signature
        );
        draft.add_header("authorization", authorization);
        seed
    }

    /// Adds the parameters of a presigned URL. `expires` is a number of seconds, if right.
    pub fn sign_query(&self, draft: &mut Draft, expires: &str, payload: &str) -> Seed {
        let names = self.signed_names(draft);
        draft.add_parameter("X-Amz-Algorithm", ALGORITHM);
        draft.add_parameter("X-Amz-Credential", &query_of(format!("{}/{}", self.keys.access, self.scope())));
        draft.add_parameter("X-Amz-Date", &self.stamp());
        draft.add_parameter("X-Amz-Expires", expires);
        draft.add_parameter("X-Amz-SignedHeaders", &query_of(&names));
        if let Some(token) = &self.keys.token {
            draft.add_parameter("X-Amz-Security-Token", &query_of(token));
        }
        let seed = self.seed(draft, &names, payload);
        draft.add_parameter("X-Amz-Signature", &seed.signature);
        seed
    }

    pub fn scope(&self) -> String {
        [&*self.date, &self.region, &self.service, &self.terminator].join("/")
    }

    pub fn stamp(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    pub fn key(&self) -> Vec<u8> {
        let first = format!("AWS4{}", self.keys.secret).into_bytes();
        [&self.date, &self.region, &self.service, &self.terminator]
            .into_iter()
            .fold(first, |key, part| hmac_sha256(&key, &[part.as_bytes()]))
    }

    /// In lower case and in order, with semicolons between them.
    fn signed_names(&self, draft: &Draft) -> String {
        let mut names: Vec<String> = draft.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.push("host".to_owned());
        names.retain(|name| !self.unsigned_headers.contains(name));
        names.sort();
        names.dedup();
        names.join(";")
    }

    fn seed(&self, draft: &Draft, names: &str, payload: &str) -> Seed {
        let (time, scope, key) = (self.stamp(), self.scope(), self.key());
        let request_hash = sha256_hex(&canonical_request(draft, names, payload));
        let to_sign = [ALGORITHM, &time, &scope, &request_hash].join("\n");
        let signature = hex::encode(hmac_sha256(&key, &[to_sign.as_bytes()]));
        Seed { key, time, scope, signature }
    }
}

fn canonical_request(draft: &Draft, names: &str, payload: &str) -> Vec<u8> {
    let mut out = format!("{}\n{}\n{}\n", draft.method, path_of(decoded(&draft.path)), canonical_query(draft));
    out = names.split(';').fold(out, |out, name| format!("{out}{name}:{}\n", canonical_value(draft, name)));
    format!("{out}\n{names}\n{payload}").into_bytes()
}

/// The query encoded anew and sorted, each name with its value.
fn canonical_query(draft: &Draft) -> String {
    let encoded = |(name, value): (Vec<u8>, Vec<u8>)| (query_of(name), query_of(value));
    let mut pairs: Vec<(String, String)> = draft.decoded_query().into_iter().map(encoded).collect();
    pairs.sort();
    let pieces: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pieces.join("&")
}

fn canonical_value(draft: &Draft, name: &str) -> String {
    if name == "host" {
        return draft.host.clone();
    }
    let values: Vec<String> = draft
        .headers
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| String::from_utf8_lossy(value).split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    values.join(",")
}

#[cfg(test)]
#[path = "v4_tests.rs"]
pub(super) mod tests;
