//! How a role's services are served to other processes: gRPC over TCP to members of the cluster, gRPC over a Unix socket
//! to those whom its mode lets in.
//!
//! The TCP port has the limits of the accept loop, speaks HTTP/2 alone, and answers nothing but a greeting without a
//! proof or a certificate: not even whether a method exists.
//!
//! HTTP/2's defaults make a block's stream half as fast and twice as expensive as frames of 1 MiB. Both ends have to
//! announce them: the channels of [`crate::channel`] do the same.

mod refusal;

use crate::accept::{self, Http2Limits, Limits, Ping, Protocols};
use crate::clock::SystemClock;
use crate::config::GatewaySettings;
use crate::network::TcpListener;
use crate::peer_auth::{ClusterCredentials, Verified};
use crate::shutdown::Shutdown;
use crate::trace;
use crate::unix_path;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::ServiceExt;

pub(crate) const FRAME_MAX_BYTES: u32 = 1 << 20;
pub(crate) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const SEND_BUFFER_BYTES: usize = 400 << 10;
/// Calls in flight on one connection.
const STREAM_MAX_COUNT: u32 = 4096;
/// Calls that a peer may take back at once.
const RESET_MAX_COUNT: usize = 1024;
const HEADER_LIST_MAX_BYTES: u32 = 16 << 10;
/// A connection whose peer does not answer pings is closed.
const PING: Ping = Ping { interval: Duration::from_secs(20), timeout: Duration::from_secs(10) };
/// A member has one connection to each other; a gateway's machine may run several, and the shell besides.
const CONNECTION_MAX_COUNT: usize = 4096;
const CONNECTION_MAX_COUNT_PER_ADDRESS: usize = 1024;
/// The handshake and the first call must have come after so long.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection without a call for so long is closed; the next call makes another.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// A block's stream waits for the slowest reader that the gateway bears with; pings tell of peers that are gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Why services are not served on a Unix socket.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("can't serve on the socket {path}")]
    Unix { path: PathBuf, source: io::Error },
    #[error("serving calls failed")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves members of the cluster until shutdown, then finishes the calls in flight.
pub async fn serve_tcp(
    listener: impl Into<TcpListener>,
    routes: Routes,
    credentials: &ClusterCredentials,
    shutdown: &Shutdown,
) {
    let routes = routes.prepare();
    let tls = credentials.tls().map(|tls| tls.server().clone());
    let make_service = || {
        let verified = Verified::new(trace::taken(routes.clone()), credentials.secret(), &SystemClock);
        TowerToHyperService::new(ServiceExt::<Request<Incoming>>::map_response(verified, refusal::told))
    };
    accept::serve(listener, limits(), tls, make_service, shutdown).await;
}

fn limits() -> Limits {
    Limits {
        protocols: Protocols::Http2,
        connection_max_count: CONNECTION_MAX_COUNT,
        connection_max_count_per_address: CONNECTION_MAX_COUNT_PER_ADDRESS,
        header_max_bytes: HEADER_LIST_MAX_BYTES as usize,
        header_timeout: HEADER_TIMEOUT,
        idle_timeout: IDLE_TIMEOUT,
        write_timeout: WRITE_TIMEOUT,
        http2: Http2Limits {
            connection_max_count: CONNECTION_MAX_COUNT,
            stream_max_count: STREAM_MAX_COUNT,
            stream_window_bytes: STREAM_WINDOW_BYTES,
            connection_window_bytes: CONNECTION_WINDOW_BYTES,
            frame_max_bytes: FRAME_MAX_BYTES,
            send_buffer_bytes: SEND_BUFFER_BYTES,
            reset_max_count: RESET_MAX_COUNT,
            ping: Some(PING),
        },
        refusal: Bytes::new(),
        ..Limits::from(&GatewaySettings::default())
    }
}

/// A Unix socket of mode 0600 that calls can be made to, though none is answered yet.
#[derive(Debug)]
pub struct UnixSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl UnixSocket {
    /// Makes the socket. One that a process left behind is replaced; that none is alive is the caller's to know (the
    /// data folder's lock). Needs a tokio runtime.
    ///
    /// # Errors
    /// [`RpcError::Unix`].
    pub fn bind(path: &Path) -> Result<Self, RpcError> {
        let listener = bind_unix(path).map_err(|source| RpcError::Unix { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Serves until shutdown, then finishes the calls in flight and removes the socket.
    ///
    /// # Errors
    /// [`RpcError::Serve`].
    pub async fn serve(self, routes: Routes, shutdown: &Shutdown) -> Result<(), RpcError> {
        let served = tuned()
            .layer(tower::layer::layer_fn(trace::taken))
            .add_routes(routes)
            .serve_with_incoming_shutdown(UnixListenerStream::new(self.listener), shutdown.begun())
            .await;
        let _ = fs::remove_file(&self.path);
        Ok(served?)
    }
}

/// Binds and serves: [`UnixSocket`].
///
/// # Errors
/// [`RpcError`].
pub async fn serve_unix(path: &Path, routes: Routes, shutdown: &Shutdown) -> Result<(), RpcError> {
    UnixSocket::bind(path)?.serve(routes, shutdown).await
}

/// The services of two roles behind one socket.
pub fn merge(one: Routes, other: Routes) -> Routes {
    // Both answer unknown methods the same way, and a router has one such answer.
    let other = other.into_axum_router().reset_fallback();
    Routes::from(one.into_axum_router().merge(other))
}

fn tuned() -> Server {
    Server::builder()
        .max_frame_size(FRAME_MAX_BYTES)
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAM_MAX_COUNT)
        .http2_max_header_list_size(HEADER_LIST_MAX_BYTES)
        .http2_keepalive_interval(Some(PING.interval))
        .http2_keepalive_timeout(Some(PING.timeout))
}

/// Makes the socket in a folder that no one else may enter, and moves it to its place with its mode set: it can't be
/// connected to a moment too early, and the process's umask, which belongs to all threads, stays as it is.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut nursery = name.to_owned();
    nursery.push(format!(".{}", std::process::id()));
    let nursery = path.with_file_name(nursery);
    let _ = fs::remove_dir_all(&nursery);
    fs::DirBuilder::new().mode(0o700).create(&nursery)?;
    let bound = (|| {
        let made = nursery.join("s");
        let (short, _folder) = unix_path::shorten(&made)?;
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
        fs::rename(&made, path)?;
        Ok(listener)
    })();
    let _ = fs::remove_dir_all(&nursery);
    bound
}

#[cfg(test)]
mod tests;
