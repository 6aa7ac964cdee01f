//! The metaserver's calls as they are in the contract, and how a change whose answer was lost is settled: by sending
//! it again under the same request id, which gets the first result.

use super::term::RequestInFlight;
use super::{Inner, Objects};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};
use weir_proto::Failure;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::{self, Reason};
use weir_service::channel::Channel;
use weir_service::planted::{Fault, planted};

/// A change in doubt is sent again for so long: a restart of the metaserver is over by then.
const SETTLE_FOR: Duration = Duration::from_secs(20);
/// A look is taken again for so long; whoever asked is waiting.
const LOOK_FOR: Duration = Duration::from_secs(2);
/// One attempt of a change over a network.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// One attempt of a look: as long as who comes later waits for the metaserver before it is told to come back.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts, the first and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) type Namespace = NamespaceClient<Channel>;

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident($request:ident) -> $response:ident;)*) => {
        impl Objects {
            $($(#[$doc])*
            ///
            /// The request id is filled in here.
            ///
            /// # Errors
            /// What the metaserver says; `UNAVAILABLE` when it can't be reached, or its answer was lost for good.
            pub async fn $name(&self, request: v1::$request) -> Result<v1::$response, Failure> {
                let send = |mut namespace: Namespace, request_id| {
                    let request = v1::$request { request_id: Some(request_id), ..request.clone() };
                    async move { namespace.$name(request).await }
                };
                self.inner.change(send).await
            })*
        }
    };
}

changes! {
    /// Creates a bucket.
    create_bucket(CreateBucketRequest) -> CreateBucketResponse;
    /// Deletes an empty bucket.
    delete_bucket(DeleteBucketRequest) -> DeleteBucketResponse;
    /// Deletes up to 1,000 objects in one commit.
    delete_objects(DeleteObjectsRequest) -> DeleteObjectsResponse;
    /// Moves an object to another name.
    rename_object(RenameObjectRequest) -> RenameObjectResponse;
    /// Begins a multipart upload.
    create_upload(CreateUploadRequest) -> CreateUploadResponse;
    /// Makes an object of an upload's parts.
    complete_upload(CompleteUploadRequest) -> CompleteUploadResponse;
    /// Changes an object's ACL, and nothing else of it.
    set_object_acl(SetObjectAclRequest) -> SetObjectAclResponse;
    /// Gives an upload up.
    abort_upload(AbortUploadRequest) -> AbortUploadResponse;
}

impl Objects {
    /// Changes the directory of access.
    ///
    /// # Errors
    /// What the metaserver says; `UNAVAILABLE` when it can't be reached, or its answer was lost for good.
    pub async fn change_access(&self, change: Change) -> Result<v1::ChangeAccessResponse, Failure> {
        let access = self.inner.access.clone();
        let send = |_: Namespace, request_id| {
            let request = v1::ChangeAccessRequest { request_id: Some(request_id), change: Some(change.clone()) };
            let mut access = access.clone();
            async move { access.change_access(request).await }
        };
        self.inner.change(send).await
    }
}

macro_rules! looks {
    ($($(#[$doc:meta])* $name:ident($request:ident) -> $response:ident;)*) => {
        impl Objects {
            $($(#[$doc])*
            ///
            /// # Errors
            /// What the metaserver says; `UNAVAILABLE` when it can't be reached.
            pub async fn $name(&self, request: v1::$request) -> Result<v1::$response, Failure> {
                let send = |mut namespace: Namespace| {
                    let request = request.clone();
                    async move { namespace.$name(request).await }
                };
                self.inner.look(send).await
            })*
        }
    };
}

looks! {
    /// A bucket and its usage.
    get_bucket(GetBucketRequest) -> GetBucketResponse;
    /// A page of buckets.
    list_buckets(ListBucketsRequest) -> ListBucketsResponse;
    /// A page of objects.
    list_objects(ListObjectsRequest) -> ListObjectsResponse;
    /// An open upload.
    get_upload(GetUploadRequest) -> GetUploadResponse;
    /// A page of uploads.
    list_uploads(ListUploadsRequest) -> ListUploadsResponse;
    /// A page of an upload's parts.
    list_parts(ListPartsRequest) -> ListPartsResponse;
}

impl Inner {
    /// Sends a change until its outcome is known, under a new session if this one is over.
    pub(super) async fn change<A, F, T>(&self, send: F) -> Result<A, Failure>
    where
        F: Fn(Namespace, v1::RequestId) -> T,
        T: Future<Output = Result<Response<A>, Status>>,
    {
        let term = self.session.term();
        let request = term.begin_request(self.options.remember_requests);
        match self.settle(&request, &send).await {
            Err(failure) if failure.reason == Reason::SessionOver => {}
            outcome => return outcome,
        }
        // Refused for certain: it may be sent under another name.
        drop(request);
        let term = self.session.renew(&term).await?;
        let request = term.begin_request(self.options.remember_requests);
        self.settle(&request, &send).await.map_err(outlived)
    }

    /// Sends a change until its outcome is known.
    pub(super) async fn settle<A, F, T>(&self, request: &RequestInFlight, send: &F) -> Result<A, Failure>
    where
        F: Fn(Namespace, v1::RequestId) -> T,
        T: Future<Output = Result<Response<A>, Status>>,
    {
        let began = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut is_in_doubt = false;
        loop {
            let mut id = request.id();
            if planted(Fault::DoubtUnderAnotherId) && is_in_doubt {
                id.sequence += 1;
            }
            let failure = match self.attempt(Box::pin(send(self.namespace.clone(), id)), CHANGE_TIMEOUT).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let is_in_time = self.options.remember_requests && began.elapsed() < SETTLE_FOR;
            match failure.reason {
                Reason::Unavailable if is_in_time => is_in_doubt = true,
                Reason::SessionOver if is_in_doubt => return Err(outlived(failure)),
                _ => return Err(failure),
            }
            self.metrics.commits_repeated.inc();
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Asks for something that changes nothing.
    pub(super) async fn look<A, F, T>(&self, send: F) -> Result<A, Failure>
    where
        F: Fn(Namespace) -> T,
        T: Future<Output = Result<Response<A>, Status>>,
    {
        let began = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            match self.attempt(Box::pin(send(self.namespace.clone())), LOOK_TIMEOUT).await {
                Err(failure)
                    if failure.reason == Reason::Unavailable
                        && self.options.remember_requests
                        && began.elapsed() < LOOK_FOR => {}
                outcome => return outcome,
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The call is boxed: it is as large as all the layers of the client, and the future of a request, which has it in
    /// many places, would be larger by that while its body comes or its answer goes.
    async fn attempt<A, T>(&self, call: Pin<Box<T>>, within: Duration) -> Result<A, Failure>
    where
        T: Future<Output = Result<Response<A>, Status>>,
    {
        let outcome = if self.options.remember_requests {
            timeout(within, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
        } else {
            call.await
        };
        outcome.map(Response::into_inner).map_err(|status| Failure::from_status(&status))
    }
}

/// A session that ended under a change that needs it: the client sends it all again.
pub(super) fn outlived(failure: Failure) -> Failure {
    match failure.reason {
        Reason::SessionOver => {
            Failure::new(Reason::Unavailable, failure.resource, "the gateway's session ended meanwhile; try again")
        }
        _ => failure,
    }
}
