//! The end of a connection whose client is still sending.
//!
//! A socket that is closed with unread data resets the connection, and the reset may overtake the answer: a client with
//! too large a head would never learn why. So what is unread is read and thrown away for a moment, after the answer was
//! sent and the sending side closed. RFC 9112, 9.6.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How much is thrown away at most, and for how long.
const MAX_BYTES: usize = 1 << 20;
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
const PIECE_BYTES: usize = 4 << 10;

/// A socket that lingers when it is shut down with unread data.
#[derive(Debug)]
pub(super) struct Lingering<T> {
    io: T,
    /// Made when there is something unread; most clients have sent nothing more.
    end: Option<Pin<Box<Sleep>>>,
    thrown_away_bytes: usize,
}

impl<T> Lingering<T> {
    pub fn new(io: T) -> Self {
        Self { io, end: None, thrown_away_bytes: 0 }
    }
}

impl<T: AsyncRead + Unpin> Lingering<T> {
    /// Ready when nothing more comes, or enough has.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.thrown_away_bytes += buffer.filled().len();
                    if self.thrown_away_bytes > MAX_BYTES {
                        return Poll::Ready(());
                    }
                    self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(TIMEOUT)));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let Some(end) = &mut self.end else { return Poll::Ready(()) };
                    return end.as_mut().poll(context);
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lingering<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
        }
        self.poll_rest(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    async fn pair() -> (TcpStream, Lingering<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Lingering::new(listener.accept().await.unwrap().0))
    }

    #[tokio::test]
    async fn an_answer_reaches_a_client_that_is_still_sending() {
        let (mut client, mut server) = pair().await;
        let serving = async {
            assert_eq!(server.read_u8().await.unwrap(), 7);
            server.write_all(b"too large").await.unwrap();
            server.shutdown().await.unwrap();
            drop(server);
        };
        let asking = async {
            let mut sent = client.write_all(&[7; 300_000]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if sent.is_ok() {
                sent = client.write_all(&[7; 300_000]).await;
            }
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            (sent, answer)
        };
        let ((), (sent, answer)) = tokio::join!(serving, asking);
        sent.unwrap();
        assert_eq!(answer, "too large");
    }

    #[tokio::test]
    async fn a_client_that_has_sent_nothing_more_is_not_waited_for() {
        let (_client, mut server) = pair().await;
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_client_that_goes_on_sending_is_given_up() {
        let (mut client, mut server) = pair().await;
        let sending = tokio::spawn(async move { while client.write_all(&[7; 64 << 10]).await.is_ok() {} });
        server.read_u8().await.unwrap();
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert!(begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
        drop(server);
        sending.await.unwrap();
        let (mut client, mut server) = pair().await;
        client.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert!(begun.elapsed() >= TIMEOUT && begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
    }
}
