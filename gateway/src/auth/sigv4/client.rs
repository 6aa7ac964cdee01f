//! A client's side of Signature Version 4, written apart from the server's: it knows what it means, and never has to
//! read what someone sent.

use crate::auth::testing::Vector;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// What a client wants to send.
#[derive(Clone, Debug)]
pub struct Wish {
    pub method: Method,
    /// Decoded.
    pub path: String,
    /// Decoded, each name once.
    pub query: BTreeMap<String, String>,
    /// Names in lower case; Host, x-amz-date and the like are added.
    pub headers: BTreeMap<String, String>,
    pub payload_line: String,
    pub access_key_id: String,
    pub secret: String,
    pub region: String,
    pub service: String,
    /// `20130524T000000Z`.
    pub stamp: String,
    /// For a presigned URL.
    pub expires_s: Option<u32>,
}

impl Wish {
    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", &self.stamp[..8], self.region, self.service)
    }

    fn signature(&self, canonical: &str) -> String {
        let hash = hex::encode(Sha256::digest(canonical));
        let string_to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.stamp, self.scope());
        let date = hmac(format!("AWS4{}", self.secret).as_bytes(), &self.stamp[..8]);
        let service = hmac(&hmac(&date, &self.region), &self.service);
        hex::encode(hmac(&hmac(&service, "aws4_request"), &string_to_sign))
    }

    /// The head that it sends.
    pub fn signed(&self) -> Vector {
        let mut headers = self.headers.clone();
        let mut query = self.query.clone();
        headers.insert("host".into(), "h.test:9000".into());
        let credential = format!("{}/{}", self.access_key_id, self.scope());
        if self.expires_s.is_none() {
            headers.insert("x-amz-date".into(), self.stamp.clone());
            headers.insert("x-amz-content-sha256".into(), self.payload_line.clone());
        }
        let signed_headers = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
        if let Some(expires_s) = self.expires_s {
            query.insert("X-Amz-Algorithm".into(), "AWS4-HMAC-SHA256".into());
            query.insert("X-Amz-Credential".into(), credential.clone());
            query.insert("X-Amz-Date".into(), self.stamp.clone());
            query.insert("X-Amz-Expires".into(), expires_s.to_string());
            query.insert("X-Amz-SignedHeaders".into(), signed_headers.clone());
        }
        let path = percent_encode(self.path.as_bytes(), IN_PATH).to_string();
        let mut pairs: Vec<(String, String)> =
            query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        pairs.sort();
        let mut query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", folded(value))).collect();
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{signed_headers}\n{}", self.method, self.payload_line);
        let signature = self.signature(&canonical);
        if self.expires_s.is_some() {
            query.push_str(&format!("&X-Amz-Signature={signature}"));
        } else {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed_headers}, Signature={signature}"
            );
            headers.insert("authorization".into(), value);
        }
        Vector { name: String::new(), method: self.method.clone(), path, query, headers: header_map(&headers) }
    }
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), IN_QUERY).to_string()
}

fn folded(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn header_map(headers: &BTreeMap<String, String>) -> HeaderMap {
    let pair = |(name, value): (&String, &String)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    headers.iter().map(pair).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
