use super::*;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use std::convert::Infallible;

pub(in crate::post) const BOUNDARY: &str = "9431149156168";

pub(in crate::post) fn headers() -> HeaderMap {
    let value = format!("multipart/form-data; boundary={BOUNDARY}");
    [(http::header::CONTENT_TYPE, value.parse().unwrap())].into_iter().collect()
}

/// A body that comes in pieces of this size.
pub(in crate::post) fn pieces(data: &[u8], size: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let frames: Vec<_> = data.chunks(size).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(futures::stream::iter(frames))
}

/// One part, with the boundary before it.
pub(in crate::post) fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

pub(in crate::post) fn end() -> Vec<u8> {
    format!("--{BOUNDARY}--\r\n").into_bytes()
}

pub(in crate::post) fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend(part(&format!("name=\"{name}\""), value.as_bytes()));
    }
    out.extend(part("name=\"file\"; filename=\"photo.jpg\"", file));
    out.extend(end());
    out
}

/// The fields and the whole file.
pub(in crate::post) async fn read(body: &[u8], size: usize) -> Result<(Fields, Vec<u8>), FormError> {
    let form = Form::read(&headers(), pieces(body, size), Duration::from_secs(5)).await?;
    let file = form.file.collect().await?;
    Ok((form.fields, file.to_bytes().to_vec()))
}

fn is_malformed(outcome: Result<(Fields, Vec<u8>), FormError>) -> bool {
    matches!(outcome, Err(FormError::Body(BodyError::MalformedForm { .. })))
}

#[tokio::test]
async fn fields_come_before_the_file() {
    let body = form(&[("Key", "user/${filename}"), ("policy", "e30="), ("x-amz-meta-lines", "a\r\nb")], b"content");
    let (fields, file) = read(&body, usize::MAX).await.unwrap();
    let fields: Vec<_> = fields.iter().collect();
    assert_eq!(fields, [("key", "user/photo.jpg"), ("policy", "e30="), ("x-amz-meta-lines", "a\r\nb")]);
    assert_eq!(file, b"content");
}

#[tokio::test]
async fn a_preamble_and_padding_say_nothing() {
    let text = format!(
        "preamble\r\n--{BOUNDARY} \t\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"\r\n\r\nf\r\n--{BOUNDARY}--\r\nepilogue"
    );
    let (fields, file) = read(text.as_bytes(), usize::MAX).await.unwrap();
    assert_eq!((fields.get("key"), file.as_slice()), (Some("k"), &b"f"[..]));
}

#[tokio::test]
async fn a_form_without_a_file_is_refused() {
    let none = [part("name=\"key\"", b"k"), end()].concat();
    assert_eq!(read(&none, usize::MAX).await.unwrap_err(), FormError::NoFile);
    let other = [part("name=\"upload\"; filename=\"a\"", b"k"), end()].concat();
    assert_eq!(read(&other, usize::MAX).await.unwrap_err(), FormError::NoFile);
    assert_eq!(read(&end(), usize::MAX).await.unwrap_err(), FormError::NoFile);
}

#[tokio::test]
async fn what_is_no_form_is_malformed() {
    for body in [
        Vec::new(),
        b"hello".to_vec(),
        b"--".to_vec(),
        b"--other\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nf\r\n--other--\r\n".to_vec(),
        format!("--{BOUNDARY}").into_bytes(),
        format!("--{BOUNDARY}\r\n\r\nno name\r\n--{BOUNDARY}--\r\n").into_bytes(),
        format!("--{BOUNDARY}\nContent-Disposition: form-data; name=\"file\"\n\nf\n--{BOUNDARY}--\n").into_bytes(),
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"policy\"\r\nvalue\r\n--{BOUNDARY}--\r\n\r\n")
            .into_bytes(),
        [part("name=\"key\"", b"a"), part("name=\"KEY\"", b"b"), form(&[], b"f")].concat(),
        [part("name=\"key\"", b"\xFF"), form(&[], b"f")].concat(),
        part("name=\"key\"", b"k"),
    ] {
        assert!(is_malformed(read(&body, usize::MAX).await), "{}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn a_form_that_was_cut_off_is_malformed_wherever_it_was() {
    let whole = form(&[("key", "k")], b"some content");
    let complete = whole.len() - 2;
    for length in 0..complete {
        assert!(is_malformed(read(&whole[..length], usize::MAX).await), "{length}");
    }
    assert!(read(&whole[..complete], usize::MAX).await.is_ok());
}

#[tokio::test]
async fn twenty_kilobytes_may_come_before_the_file() {
    let around = form(&[("key", "k"), ("x-ignore-a", "")], b"").len() - end().len() - 2;
    let sized = |bytes: usize| form(&[("key", "k"), ("x-ignore-a", &"v".repeat(bytes - around))], &[0; 50_000]);
    for size in [1 << 20, 1000] {
        assert!(read(&sized(FIELDS_MAX_BYTES), size).await.is_ok());
        let refused = read(&sized(FIELDS_MAX_BYTES + 1), size).await.unwrap_err();
        assert_eq!(refused, FormError::FieldsTooLarge { max_bytes: FIELDS_MAX_BYTES });
        let refused = read(&sized(1 << 20), size).await.unwrap_err();
        assert_eq!(refused, FormError::FieldsTooLarge { max_bytes: FIELDS_MAX_BYTES });
    }
    let preamble = [vec![b'p'; 1 << 20], form(&[("key", "k")], b"f")].concat();
    assert!(matches!(read(&preamble, 4096).await, Err(FormError::FieldsTooLarge { .. })));
    let endless_head = format!("--{BOUNDARY}\r\nX-A: {}", "h".repeat(1 << 20));
    assert!(matches!(read(endless_head.as_bytes(), 4096).await, Err(FormError::FieldsTooLarge { .. })));
    let many_lines = format!("--{BOUNDARY}\r\n{}", "a: b\r\n".repeat(100_000));
    assert!(matches!(read(many_lines.as_bytes(), 4096).await, Err(FormError::FieldsTooLarge { .. })));
}

#[tokio::test]
async fn fields_that_do_not_come_are_given_up() {
    let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let after = Duration::from_millis(20);
    let refused = Form::read(&headers(), body, after).await.err().unwrap();
    assert_eq!(refused, FormError::Body(BodyError::Stalled { after }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_does_not_matter_how_a_form_is_cut(
        file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'9'), any::<u8>()], 0..200),
        size in 1_usize..40,
    ) {
        let body = form(&[("key", "k"), ("acl", "private")], &file);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (fields, back) = runtime.block_on(read(&body, size)).unwrap();
        prop_assert_eq!(fields.iter().collect::<Vec<_>>(), [("key", "k"), ("acl", "private")]);
        prop_assert_eq!(back, file);
    }

    #[test]
    fn no_body_is_more_than_refused(
        pieces in proptest::collection::vec(prop_oneof![
            Just(format!("--{BOUNDARY}").into_bytes()),
            Just(b"\r\n".to_vec()),
            Just(b"--".to_vec()),
            Just(b"Content-Disposition: form-data; name=\"file\"".to_vec()),
            Just(b"Content-Disposition: form-data; name=\"key\"".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..8),
        ], 0..20),
        size in 1_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(read(&pieces.concat(), size));
    }
}
