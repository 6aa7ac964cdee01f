//! Asking an admin port how its process is.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes.
const ANSWER_MAX_BYTES: u64 = 4 << 10;

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("{address} does not answer")]
    Silent { address: String, source: io::Error },
    #[error("{address} does not answer within {} ms", .timeout.as_millis())]
    Slow { address: String, timeout: Duration },
    #[error("{address} answers {path} with: {answer}")]
    Unwell { address: String, path: String, answer: String },
}

/// Whether GET `path` on the admin port at `address` (`host:port`) is answered with 200.
///
/// # Errors
/// [`ProbeError`].
pub async fn probe(address: &str, path: &str, timeout: Duration) -> Result<(), ProbeError> {
    let answer = match tokio::time::timeout(timeout, get(address, path)).await {
        Err(_) => return Err(ProbeError::Slow { address: address.to_owned(), timeout }),
        Ok(Err(source)) => return Err(ProbeError::Silent { address: address.to_owned(), source }),
        Ok(Ok(answer)) => answer,
    };
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let answer = answer.lines().next().unwrap_or_default().to_owned();
    Err(ProbeError::Unwell { address: address.to_owned(), path: path.to_owned(), answer })
}

async fn get(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const TIMEOUT: Duration = Duration::from_millis(300);

    async fn answered(answer: &'static str) -> Result<(), ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            let mut head = [0; 512];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let result = probe(&address, "/readyz", TIMEOUT).await;
        server.abort();
        result
    }

    #[tokio::test]
    async fn only_200_is_well() {
        answered("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let error = answered("HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready\n").await.unwrap_err();
        assert!(error.to_string().ends_with("answers /readyz with: HTTP/1.1 503 Service Unavailable"), "{error}");
        assert!(matches!(answered("").await, Err(ProbeError::Slow { .. })));
        assert!(matches!(probe("127.0.0.1:1", "/", TIMEOUT).await, Err(ProbeError::Silent { .. })));
    }
}
