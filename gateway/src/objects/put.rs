//! PutObject: the body is stored and verified, then one commit makes it the object.

use super::calls::outlived;
use super::pipeline::Uploaded;
use super::types::{GetObject, ObjectsError, PutObject};
use super::{Inner, Objects, precondition};
use crate::body::IncomingBody;
use std::future::Future;
use std::sync::Arc;
use tonic::{Response, Status};
use tracing::Instrument as _;
use weir_proto::Failure;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::{self, Reason};
use weir_service::channel::Channel;
use weir_service::trace::Current;

/// A body of this size is not read before it is clear that the bucket exists and the preconditions hold so far.
const CHECK_FIRST_MIN_BYTES: u64 = 1 << 20;

impl Objects {
    /// Stores a body as an object: streams it to workers, verifies it, commits it.
    ///
    /// Dropping the future before the commit is sent leaves nothing behind; afterwards the commit takes its course.
    ///
    /// # Errors
    /// [`ObjectsError::Body`] when the body is not what was declared; failures of `CommitObject`; `UNAVAILABLE`,
    /// `NO_SPACE` and what else workers say.
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn put_object(&self, request: PutObject, mut body: IncomingBody) -> Result<v1::Object, ObjectsError> {
        let plan = body.plan();
        if plan.expects_continue || plan.length.known().is_none_or(|length| length >= CHECK_FIRST_MIN_BYTES) {
            self.check_first(&request).await?;
        }
        let uploaded = self.inner.upload(&mut body, Some(self.inner.inline_max_bytes()), request.keeping).await?;
        drop(body);
        Ok(self.inner.commit_object(request, uploaded).await?)
    }

    /// Refuses what the commit would refuse anyway.
    async fn check_first(&self, request: &PutObject) -> Result<(), Failure> {
        let Some(condition) = &request.precondition else {
            let bucket = v1::GetBucketRequest { name: request.bucket.to_string() };
            return self.get_bucket(bucket).await.map(drop);
        };
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        let current = match self.head_object(GetObject { bucket, key, range: None, part_number: 0 }).await {
            Ok(opened) => Some(opened.object),
            Err(failure) if failure.reason == Reason::NoSuchKey => None,
            Err(failure) => return Err(failure),
        };
        precondition::check(condition, current.as_ref(), &request.key)
    }
}

impl Inner {
    /// Makes what was uploaded the object of that key.
    pub async fn commit_object(
        self: &Arc<Self>,
        request: PutObject,
        mut uploaded: Uploaded,
    ) -> Result<v1::Object, Failure> {
        let commit = v1::CommitObjectRequest {
            request_id: None,
            bucket: request.bucket.to_string(),
            key: request.key.into_bytes(),
            attributes: Some(request.attributes),
            content: Some(std::mem::take(&mut uploaded.content)),
            precondition: request.precondition,
            owner: request.owner,
            session_id: 0,
        };
        let send = move |mut namespace: NamespaceClient<Channel>, id: v1::RequestId| {
            let session_id = id.session_id;
            let commit = v1::CommitObjectRequest { request_id: Some(id), session_id, ..commit.clone() };
            async move { namespace.commit_object(commit).await }
        };
        let response: v1::CommitObjectResponse = self.commit(uploaded, send).await?;
        response.object.ok_or_else(|| Failure::new(Reason::Unspecified, "", "the metaserver's answer has no object"))
    }

    /// Sends the commit that refers to what was uploaded. It runs to its end even if the caller goes away: only its
    /// outcome tells what is to become of the blocks.
    pub async fn commit<A, F, T>(self: &Arc<Self>, uploaded: Uploaded, send: F) -> Result<A, Failure>
    where
        A: Send + 'static,
        F: Fn(NamespaceClient<Channel>, v1::RequestId) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Response<A>, Status>> + Send,
    {
        let inner = self.clone();
        let committed = async move {
            if uploaded.leases.is_empty() {
                return inner.change(send).await;
            }
            let request = uploaded.term.begin_request(inner.options.remember_requests);
            uploaded.leases.iter().for_each(|lease| lease.set_committed());
            let outcome = inner.settle(&request, &send).await;
            if outcome.as_ref().is_err_and(is_certain) {
                uploaded.leases.iter().for_each(|lease| lease.set_written());
            }
            if outcome.as_ref().is_err_and(|failure| failure.reason == Reason::SessionOver) {
                // The next upload finds a new session.
                let _ = inner.session.renew(&uploaded.term).await;
            }
            outcome.map_err(outlived)
        };
        let task = self.shutdown.spawn(Current::get().carry(committed).in_current_span());
        task.await.unwrap_or_else(|error| Err(Failure::new(Reason::Unavailable, "", format!("commit: {error}"))))
    }
}

/// Did the metaserver certainly not commit?
fn is_certain(failure: &Failure) -> bool {
    !matches!(failure.reason, Reason::Unavailable | Reason::TooFewWorkers | Reason::Unspecified | Reason::StoreFailed)
}

#[cfg(test)]
#[path = "put_tests.rs"]
mod tests;
