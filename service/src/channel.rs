//! How one role calls another: over a socket or, in one process, straight into the other's service. The generated
//! clients take a [`Channel`] and can't tell which.

mod dial;
mod metaserver;

pub use metaserver::{connect_metaserver, standing};

use crate::clock::SystemClock;
use crate::peer_auth::{ClusterCredentials, Link, Proving};
use crate::rpc;
use crate::trace::{Calling, Way};
use crate::unix_path;
use dial::Dial;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
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
/// place makes the compiler doubt that calls through generated clients can be spawned. Shared, because calls that wait
/// for the same connection fail together.
#[derive(Clone, Debug)]
pub struct ChannelError(Arc<dyn Error + Send + Sync>);

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ChannelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<BoxError> for ChannelError {
    fn from(error: BoxError) -> Self {
        Self(error.into())
    }
}

/// A channel into a service of this process: no socket, no thread between.
pub fn in_process<S>(service: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let channel = BoxCloneSyncService::new(service.map_err(|never| -> ChannelError { match never {} }));
    BoxCloneSyncService::new(Calling::new(channel, Way::InProcess))
}

/// A channel over a connection that tonic keeps.
pub fn remote(channel: tonic::transport::Channel) -> Channel {
    let channel = BoxCloneSyncService::new(channel.map_err(|error| ChannelError(Arc::new(error))));
    BoxCloneSyncService::new(Calling::new(channel, Way::OverSocket))
}

/// A channel over TCP to `address` (`host:port`), which shows the cluster's credentials and asks for them: over TLS with
/// certificates, and with a secret by a proof with each call. It connects at the first call, and again when the
/// connection broke. With an address that can't be one, each call fails and says so.
pub fn connect(address: &str, credentials: &ClusterCredentials) -> Channel {
    // Whether it is in clear or not is the dialler's matter; tonic is told of a connection.
    let endpoint = match Endpoint::from_shared(format!("http://{address}")) {
        Ok(endpoint) => tuned(endpoint),
        Err(error) => return failing(format!("{address:?} is not an address: {error}")),
    };
    let link = Arc::new(Link::default());
    let dial = Dial::new(CONNECT_TIMEOUT, credentials.tls().cloned(), link.clone());
    let channel = remote(endpoint.connect_with_connector_lazy(dial));
    match credentials.secret() {
        Some(secret) => {
            let proving = Proving::new(channel, secret.clone(), Arc::new(SystemClock), link);
            BoxCloneSyncService::new(proving)
        }
        None => channel,
    }
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
        async move { Err(BoxError::from(message).into()) }
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
