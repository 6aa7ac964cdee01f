use super::*;
use http::{HeaderName, HeaderValue, Method};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Method, target, bucket of the host, headers, signature.
type Example = (Method, &'static str, Option<&'static str>, Vec<(&'static str, &'static str)>, &'static str);

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html#RESTAuthenticationExamples>
fn examples() -> Vec<Example> {
    vec![
        (
            Method::GET,
            "/photos/puppy.jpg",
            Some("awsexamplebucket1"),
            vec![("date", "Tue, 27 Mar 2007 19:36:42 +0000")],
            "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        ),
        (
            Method::PUT,
            "/photos/puppy.jpg",
            Some("awsexamplebucket1"),
            vec![
                ("content-type", "image/jpeg"),
                ("content-length", "94328"),
                ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
            ],
            "iqRzw+ileNPu1fhspnRs8nOjjIA=",
        ),
        (
            Method::GET,
            "/?prefix=photos&max-keys=50&marker=puppy",
            Some("awsexamplebucket1"),
            vec![("date", "Tue, 27 Mar 2007 19:42:41 +0000")],
            "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        ),
        (
            Method::GET,
            "/?acl",
            Some("awsexamplebucket1"),
            vec![("date", "Tue, 27 Mar 2007 19:44:46 +0000")],
            "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
        ),
        (
            Method::DELETE,
            "/awsexamplebucket1/photos/puppy.jpg",
            None,
            vec![("date", "Tue, 27 Mar 2007 21:20:26 +0000")],
            "XbyTlbQdu9Xw5o8P4iMwPktxQd8=",
        ),
        (Method::GET, "/", None, vec![("date", "Wed, 28 Mar 2007 01:29:59 +0000")], "qGdzdERIC03wnaRNKh6OqZehG9s="),
        (
            Method::GET,
            "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
            None,
            vec![("date", "Wed, 28 Mar 2007 01:49:49 +0000")],
            "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
        ),
    ]
}

fn verify(example: &Example, path_change: &str, secret: &str) -> Result<(), S3Error> {
    let (method, target, host_bucket, pairs, signature) = example;
    let authorization = format!("AWS {KEY}:{signature}");
    let mut pairs = pairs.clone();
    pairs.push(("authorization", &authorization));
    let headers = headers(&pairs);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (format!("{path}{path_change}"), Query::parse(query)?);
    let head = SignedHead { method, path: &path, query: &query, headers: &headers, host_bucket: *host_bucket };
    Claim::from_header(&headers)?.verify(secret, &head, "/api/v1/s3")
}

#[test]
fn the_examples_of_the_documentation_are_verified_and_no_others() {
    for example in examples() {
        if let Err(error) = verify(&example, "", SECRET) {
            panic!("{}: {error}", example.1);
        }
        for (change, secret) in [("x", SECRET), ("", "another secret")] {
            let error = verify(&example, change, secret).unwrap_err();
            assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch, "{}", example.1);
        }
    }
}

fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

#[test]
fn the_base_path_may_be_signed_or_left_out() {
    let headers = |path: &str| {
        let text = format!(
            "PUT\nmd5\ntext/plain\n\nx-amz-date:Tue, 27 Mar 2007 19:36:42 GMT\nx-amz-meta-a:1,2\n{path}?uploads"
        );
        headers(&[
            ("content-md5", "md5"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", " 1"),
            ("x-amz-meta-a", "2 "),
            ("x-amz-date", "Tue, 27 Mar 2007 19:36:42 GMT"),
            ("authorization", &format!("AWS {KEY}:{}", signature(&text))),
        ])
    };
    let query = Query::parse("uploads&prefix=a").unwrap();
    let verify = |headers: &HeaderMap, base_path: &str| {
        let path = "/api/v1/s3/b/k";
        let head = SignedHead { method: &Method::PUT, path, query: &query, headers, host_bucket: None };
        Claim::from_header(headers).unwrap().verify(SECRET, &head, base_path).is_ok()
    };
    assert!(verify(&headers("/api/v1/s3/b/k"), "/api/v1/s3"));
    assert!(verify(&headers("/b/k"), "/api/v1/s3"));
    assert!(!verify(&headers("/b/k"), ""));
    assert!(!verify(&headers("/k"), "/api/v1/s3"));
}

#[test]
fn a_presigned_url_holds_until_it_expires() {
    let text = "GET\n\ntext/html\n1175139620\nx-amz-security-token:token\n/b/k?response-content-type=a/b";
    let signed = crate::auth::sigv4::encoded(signature(text).as_bytes());
    let parse = |more: &str| Query::parse(&format!("AWSAccessKeyId={KEY}&{more}&response-content-type=a%2Fb")).unwrap();
    let query =
        parse(&format!("Signature={signed}&Expires=1175139620&x-amz-security-token=token&content-type=text%2Fhtml"));
    let claim = Claim::from_query(&query).unwrap();
    assert_eq!(claim.session_token.as_deref(), Some("token"));
    let none = HeaderMap::new();
    let head = |query| SignedHead { method: &Method::GET, path: "/b/k", query, headers: &none, host_bucket: None };
    claim.verify(SECRET, &head(&query), "").unwrap();
    assert!(claim.check_time(1_175_139_620_000).is_ok());
    assert_eq!(claim.check_time(1_175_139_621_000).unwrap_err().code(), ErrorCode::AccessDenied);
    let later =
        parse(&format!("Signature={signed}&Expires=1175139621&x-amz-security-token=token&content-type=text%2Fhtml"));
    let claim = Claim::from_query(&later).unwrap();
    assert_eq!(claim.verify(SECRET, &head(&later), "").unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    for broken in ["Signature=a", "Expires=1", "Signature=&Expires=1", "Signature=a&Expires=x", "Signature=a&Expires="]
    {
        assert_eq!(Claim::from_query(&parse(broken)).unwrap_err().code(), ErrorCode::AccessDenied, "{broken}");
    }
}

#[test]
fn a_header_that_is_none_is_refused() {
    let code = |pairs: &[(&'static str, &str)]| Claim::from_header(&headers(pairs)).err().map(|error| error.code());
    let date = ("date", "Tue, 27 Mar 2007 19:36:42 GMT");
    assert_eq!(code(&[("authorization", "AWS a:b"), date]), None);
    assert_eq!(code(&[("authorization", "AWS a:b")]), Some(ErrorCode::AccessDenied));
    assert_eq!(code(&[("authorization", "AWS a:b"), ("date", "soon")]), Some(ErrorCode::AccessDenied));
    for value in ["AWS a", "AWS :b", "AWS a:", "AWS :", "AWS ", "AWSa:b"] {
        assert_eq!(code(&[("authorization", value), date]), Some(ErrorCode::InvalidArgument), "{value}");
    }
    let twice = [("authorization", "AWS a:b"), ("authorization", "AWS a:b"), date];
    assert_eq!(code(&twice), Some(ErrorCode::InvalidArgument));
}

#[test]
fn a_header_holds_a_quarter_of_an_hour() {
    let claim =
        Claim::from_header(&headers(&[("authorization", "AWS a:b"), ("date", "Fri, 24 May 2013 00:00:00 GMT")]));
    let claim = claim.unwrap();
    let at = |seconds: i64| claim.check_time((1_369_353_600 + seconds) * 1000).err().map(|error| error.code());
    assert_eq!((at(900), at(-900)), (None, None));
    assert_eq!((at(901), at(-901)), (Some(ErrorCode::RequestTimeTooSkewed), Some(ErrorCode::RequestTimeTooSkewed)));
}

#[test]
fn the_policy_of_a_form_is_verified() {
    let signed = signature("eyJhIjoxfQ==");
    let field = |name: &str| match name {
        "awsaccesskeyid" => Some(KEY),
        "signature" => Some(signed.as_str()),
        _ => None,
    };
    let claim = Claim::from_form(field).unwrap();
    claim.verify_policy(SECRET, "eyJhIjoxfQ==").unwrap();
    assert!(claim.verify_policy(SECRET, "eyJhIjoyfQ==").is_err());
    assert_eq!(Claim::from_form(|_| None).unwrap_err().code(), ErrorCode::InvalidArgument);
}
