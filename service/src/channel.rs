//! How one role calls another: over a socket or, in one process, straight into the other's service. The generated
//! clients take a [`Channel`] and can't tell which.

use crate::clock::SystemClock;
use crate::peer_auth::{self, ClusterSecret};
use crate::rpc;
use crate::unix_path;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tonic::body::Body;
use tonic::transport::{Endpoint, Uri};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

/// A peer that can't be reached is given up after so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection whose peer does not answer pings is dead: its calls fail, and the next one connects anew.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to another role. Cheap to clone.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, ChannelError>;

/// Why a call did not reach its role, or its answer did not come back. A type of its own, because a boxed error in its
/// place makes the compiler doubt that calls through generated clients can be spawned.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChannelError(#[source] BoxError);

/// A channel into a service of this process: no socket, no thread between.
pub fn in_process<S>(service: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service.map_err(|never| -> ChannelError { match never {} }))
}

/// A channel over a connection that tonic keeps.
pub fn remote(channel: tonic::transport::Channel) -> Channel {
    BoxCloneSyncService::new(channel.map_err(|error| ChannelError(error.into())))
}

/// A channel over TCP to `address` (`host:port`) that proves the cluster's secret with each call. It connects at the
/// first call, and again when the connection broke. With an address that can't be one, each call fails and says so.
pub fn connect(address: &str, secret: &ClusterSecret) -> Channel {
    let channel = match Endpoint::from_shared(format!("http://{address}")) {
        Ok(endpoint) => remote(tuned(endpoint).connect_lazy()),
        Err(error) => {
            let message = format!("{address:?} is not an address: {error}");
            failing(message)
        }
    };
    peer_auth::proving(channel, secret, Arc::new(SystemClock))
}

/// A channel over the Unix socket at `path`. It connects at the first call, and again when the connection broke.
pub fn connect_unix(path: &Path) -> Channel {
    let path = path.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move {
            let (short, _folder) = unix_path::shorten(&path)?;
            Ok::<_, std::io::Error>(TokioIo::new(tokio::net::UnixStream::connect(short).await?))
        }
    });
    // The address is never looked up: it only fills the `:authority` of each call.
    remote(tuned(Endpoint::from_static("http://weir")).connect_with_connector_lazy(connector))
}

fn failing(message: String) -> Channel {
    BoxCloneSyncService::new(tower::service_fn(move |_: Request<Body>| {
        let message = message.clone();
        async move { Err(ChannelError(message.into())) }
    }))
}

/// Large frames need both ends to agree: see [`rpc`].
fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .max_frame_size(rpc::FRAME_MAX_BYTES)
        .http2_adaptive_window(false)
        .initial_stream_window_size(rpc::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(rpc::CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
}
