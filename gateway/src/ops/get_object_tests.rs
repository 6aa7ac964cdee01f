use super::*;
use crate::request::tests::request;
use weir_proto::v1::{ChecksumAlgorithm, ChecksumType};

fn object() -> v1::Object {
    v1::Object {
        size_bytes: 100,
        etag: "abc-2".into(),
        modified_ms: 1_255_369_830_500,
        part_count: 2,
        attributes: Some(v1::Attributes {
            headers: vec![
                v1::Header { name: "content-type".into(), value: "text/plain".into() },
                v1::Header { name: "cache-control".into(), value: "no-store".into() },
            ],
            ..Default::default()
        }),
        checksum: Some(v1::Checksum {
            algorithm: ChecksumAlgorithm::Crc32.into(),
            r#type: ChecksumType::Composite.into(),
            value: vec![0, 0, 0, 1].into(),
        }),
        ..Default::default()
    }
}

/// The answer's status and headers for so much of the object.
fn answered(request: &Request, read: &Read, offset_bytes: u64, length_bytes: u64) -> Answer {
    let span = Span { offset_bytes, length_bytes, unsatisfiable: false };
    head(request, read, &object(), span, Verdict::Proceed).unwrap()
}

fn range() -> Read {
    Read { range: Some(v1::ByteRange::default()), part_number: 0 }
}

#[test]
fn the_whole_is_200_and_a_range_206() {
    let whole = answered(&request(""), &Read::default(), 0, 100);
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()["content-length"], "100");
    assert_eq!(whole.headers()["etag"], "\"abc-2\"");
    assert_eq!(whole.headers()["last-modified"], "Mon, 12 Oct 2009 17:50:30 GMT");
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert!(!whole.headers().contains_key("content-range"));
    let part = answered(&request(""), &range(), 10, 5);
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 10-14/100");
    assert_eq!(part.headers()["content-length"], "5");
}

#[test]
fn a_part_tells_how_many_there_are() {
    let read = Read { range: None, part_number: 2 };
    let answer = answered(&request("partNumber=2"), &read, 60, 40);
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.headers()["x-amz-mp-parts-count"], "2");
    assert_eq!(answer.headers()["content-range"], "bytes 60-99/100");
    assert!(!answered(&request(""), &Read::default(), 0, 100).headers().contains_key("x-amz-mp-parts-count"));
}

#[test]
fn the_checksum_is_told_of_the_whole_and_when_asked_for() {
    let mut asking = request("");
    asking.headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
    let whole = answered(&asking, &Read::default(), 0, 100);
    assert_eq!(whole.headers()["x-amz-checksum-crc32"], "AAAAAQ==-2");
    assert_eq!(whole.headers()["x-amz-checksum-type"], "COMPOSITE");
    assert!(!answered(&asking, &range(), 0, 100).headers().contains_key("x-amz-checksum-crc32"));
    assert!(!answered(&request(""), &Read::default(), 0, 100).headers().contains_key("x-amz-checksum-crc32"));
}

#[test]
fn a_query_may_replace_headers() {
    let request = request("response-content-type=image%2Fpng&response-expires=0");
    let answer = answered(&request, &Read::default(), 0, 100);
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.headers()["expires"], "0");
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[test]
fn a_replacement_can_not_add_headers() {
    let error = check_overrides(&request("response-content-type=a%0D%0Ax-evil:1")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(check_overrides(&request("response-content-type=text/plain%3B%20charset%3Dutf-8")).is_ok());
}

#[test]
fn what_is_not_modified_tells_what_a_cache_needs() {
    let answer = not_modified(&object());
    assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(answer.headers()["etag"], "\"abc-2\"");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(!answer.headers().contains_key("content-type"));
    assert!(!answer.headers().contains_key("content-length"));
}

#[test]
fn what_lies_outside_is_416_with_the_size() {
    let mut asking = request("");
    asking.headers.insert(RANGE, HeaderValue::from_static("bytes=100-"));
    let error = unsatisfiable(&asking, &range(), 100);
    assert_eq!(error.code(), ErrorCode::InvalidRange);
    let answer = error.answer("/", "1", "h", true);
    assert_eq!(answer.headers()[CONTENT_RANGE], "bytes */100");
    let error = unsatisfiable(&request("partNumber=3"), &Read { range: None, part_number: 3 }, 100);
    assert_eq!(error.code(), ErrorCode::InvalidPartNumber);
}

#[test]
fn a_range_and_a_part_exclude_each_other() {
    let mut both = request("partNumber=1");
    both.headers.insert(RANGE, HeaderValue::from_static("bytes=0-1"));
    assert_eq!(Read::of(&both).unwrap_err().code(), ErrorCode::InvalidRequest);
}
