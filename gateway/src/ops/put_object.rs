//! PutObject.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>

use super::Context;
use super::reading::absent;
use crate::answer;
use crate::body::BodyKind;
use crate::error::Outcome;
use crate::objects::PutObject;
use crate::request::{Request, RequestBody};
use crate::{attributes, checksum, conditions};
use http::StatusCode;
use weir_proto::{BucketName, ObjectKey, v1};

pub async fn put_object(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    body: RequestBody,
) -> Outcome {
    // All that can be refused is, before the body is asked for.
    let new = request.new_object(bucket)?;
    let put = PutObject {
        bucket: bucket.clone(),
        key: key.clone(),
        attributes: v1::Attributes { acl: new.acl, ..attributes::of_new_object(&request.headers)? },
        precondition: request.condition("s3:PutObject", (bucket, key), conditions::of_write(&request.headers)?),
        owner: new.owner,
        keeping: request.keeping(bucket),
    };
    let body = context.data(request, body, BodyKind::Put)?;
    let object = context.objects.put_object(put, body).await;
    let object = object.map_err(|error| absent(&request.access, bucket, error.into()))?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::put_etag(&mut answer, &object.etag);
    checksum::put_headers(answer.headers_mut(), object.checksum.as_ref(), 0);
    Ok(answer)
}
