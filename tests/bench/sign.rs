//! Signature Version 4 of a request, as a client makes it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request};
use sha2::{Digest as _, Sha256};

/// Keys, and the scope that they sign for.
#[derive(Clone, Debug)]
pub struct Signer {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

impl Signer {
    /// Adds `x-amz-date`, `x-amz-content-sha256` and `authorization`. Host must be set; path and query must be encoded
    /// already, the query's parameters in order.
    pub fn sign<B>(&self, request: &mut Request<B>, payload_sha256: &str) {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &now[..8];
        let host = header(request, "host");
        let canonical = format!(
            "{}\n{}\n{}\nhost:{host}\nx-amz-content-sha256:{payload_sha256}\nx-amz-date:{now}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{payload_sha256}",
            request.method(),
            request.uri().path(),
            canonical_query(request.uri().query().unwrap_or("")),
        );
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let key = [self.region.as_str(), "s3", "aws4_request"]
            .iter()
            .fold(hmac(format!("AWS4{}", self.secret_key).as_bytes(), date), |key, part| hmac(&key, part));
        let signature = hex::encode(hmac(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature={signature}",
            self.access_key
        );
        set(request, "x-amz-date", &now);
        set(request, "x-amz-content-sha256", payload_sha256);
        set(request, "authorization", &authorization);
    }
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| if p.contains('=') { p.into() } else { format!("{p}=") })
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn header<B>(request: &Request<B>, name: &str) -> String {
    request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

fn set<B>(request: &mut Request<B>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        request.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_request_names_its_scope_and_headers() {
        let signer = Signer { access_key: "AK".into(), secret_key: "SK".into(), region: "us-east-1".into() };
        let mut request = Request::get("/b/k?list-type=2").header("host", "h:1").body(()).unwrap();
        signer.sign(&mut request, "UNSIGNED-PAYLOAD");
        let authorization = header(&request, "authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{authorization}");
        assert!(
            authorization.contains("/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date")
        );
    }

    #[test]
    fn a_query_is_sorted_and_every_parameter_has_a_value() {
        assert_eq!(canonical_query("uploads&a=1"), "a=1&uploads=");
    }
}
