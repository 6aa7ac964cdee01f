//! One kept-alive HTTP/1.1 connection; each worker of a workload has its own.

use crate::args::{Args, Payload};
use crate::sign::Signer;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{0:?} is not an http:// endpoint")]
    Endpoint(String),
    #[error("connecting to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("{method} {path}: {source}")]
    Http { method: Method, path: String, source: hyper::Error },
    #[error("{method} {path} answered {status}: {body}")]
    Status { method: Method, path: String, status: StatusCode, body: String },
    #[error("{method} {path} answered {got} bytes, not {expected}")]
    Length { method: Method, path: String, got: u64, expected: u64 },
    #[error("the answer to {0} lacks {1}")]
    Missing(String, &'static str),
}

/// A body and its SHA-256, computed once however often it is sent.
#[derive(Clone, Debug)]
pub struct Body {
    pub bytes: Bytes,
    pub sha256: String,
}

impl Body {
    pub fn new(bytes: Bytes, payload: Payload) -> Self {
        use sha2::Digest as _;
        let sha256 = match payload {
            Payload::Sha256 => hex::encode(sha2::Sha256::digest(&bytes)),
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        };
        Self { bytes, sha256 }
    }

    pub fn empty() -> Self {
        Self::new(Bytes::new(), Payload::Sha256)
    }
}

pub struct Answer {
    pub headers: HeaderMap,
    pub length_bytes: u64,
    /// Kept only when asked for.
    pub body: Vec<u8>,
}

pub struct Connection {
    host: String,
    base: String,
    signer: Signer,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub async fn open(args: &Args) -> Result<Self, BenchError> {
        let rest = args.endpoint.strip_prefix("http://").ok_or_else(|| BenchError::Endpoint(args.endpoint.clone()))?;
        let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
        let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let stream = TcpStream::connect(&address)
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| BenchError::Connect { address: address.clone(), source })?;
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(1 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| BenchError::Http { method: Method::CONNECT, path: address, source })?;
        tokio::spawn(connection);
        let base = base.trim_end_matches('/');
        Ok(Self {
            host: host.to_owned(),
            base: if base.is_empty() { String::new() } else { format!("/{base}") },
            signer: Signer {
                access_key: args.access_key.clone(),
                secret_key: args.secret_key.clone(),
                region: args.region.clone(),
            },
            sender,
        })
    }

    /// Sends a request and reads the whole answer; a status other than 2xx is an error.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: &Body,
        keep: bool,
    ) -> Result<Answer, BenchError> {
        let path = format!("{}{path}", self.base);
        let failed = |source| BenchError::Http { method: method.clone(), path: path.clone(), source };
        let mut request = Request::new(Full::new(body.bytes.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().map_err(|_| BenchError::Endpoint(path.clone()))?;
        let host = self.host.parse().map_err(|_| BenchError::Endpoint(self.host.clone()))?;
        request.headers_mut().insert("host", host);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().map_err(|_| BenchError::Endpoint(value.clone()))?);
        }
        self.signer.sign(&mut request, &body.sha256);
        self.sender.ready().await.map_err(failed)?;
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let (parts, mut incoming) = response.into_parts();
        let keep = keep || !parts.status.is_success();
        let mut answer = Answer { headers: parts.headers, length_bytes: 0, body: Vec::new() };
        while let Some(frame) = incoming.frame().await {
            if let Some(data) = frame.map_err(failed)?.data_ref() {
                answer.length_bytes += data.len() as u64;
                if keep {
                    answer.body.extend_from_slice(data);
                }
            }
        }
        if parts.status.is_success() {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Err(BenchError::Status { method, path, status: parts.status, body })
    }
}
