//! Reading an object for a caller: whether it may, and what it is told of an object that is not there.
//!
//! What policies say may turn on the object itself (`s3:ExistingObjectTag/…`), and its ACL may let in whom they do
//! not, so it is judged by the version that was opened, never by another look at the key.

use super::Context;
use crate::auth::{Access, Need, Resource};
use crate::error::{ErrorCode, S3Error};
use crate::objects::{GetObject, OpenedObject};
use crate::request::Request;
use weir_proto::{BucketName, ObjectKey};

/// How often a source that is overwritten while it is judged is looked at anew.
const MAX_ATTEMPTS: usize = 4;

/// The head of an object, for a caller that may have `action` on it.
///
/// # Errors
/// `AccessDenied`, and what the metaserver says.
pub async fn open_head(
    context: &Context,
    request: &Request,
    action: &'static str,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Result<OpenedObject, S3Error> {
    let need = Need { action, resource: Resource::Object(bucket, key) };
    let get = GetObject { bucket: bucket.clone(), key: key.clone(), range: None, part_number: 0 };
    let opened = context.objects.head_object(get).await;
    let opened = opened.map_err(|failure| unread(&request.access, &need, failure.into()))?;
    request.access.require_of(&need, &opened.object)?;
    Ok(opened)
}

/// What a caller is told of an object that could not be opened for it.
pub fn unread(access: &Access, need: &Need<'_>, error: S3Error) -> S3Error {
    let Resource::Object(bucket, _) = need.resource else { return error };
    let may_list = || access.allows("s3:ListBucket", &Resource::Bucket(bucket));
    match access.require(need) {
        Ok(()) => absent(access, bucket, error),
        // Another object's ACL might let it in: it learns what whoever lists the bucket may learn.
        Err(_) if error.code() == ErrorCode::NoSuchKey && access.is_left_to_acl(need) && may_list() => error,
        Err(denied) => denied,
    }
}

/// Who may not list a bucket does not learn which keys it lacks.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, permissions
pub fn absent(access: &Access, bucket: &BucketName, error: S3Error) -> S3Error {
    match error.code() {
        ErrorCode::NoSuchKey if !access.allows("s3:ListBucket", &Resource::Bucket(bucket)) => {
            ErrorCode::AccessDenied.into()
        }
        _ => error,
    }
}

/// The source of a copy.
#[derive(Clone, Debug)]
pub struct Source {
    pub bucket: BucketName,
    pub key: ObjectKey,
}

impl Source {
    fn need(&self, action: &'static str) -> Need<'_> {
        Need { action, resource: Resource::Object(&self.bucket, &self.key) }
    }

    /// The version that the caller may copy; 0: any. `tagged` is the copy, if it keeps the source's tags.
    ///
    /// # Errors
    /// `AccessDenied`, and what the metaserver says.
    async fn judge(&self, context: &Context, request: &Request, tagged: Option<Resource<'_>>) -> Result<u64, S3Error> {
        let access = &request.access;
        let (read, read_tags) = (self.need("s3:GetObject"), self.need("s3:GetObjectTagging"));
        let write_tags = tagged.map(|resource| Need { action: "s3:PutObjectTagging", resource });
        let may_tag = access.require(&read_tags).is_ok() && write_tags.is_none_or(|need| access.require(&need).is_ok());
        if !access.turns_on_object(&read) && (write_tags.is_none() || may_tag && !access.turns_on_object(&read_tags)) {
            return access.require(&read).map(|()| 0);
        }
        access.require_before(&read)?;
        let opened = open_head(context, request, read.action, &self.bucket, &self.key).await?;
        let has_tags = opened.object.attributes.as_ref().is_some_and(|attributes| !attributes.tags.is_empty());
        if let Some(write_tags) = write_tags.filter(|_| has_tags) {
            access.require_of(&read_tags, &opened.object)?;
            access.require(&write_tags)?;
        }
        Ok(opened.object.object_id)
    }

    /// Copies what the caller may copy: `copy` is given the version, 0 for any.
    ///
    /// # Errors
    /// `AccessDenied`, and those of `copy`.
    pub async fn copied<T, F: Future<Output = Result<T, S3Error>>>(
        &self,
        context: &Context,
        request: &Request,
        tagged: Option<Resource<'_>>,
        copy: impl Fn(u64) -> F,
    ) -> Result<T, S3Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let object_id = self.judge(context, request, tagged).await?;
            match copy(object_id).await {
                // Another version is another matter.
                Err(error)
                    if error.code() == ErrorCode::ConditionalRequestConflict
                        && object_id != 0
                        && attempts < MAX_ATTEMPTS => {}
                outcome => return outcome.map_err(|error| absent(&request.access, &self.bucket, error)),
            }
        }
    }
}
