//! POST Object: what a browser sends when its user submits a form with a file.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
//!
//! The form is read up to its file ([`Form::read`]). Who sent it shows only then, in its fields; [`store_form`] does
//! the rest for whoever that is.

use super::Context;
use crate::answer::{self, Answer};
use crate::auth::acl::AclSettings;
use crate::auth::{Access, Caller, Resource, claimed_by_form, needs};
use crate::body::{BodyError, BodyPlan, DeclaredChecksum, IncomingBody};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::objects::PutObject;
use crate::post::{Fields, FileStream, Form, Policy, redirect_to};
use crate::request::{Request, RequestBody};
use crate::route::{ObjectOperation, Operation};
use crate::xml::{Writer, parse_tagging, url_encoded};
use crate::{attributes, checksum, conditions};
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use std::borrow::Cow;
use std::time::Duration;
use weir_proto::{BucketName, ObjectKey, v1};

/// Fields that mean what the headers of a PUT by their names mean, besides those that begin with `x-amz-`.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];
/// Fields that say who sent the form.
const CREDENTIALS: [&str; 5] =
    ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

pub async fn post_object(context: &Context, request: &Request, bucket: &BucketName, body: RequestBody) -> Outcome {
    let timeout = Duration::from_millis(context.settings.body_idle_timeout_ms);
    let form = Form::read(&request.headers, body, timeout).await?;
    let sender = authorized(context, request, bucket, &form.fields).await?;
    let policy = form.fields.get("policy").map(Policy::parse).transpose()?;
    store_form(context, request, &sender, bucket, form, policy).await
}

/// Who sent a form.
struct Sender {
    caller: Caller,
    access: Access,
    /// Of the bucket that it was sent to.
    settings: AclSettings,
}

/// Who sent the form, if they may do what it asks for.
async fn authorized(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    fields: &Fields,
) -> Result<Sender, S3Error> {
    request.noted.claimed_by(claimed_by_form(|name| fields.get(name)));
    if let Ok(key) = key_of(fields) {
        request.noted.key(&key);
    }
    let rules = context.follower.fresh().await?;
    let caller = context.gate.admit_form(|name| fields.get(name), fields.get("policy"), &rules)?;
    request.noted.sent_by(&caller);
    context.check_rate(&caller)?;
    let key = key_of(fields)?;
    let headers = headers_of(fields)?;
    let described = context.described(&headers, &request.query, request.peer, Some(true));
    let access = context.access_of(&caller, &described, &rules);
    let put = Operation::Object(bucket.clone(), key, ObjectOperation::PutObject);
    access.begin(&needs(&put, &headers, &request.query))?;
    let settings = AclSettings::of(rules.bucket(bucket.as_str()));
    Ok(Sender { caller, access, settings })
}

/// Stores the file of a form. A policy that came with it must hold.
async fn store_form(
    context: &Context,
    request: &Request,
    sender: &Sender,
    bucket: &BucketName,
    form: Form<RequestBody>,
    policy: Option<Policy>,
) -> Outcome {
    let Form { fields, file } = form;
    check_bucket(&fields, bucket)?;
    let key = key_of(&fields)?;
    if let Some(policy) = &policy {
        policy.check(bucket, &fields, context.clock.now_ms())?;
    }
    // What headers ask for in vain is refused too.
    attributes::refuse_unsupported(&request.headers)?;
    let headers = headers_of(&fields)?;
    let new = sender.settings.new_object(&headers, sender.caller.owner().id)?;
    let condition = conditions::of_write(&request.headers)?;
    let put = PutObject {
        bucket: bucket.clone(),
        key: key.clone(),
        attributes: v1::Attributes { acl: new.acl, ..attributes::of_new_object(&headers)? },
        precondition: sender.access.own_alone("s3:PutObject", &Resource::Object(bucket, &key), condition),
        owner: new.owner,
        keeping: request.keeping(bucket),
    };
    let plan = plan_of(context, &headers, policy.as_ref(), &file)?;
    let object = context.objects.put_object(put, IncomingBody::new(file, plan)).await?;
    Ok(stored(request, bucket, &key, &fields, &object))
}

/// A form that names another bucket than its URL was made for that one.
fn check_bucket(fields: &Fields, bucket: &BucketName) -> Result<(), S3Error> {
    match fields.get("bucket") {
        Some(other) if other != bucket.as_str() => {
            let message = "The bucket that the form names is not the one that it was sent to";
            Err(S3Error::with_message(ErrorCode::AccessDenied, message))
        }
        _ => Ok(()),
    }
}

/// The key that the form asks for.
///
/// # Errors
/// `UserKeyMustBeSpecified`, `KeyTooLongError`; `InvalidArgument` for a null byte, which no URL could name.
fn key_of(fields: &Fields) -> Result<ObjectKey, S3Error> {
    let key = fields.get("key").ok_or(ErrorCode::UserKeyMustBeSpecified)?;
    if key.contains('\0') {
        return Err(S3Error::invalid_argument("key", "", "The key has a null byte"));
    }
    Ok(ObjectKey::new(key.as_bytes().to_vec())?)
}

/// The fields that say something about the object, as a PUT would carry them.
fn headers_of(fields: &Fields) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (field, text) in fields.iter() {
        let (name, value) = match field {
            "acl" => ("x-amz-acl", Cow::Borrowed(text)),
            "tagging" => ("x-amz-tagging", Cow::Owned(as_query(&parse_tagging(text.as_bytes())?))),
            name if CREDENTIALS.contains(&name) => continue,
            name if HEADERS.contains(&name) || name.starts_with("x-amz-") => (name, Cow::Borrowed(text)),
            _ => continue,
        };
        let invalid = |message: &'static str| S3Error::invalid_argument(field, text, message);
        let name = HeaderName::try_from(name).map_err(|_| invalid("The field's name can't be that of a header"))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid("No header can carry the value"))?;
        if headers.insert(name, value).is_some() {
            return Err(invalid("The form says the same thing twice"));
        }
    }
    Ok(headers)
}

/// Tags as x-amz-tagging has them.
fn as_query(tags: &[v1::Tag]) -> String {
    let encoded = |text: &str| url_encoded(text.as_bytes());
    let pairs: Vec<_> = tags.iter().map(|tag| format!("{}={}", encoded(&tag.key), encoded(&tag.value))).collect();
    pairs.join("&")
}

/// How to read the file, and what must be true of it.
fn plan_of(
    context: &Context,
    headers: &HeaderMap,
    policy: Option<&Policy>,
    file: &FileStream<RequestBody>,
) -> Result<BodyPlan, S3Error> {
    let (min_bytes, max_bytes) = policy.map_or(0..=u64::MAX, Policy::content_length).into_inner();
    let limits = context.limits(max_bytes.min(context.settings.put_max_bytes));
    if file.least_bytes() > limits.max_bytes {
        return Err(BodyError::TooLarge { max_bytes: limits.max_bytes }.into());
    }
    let plan = BodyPlan::of_form_file(headers, min_bytes, limits)?;
    if let Some(algorithm) = checksum::asked_algorithm(headers)?
        && plan.declared.as_ref().map(DeclaredChecksum::algorithm) != Some(algorithm)
    {
        let declared = checksum::name(algorithm).unwrap_or_default().to_owned();
        return Err(BodyError::ChecksumNotSent { declared }.into());
    }
    Ok(plan)
}

fn stored(request: &Request, bucket: &BucketName, key: &ObjectKey, fields: &Fields, object: &v1::Object) -> Answer {
    let location = request.location(bucket, key);
    let asked = ["success_action_redirect", "redirect"].into_iter().filter_map(|name| fields.get(name));
    let key = fields.get("key").unwrap_or_default();
    let redirect = asked.into_iter().find_map(|url| redirect_to(url, bucket, key, &object.etag));
    let mut answer = match (redirect, fields.get("success_action_status")) {
        (Some(target), _) => {
            let mut answer = answer::empty(StatusCode::SEE_OTHER);
            answer.headers_mut().insert(LOCATION, target);
            answer
        }
        (None, Some("200")) => answer::empty(StatusCode::OK),
        (None, Some("201")) => document(&location, bucket, key, &object.etag),
        (None, _) => answer::empty(StatusCode::NO_CONTENT),
    };
    if !answer.headers().contains_key(LOCATION) {
        answer::put(&mut answer, LOCATION, &location);
    }
    answer::put_etag(&mut answer, &object.etag);
    checksum::put_headers(answer.headers_mut(), object.checksum.as_ref(), 0);
    answer
}

/// 201. S3 gives this document no namespace, and clients that look for its elements by name count on that.
fn document(location: &str, bucket: &BucketName, key: &str, etag: &str) -> Answer {
    let mut xml = Writer::without_namespace("PostResponse");
    xml.text("Location", location).text("Bucket", bucket.as_str()).text("Key", key).etag("ETag", etag);
    let mut answer = answer::document(xml);
    *answer.status_mut() = StatusCode::CREATED;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    fn code<T>(outcome: Result<T, S3Error>) -> Option<ErrorCode> {
        outcome.err().map(|error| error.code())
    }

    #[test]
    fn a_key_must_be_there_and_have_an_end() {
        let key = |key: &str| code(key_of(&[("Key", key)].into_iter().collect()));
        assert_eq!(key("a/../b"), None);
        assert_eq!(key(&"k".repeat(1024)), None);
        assert_eq!(key(&"k".repeat(1025)), Some(ErrorCode::KeyTooLongError));
        assert_eq!(key(""), Some(ErrorCode::UserKeyMustBeSpecified));
        assert_eq!(key("a\0b"), Some(ErrorCode::InvalidArgument));
        assert_eq!(code(key_of(&Fields::default())), Some(ErrorCode::UserKeyMustBeSpecified));
    }

    #[test]
    fn fields_about_the_object_become_headers() {
        let fields: Fields = [
            ("key", "k"),
            ("acl", "private"),
            ("Content-Type", "image/jpeg"),
            ("x-amz-meta-Name", "é"),
            ("x-amz-credential", "secret"),
            ("x-amz-security-token", "secret"),
            ("policy", "p"),
            ("submit", "Upload"),
            ("tagging", "<Tagging><TagSet><Tag><Key>a/b</Key><Value>c &amp; d</Value></Tag></TagSet></Tagging>"),
        ]
        .into_iter()
        .collect();
        let headers = headers_of(&fields).unwrap();
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-amz-acl", "content-type", "x-amz-meta-name", "x-amz-tagging"]);
        assert_eq!(headers["x-amz-tagging"], "a/b=c%20%26%20d");
        for fields in [
            [("acl", "private"), ("x-amz-acl", "private")],
            [("key", "k"), ("x-amz-meta-a", "line\nline")],
            [("key", "k"), ("x-amz-meta-é", "v")],
        ] {
            assert_eq!(code(headers_of(&fields.into_iter().collect())), Some(ErrorCode::InvalidArgument), "{fields:?}");
        }
    }

    #[test]
    fn the_answer_is_what_the_form_asks_for() {
        let object = v1::Object { etag: "39d4".into(), ..Default::default() };
        let (bucket, key) = (BucketName::new("photos").unwrap(), ObjectKey::new("a/b c").unwrap());
        let answer = |fields: &[(&str, &str)]| {
            let fields = fields.iter().copied().chain([("key", "a/b c")]).collect();
            let answer = stored(&request(""), &bucket, &key, &fields, &object);
            assert_eq!(answer.headers()["etag"], "\"39d4\"");
            (answer.status().as_u16(), answer.headers()[LOCATION].to_str().unwrap().to_owned())
        };
        let own = "http://localhost:39999/photos/a/b%20c".to_owned();
        for (status, expected) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204), ("0200", 204)] {
            assert_eq!(answer(&[("success_action_status", status)]), (expected, own.clone()), "{status}");
        }
        assert_eq!(answer(&[]), (204, own.clone()));
        let target = "http://example.com/?bucket=photos&key=a%2Fb%20c&etag=%2239d4%22".to_owned();
        for name in ["success_action_redirect", "redirect"] {
            assert_eq!(
                answer(&[(name, "http://example.com/"), ("success_action_status", "201")]),
                (303, target.clone())
            );
            assert_eq!(answer(&[(name, "/relative"), ("success_action_status", "201")]), (201, own.clone()));
        }
        let both = [("redirect", "http://other.example/"), ("success_action_redirect", "http://example.com/")];
        assert_eq!(answer(&both), (303, target));
    }

    #[test]
    fn another_bucket_is_denied() {
        let bucket = BucketName::new("photos").unwrap();
        let check = |fields: &[(&str, &str)]| code(check_bucket(&fields.iter().copied().collect(), &bucket));
        assert_eq!(check(&[]), None);
        assert_eq!(check(&[("bucket", "photos")]), None);
        assert_eq!(check(&[("bucket", "other")]), Some(ErrorCode::AccessDenied));
        assert_eq!(check(&[("Bucket", "Photos")]), Some(ErrorCode::AccessDenied));
    }
}
