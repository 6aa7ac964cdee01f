//! GetObject and HeadObject.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>

use super::{Context, reading};
use crate::answer::{self, Answer, AnswerBody};
use crate::auth::{Need, Resource};
use crate::conditions::{self, Conditions, Verdict};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::objects::{GetObject, OpenedObject};
use crate::request::Request;
use crate::{attributes, checksum, range};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE, CONTENT_TYPE,
    EXPIRES, HeaderName, RANGE,
};
use http::{HeaderValue, StatusCode};
use weir_proto::{BucketName, ObjectKey, v1};

const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// Headers of the answer that the query may replace.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-content-type", CONTENT_TYPE),
    ("response-expires", EXPIRES),
];

pub async fn get_object(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    let (read, mut opened) = open(context, request, bucket, key, true).await?;
    let verdict = conditions_of(request, &opened.object)?;
    let mut answer = head(request, &read, &opened.object, Span::of(&opened), verdict)?;
    if verdict == Verdict::Proceed {
        // What fails at once can still be told.
        opened.content.start().await?;
        *answer.body_mut() = AnswerBody::Content(opened.content);
    }
    Ok(answer)
}

pub async fn head_object(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    let (read, opened) = open(context, request, bucket, key, false).await?;
    let verdict = conditions_of(request, &opened.object)?;
    head(request, &read, &opened.object, Span::of(&opened), verdict)
}

/// What of the object is asked for.
#[derive(Clone, Debug, Default)]
struct Read {
    range: Option<v1::ByteRange>,
    /// 0: none.
    part_number: u32,
}

impl Read {
    fn of(request: &Request) -> Result<Self, S3Error> {
        let part_number = request.part_number()?.unwrap_or(0);
        if part_number > 0 && request.headers.contains_key(RANGE) {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
        }
        let range = if part_number == 0 { range::asked(&request.headers) } else { None };
        Ok(Self { range, part_number })
    }

    fn is_whole(&self) -> bool {
        self.range.is_none() && self.part_number == 0
    }
}

/// Where in the object it lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    offset_bytes: u64,
    length_bytes: u64,
    unsatisfiable: bool,
}

impl Span {
    fn of(opened: &OpenedObject) -> Self {
        let OpenedObject { offset_bytes, length_bytes, unsatisfiable, .. } = *opened;
        Self { offset_bytes, length_bytes, unsatisfiable }
    }
}

async fn open(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    with_content: bool,
) -> Result<(Read, OpenedObject), S3Error> {
    request.check_version()?;
    attributes::refuse_unsupported(&request.headers)?;
    check_overrides(request)?;
    let mut read = Read::of(request)?;
    let need = Need { action: "s3:GetObject", resource: Resource::Object(bucket, key) };
    loop {
        let get =
            GetObject { bucket: bucket.clone(), key: key.clone(), range: read.range, part_number: read.part_number };
        let opened = match with_content {
            true => context.objects.get_object(get).await,
            false => context.objects.head_object(get).await,
        };
        let opened = opened.map_err(|failure| reading::unread(&request.access, &need, failure.into()))?;
        let object = &opened.object;
        request.access.require_of(&need, object)?;
        if read.range.is_none() || conditions::range_holds(&request.headers, &object.etag, object.modified_ms) {
            return Ok((read, opened));
        }
        // The range was meant for another version: the whole is sent.
        read.range = None;
    }
}

/// # Errors
/// `PreconditionFailed`.
fn conditions_of(request: &Request, object: &v1::Object) -> Result<Verdict, S3Error> {
    match Conditions::of_read(&request.headers).judge(&object.etag, object.modified_ms) {
        Verdict::Failed(condition) => Err(conditions::failed(condition)),
        verdict => Ok(verdict),
    }
}

/// The answer without its body.
fn head(request: &Request, read: &Read, object: &v1::Object, span: Span, verdict: Verdict) -> Result<Answer, S3Error> {
    if verdict == Verdict::NotModified {
        return Ok(not_modified(object));
    }
    if span.unsatisfiable {
        return Err(unsatisfiable(request, read, object.size_bytes));
    }
    let mut answer = answer::empty(StatusCode::OK);
    attributes::put_headers(&mut answer, object.attributes.as_ref());
    answer::put_etag(&mut answer, &object.etag);
    answer::put_last_modified(&mut answer, object.modified_ms);
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer::put_length(&mut answer, span.length_bytes);
    // An empty object or part has no range to tell.
    if !read.is_whole() && span.length_bytes > 0 {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = range::content_range(span.offset_bytes, span.length_bytes, object.size_bytes);
        answer::put(&mut answer, CONTENT_RANGE, &range);
    }
    if read.part_number > 0 && object.part_count > 0 {
        answer.headers_mut().insert(PARTS_COUNT, HeaderValue::from(object.part_count));
    }
    // The checksum is that of the whole: it would be wrong for a part of it.
    if read.is_whole() && wants_checksum(request) {
        checksum::put_headers(answer.headers_mut(), object.checksum.as_ref(), object.part_count);
    }
    put_overrides(request, &mut answer);
    Ok(answer)
}

fn wants_checksum(request: &Request) -> bool {
    let mode = request.headers.get("x-amz-checksum-mode");
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

/// RFC 9110, 15.4.5: what a cache needs to refresh its copy.
fn not_modified(object: &v1::Object) -> Answer {
    let mut whole = answer::empty(StatusCode::NOT_MODIFIED);
    attributes::put_headers(&mut whole, object.attributes.as_ref());
    let mut answer = answer::empty(StatusCode::NOT_MODIFIED);
    for name in [CACHE_CONTROL, EXPIRES] {
        if let Some(value) = whole.headers_mut().remove(&name) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer::put_etag(&mut answer, &object.etag);
    answer::put_last_modified(&mut answer, object.modified_ms);
    answer
}

fn unsatisfiable(request: &Request, read: &Read, size_bytes: u64) -> S3Error {
    if read.part_number > 0 {
        return S3Error::new(ErrorCode::InvalidPartNumber).element("PartNumberRequested", read.part_number.to_string());
    }
    let asked = request.headers.get(RANGE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let error = S3Error::new(ErrorCode::InvalidRange)
        .element("RangeRequested", asked.unwrap_or_default())
        .element("ActualObjectSize", size_bytes.to_string());
    match HeaderValue::try_from(format!("bytes */{size_bytes}")) {
        Ok(value) => error.header(CONTENT_RANGE, value),
        Err(_) => error,
    }
}

/// # Errors
/// `InvalidArgument` for text that no header can carry.
fn check_overrides(request: &Request) -> Result<(), S3Error> {
    for (parameter, _) in &OVERRIDES {
        if let Some(value) = request.query.get(parameter)
            && HeaderValue::try_from(value).is_err()
        {
            return Err(S3Error::invalid_argument(*parameter, value, "The value can't be that of a header"));
        }
    }
    Ok(())
}

fn put_overrides(request: &Request, answer: &mut Answer) {
    for (parameter, header) in OVERRIDES {
        if let Some(value) = request.query.get(parameter) {
            answer::put(answer, header, value);
        }
    }
}

#[cfg(test)]
#[path = "get_object_tests.rs"]
mod tests;
