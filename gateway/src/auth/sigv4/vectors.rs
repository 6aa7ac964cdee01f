//! AWS's own examples: the requests of its test suite for Signature Version 4, those of S3's documentation, and the
//! two bodies in signed chunks.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use super::{Claim, SignedHead};
use crate::body::ChunkSeal;
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SUITE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A request of an example.
struct Example {
    method: Method,
    target: &'static str,
    host: &'static str,
    headers: Vec<(&'static str, String)>,
    payload: &'static str,
}

impl Example {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    fn verify(&self, secret: &str) -> Result<super::Signed, S3Error> {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let (headers, query) = (self.headers(), Query::parse(query)?);
        let claim = match headers.contains_key("authorization") {
            true => Claim::from_header(&headers)?,
            false => Claim::from_query(&query)?,
        };
        let (method, host) = (&self.method, self.host);
        claim.verify(secret, &SignedHead { method, path, query: &query, headers: &headers, host }, self.payload)
    }
}

fn suite(
    method: Method,
    target: &'static str,
    more: &[(&'static str, &str)],
    signed: &str,
    signature: &str,
) -> Example {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={signed}, \
         Signature={signature}"
    );
    let mut headers = vec![("x-amz-date", "20150830T123600Z".to_owned()), ("authorization", authorization)];
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Example { method, target, host: "example.amazonaws.com", headers, payload: NOTHING }
}

fn suite_examples() -> Vec<(&'static str, Example)> {
    let get = |target, signature| suite(Method::GET, target, &[], "host;x-amz-date", signature);
    let unreserved = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let unreserved_query = "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=\
                            -._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    vec![
        ("get-vanilla", get("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")),
        (
            "get-vanilla-empty-query-key",
            get("/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ),
        (
            "get-vanilla-query-order-key-case",
            get("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ),
        ("get-vanilla-query", get("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")),
        (
            "get-vanilla-query-unreserved",
            get(unreserved_query, "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        ),
        ("get-vanilla-utf8-query", get("/?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04")),
        ("get-unreserved", get(unreserved, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f")),
        ("get-utf8", get("/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85")),
        (
            "post-vanilla",
            suite(
                Method::POST,
                "/",
                &[],
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ),
        (
            "post-header-key-sort",
            suite(
                Method::POST,
                "/",
                &[("my-header1", "value1")],
                "host;my-header1;x-amz-date",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
        ),
        (
            "post-x-www-form-urlencoded",
            Example {
                payload: "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                ..suite(
                    Method::POST,
                    "/",
                    &[("content-type", "application/x-www-form-urlencoded")],
                    "content-type;host;x-amz-date",
                    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
                )
            },
        ),
        (
            "get-header-key-duplicate",
            suite(
                Method::GET,
                "/",
                &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
                "host;my-header1;x-amz-date",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
        ),
        (
            "get-header-value-order",
            suite(
                Method::GET,
                "/",
                &[
                    ("my-header1", "value4"),
                    ("my-header1", "value1"),
                    ("my-header1", "value3"),
                    ("my-header1", "value2"),
                ],
                "host;my-header1;x-amz-date",
                "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            ),
        ),
        (
            "get-header-value-trim",
            suite(
                Method::GET,
                "/",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "host;my-header1;my-header2;x-amz-date",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
        ),
    ]
}

#[test]
fn the_test_suite_s_requests_are_verified() {
    for (name, example) in suite_examples() {
        if let Err(error) = example.verify(SUITE_SECRET) {
            panic!("{name}: {error}");
        }
        assert_eq!(example.verify("another").unwrap_err().code(), ErrorCode::SignatureDoesNotMatch, "{name}");
    }
}

fn s3(
    method: Method,
    target: &'static str,
    more: &[(&'static str, &str)],
    payload: &'static str,
    signature: &str,
) -> Example {
    let mut headers: Vec<(&str, String)> = more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.push(("x-amz-content-sha256", payload.to_owned()));
    headers.push(("x-amz-date", "20130524T000000Z".to_owned()));
    let mut signed: Vec<&str> = headers.iter().map(|(name, _)| *name).chain(["host"]).collect();
    signed.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},\
         Signature={signature}",
        signed.join(";")
    );
    headers.push(("authorization", authorization));
    Example { method, target, host: "examplebucket.s3.amazonaws.com", headers, payload }
}

#[test]
fn the_examples_of_s3_s_documentation_are_verified() {
    let examples = [
        s3(
            Method::GET,
            "/test.txt",
            &[("range", "bytes=0-9")],
            NOTHING,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        s3(
            Method::PUT,
            "/test$file.text",
            &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        s3(
            Method::GET,
            "/?lifecycle",
            &[],
            NOTHING,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        s3(
            Method::GET,
            "/?max-keys=2&prefix=J",
            &[],
            NOTHING,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
        Example {
            method: Method::GET,
            target: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
                     us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
                     X-Amz-SignedHeaders=host&\
                     X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            host: "examplebucket.s3.amazonaws.com",
            headers: Vec::new(),
            payload: super::UNSIGNED_PAYLOAD,
        },
    ];
    for example in examples {
        if let Err(error) = example.verify(S3_SECRET) {
            panic!("{}: {error}", example.target);
        }
    }
}

/// The upload of 65 KiB of the letter a, in a chunk of 64 KiB and one of 1 KiB.
fn chunked(payload: &'static str, trailer: Option<&'static str>, length: &str, signature: &str) -> Example {
    let mut more = vec![
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    more.extend(trailer.map(|name| ("x-amz-trailer", name)));
    if !length.is_empty() {
        more.push(("content-length", length));
    }
    Example { host: "s3.amazonaws.com", ..s3(Method::PUT, "/examplebucket/chunkObject.txt", &more, payload, signature) }
}

#[test]
fn a_body_in_signed_chunks_is_verified_and_no_other() {
    let example = chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        None,
        "66824",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let chunks = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];
    let signed = example.verify(S3_SECRET).unwrap();
    let mut chain = signed.chunk_verifier();
    for (length, signature) in chunks {
        chain.data(&vec![b'a'; length / 2]);
        chain.data(&vec![b'a'; length - length / 2]);
        chain.seal(ChunkSeal::Chunk, signature).unwrap();
    }
    // Another byte, another order, a chunk left out.
    let mut chain = signed.chunk_verifier();
    chain.data(&[b'b'; 65_536]);
    assert!(chain.seal(ChunkSeal::Chunk, chunks[0].1).is_err());
    let mut chain = signed.chunk_verifier();
    chain.data(&[b'a'; 1_024]);
    assert!(chain.seal(ChunkSeal::Chunk, chunks[1].1).is_err());
    assert!(signed.chunk_verifier().seal(ChunkSeal::Chunk, chunks[2].1).is_err());
}

#[test]
fn a_signed_trailer_is_verified_and_no_other() {
    let example = chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        Some("x-amz-checksum-crc32c"),
        "",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let signed = example.verify(S3_SECRET).unwrap();
    let through_chunks = || {
        let mut chain = signed.chunk_verifier();
        for (length, signature) in [
            (65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
            (1_024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
            (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
        ] {
            chain.data(&vec![b'a'; length]);
            chain.seal(ChunkSeal::Chunk, signature).unwrap();
        }
        chain
    };
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    through_chunks().seal(ChunkSeal::Trailer(b"x-amz-checksum-crc32c:sOO8/Q==\n"), signature).unwrap();
    assert!(through_chunks().seal(ChunkSeal::Trailer(b"x-amz-checksum-crc32c:sOO8/g==\n"), signature).is_err());
    assert!(signed.chunk_verifier().seal(ChunkSeal::Trailer(b"x-amz-checksum-crc32c:sOO8/Q==\n"), signature).is_err());
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>
#[test]
fn the_policy_of_a_form_is_verified() {
    let policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    let fields = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("x-amz-date", "20151229T000000Z"),
        ("x-amz-signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
    ];
    let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let claim = Claim::from_form(field).unwrap();
    claim.verify_policy(S3_SECRET, policy).unwrap();
    let error = claim.verify_policy(S3_SECRET, &policy[4..]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
}
