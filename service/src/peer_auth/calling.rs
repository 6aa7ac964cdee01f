//! The end that proves: greets each connection of a channel, and adds a proof to each call.

use super::ClusterSecret;
use super::proof::{Claim, HEADER, HELLO_PATH, Number, STALE_HEADER, insert, only, welcomed};
use crate::channel::{Channel, ChannelError};
use crate::clock::Clock;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

/// How many connections of a channel are lost. A connection tells when it goes, so that the next one is greeted before
/// a call is made on it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    losses: AtomicU64,
}

impl Link {
    pub fn has_lost_one(&self) {
        self.losses.fetch_add(1, Relaxed);
    }
}

/// A channel whose calls carry proofs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proving {
    channel: Channel,
    caller: Arc<Caller>,
}

struct Caller {
    secret: ClusterSecret,
    clock: Arc<dyn Clock>,
    link: Arc<Link>,
    session: RwLock<Option<Arc<Session>>>,
    failures: AtomicU64,
    /// One greets at a time, the others wait for it; holds why the last greeting failed.
    turn: Mutex<Option<Unwelcome>>,
}

/// A greeted connection.
struct Session {
    number: Number,
    calls: AtomicU64,
    /// The link's when it was greeted.
    losses: u64,
}

/// Why there is no session.
#[derive(Clone)]
enum Unwelcome {
    Unreached(ChannelError),
    Refused(Status),
}

impl Proving {
    /// `link` hears of the losses of the channel's connections.
    pub fn new(channel: Channel, secret: ClusterSecret, clock: Arc<dyn Clock>, link: Arc<Link>) -> Self {
        let caller = Caller {
            secret,
            clock,
            link,
            session: RwLock::default(),
            failures: AtomicU64::new(0),
            turn: Mutex::default(),
        };
        Self { channel, caller: Arc::new(caller) }
    }
}

impl fmt::Debug for Proving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proving").field("secret", &self.caller.secret).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Proving {
    type Response = Response<Body>;
    type Error = ChannelError;
    type Future = BoxFuture<'static, Result<Response<Body>, ChannelError>>;

    /// The channel's own readiness is waited for after the greeting, which needs it too.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (channel, caller) = (self.channel.clone(), self.caller.clone());
        Box::pin(async move { caller.call(channel, request).await })
    }
}

impl Caller {
    async fn call(&self, mut channel: Channel, mut request: Request<Body>) -> Result<Response<Body>, ChannelError> {
        let session = match self.session(&channel).await {
            Ok(session) => session,
            Err(Unwelcome::Unreached(error)) => return Err(error),
            Err(Unwelcome::Refused(status)) => return Ok(status.into_http()),
        };
        let ready = channel.ready().await?;
        // Counted as late as can be: the server bears with calls that overtake each other, within limits.
        let claim = Claim { number: session.number, counter: session.calls.fetch_add(1, Relaxed) };
        let proof = claim.proof(&self.secret, request.uri().path());
        insert(request.headers_mut(), &proof);
        let answer = ready.call(request).await?;
        if answer.headers().contains_key(STALE_HEADER) {
            self.forget(&session);
        }
        Ok(answer)
    }

    /// The session of the present connection, which is greeted if it was not.
    async fn session(&self, channel: &Channel) -> Result<Arc<Session>, Unwelcome> {
        let failures = self.failures.load(Relaxed);
        if let Some(session) = self.present() {
            return Ok(session);
        }
        let mut turn = self.turn.lock().await;
        if let Some(session) = self.present() {
            return Ok(session);
        }
        if let Some(unwelcome) = turn.as_ref().filter(|_| self.failures.load(Relaxed) != failures) {
            // Someone has tried while this call waited: trying again for each would take each its time.
            return Err(unwelcome.clone());
        }
        match self.greet(channel).await {
            Ok(session) => {
                let session = Arc::new(session);
                *self.session.write() = Some(session.clone());
                *turn = None;
                Ok(session)
            }
            Err(unwelcome) => {
                self.failures.fetch_add(1, Relaxed);
                *turn = Some(unwelcome.clone());
                Err(unwelcome)
            }
        }
    }

    fn present(&self) -> Option<Arc<Session>> {
        self.session.read().clone().filter(|session| session.losses == self.link.losses.load(Relaxed))
    }

    fn forget(&self, stale: &Arc<Session>) {
        let mut session = self.session.write();
        if session.as_ref().is_some_and(|session| Arc::ptr_eq(session, stale)) {
            *session = None;
        }
    }

    async fn greet(&self, channel: &Channel) -> Result<Session, Unwelcome> {
        let losses = self.link.losses.load(Relaxed);
        let own = Number::random(&*self.clock);
        let mut request = Request::new(Body::empty());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static(HELLO_PATH);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        insert(request.headers_mut(), &own.header());
        let answer = channel.clone().oneshot(request).await.map_err(Unwelcome::Unreached)?;
        if let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) {
            return Err(Unwelcome::Refused(status));
        }
        let number = only(answer.headers(), HEADER).and_then(|text| welcomed(text, &self.secret, own));
        let stranger = || Status::unauthenticated("the peer does not prove the cluster's secret");
        let number = number.ok_or_else(|| Unwelcome::Refused(stranger()))?;
        Ok(Session { number, calls: AtomicU64::new(0), losses })
    }
}
