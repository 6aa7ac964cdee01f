//! Signature Version 4 of a request, as a client makes it.

use http::{HeaderValue, Request};
use weir_tests::sign::{Draft, Keys, v4};

/// Keys, and the region that they sign for.
#[derive(Clone, Debug)]
pub struct Signer {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

impl Signer {
    /// Adds `x-amz-date`, `x-amz-content-sha256` and `authorization`, over all headers that are there. Host must be set;
    /// path and query must be encoded already.
    pub fn sign<B>(&self, request: &mut Request<B>, payload_sha256: &str) {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut draft = Draft::new(request.method().as_str(), host, target);
        for (name, value) in request.headers().iter().filter(|(name, _)| *name != "host") {
            draft.add_header(name.as_str(), value);
        }
        draft.add_header("x-amz-content-sha256", payload_sha256);
        let keys = Keys::new(&self.access_key, &self.secret_key);
        v4::Signer::new(&keys, jiff::Timestamp::now(), &self.region).sign_header(&mut draft, payload_sha256);
        for name in ["x-amz-date", "x-amz-content-sha256", "authorization"] {
            if let Ok(value) = HeaderValue::from_str(&draft.header(name)) {
                request.headers_mut().insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_request_names_its_scope_and_all_its_headers() {
        let signer = Signer { access_key: "AK".into(), secret_key: "SK".into(), region: "us-east-1".into() };
        let request = Request::get("/b/k?list-type=2").header("host", "h:1").header("x-amz-copy-source", "/b/j");
        let mut request = request.body(()).unwrap();
        signer.sign(&mut request, "UNSIGNED-PAYLOAD");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{authorization}");
        assert!(
            authorization.contains(
                "/us-east-1/s3/aws4_request, \
                 SignedHeaders=host;x-amz-content-sha256;x-amz-copy-source;x-amz-date, Signature="
            ),
            "{authorization}"
        );
        assert_eq!(request.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    }
}
