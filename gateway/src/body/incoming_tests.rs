use super::*;
use crate::body::{BodyKind, BodyLimits, check_declared_payload, collect};
use futures::stream;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use std::convert::Infallible;
use std::time::Duration;

const LIMITS: BodyLimits =
    BodyLimits { max_bytes: 1000, idle_timeout: Duration::from_millis(50), min_bytes_per_second: 1024 };

fn plan(headers: &[(&'static str, &str)], kind: BodyKind) -> Result<BodyPlan, BodyError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    BodyPlan::from_headers(&map, kind, LIMITS)
}

fn put(headers: &[(&'static str, &str)]) -> Result<BodyPlan, BodyError> {
    plan(headers, BodyKind::Put)
}

async fn read(headers: &[(&'static str, &str)], body: &str) -> Result<(Vec<u8>, Verified), BodyError> {
    let mut body = IncomingBody::new(Full::new(Bytes::from(body.to_owned())), put(headers)?);
    let mut data = Vec::new();
    loop {
        match body.next().await? {
            Step::Data(piece) => data.extend_from_slice(&piece),
            Step::End(verified) => return Ok((data, verified)),
        }
    }
}

#[test]
fn every_payload_kind_is_told_apart() {
    let kind = |value: &str| {
        put(&[("x-amz-content-sha256", value), ("x-amz-decoded-content-length", "3")]).map(|plan| plan.payload)
    };
    assert_eq!(put(&[]).unwrap().payload, Payload::Undeclared);
    assert_eq!(kind("").unwrap(), Payload::Undeclared);
    assert_eq!(kind("UNSIGNED-PAYLOAD").unwrap(), Payload::Unsigned);
    assert_eq!(kind(&"AB".repeat(32)).unwrap(), Payload::Sha256([0xab; 32]));
    for streaming in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        assert!(matches!(kind(streaming).unwrap(), Payload::Streaming(_)), "{streaming}");
    }
    for other in ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"] {
        assert!(matches!(kind(other), Err(BodyError::PayloadNotImplemented { .. })), "{other}");
    }
    for unknown in ["unsigned-payload", "STREAMING", "STREAMING-UNSIGNED-PAYLOAD", "abc", &"a".repeat(63)] {
        assert!(matches!(kind(unknown), Err(BodyError::UnknownPayload { .. })), "{unknown}");
    }
    let doubled = put(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]);
    assert!(matches!(doubled, Err(BodyError::AmbiguousHeader { .. })));
    // The same is asked where no body is read.
    const SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
    let check = |value: &str| check_declared_payload(&HeaderMap::from_iter([(SHA256, value.parse().unwrap())]));
    assert_eq!(check("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), Ok(()));
    assert!(matches!(check("nonsense"), Err(BodyError::UnknownPayload { .. })));
}

#[test]
fn the_length_comes_from_whichever_header_the_framing_calls_for() {
    assert_eq!(put(&[]).unwrap().length, BodyLength::Absent);
    assert_eq!(put(&[("content-length", "7")]).unwrap().length, BodyLength::Known(7));
    assert_eq!(put(&[("transfer-encoding", "chunked")]).unwrap().length, BodyLength::Unknown);
    let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let missing = put(&[streaming, ("transfer-encoding", "chunked")]);
    assert!(matches!(missing, Err(BodyError::MissingLength { header: "x-amz-decoded-content-length" })));
    let both = put(&[streaming, ("content-length", "50"), ("x-amz-decoded-content-length", "7")]);
    assert_eq!(both.unwrap().length, BodyLength::Known(7));
    for length in ["-1", "+1", "", "1.0", "1e3", "99999999999999999999"] {
        let plan = put(&[streaming, ("x-amz-decoded-content-length", length)]);
        assert!(matches!(plan, Err(BodyError::InvalidLength { .. })), "{length}");
    }
    assert!(put(&[("content-length", "1000")]).is_ok());
    assert_eq!(put(&[("content-length", "1001")]), Err(BodyError::TooLarge { max_bytes: 1000 }));
}

#[test]
fn contradictory_checksum_headers_are_refused() {
    let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
    let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let length = ("x-amz-decoded-content-length", "0");
    let crc32 = ("x-amz-checksum-crc32", "AAAAAA==");
    let sha1 = ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    assert_eq!(put(&[crc32, sha1]), Err(BodyError::SeveralChecksums));
    assert_eq!(put(&[crc32, crc32]), Err(BodyError::SeveralChecksums));
    assert_eq!(put(&[streaming, length, trailer, crc32]), Err(BodyError::ChecksumInHeaderAndTrailer));
    assert_eq!(put(&[trailer]), Err(BodyError::TrailerWithoutStreaming));
    let two = ("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1");
    assert_eq!(put(&[streaming, length, two]), Err(BodyError::SeveralChecksums));
    let other = ("x-amz-trailer", "expires");
    assert!(matches!(put(&[streaming, length, other]), Err(BodyError::UnknownTrailer { .. })));
    for value in ["", "AAAA", "AAAAAA", "!!!!!!==", "AAAAAAAAAAA="] {
        let plan = put(&[("x-amz-checksum-crc32", value)]);
        assert!(matches!(plan, Err(BodyError::InvalidChecksum { .. })), "{value}");
    }
    assert!(matches!(put(&[("x-amz-sdk-checksum-algorithm", "CRC32")]), Err(BodyError::ChecksumNotSent { .. })));
    assert!(matches!(put(&[("x-amz-sdk-checksum-algorithm", "SHA1"), crc32]), Err(BodyError::ChecksumNotSent { .. })));
    assert!(matches!(
        put(&[("x-amz-sdk-checksum-algorithm", "ADLER")]),
        Err(BodyError::UnknownChecksumAlgorithm { .. })
    ));
    assert!(matches!(put(&[("x-amz-checksum-xxhash64", "AA==")]), Err(BodyError::ChecksumNotImplemented { .. })));
    assert!(put(&[("x-amz-sdk-checksum-algorithm", "CRC32"), crc32]).is_ok());
    assert!(put(&[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-mode", "ENABLED"), crc32]).is_ok());
    assert!(plan(&[crc32, sha1], BodyKind::Completion).unwrap().declared.is_none());
    // A trailer is the document's, whatever the document speaks of.
    let trailed = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "3"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        sha1,
    ];
    let declared = plan(&trailed, BodyKind::Completion).unwrap().declared;
    assert_eq!(declared, Some(DeclaredChecksum::Trailer { algorithm: ChecksumAlgorithm::Crc32 }));
}

#[test]
fn a_malformed_content_md5_is_told_at_once() {
    for value in ["", "abc", "AAAA", "1B2M2Y8AsgTpgAmY7PhCfg", "d41d8cd98f00b204e9800998ecf8427e"] {
        assert!(matches!(put(&[("content-md5", value)]), Err(BodyError::InvalidContentMd5 { .. })), "{value}");
    }
    assert!(put(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]).is_ok());
}

/// "123456789" and what it comes to.
const DIGITS: &str = "123456789";
const LENGTH: (&str, &str) = ("content-length", "9");

#[tokio::test]
async fn what_was_declared_truly_is_accepted() {
    let sha256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
    for headers in [
        vec![("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")],
        vec![("x-amz-content-sha256", sha256)],
        vec![("x-amz-checksum-crc32", "y/Q5Jg==")],
        vec![("x-amz-checksum-crc32c", "4waSgw==")],
        vec![("x-amz-checksum-crc64nvme", "rosUhgp5mIg=")],
        vec![("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")],
        vec![("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=")],
        vec![
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            ("x-amz-content-sha256", sha256),
        ],
    ] {
        let (data, verified) = read(&[&headers[..], &[LENGTH]].concat(), DIGITS).await.unwrap();
        assert_eq!(data, DIGITS.as_bytes());
        assert_eq!(hex::encode(verified.md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(verified.size_bytes, 9);
        let has_checksum = headers[0].0.starts_with("x-amz-checksum");
        assert_eq!(verified.declared, has_checksum.then(|| verified.checksum.clone()));
        if !has_checksum {
            assert_eq!(verified.checksum.algorithm(), ChecksumAlgorithm::Crc64nvme);
        }
    }
}

#[tokio::test]
async fn what_was_declared_falsely_is_refused_with_its_own_error() {
    let wrong = |header| async move { read(&[header, LENGTH], DIGITS).await.unwrap_err() };
    let error = wrong(("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")).await;
    assert!(matches!(error, BodyError::ContentMd5Mismatch { .. }), "{error:?}");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let error = wrong(("x-amz-content-sha256", empty)).await;
    assert!(matches!(error, BodyError::PayloadHashMismatch { .. }), "{error:?}");
    for header in [
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-crc32c", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ] {
        let error = wrong(header).await;
        assert!(matches!(error, BodyError::ChecksumMismatch { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn trailers_are_verified() {
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("transfer-encoding", "chunked"),
    ];
    let body = |trailer: &str| format!("9\r\n{DIGITS}\r\n0\r\n{trailer}\r\n");
    let (data, verified) = read(&headers, &body("x-amz-checksum-crc32:y/Q5Jg==\r\n")).await.unwrap();
    assert_eq!(data, DIGITS.as_bytes());
    assert_eq!(verified.declared.unwrap().value[..], [0xcb, 0xf4, 0x39, 0x26]);
    let error = read(&headers, &body("x-amz-checksum-crc32:AAAAAA==\r\n")).await.unwrap_err();
    assert!(matches!(error, BodyError::ChecksumMismatch { .. }), "{error:?}");
    let error = read(&headers, &body("x-amz-checksum-crc32:AAAA\r\n")).await.unwrap_err();
    assert!(matches!(error, BodyError::InvalidChecksum { .. }), "{error:?}");
    for trailer in [
        "",
        "x-amz-checksum-sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=\r\n",
        "x-amz-checksum-crc32:y/Q5Jg==\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n",
        "x-amz-checksum-crc32:y/Q5Jg==\r\nexpires:never\r\n",
    ] {
        let error = read(&headers, &body(trailer)).await.unwrap_err();
        assert!(matches!(error, BodyError::MalformedTrailer { .. }), "{trailer:?}: {error:?}");
    }
    let undeclared = [headers[0], headers[1]];
    let error = read(&undeclared, &body("x-amz-checksum-crc32:y/Q5Jg==\r\n")).await.unwrap_err();
    assert!(matches!(error, BodyError::MalformedTrailer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_of_unknown_length_ends_where_it_ends() {
    let chunked = ("transfer-encoding", "chunked");
    let (data, verified) = read(&[chunked], DIGITS).await.unwrap();
    assert_eq!((data.len(), verified.size_bytes), (9, 9));
    let error = read(&[chunked], &"x".repeat(1001)).await.unwrap_err();
    assert_eq!(error, BodyError::TooLarge { max_bytes: 1000 });
    assert_eq!(read(&[chunked], &"x".repeat(1000)).await.unwrap().0.len(), 1000);
}

#[tokio::test]
async fn a_body_that_is_shorter_or_longer_than_declared_is_refused() {
    let error = read(&[("content-length", "10")], DIGITS).await.unwrap_err();
    assert!(matches!(error, BodyError::Incomplete { received: 9, .. }), "{error:?}");
    let error = read(&[("content-length", "8")], DIGITS).await.unwrap_err();
    assert_eq!(error, BodyError::LongerThanDeclared { declared: 8 });
    let error = read(&[], DIGITS).await.unwrap_err();
    assert!(matches!(error, BodyError::MissingLength { .. }), "{error:?}");
    assert_eq!(read(&[], "").await.unwrap().0, b"");
}

/// A body of `count` frames of `length` bytes, one each 20 ms.
fn slow(count: u64, length: usize, limits: BodyLimits) -> IncomingBody {
    let frames = stream::unfold(0, move |sent| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (sent < count).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; length]))), sent + 1))
    });
    let plan = BodyPlan::undeclared(Some(count * length as u64), limits);
    IncomingBody::new(StreamBody::new(Box::pin(frames)), plan)
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_a_byte_now_and_then_is_given_up_and_a_slow_one_is_not() {
    let silent = stream::pending::<Result<Frame<Bytes>, Infallible>>();
    let mut body = IncomingBody::new(StreamBody::new(silent), put(&[("content-length", "9")]).unwrap());
    assert!(matches!(body.next().await, Err(BodyError::Stalled { .. })));
    let error = collect(slow(50, 1, LIMITS)).await.unwrap_err();
    assert!(matches!(error, BodyError::Stalled { .. }), "{error:?}");
    assert_eq!(collect(slow(10, 100, LIMITS)).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn how_slow_a_body_may_be_is_a_limit() {
    let patient = BodyLimits { min_bytes_per_second: 10, ..LIMITS };
    assert_eq!(collect(slow(20, 1, patient)).await.unwrap().len(), 20);
    let strict = BodyLimits { min_bytes_per_second: 100_000, ..LIMITS };
    let error = collect(slow(10, 100, strict)).await.unwrap_err();
    assert!(matches!(error, BodyError::Stalled { .. }), "{error:?}");
}

#[tokio::test]
async fn a_lost_connection_and_broken_framing_are_told_apart() {
    for (kind, is_lost) in [
        (std::io::ErrorKind::UnexpectedEof, true),
        (std::io::ErrorKind::ConnectionReset, true),
        (std::io::ErrorKind::InvalidInput, false),
    ] {
        let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"abc"))), Err(std::io::Error::from(kind))]);
        let mut body = IncomingBody::new(StreamBody::new(frames), put(&[("content-length", "9")]).unwrap());
        assert!(matches!(body.next().await, Ok(Step::Data(_))));
        let error = body.next().await.unwrap_err();
        assert_eq!(matches!(error, BodyError::Disconnected { .. }), is_lost, "{error:?}");
        assert_eq!(matches!(error, BodyError::MalformedTransfer { .. }), !is_lost, "{error:?}");
    }
}

#[tokio::test]
async fn large_frames_are_handed_on_in_pieces() {
    let length = PIECE_MAX_BYTES * 2 + 1;
    let limits = BodyLimits { max_bytes: 1 << 30, ..LIMITS };
    let plan = BodyPlan::undeclared(Some(length as u64), limits);
    let mut body = IncomingBody::new(Full::new(Bytes::from(vec![7; length])), plan);
    let mut lengths = Vec::new();
    while let Step::Data(data) = body.next().await.unwrap() {
        lengths.push(data.len());
    }
    assert_eq!(lengths, [PIECE_MAX_BYTES, PIECE_MAX_BYTES, 1]);
}

#[tokio::test]
async fn a_document_is_read_whole_with_the_same_checks() {
    let document = |headers: &[(&'static str, &str)], text: &str| {
        let plan = plan(headers, BodyKind::Document);
        let text = Bytes::from(text.to_owned());
        async move { collect(IncomingBody::new(Full::new(text), plan?)).await }
    };
    assert_eq!(document(&[LENGTH], DIGITS).await.unwrap(), DIGITS);
    assert_eq!(document(&[LENGTH, ("x-amz-checksum-crc32", "y/Q5Jg==")], DIGITS).await.unwrap(), DIGITS);
    let error = document(&[LENGTH, ("x-amz-checksum-crc32", "AAAAAA==")], DIGITS).await.unwrap_err();
    assert!(matches!(error, BodyError::ChecksumMismatch { .. }));
    let error = document(&[LENGTH, ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], DIGITS).await.unwrap_err();
    assert!(matches!(error, BodyError::ContentMd5Mismatch { .. }));
    let error = document(&[("transfer-encoding", "chunked")], &"x".repeat(1001)).await.unwrap_err();
    assert_eq!(error, BodyError::TooLarge { max_bytes: 1000 });
}

/// What a gateway makes of a request that comes over a connection which then ends.
async fn over_a_connection(request: &'static str) -> Result<usize, BodyError> {
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;

    let (mut client, server) = tokio::io::duplex(1024);
    let (outcome, read) = tokio::sync::oneshot::channel();
    let outcome = std::sync::Arc::new(parking_lot::Mutex::new(Some(outcome)));
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let outcome = outcome.lock().take();
        async move {
            let (head, body) = request.into_parts();
            let plan = BodyPlan::from_headers(&head.headers, BodyKind::Document, LIMITS).unwrap();
            let read = collect(IncomingBody::new(body, plan)).await.map(|document| document.len());
            let _ = outcome.map(|outcome| outcome.send(read));
            Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new())))
        }
    });
    tokio::spawn(
        hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service),
    );
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    // A handler that was dropped with its connection has said nothing.
    read.await.unwrap_or_else(|_| Err(BodyError::Disconnected { reason: "dropped".into() }))
}

#[tokio::test]
async fn what_hyper_says_of_a_broken_connection_is_understood() {
    let whole = over_a_connection("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(whole, Ok(3));
    let chunked = "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(over_a_connection(chunked).await, Ok(3));
    for cut in [
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let outcome = over_a_connection(cut).await;
        assert!(matches!(outcome, Err(BodyError::Disconnected { .. })), "{cut:?}: {outcome:?}");
    }
    for broken in [
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    ] {
        let outcome = over_a_connection(broken).await;
        assert!(matches!(outcome, Err(BodyError::MalformedTransfer { .. })), "{broken:?}: {outcome:?}");
    }
}
