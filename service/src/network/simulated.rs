//! TCP that is the machine's or turmoil's, whichever it was made of.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::Uri;
use tower::BoxError;

/// As long as a channel waits for a connection of the machine's.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Is this code run by a host of a simulation?
pub fn is_simulated() -> bool {
    turmoil::sim_elapsed().is_some()
}

pub(super) async fn connect(address: &Uri) -> Result<TcpStream, BoxError> {
    let (host, port) = (address.host().unwrap_or_default(), address.port_u16().unwrap_or(80));
    let connecting = turmoil::net::TcpStream::connect((host, port));
    Ok(TcpStream::Simulated(Box::new(tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??)))
}

/// One end of a connection.
#[derive(Debug)]
pub enum TcpStream {
    Machine(tokio::net::TcpStream),
    /// Apart, so that a connection of the machine's does not grow with it.
    Simulated(Box<turmoil::net::TcpStream>),
}

/// Connections come in here.
pub enum TcpListener {
    Machine(tokio::net::TcpListener),
    Simulated(turmoil::net::TcpListener),
}

impl TcpListener {
    /// Listens on an address of the machine.
    ///
    /// # Errors
    /// As that of tokio.
    pub async fn bind(address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        tokio::net::TcpListener::bind(address).await.map(Self::Machine)
    }

    /// The next connection, and where it came from.
    ///
    /// # Errors
    /// As that of tokio.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Machine(listener) => listener.accept().await.map(|(stream, from)| (stream.into(), from)),
            Self::Simulated(listener) => {
                listener.accept().await.map(|(stream, from)| (TcpStream::Simulated(Box::new(stream)), from))
            }
        }
    }

    /// # Errors
    /// As that of tokio.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Machine(listener) => listener.local_addr(),
            Self::Simulated(listener) => listener.local_addr(),
        }
    }
}

impl From<tokio::net::TcpListener> for TcpListener {
    fn from(listener: tokio::net::TcpListener) -> Self {
        Self::Machine(listener)
    }
}

impl From<turmoil::net::TcpListener> for TcpListener {
    fn from(listener: turmoil::net::TcpListener) -> Self {
        Self::Simulated(listener)
    }
}

impl From<tokio::net::TcpStream> for TcpStream {
    fn from(stream: tokio::net::TcpStream) -> Self {
        Self::Machine(stream)
    }
}

impl TcpStream {
    /// Connects to an address of the machine.
    ///
    /// # Errors
    /// As that of tokio.
    pub async fn connect(address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        tokio::net::TcpStream::connect(address).await.map(Self::Machine)
    }

    /// # Errors
    /// As that of tokio.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Machine(stream) => stream.set_nodelay(nodelay),
            Self::Simulated(stream) => stream.set_nodelay(nodelay),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Simulated(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_write(context, data),
            Self::Simulated(stream) => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Simulated(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Machine(stream) => stream.is_write_vectored(),
            Self::Simulated(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_flush(context),
            Self::Simulated(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_shutdown(context),
            // A second shutdown is an error to turmoil, and nothing to the machine.
            Self::Simulated(stream) => match Pin::new(stream).poll_shutdown(context) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
                shut => shut,
            },
        }
    }
}
