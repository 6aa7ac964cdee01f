//! CopyObject and UploadPartCopy: commits where the bytes can be shared; else the bytes go once around, from the
//! reader into the upload pipeline.

use super::types::{CopyObject, CopyPart, GetObject, ObjectsError, OpenedObject, PutObject, PutPart};
use super::{ContentStream, Objects, precondition};
use crate::body::{BodyLimits, BodyPlan, ChecksumHasher, IncomingBody};
use futures::StreamExt as _;
use std::time::Duration;
use weir_proto::v1::{self, ChecksumAlgorithm, Reason};
use weir_proto::{BucketName, Failure, ObjectKey};

/// How often a source that is overwritten meanwhile is read anew.
const MAX_ATTEMPTS: usize = 4;
/// Blocks that are read for a copy have their own, shorter, time-outs.
const SOURCE_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const SOURCE_MIN_BYTES_PER_SECOND: u64 = 1024;

/// What is to be read.
#[derive(Clone, Copy, Debug)]
struct Source<'a> {
    bucket: &'a BucketName,
    key: &'a ObjectKey,
    /// 0: whichever version it is.
    object_id: u64,
}

impl CopyObject {
    fn source(&self) -> Source<'_> {
        Source { bucket: &self.source_bucket, key: &self.source_key, object_id: self.source_object_id }
    }
}

impl CopyPart {
    fn source(&self) -> Source<'_> {
        Source { bucket: &self.source_bucket, key: &self.source_key, object_id: self.source_object_id }
    }
}

impl Objects {
    /// Copies an object.
    ///
    /// # Errors
    /// As `CommitObject`; of the source, `PRECONDITION_FAILED` and `NO_SUCH_KEY` name it as their resource.
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn copy_object(&self, request: CopyObject) -> Result<v1::Object, ObjectsError> {
        for _ in 1..MAX_ATTEMPTS {
            match self.try_copy_object(&request).await {
                // The source was overwritten between the look and the commit.
                Err(ObjectsError::Failure(failure))
                    if failure.reason == Reason::Conflict
                        && request.source_object_id == 0
                        && request.checksum_algorithm != ChecksumAlgorithm::None => {}
                outcome => return outcome,
            }
        }
        self.try_copy_object(&request).await
    }

    async fn try_copy_object(&self, request: &CopyObject) -> Result<v1::Object, ObjectsError> {
        let (source_object_id, replace_checksum) = match request.checksum_algorithm {
            ChecksumAlgorithm::None => (request.source_object_id, None),
            algorithm => self.checksum_of_source(request, algorithm).await?,
        };
        let copy = v1::CopyObjectRequest {
            request_id: None,
            source_bucket: request.source_bucket.to_string(),
            source_key: request.source_key.as_bytes().clone(),
            source_precondition: request.source_precondition.clone(),
            source_object_id,
            bucket: request.bucket.to_string(),
            key: request.key.as_bytes().clone(),
            precondition: request.precondition.clone(),
            replace_attributes: request.replace_attributes.clone(),
            replace_tags: request.replace_tags.clone().map(|tags| v1::TagSet { tags }),
            replace_checksum,
            owner: request.owner.clone(),
            acl: request.acl.clone(),
        };
        let send = |mut namespace: super::calls::Namespace, id| {
            let copy = v1::CopyObjectRequest { request_id: Some(id), ..copy.clone() };
            async move { namespace.copy_object(copy).await }
        };
        match self.inner.change(send).await?.result {
            Some(v1::copy_object_response::Result::Object(object)) => Ok(object),
            Some(v1::copy_object_response::Result::NeedsData(_)) => self.copy_object_data(request).await,
            None => Err(no_result().into()),
        }
    }

    /// The source's version, and its checksum of that algorithm where it has another: for that, it is read.
    async fn checksum_of_source(
        &self,
        request: &CopyObject,
        algorithm: ChecksumAlgorithm,
    ) -> Result<(u64, Option<v1::Checksum>), ObjectsError> {
        let source = self.source(request.source(), None).await?;
        let stored = source.object.checksum.clone().unwrap_or_default();
        let is_whole = stored.r#type() != v1::ChecksumType::Composite;
        if stored.algorithm() == algorithm && is_whole {
            return Ok((source.object.object_id, None));
        }
        if let Some(condition) = &request.source_precondition {
            precondition::check(condition, Some(&source.object), &request.source_key)?;
        }
        let checksum = checksum_of(source.content, algorithm).await?;
        Ok((source.object.object_id, Some(checksum)))
    }

    async fn copy_object_data(&self, request: &CopyObject) -> Result<v1::Object, ObjectsError> {
        let source = self.source(request.source(), None).await?;
        if let Some(condition) = &request.source_precondition {
            precondition::check(condition, Some(&source.object), &request.source_key)?;
        }
        let kept = source.object.attributes.unwrap_or_default();
        let mut attributes = request.replace_attributes.clone().unwrap_or_else(|| kept.clone());
        attributes.tags = request.replace_tags.clone().unwrap_or(kept.tags);
        attributes.acl = request.acl.clone();
        let algorithm = match request.checksum_algorithm {
            ChecksumAlgorithm::None => source.object.checksum.unwrap_or_default().algorithm(),
            asked => asked,
        };
        let put = PutObject {
            bucket: request.bucket.clone(),
            key: request.key.clone(),
            attributes,
            precondition: request.precondition.clone(),
            owner: request.owner.clone(),
            keeping: request.keeping,
        };
        let mut body = body_of(source.content, algorithm);
        let inline_max_bytes = Some(self.inner.inline_max_bytes());
        let uploaded = self.inner.upload(&mut body, inline_max_bytes, request.keeping).await.map_err(of_source)?;
        Ok(self.inner.commit_object(put, uploaded).await?)
    }

    /// Copies an object or a range of it into a part of an upload.
    ///
    /// # Errors
    /// As `CommitPart`; of the source, `PRECONDITION_FAILED`, `NO_SUCH_KEY` and `INVALID_RANGE`.
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn copy_part(&self, request: CopyPart) -> Result<v1::Part, ObjectsError> {
        let copy = v1::CopyPartRequest {
            request_id: None,
            bucket: request.bucket.to_string(),
            key: request.key.as_bytes().clone(),
            upload_id: request.upload_id,
            part_number: request.part_number,
            source_bucket: request.source_bucket.to_string(),
            source_key: request.source_key.as_bytes().clone(),
            source_precondition: request.source_precondition.clone(),
            range: request.range,
            source_object_id: request.source_object_id,
        };
        let send = |mut namespace: super::calls::Namespace, id| {
            let copy = v1::CopyPartRequest { request_id: Some(id), ..copy.clone() };
            async move { namespace.copy_part(copy).await }
        };
        match self.inner.change(send).await?.result {
            Some(v1::copy_part_response::Result::Part(part)) => Ok(part),
            Some(v1::copy_part_response::Result::NeedsData(_)) => self.copy_part_data(request).await,
            None => Err(no_result().into()),
        }
    }

    async fn copy_part_data(&self, request: CopyPart) -> Result<v1::Part, ObjectsError> {
        let source = self.source(request.source(), request.range).await?;
        if let Some(condition) = &request.source_precondition {
            precondition::check(condition, Some(&source.object), &request.source_key)?;
        }
        let put = PutPart {
            bucket: request.bucket,
            key: request.key,
            upload_id: request.upload_id,
            part_number: request.part_number,
            keeping: request.keeping,
        };
        let algorithm = match self.part_algorithm(&put).await? {
            ChecksumAlgorithm::None => ChecksumAlgorithm::Crc64nvme,
            algorithm => algorithm,
        };
        let mut body = body_of(source.content, algorithm);
        let uploaded = self.inner.upload(&mut body, None, put.keeping).await.map_err(of_source)?;
        Ok(self.inner.commit_part(put, uploaded).await?)
    }

    async fn source(&self, source: Source<'_>, range: Option<v1::ByteRange>) -> Result<OpenedObject, Failure> {
        let Source { bucket, key, object_id } = source;
        let request = GetObject { bucket: bucket.clone(), key: key.clone(), range, part_number: 0 };
        let source = self.get_object(request).await?;
        if object_id != 0 && source.object.object_id != object_id {
            return Err(Failure::new(Reason::Conflict, key.to_string(), "the source was overwritten meanwhile"));
        }
        if source.unsatisfiable {
            return Err(Failure::new(Reason::InvalidRange, key.to_string(), "the range lies outside the source"));
        }
        Ok(source)
    }
}

/// An object's content as the body of an upload.
fn body_of(content: ContentStream, algorithm: ChecksumAlgorithm) -> IncomingBody {
    let length = content.left_bytes();
    let (idle_timeout, min_bytes_per_second) = (SOURCE_IDLE_TIMEOUT, SOURCE_MIN_BYTES_PER_SECOND);
    let limits = BodyLimits { max_bytes: length, idle_timeout, min_bytes_per_second };
    let mut plan = BodyPlan::undeclared(Some(length), limits);
    plan.stored_algorithm = algorithm;
    IncomingBody::new(content, plan)
}

async fn checksum_of(mut content: ContentStream, algorithm: ChecksumAlgorithm) -> Result<v1::Checksum, Failure> {
    let mut hasher = ChecksumHasher::new(algorithm);
    while let Some(data) = content.next().await {
        hasher.update(&data?);
    }
    Ok(hasher.finish())
}

/// What is wrong with the body of a copy is wrong with reading its source: no client sent it.
fn of_source(error: ObjectsError) -> ObjectsError {
    match error {
        ObjectsError::Body(error) => {
            Failure::new(Reason::Unavailable, "", format!("reading the source of the copy: {error}")).into()
        }
        ObjectsError::Failure(failure) => failure.into(),
    }
}

fn no_result() -> Failure {
    Failure::new(Reason::Unspecified, "", "the metaserver's answer has no result")
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
