//! Connections to another role: TCP, TLS where the cluster has certificates, and a word when one is lost.

use crate::network;
use crate::peer_auth::Link;
use crate::tls::{ClusterTls, Stream};
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::Uri;
use tower::{BoxError, Service};

/// Makes the connections of one channel.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    tls: Option<ClusterTls>,
    link: Arc<Link>,
}

impl Dial {
    pub fn new(connect_timeout: Duration, tls: Option<ClusterTls>, link: Arc<Link>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        Self { tcp, tls, link }
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Noticed>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let Self { tcp, tls, link } = self.clone();
        Box::pin(async move {
            let host = address.host().unwrap_or_default().to_owned();
            let stream = network::connect(tcp, address).await?;
            let stream = match tls {
                Some(tls) => tls.connect(&host, stream).await?,
                None => Stream::Clear(stream),
            };
            Ok(TokioIo::new(Noticed { stream, link }))
        })
    }
}

/// A connection whose end is noticed.
pub(super) struct Noticed {
    stream: Stream,
    link: Arc<Link>,
}

impl Drop for Noticed {
    fn drop(&mut self) {
        self.link.has_lost_one();
    }
}

impl AsyncRead for Noticed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Noticed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
