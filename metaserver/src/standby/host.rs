//! The metaserver's end: it tells who it is, takes a standby, and gives its place to one.

use super::wire;
use crate::error::Error;
use crate::namespace::handshake::STANDBY;
use crate::namespace::{Namespace, validate};
use crate::store::StoreError;
use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::replication::{Attachment, FollowError, Phase, Standing};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use weir_proto::v1::follow_request::What;
use weir_proto::v1::follow_response::What as Said;
use weir_proto::v1::standing_response::Role;
use weir_proto::v1::{self, Reason, standby_server};
use weir_proto::{Failure, protocol};
use weir_service::epoch::Fence;

/// A standby has said who it is after so long.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// One that gives its place up ends so long after it has said so: the answer has to come through.
const STEP_DOWN_PAUSE: Duration = Duration::from_millis(300);
/// At the end the standby is kept until no commit came for so long.
const LAST_COMMITS: Duration = Duration::from_millis(500);

/// The part of a metaserver that has to do with standbys and epochs. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    pub(crate) namespace: Arc<Namespace>,
    /// `None`: a store that can't be followed.
    pub(crate) store: Option<Arc<EmbeddedStore>>,
    pub(crate) fence: Fence,
    standby_build: Arc<Mutex<StandbyBuild>>,
}

/// What the standby that followed last told of itself.
#[derive(Debug, Default)]
struct StandbyBuild {
    standby_id: String,
    version: String,
    protocol: Option<v1::Protocol>,
}

impl Host {
    pub(crate) fn new(namespace: Arc<Namespace>, store: Option<Arc<EmbeddedStore>>, fence: Fence) -> Self {
        Self { namespace, store, fence, standby_build: Arc::default() }
    }

    /// What operators see of the standby.
    pub(crate) fn report(&self) -> Option<v1::StandbyReport> {
        let report = wire::report(&self.store.as_ref()?.standing())?;
        let build = self.standby_build.lock();
        if build.standby_id != report.standby_id {
            return Some(report);
        }
        Some(v1::StandbyReport { version: build.version.clone(), protocol: build.protocol, ..report })
    }

    /// Sends the standby away when commits have come to an end, which a shutdown else would wait for.
    pub(crate) async fn end(&self) {
        let Some(store) = &self.store else { return };
        let mut last = store.standing().last;
        loop {
            tokio::time::sleep(LAST_COMMITS).await;
            let now = store.standing().last;
            if now == last {
                break;
            }
            last = now;
        }
        store.dismiss_standby();
    }

    fn embedded(&self) -> Result<&Arc<EmbeddedStore>, Status> {
        self.store.as_ref().ok_or_else(|| refusal(Reason::InvalidRequest, "this store takes no standby").into())
    }

    /// # Errors
    /// It is of another cluster, of a build that does not understand this one, or of an epoch in which this metaserver is
    /// over.
    fn check(&self, hello: &v1::FollowHello) -> Result<(), Status> {
        validate::name("standby_id", &hello.standby_id)?;
        validate::name("address", &hello.address)?;
        validate::name("version", &hello.version)?;
        self.namespace.admit(STANDBY, &hello.address, hello.protocol.as_ref(), &hello.version)?;
        let ours = &self.namespace.ids.cluster_id;
        if !hello.cluster_id.is_empty() && hello.cluster_id != *ours {
            let text = format!("the standby belongs to the cluster {}, this is {ours}", hello.cluster_id);
            return Err(refusal(Reason::WrongCluster, text).into());
        }
        if hello.standby_id.is_empty() {
            return Err(Error::invalid("standby_id", "it is missing").into());
        }
        let own = self.namespace.ids.epoch;
        if hello.epoch > own {
            self.fence.hear(hello.epoch);
            let text = format!("this metaserver is over: its epoch is {own}, and that of the standby {}", hello.epoch);
            return Err(refusal(Reason::InvalidRequest, text).into());
        }
        Ok(())
    }
}

#[async_trait]
impl standby_server::Standby for Host {
    type FollowStream = BoxStream<'static, Result<v1::FollowResponse, Status>>;

    async fn standing(&self, _: Request<v1::StandingRequest>) -> Result<Response<v1::StandingResponse>, Status> {
        let sequence = self.store.as_ref().map_or(0, |store| store.standing().last);
        Ok(Response::new(v1::StandingResponse {
            role: Role::Metaserver.into(),
            epoch: self.namespace.ids.epoch,
            cluster_id: self.namespace.ids.cluster_id.clone(),
            sequence,
            standby: self.report(),
            following: None,
        }))
    }

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let store = self.embedded()?.clone();
        let mut incoming = request.into_inner();
        let first = timeout(HELLO_TIMEOUT, incoming.message()).await;
        let hello = match first.map_err(|_| Status::deadline_exceeded("the standby says nothing"))?? {
            Some(v1::FollowRequest { what: Some(What::Hello(hello)) }) => hello,
            _ => return Err(refusal(Reason::InvalidRequest, "the first message says who follows").into()),
        };
        self.check(&hello)?;
        let position = hello.position.unwrap_or_default().into();
        let v1::FollowHello { version, protocol, .. } = hello;
        let build = StandbyBuild { standby_id: hello.standby_id.clone(), version, protocol };
        let (attachment, receiver) =
            store.attach(hello.standby_id, hello.address, position).map_err(|error| match error {
                FollowError::Store(error) => Status::from(Error::Store(error)),
                error => refusal(Reason::InvalidRequest, error.to_string()).into(),
            })?;
        *self.standby_build.lock() = build;
        tokio::spawn(hear(store.clone(), attachment, incoming));
        let welcome = v1::FollowResponse {
            what: Some(Said::Welcome(v1::FollowWelcome {
                cluster_id: self.namespace.ids.cluster_id.clone(),
                epoch: self.namespace.ids.epoch,
                mode: store.standing().mode.to_string(),
                awaiting_restore_confirmation: self.namespace.awaits_confirmation(),
                version: protocol::VERSION.to_owned(),
                protocol: Some(protocol::own()),
            })),
        };
        let messages = ReceiverStream::new(receiver).map(wire::told);
        Ok(Response::new(stream::iter([welcome]).chain(messages).map(Ok).boxed()))
    }

    async fn promote(&self, _: Request<v1::PromoteRequest>) -> Result<Response<v1::PromoteResponse>, Status> {
        let text = format!("this is the metaserver already, under epoch {}", self.namespace.ids.epoch);
        Err(refusal(Reason::InvalidRequest, text).into())
    }

    async fn step_down(&self, request: Request<v1::StepDownRequest>) -> Result<Response<v1::StepDownResponse>, Status> {
        let store = self.embedded()?;
        let v1::StepDownRequest { standby_id, epoch, force } = request.into_inner();
        let own = self.namespace.ids.epoch;
        if epoch <= own {
            let text = format!("the epoch {epoch} is not higher than this metaserver's, which is {own}");
            return Err(refusal(Reason::InvalidRequest, text).into());
        }
        let standing = store.standing();
        let is_in_sync = standing.standby_id == standby_id && standing.phase == Phase::InSync;
        if !is_in_sync && !force {
            return Err(refusal(Reason::NotInSync, not_in_sync(&standing, &standby_id)).into());
        }
        tracing::warn!(epoch, "this metaserver gives its place to its standby");
        let sequence = store.step_down(epoch).await.map_err(Error::Store)?;
        let fence = self.fence.clone();
        tokio::spawn(async move {
            tokio::time::sleep(STEP_DOWN_PAUSE).await;
            fence.hear(epoch);
        });
        Ok(Response::new(v1::StepDownResponse { sequence }))
    }
}

fn not_in_sync(standing: &Standing, standby_id: &str) -> String {
    if standing.standby_id != standby_id {
        return "the metaserver serves, and this is not its standby".to_owned();
    }
    let last = standing.last;
    match standing.alone {
        Some(alone) => format!(
            "the metaserver serves, and it has let this standby go after commit {}: what came since, up to {last}, and the \
             last before may be missing here",
            alone.sequence
        ),
        None => format!("the metaserver serves, and this standby has not caught up with its commit {last}"),
    }
}

/// Takes what a standby acknowledges until it is gone.
async fn hear(store: Arc<EmbeddedStore>, attachment: Attachment, mut incoming: Streaming<v1::FollowRequest>) {
    let reason = loop {
        match incoming.message().await {
            Ok(Some(v1::FollowRequest { what: Some(What::AcknowledgedSequence(sequence)) })) => {
                if let Err(error) = store.acknowledge(attachment, sequence) {
                    break error.to_string();
                }
            }
            Ok(Some(v1::FollowRequest { what: Some(What::Failed(reason)) })) => break format!("it failed: {reason}"),
            Ok(Some(_)) => break "it sends what does not belong here".to_owned(),
            Ok(None) => break "it ended".to_owned(),
            Err(status) => break status.message().to_owned(),
        }
    };
    store.detach(attachment, &reason);
}

pub(super) fn refusal(reason: Reason, message: impl Into<String>) -> Failure {
    Failure::new(reason, "", message)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let error = Error::Store(error);
        Self::new(error.reason(), "", error.to_string())
    }
}
