//! What the issuer serves: its configuration and its keys, each as it was told to behave.

use crate::keys::Keys;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
const KEYS_PATH: &str = "/keys";
/// Where the documents are too, for who follows a redirection.
const ELSEWHERE: &str = "/elsewhere";
const HUGE_BYTES: usize = 100 << 20;
const CHUNK_BYTES: usize = 64 << 10;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

/// How a document is answered.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    Good,
    /// The good document, after so many milliseconds.
    After(u64),
    /// 100 MiB of white space, and the good document after it.
    Huge,
    /// A byte every 100 ms.
    Slow,
    /// 302 to where the good document lies.
    Redirect,
    /// 500.
    Broken,
    /// This text.
    Text(String),
}

type Body = BoxBody<Bytes, Infallible>;

pub struct Issuer {
    pub url: String,
    keys: Mutex<Keys>,
    configuration_behaviour: Mutex<Behaviour>,
    keys_behaviour: Mutex<Behaviour>,
    asked: AtomicU64,
}

impl Issuer {
    pub fn new(url: String, keys: Keys) -> Self {
        let good = || Mutex::new(Behaviour::Good);
        Self {
            url,
            keys: Mutex::new(keys),
            configuration_behaviour: good(),
            keys_behaviour: good(),
            asked: AtomicU64::new(0),
        }
    }

    pub fn keys(&self) -> MutexGuard<'_, Keys> {
        locked(&self.keys)
    }

    pub fn set_configuration(&self, behaviour: Behaviour) {
        *locked(&self.configuration_behaviour) = behaviour;
    }

    pub fn set_keys(&self, behaviour: Behaviour) {
        *locked(&self.keys_behaviour) = behaviour;
    }

    /// How many times the keys were asked for.
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// Serves until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let (issuer, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => issuer.connection(socket).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(socket).await {
                            issuer.connection(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self: Arc<Self>, stream: S) {
        let service = service_fn(move |request: Request<Incoming>| {
            let issuer = self.clone();
            async move { Ok::<_, Infallible>(issuer.answer(request.uri().path()).await) }
        });
        // A client that breaks off is what some tests are about.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, path: &str) -> Response<Body> {
        let good = Behaviour::Good;
        let (document, behaviour) = match path.strip_prefix(ELSEWHERE).unwrap_or(path) {
            CONFIGURATION_PATH => (self.configuration(), locked(&self.configuration_behaviour).clone()),
            KEYS_PATH => {
                self.asked.fetch_add(1, Relaxed);
                (self.keys().document(), locked(&self.keys_behaviour).clone())
            }
            _ => return plain(StatusCode::NOT_FOUND, "there is nothing here".into()),
        };
        let behaviour = if path.starts_with(ELSEWHERE) { good } else { behaviour };
        behaved(behaviour, path, document.to_string()).await
    }

    fn configuration(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}{KEYS_PATH}", self.url),
            "id_token_signing_alg_values_supported": ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"],
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn behaved(behaviour: Behaviour, path: &str, document: String) -> Response<Body> {
    match behaviour {
        Behaviour::Good => plain(StatusCode::OK, document),
        Behaviour::After(pause_ms) => {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            plain(StatusCode::OK, document)
        }
        Behaviour::Huge => {
            let white = Bytes::from(vec![b' '; CHUNK_BYTES]);
            let chunks = stream::iter((0..HUGE_BYTES / CHUNK_BYTES).map(move |_| white.clone()));
            streamed(chunks.chain(stream::iter([Bytes::from(document)])))
        }
        Behaviour::Slow => streamed(stream::iter(document.into_bytes()).then(|byte| async move {
            tokio::time::sleep(SLOW_PAUSE).await;
            Bytes::from(vec![byte])
        })),
        Behaviour::Redirect => {
            let mut answer = plain(StatusCode::FOUND, String::new());
            if let Ok(location) = HeaderValue::try_from(format!("{ELSEWHERE}{path}")) {
                answer.headers_mut().insert(LOCATION, location);
            }
            answer
        }
        Behaviour::Broken => plain(StatusCode::INTERNAL_SERVER_ERROR, "broken".into()),
        Behaviour::Text(text) => plain(StatusCode::OK, text),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    answer(status, Full::new(Bytes::from(text)).boxed())
}

fn streamed(chunks: impl futures::Stream<Item = Bytes> + Send + Sync + 'static) -> Response<Body> {
    answer(StatusCode::OK, BoxBody::new(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk))))))
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
