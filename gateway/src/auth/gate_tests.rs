use super::*;
use crate::auth::ACCOUNT;
use crate::auth::Identity;
use crate::body::{Payload, StreamingKind};
use http::Request;
use weir_service::clock::ManualClock;
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;

const NOW_MS: i64 = 1_369_353_600_000;
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn tokens() -> SessionTokens {
    let sealer = Sealer::new(&ClusterSecret::new("a secret of 32 characters or more").unwrap());
    SessionTokens::new(Arc::new(sealer), Arc::new(ManualClock::at(NOW_MS)), KEY, SECRET)
}

fn gate(access_key: &str, secret_key: &str) -> Result<Gate, AccessError> {
    let settings =
        GatewaySettings { access_key: access_key.into(), secret_key: secret_key.into(), ..GatewaySettings::default() };
    Gate::new(&settings, tokens(), Arc::new(ManualClock::at(NOW_MS)))
}

/// The example of S3's documentation that gets a range, with changes.
fn admitted(gate: &Gate, target: &str, changes: &[(&str, &str)]) -> Result<Caller, ErrorCode> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    let mut headers = vec![
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", NOTHING),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", authorization.as_str()),
    ];
    for (name, value) in changes {
        headers.retain(|(known, _)| known != name);
        if *value != "absent" {
            headers.push((name, value));
        }
    }
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default()).unwrap();
    let kind = Authentication::of(&parts.method, &parts.headers, &query);
    let host = "examplebucket.s3.amazonaws.com";
    let host_bucket = Some("examplebucket");
    let presented = Presented { parts: &parts, query: &query, host, host_bucket, by_base_path: false };
    gate.admit(kind, &presented, &Rules::default()).map_err(|error| error.code())
}

#[test]
fn half_a_pair_of_keys_is_refused() {
    for (access_key, secret_key) in [("a", ""), ("", "b")] {
        assert_eq!(gate(access_key, secret_key).unwrap_err(), AccessError::HalfAPair);
    }
}

#[test]
fn without_keys_only_loopback_addresses_are_served() {
    let (open, keyed) = (gate("", "").unwrap(), gate(KEY, SECRET).unwrap());
    for address in ["127.0.0.1:1", "127.9.9.9:39999", "[::1]:39999", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(open.check_listener(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in ["0.0.0.0:39999", "[::]:39999", "192.168.1.2:1", "10.0.0.1:1", "[2001:db8::1]:1"] {
        let error = open.check_listener(address.parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("gateway.access_key"), "{error}");
        assert_eq!(keyed.check_listener(address.parse().unwrap()), Ok(()), "{address}");
    }
}

#[test]
fn without_keys_everyone_is_the_account_whatever_they_carry() {
    let open = gate("", "").unwrap();
    for changes in
        [vec![], vec![("authorization", "absent")], vec![("authorization", "AWS :")], vec![("authorization", "x")]]
    {
        let caller = admitted(&open, "/test.txt", &changes).unwrap();
        assert_eq!((caller.identity(), caller.owner()), (&Identity::Root, ACCOUNT));
    }
}

#[test]
fn with_keys_the_signature_decides() {
    let keyed = gate(KEY, SECRET).unwrap();
    let code = |target: &str, changes: &[(&str, &str)]| admitted(&keyed, target, changes).err();
    let caller = admitted(&keyed, "/test.txt", &[]).unwrap();
    assert_eq!((caller.identity(), caller.access_key_id.as_str()), (&Identity::Root, KEY));
    assert_eq!(code("/test.tx", &[]), Some(ErrorCode::SignatureDoesNotMatch));
    assert_eq!(code("/test.txt?a", &[]), Some(ErrorCode::SignatureDoesNotMatch));
    assert_eq!(code("/test.txt", &[("range", "bytes=0-8")]), Some(ErrorCode::SignatureDoesNotMatch));
    assert_eq!(code("/test.txt", &[("x-amz-acl", "private")]), Some(ErrorCode::AccessDenied));
    assert_eq!(code("/test.txt", &[("x-amz-content-sha256", "absent")]), Some(ErrorCode::InvalidRequest));
    assert_eq!(code("/test.txt", &[("x-amz-date", "20130524T001501Z")]), Some(ErrorCode::RequestTimeTooSkewed));
    assert_eq!(code("/test.txt", &[("x-amz-security-token", "x")]), Some(ErrorCode::InvalidToken));
    assert_eq!(code("/test.txt", &[("authorization", "Bearer x")]), Some(ErrorCode::InvalidArgument));
    assert_eq!(code("/test.txt?X-Amz-Signature=0", &[]), Some(ErrorCode::InvalidArgument));
    assert_eq!(code("/test.txt?Signature=0", &[]), Some(ErrorCode::InvalidArgument));
    let mixed = "/test.txt?Signature=0&AWSAccessKeyId=a&Expires=1&X-Amz-Signature=0&X-Amz-Algorithm=a";
    assert_eq!(code(mixed, &[("authorization", "absent")]), Some(ErrorCode::InvalidArgument));
    assert_eq!(
        code("/test.txt", &[("authorization", "AWS nobody:AAAA"), ("x-amz-date", "20130524T000000Z")]),
        Some(ErrorCode::InvalidAccessKeyId)
    );
    let wrong = gate(KEY, "another secret").unwrap();
    assert_eq!(admitted(&wrong, "/test.txt", &[]).unwrap_err(), ErrorCode::SignatureDoesNotMatch);
    let other = gate("AKIAOTHER", SECRET).unwrap();
    assert_eq!(admitted(&other, "/test.txt", &[]).unwrap_err(), ErrorCode::InvalidAccessKeyId);
    let nobody = admitted(&keyed, "/test.txt", &[("authorization", "absent")]).unwrap();
    assert_eq!(nobody.identity(), &Identity::Anonymous);
}

#[test]
fn version_2_can_be_switched_off() {
    let settings = GatewaySettings {
        access_key: KEY.into(),
        secret_key: SECRET.into(),
        signature_v2: false,
        ..GatewaySettings::default()
    };
    let gate = Gate::new(&settings, tokens(), Arc::new(ManualClock::at(NOW_MS))).unwrap();
    let code = admitted(&gate, "/test.txt", &[("authorization", &format!("AWS {KEY}:AAAA"))]).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidRequest);
}

#[test]
fn chunks_are_verified_with_the_key_of_the_request() {
    let caller = admitted(&gate(KEY, SECRET).unwrap(), "/test.txt", &[]).unwrap();
    assert!(caller.chunk_verifier(Payload::Streaming(StreamingKind::Signed)).unwrap().is_some());
    assert!(caller.chunk_verifier(Payload::Unsigned).unwrap().is_none());
}
