//! One client's way to the cluster: a connection to one of the gateways, and to the next one when it breaks. HTTP/1.1
//! over the simulated network, each request signed.

use crate::machine::START_MS;
use crate::settings;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;
use turmoil::net::TcpStream;
use weir_tests::Answer;
use weir_tests::sign::v4::{Signer, UNSIGNED_PAYLOAD};
use weir_tests::sign::{Draft, Keys};

/// Longer than what a gateway bridges without its clients noticing.
const TIMEOUT: Duration = Duration::from_secs(8);

type BoxError = Box<dyn Error + Send + Sync>;

pub struct Link {
    gateways: Vec<String>,
    /// The one in use.
    at: usize,
    connection: Option<SendRequest<Full<Bytes>>>,
    keys: Keys,
}

impl Link {
    /// Begins with the gateway of that number, counted around.
    pub fn new(first: usize) -> Self {
        let gateways: Vec<String> = (1..=settings::GATEWAYS).map(settings::gateway_name).collect();
        let keys = Keys::new(settings::ACCESS_KEY, settings::SECRET_KEY);
        Self { at: first % gateways.len(), gateways, connection: None, keys }
    }

    /// To one gateway alone.
    pub fn only(gateway: &str) -> Self {
        Self { gateways: vec![gateway.to_owned()], ..Self::new(0) }
    }

    /// Sends a request once. None: there was no whole answer, and nobody knows what became of it.
    pub async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let mut draft = Draft::new(method, &self.gateways[self.at], target).with_body(body);
        for (name, value) in headers {
            draft.add_header(name, value);
        }
        let exchanged = timeout(TIMEOUT, self.exchange(draft)).await;
        let answer = exchanged.ok().and_then(Result::ok);
        if answer.as_ref().is_none_or(|answer| answer.status >= 500) {
            self.connection = None;
            self.at = (self.at + 1) % self.gateways.len();
        }
        answer
    }

    async fn exchange(&mut self, mut draft: Draft) -> Result<Answer, BoxError> {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let now = Timestamp::from_millisecond(START_MS)? + elapsed;
        draft.add_header("x-amz-content-sha256", UNSIGNED_PAYLOAD);
        Signer::new(&self.keys, now, settings::REGION).sign_header(&mut draft, UNSIGNED_PAYLOAD);
        let mut request =
            http::Request::builder().method(&*draft.method).uri(draft.target()).header("host", &draft.host);
        for (name, value) in &draft.headers {
            request = request.header(name, &value[..]);
        }
        let shown = format!("{} {}", draft.method, draft.target());
        let request = request.body(Full::new(Bytes::from(draft.body)))?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.gateways[self.at]).await?,
        };
        connection.ready().await?;
        let (parts, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        self.connection = (!connection.is_closed()).then_some(connection);
        Ok(Answer { status: parts.status.as_u16(), headers, body, request: shown, ..Answer::default() })
    }
}

async fn connect(gateway: &str) -> Result<SendRequest<Full<Bytes>>, BoxError> {
    let stream = TcpStream::connect((gateway, settings::GATEWAY_PORT)).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
