//! One file for each operation of S3, or pair of them. An operation reads what it needs of the request, calls
//! [`Objects`] once or a few times, and writes an answer.
//!
//! [`perform`] leads to them. Its matches name every operation of S3: one that is added to the table of names is
//! either served or refused here, never forgotten.

mod abort_multipart_upload;
mod acl;
mod bucket_policy;
mod bucket_settings;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_object;
mod get_object_tagging;
mod head_bucket;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_parts;
mod object_lock;
mod ownership_controls;
mod post_object;
mod public_access_block;
mod put_object;
mod reading;
mod upload_part;
mod upload_part_copy;

use crate::auth::{ACCOUNT, Access, Caller, Described, Follower, Gate, Rules, facts_of};
use crate::body::{BodyError, BodyKind, BodyLength, BodyLimits, BodyPlan, IncomingBody, collect};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::objects::Objects;
use crate::rate::RateLimiter;
use crate::request::{Request, RequestBody};
use crate::route::{BucketOperation, ObjectOperation, Operation, Query, ServiceOperation};
use crate::xml::Writer;
use bytes::Bytes;
use http::{HeaderMap, Version};
use std::sync::Arc;
use std::time::Duration;
use weir_proto::v1::change_access_request::Change;
use weir_proto::{BucketName, Failure, ObjectKey, v1};
use weir_service::accept::Peer;
use weir_service::clock::Clock;
use weir_service::config::settings::GatewaySettings;

/// What all operations use.
pub struct Context {
    pub objects: Objects,
    pub settings: GatewaySettings,
    pub follower: Arc<Follower>,
    pub gate: Gate,
    /// None: any number of requests.
    pub rate: Option<RateLimiter>,
    pub clock: Arc<dyn Clock>,
}

impl Context {
    pub fn limits(&self, max_bytes: u64) -> BodyLimits {
        BodyLimits {
            max_bytes,
            idle_timeout: Duration::from_millis(self.settings.body_idle_timeout_ms),
            min_bytes_per_second: self.settings.body_min_bytes_per_second,
        }
    }

    /// The body of an object or a part. In HTTP/1 its end is told, so that what got lost on its way is not an empty
    /// object; in HTTP/2 the stream has an end. What was served at the base path before took none for an empty one.
    fn data(&self, request: &Request, body: RequestBody, kind: BodyKind) -> Result<IncomingBody, S3Error> {
        let plan = BodyPlan::from_headers(&request.headers, kind, self.limits(self.settings.put_max_bytes))?;
        let tells_length = request.version < Version::HTTP_2 && !request.by_base_path;
        if plan.length == BodyLength::Absent && tells_length {
            return Err(BodyError::MissingLength { header: "content-length" }.into());
        }
        let verifier = request.caller.chunk_verifier(plan.payload)?;
        Ok(IncomingBody::with_verifier(body, plan, verifier))
    }

    /// A document, as a whole. It is bounded before it is read, and read before it is parsed.
    async fn document(&self, request: &Request, body: RequestBody, kind: BodyKind) -> Result<Bytes, S3Error> {
        let too_long = |error| match error {
            BodyError::TooLarge { .. } => S3Error::new(ErrorCode::MalformedXML).cause("the document is too long"),
            error => error.into(),
        };
        let plan = BodyPlan::from_headers(&request.headers, kind, self.limits(self.settings.xml_max_bytes));
        let plan = plan.map_err(too_long)?;
        let verifier = request.caller.chunk_verifier(plan.payload)?;
        let body = IncomingBody::with_verifier(body, plan, verifier);
        collect(body).await.map_err(too_long)
    }

    /// How often a key may ask. Who comes without one is bounded by connections alone.
    ///
    /// # Errors
    /// `SlowDown`, with the time to wait.
    pub fn check_rate(&self, caller: &Caller) -> Result<(), S3Error> {
        match &self.rate {
            Some(rate) if !caller.access_key_id.is_empty() => {
                Ok(rate.admit(&caller.access_key_id, self.clock.now_ms())?)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A request as policies may ask about it.
    pub fn described<'a>(
        &'a self,
        headers: &'a HeaderMap,
        query: &'a Query,
        peer: Option<Peer>,
        creates_object: Option<bool>,
    ) -> Described<'a> {
        let region = &self.settings.region;
        Described { headers, query, peer, creates_object, region, now_ms: self.clock.now_ms() }
    }

    /// What a caller may do.
    pub fn access_of(&self, caller: &Caller, described: &Described<'_>, rules: &Arc<Rules>) -> Access {
        if self.gate.is_open() {
            return Access::everything();
        }
        Access::of(rules.clone(), caller, || facts_of(described, caller, rules))
    }

    /// Changes the directory of access. Whoever asks this gateway afterwards is answered by the change.
    ///
    /// # Errors
    /// What the metaserver says.
    pub async fn change_access(&self, change: Change) -> Result<v1::ChangeAccessResponse, Failure> {
        let changed = self.objects.change_access(change).await?;
        self.follower.reach(changed.version).await?;
        Ok(changed)
    }

    /// # Errors
    /// `NoSuchBucket`.
    async fn bucket(&self, name: &BucketName) -> Result<v1::Bucket, S3Error> {
        let response = self.objects.get_bucket(v1::GetBucketRequest { name: name.to_string() }).await?;
        response.bucket.ok_or_else(|| S3Error::new(ErrorCode::InternalError).cause("GetBucket answered no bucket"))
    }
}

/// Performs an operation. The largest are boxed: every request in flight has room for what is not.
///
/// # Errors
/// What the operation refuses with.
pub async fn perform(context: &Context, operation: &Operation, request: &Request, body: RequestBody) -> Outcome {
    match operation {
        Operation::Service(ServiceOperation::ListBuckets) => list_buckets::list_buckets(context, request).await,
        // Answered before it is an operation of S3: its errors are of another form.
        Operation::Service(ServiceOperation::QueryApi) => Err(ErrorCode::MethodNotAllowed.into()),
        Operation::Bucket(bucket, operation) => on_bucket(context, *operation, bucket, request, body).await,
        Operation::Object(bucket, key, operation) => on_object(context, *operation, bucket, key, request, body).await,
    }
}

async fn on_bucket(
    context: &Context,
    operation: BucketOperation,
    bucket: &BucketName,
    request: &Request,
    body: RequestBody,
) -> Outcome {
    use BucketOperation as B;
    match operation {
        B::CreateBucket => create_bucket::create_bucket(context, request, bucket, body).await,
        B::HeadBucket => head_bucket::head_bucket(context, bucket).await,
        B::DeleteBucket => delete_bucket::delete_bucket(context, bucket).await,
        B::ListObjects => list_objects::list_objects(context, request, bucket).await,
        B::ListObjectsV2 => list_objects::list_objects_v2(context, request, bucket).await,
        B::ListMultipartUploads => list_multipart_uploads::list_multipart_uploads(context, request, bucket).await,
        B::DeleteObjects => delete_objects::delete_objects(context, request, bucket, body).await,
        B::PostObject => Box::pin(post_object::post_object(context, request, bucket, body)).await,
        B::GetBucketLocation => get_bucket_location::get_bucket_location(context, bucket).await,
        B::GetBucketAcl => acl::get_bucket_acl(context, request, bucket).await,
        B::PutBucketAcl => acl::put_bucket_acl(context, request, bucket, body).await,
        B::GetBucketOwnershipControls => ownership_controls::get_bucket_ownership_controls(context, bucket).await,
        B::PutBucketOwnershipControls => {
            ownership_controls::put_bucket_ownership_controls(context, request, bucket, body).await
        }
        B::DeleteBucketOwnershipControls => ownership_controls::delete_bucket_ownership_controls(context, bucket).await,
        B::GetBucketPolicy => bucket_policy::get_bucket_policy(context, bucket).await,
        B::PutBucketPolicy => bucket_policy::put_bucket_policy(context, request, bucket, body).await,
        B::DeleteBucketPolicy => bucket_policy::delete_bucket_policy(context, bucket).await,
        B::GetBucketPolicyStatus => bucket_policy::get_bucket_policy_status(context, bucket).await,
        B::GetPublicAccessBlock => public_access_block::get_public_access_block(context, bucket).await,
        B::PutPublicAccessBlock => public_access_block::put_public_access_block(context, request, bucket, body).await,
        B::DeletePublicAccessBlock => public_access_block::delete_public_access_block(context, bucket).await,
        B::GetBucketAbac
        | B::GetBucketAccelerateConfiguration
        | B::GetBucketAnalyticsConfiguration
        | B::ListBucketAnalyticsConfigurations
        | B::GetBucketCors
        | B::GetBucketEncryption
        | B::GetBucketIntelligentTieringConfiguration
        | B::ListBucketIntelligentTieringConfigurations
        | B::GetBucketInventoryConfiguration
        | B::ListBucketInventoryConfigurations
        | B::GetBucketLifecycleConfiguration
        | B::GetBucketLogging
        | B::GetBucketMetadataConfiguration
        | B::GetBucketMetadataTableConfiguration
        | B::GetBucketMetricsConfiguration
        | B::ListBucketMetricsConfigurations
        | B::GetBucketNotificationConfiguration
        | B::GetObjectLockConfiguration
        | B::GetBucketReplication
        | B::GetBucketRequestPayment
        | B::GetBucketTagging
        | B::GetBucketVersioning
        | B::GetBucketWebsite => bucket_settings::get_bucket_setting(context, operation, bucket).await,
        B::ListObjectVersions
        | B::CreateSession
        | B::PutBucketAbac
        | B::PutBucketAccelerateConfiguration
        | B::PutBucketAnalyticsConfiguration
        | B::DeleteBucketAnalyticsConfiguration
        | B::PutBucketCors
        | B::DeleteBucketCors
        | B::PutBucketEncryption
        | B::DeleteBucketEncryption
        | B::PutBucketIntelligentTieringConfiguration
        | B::DeleteBucketIntelligentTieringConfiguration
        | B::PutBucketInventoryConfiguration
        | B::DeleteBucketInventoryConfiguration
        | B::PutBucketLifecycleConfiguration
        | B::DeleteBucketLifecycle
        | B::PutBucketLogging
        | B::CreateBucketMetadataConfiguration
        | B::DeleteBucketMetadataConfiguration
        | B::UpdateBucketMetadataInventoryTableConfiguration
        | B::UpdateBucketMetadataJournalTableConfiguration
        | B::CreateBucketMetadataTableConfiguration
        | B::DeleteBucketMetadataTableConfiguration
        | B::PutBucketMetricsConfiguration
        | B::DeleteBucketMetricsConfiguration
        | B::PutBucketNotificationConfiguration
        | B::PutObjectLockConfiguration
        | B::PutBucketReplication
        | B::DeleteBucketReplication
        | B::PutBucketRequestPayment
        | B::PutBucketTagging
        | B::DeleteBucketTagging
        | B::PutBucketVersioning
        | B::PutBucketWebsite
        | B::DeleteBucketWebsite => Err(S3Error::not_implemented(operation.name())),
    }
}

async fn on_object(
    context: &Context,
    operation: ObjectOperation,
    bucket: &BucketName,
    key: &ObjectKey,
    request: &Request,
    body: RequestBody,
) -> Outcome {
    use ObjectOperation as O;
    match operation {
        O::PutObject => put_object::put_object(context, request, bucket, key, body).await,
        O::GetObject => get_object::get_object(context, request, bucket, key).await,
        O::HeadObject => get_object::head_object(context, request, bucket, key).await,
        O::DeleteObject => delete_object::delete_object(context, request, bucket, key).await,
        O::CopyObject => Box::pin(copy_object::copy_object(context, request, bucket, key)).await,
        O::CreateMultipartUpload => {
            create_multipart_upload::create_multipart_upload(context, request, bucket, key, body).await
        }
        O::UploadPart => upload_part::upload_part(context, request, bucket, key, body).await,
        O::UploadPartCopy => Box::pin(upload_part_copy::upload_part_copy(context, request, bucket, key)).await,
        O::CompleteMultipartUpload => {
            complete_multipart_upload::complete_multipart_upload(context, request, bucket, key, body).await
        }
        O::AbortMultipartUpload => abort_multipart_upload::abort_multipart_upload(context, request, bucket, key).await,
        O::ListParts => list_parts::list_parts(context, request, bucket, key).await,
        O::GetObjectAcl => acl::get_object_acl(context, request, bucket, key).await,
        O::PutObjectAcl => acl::put_object_acl(context, request, bucket, key, body).await,
        O::GetObjectTagging => get_object_tagging::get_object_tagging(context, request, bucket, key).await,
        O::GetObjectLegalHold => {
            object_lock::get_object_lock(context, request, "s3:GetObjectLegalHold", bucket, key).await
        }
        O::GetObjectRetention => {
            object_lock::get_object_lock(context, request, "s3:GetObjectRetention", bucket, key).await
        }
        O::RenameObject
        | O::GetObjectAttributes
        | O::UpdateObjectEncryption
        | O::PutObjectLegalHold
        | O::PutObjectRetention
        | O::PutObjectTagging
        | O::DeleteObjectTagging
        | O::GetObjectTorrent
        | O::RestoreObject
        | O::SelectObjectContent => Err(S3Error::not_implemented(operation.name())),
    }
}

/// `Owner`, `Initiator` or what else names a caller.
fn write_caller(xml: &mut Writer, element: &str, id: &str, display_name: &str) {
    xml.within(element, |xml| {
        xml.text("ID", id).text("DisplayName", display_name);
    });
}

/// The owner that a record names: the account, or nobody in particular, who has an id and no name.
fn write_owner(xml: &mut Writer, element: &str, owner: &str) {
    let (id, name) =
        if owner.is_empty() || owner == ACCOUNT.id { (ACCOUNT.id, ACCOUNT.display_name) } else { (owner, "") };
    write_caller(xml, element, id, name);
}

/// A key or a prefix, encoded when that was asked for.
fn write_key(xml: &mut Writer, element: &str, key: &[u8], url_encoded: bool) {
    if url_encoded {
        // It needs no escaping any more, and gets none for free: it has no markup.
        xml.text(element, &crate::xml::url_encoded(key));
    } else {
        xml.bytes(element, key);
    }
}

/// What an answer of the contract lacks that it always has.
fn missing(what: &str) -> S3Error {
    S3Error::new(ErrorCode::InternalError).cause(format!("the metaserver's answer has no {what}"))
}
