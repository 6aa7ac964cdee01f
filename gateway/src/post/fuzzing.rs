//! Forms, however they are cut into frames, and their policies.

use super::fields::Fields;
use super::form::Form;
use super::policy::{Policy, PolicyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::convert::Infallible;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use weir_proto::BucketName;
use weir_service::fuzzing::Input;

const NOW_MS: i64 = 1_767_225_600_000;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// The Content-Type on the first line, then the body. It is read the same however it is cut; its fields and its file, in
/// a form that is written anew, are the same again.
pub fn post_form(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Ok(content_type) = HeaderValue::from_bytes(input.line()) else { return };
    let body = input.rest();
    let whole = read(&content_type, body, usize::MAX);
    for size in [1, 7, 70] {
        assert_eq!(read(&content_type, body, size), whole, "in pieces of {size}");
    }
    let Some((fields, file)) = whole else { return };
    if let Some((boundary, body)) = written(&fields, &file) {
        let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
        let again = read(&content_type.expect("a boundary is text"), &body, usize::MAX);
        assert_eq!(again, Some((fields, file)));
    }
}

/// The fields and the whole file; none: it was refused.
fn read(content_type: &HeaderValue, body: &[u8], size: usize) -> Option<(Fields, Vec<u8>)> {
    let headers: HeaderMap = [(CONTENT_TYPE, content_type.clone())].into_iter().collect();
    let frames: Vec<Result<_, Infallible>> =
        body.chunks(size).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = StreamBody::new(futures::stream::iter(frames));
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let form = Form::read(&headers, body, Duration::from_secs(60)).await.ok()?;
            let file = form.file.collect().await.ok()?.to_bytes().to_vec();
            Some((form.fields, file))
        })
    })
}

/// A boundary that is in none of it, and the form. None: a name can't be quoted.
fn written(fields: &Fields, file: &[u8]) -> Option<(String, Vec<u8>)> {
    let contents: Vec<&[u8]> = fields.iter().map(|(_, value)| value.as_bytes()).chain([file]).collect();
    let is_free = |boundary: &String| {
        contents.iter().all(|content| !content.windows(boundary.len()).any(|window| window == boundary.as_bytes()))
    };
    let boundary = (0..).map(|number| format!("boundary{number}")).find(is_free)?;
    let mut out = Vec::new();
    for (name, value) in fields.iter().map(|(name, value)| (name, value.as_bytes())).chain([("file", file)]) {
        if name.contains(['"', '\\']) || name.contains(char::is_control) {
            return None;
        }
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        out.extend([head.as_bytes(), value, b"\r\n"].concat());
    }
    out.extend(format!("--{boundary}--\r\n").into_bytes());
    Some((boundary, out))
}

/// Fields, `name=value` a line each up to an empty line, then a policy document.
pub fn post_policy(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut fields = Fields::default();
    while let Some((name, value)) = input.text_line().split_once('=') {
        let _ = fields.add(name, value.into());
    }
    let _ = fields.expand(Some("photo.jpg"));
    let _ = Policy::parse(&String::from_utf8_lossy(bytes));
    let Ok(policy) = Policy::parse(&BASE64.encode(input.rest())) else { return };
    let sizes = policy.content_length();
    assert!(sizes.is_empty() || sizes.start() <= sizes.end());
    let bucket = BucketName::new("photos").expect("it is one");
    match policy.check(&bucket, &fields, NOW_MS) {
        Ok(()) => {
            let _ = fields.add("one-more", Vec::new());
            let refused = policy.check(&bucket, &fields, NOW_MS);
            let is_named = String::from_utf8_lossy(input.rest()).to_ascii_lowercase().contains("one-more");
            assert!(refused.is_err() || is_named || fields.get("one-more").is_none(), "{policy:?}");
        }
        Err(PolicyError::ConditionFailed { condition }) => {
            let shown: serde_json::Value = serde_json::from_str(&condition).expect("a condition is shown as JSON");
            assert!(shown.is_array());
        }
        Err(error) => drop(error.to_string()),
    }
}
