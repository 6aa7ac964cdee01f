//! The standby's end: a process that follows a metaserver and serves nobody. When it is promoted it is a metaserver from
//! then on, in the same process, over the same store, at the same address.

use super::following;
use super::host::refusal;
use super::inner::Inner;
use super::wire;
use crate::Measured;
use crate::MetaserverError;
use crate::namespace::ids::epoch_and_cluster;
use crate::store::embedded::EmbeddedOptions;
use crate::store::embedded::replication::StandbyStore;
use futures::stream::BoxStream;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming, async_trait};
use tower::ServiceExt as _;
use weir_proto::v1::standby_server::StandbyServer;
use weir_proto::v1::standing_response::Role;
use weir_proto::v1::{self, Reason, standby_server};
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::config::MetaserverSettings;
use weir_service::disk::Disk;
use weir_service::epoch::{Fence, SeenEpoch, fenced};
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;

/// A standby that may become the metaserver. Cheap to clone.
#[derive(Clone)]
pub struct Candidate {
    pub(super) inner: Arc<Inner>,
}

impl Candidate {
    /// Opens the store in `settings.data`, or makes one, and follows the metaserver that `metaserver` leads to. When the
    /// store can't go on, it begins the shutdown. `seen` is what calls over `metaserver` tell and hear.
    ///
    /// # Errors
    /// The store can't be opened.
    pub async fn open(
        settings: MetaserverSettings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        metaserver: (Channel, SeenEpoch),
        registry: &mut prometheus_client::registry::Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, MetaserverError> {
        let (data, options, store_clock) = (settings.data.clone(), EmbeddedOptions::from(&settings), clock.clone());
        let opened =
            weir_service::threads::spawn_blocking(move || StandbyStore::open(&data, options, disk, store_clock)).await;
        let standby = match opened {
            Ok(opened) => opened?,
            Err(error) => return Err(crate::opening_panicked(&error)),
        };
        let inner = Arc::new(Inner {
            settings,
            standby,
            clock,
            sealer,
            measured: Measured::register(registry),
            shutdown: shutdown.clone(),
            metaserver: metaserver.0,
            seen: metaserver.1,
            connected: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            following: Mutex::default(),
            promoting: tokio::sync::Mutex::default(),
            promoted: RwLock::default(),
        });
        super::metrics::register_candidate(registry, &inner);
        if let Ok(store) = inner.standby.store() {
            crate::tell_of_store(registry, &(store as Arc<dyn crate::store::Store>));
        }
        let (own, begun, stop) = (inner.clone(), shutdown.clone(), shutdown.clone());
        let following = shutdown.spawn(async move {
            tokio::select! {
                () = begun.begun() => {}
                () = following::run(own, stop) => {}
            }
        });
        *inner.following.lock() = Some(following);
        Ok(Self { inner })
    }

    /// Its services: those of a standby, and from its promotion on those of a metaserver.
    pub fn services(&self) -> Routes {
        let fence = Fence::default();
        let own = Routes::new(StandbyServer::new(self.clone())).into_axum_router().reset_fallback();
        let unserved = tower::service_fn(|_| async {
            let text = "this is a standby: it serves nobody before it is promoted";
            Ok::<_, std::convert::Infallible>(
                Status::from(refusal(Reason::Unavailable, text)).into_http::<tonic::body::Body>(),
            )
        });
        let own = fenced(Routes::from(own.fallback_service(unserved)), &fence).into_axum_router();
        let inner = self.inner.clone();
        let switch = tower::service_fn(move |request| {
            let promoted = inner.promoted.read().as_ref().map(|(_, routes)| routes.clone().into_axum_router());
            promoted.unwrap_or_else(|| own.clone()).oneshot(request)
        });
        Routes::from(Routes::default().into_axum_router().reset_fallback().fallback_service(switch))
    }

    /// As [`Metaserver::end_waits`], if it was promoted.
    pub async fn end_waits(&self) {
        let promoted = self.inner.promoted.read().as_ref().map(|(metaserver, _)| metaserver.clone());
        if let Some(metaserver) = promoted {
            metaserver.end_waits().await;
        }
    }

    /// Closes the store in order.
    ///
    /// # Errors
    /// [`MetaserverError::Store`].
    pub async fn close(&self) -> Result<(), MetaserverError> {
        let promoted = self.inner.promoted.read().as_ref().map(|(metaserver, _)| metaserver.clone());
        match promoted {
            Some(metaserver) => metaserver.close().await,
            None => Ok(self.inner.standby.close().await?),
        }
    }
}

#[async_trait]
impl standby_server::Standby for Candidate {
    type FollowStream = BoxStream<'static, Result<v1::FollowResponse, Status>>;

    async fn standing(&self, _: Request<v1::StandingRequest>) -> Result<Response<v1::StandingResponse>, Status> {
        let belief = self.inner.standby.belief();
        let (epoch, cluster_id) = match self.inner.standby.store() {
            Ok(store) => epoch_and_cluster(&*store).await?,
            // It is being seeded.
            Err(_) => (0, String::new()),
        };
        Ok(Response::new(v1::StandingResponse {
            role: Role::Standby.into(),
            epoch,
            cluster_id,
            sequence: belief.sequence,
            standby: None,
            following: Some(wire::following(&belief, self.inner.connected.load(Ordering::Acquire))),
        }))
    }

    async fn follow(&self, _: Request<Streaming<v1::FollowRequest>>) -> Result<Response<Self::FollowStream>, Status> {
        Err(refusal(Reason::Unavailable, "this is a standby: it can't be followed").into())
    }

    async fn promote(&self, request: Request<v1::PromoteRequest>) -> Result<Response<v1::PromoteResponse>, Status> {
        // The caller may go; a promotion that was begun is finished.
        let (inner, force) = (self.inner.clone(), request.get_ref().force);
        let promoted = tokio::spawn(async move { inner.promote(force).await }).await;
        match promoted {
            Ok(promoted) => Ok(Response::new(promoted?)),
            Err(error) => Err(Status::internal(format!("the promotion panicked: {error}"))),
        }
    }

    async fn step_down(&self, _: Request<v1::StepDownRequest>) -> Result<Response<v1::StepDownResponse>, Status> {
        Err(refusal(Reason::InvalidRequest, "this is a standby: it has no place to give").into())
    }
}
