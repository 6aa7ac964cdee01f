//! How one role calls another: over a socket or, in one process, straight into the other's service. The generated
//! clients take a [`Channel`] and can't tell which.

use http::{Request, Response};
use std::convert::Infallible;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

/// A way to another role. Cheap to clone.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// A channel into a service of this process: no socket, no thread between.
pub fn in_process<S>(service: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service.map_err(|never| -> BoxError { match never {} }))
}

/// A channel over a connection that tonic keeps.
pub fn remote(channel: tonic::transport::Channel) -> Channel {
    BoxCloneSyncService::new(channel.map_err(BoxError::from))
}
