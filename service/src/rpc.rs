//! How a role's services are served to other processes: gRPC over TCP to those who know the cluster's secret, gRPC
//! over a Unix socket to those whom its mode lets in.
//!
//! HTTP/2's defaults make a block's stream half as fast and twice as expensive as frames of 1 MiB. Both ends have to
//! announce them: the channels of [`crate::channel`] do the same.

use crate::clock::SystemClock;
use crate::peer_auth::{ClusterSecret, Verified, Verifier};
use crate::shutdown::Shutdown;
use crate::unix_path;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::layer::layer_fn;

pub(crate) const FRAME_MAX_BYTES: u32 = 1 << 20;
pub(crate) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Calls in flight on one connection.
const STREAM_MAX_COUNT: u32 = 4096;
const HEADER_LIST_MAX_BYTES: u32 = 16 << 10;
/// A connection whose peer does not answer pings is closed.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Why services are not served.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("can't serve on the socket {path}")]
    Unix { path: PathBuf, source: io::Error },
    #[error("serving calls failed")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves until shutdown, then finishes the calls in flight. Each call must prove the secret.
///
/// # Errors
/// [`RpcError::Serve`].
pub async fn serve_tcp(
    listener: TcpListener,
    routes: Routes,
    secret: ClusterSecret,
    shutdown: &Shutdown,
) -> Result<(), RpcError> {
    let verifier = Arc::new(Verifier::new(secret, Arc::new(SystemClock)));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tuned()
        .layer(layer_fn(move |inner| Verified::new(inner, verifier.clone())))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown.begun())
        .await?;
    Ok(())
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
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
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
