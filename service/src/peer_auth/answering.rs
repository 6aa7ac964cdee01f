//! The end that checks: lets calls with a proof that holds through to a service, and answers the others itself.

use super::ClusterSecret;
use super::proof::{Claim, HEADER, HELLO_PATH, Number, STALE_HEADER, insert, only, welcome};
use super::refusals::Refusals;
use super::window::Window;
use crate::clock::Clock;
use futures::future::Either;
use http::{HeaderMap, HeaderValue, Request, Response};
use parking_lot::Mutex;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

/// What one connection is asked for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Verifier {
    secret: ClusterSecret,
    number: Number,
    taken: Arc<Mutex<Window>>,
}

impl Verifier {
    pub fn new(secret: ClusterSecret, clock: &dyn Clock) -> Self {
        Self { secret, number: Number::random(clock), taken: Arc::default() }
    }

    /// # Errors
    /// UNAUTHENTICATED without a proof that holds; UNAVAILABLE for one that a member made for another connection: it
    /// counts for nothing here, and the caller is told to greet and try again.
    pub fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Status> {
        if !headers.contains_key(HEADER) {
            return Err(Status::unauthenticated("a proof of the cluster's secret is needed"));
        }
        let proof = only(headers, HEADER);
        let Some(claim) = proof.and_then(|proof| Claim::proved(proof, &self.secret, path)) else {
            return Err(Status::unauthenticated("the proof of the cluster's secret does not hold"));
        };
        if claim.number != self.number {
            return Err(Status::unavailable("the proof is for another connection: try again"));
        }
        if !self.taken.lock().take(claim.counter) {
            return Err(Status::unauthenticated("this proof was used before"));
        }
        Ok(())
    }

    /// # Errors
    /// UNAUTHENTICATED without a number to answer to.
    pub fn greet(&self, headers: &HeaderMap) -> Result<Response<Body>, Status> {
        let Some(caller) = only(headers, HEADER).and_then(Number::parse) else {
            return Err(Status::unauthenticated("a greeting has the caller's number"));
        };
        let mut answer = Status::ok("").into_http();
        insert(answer.headers_mut(), &welcome(&self.secret, caller, self.number));
        Ok(answer)
    }
}

/// A service behind a verifier: one for each connection.
#[derive(Clone)]
pub(crate) struct Verified<S> {
    inner: S,
    /// None: the certificates of the connection are proof enough.
    verifier: Option<Verifier>,
}

impl<S> Verified<S> {
    pub fn new(inner: S, secret: Option<&ClusterSecret>, clock: &dyn Clock) -> Self {
        Self { inner, verifier: secret.map(|secret| Verifier::new(secret.clone(), clock)) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Verified<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<B>> for Verified<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(verifier) = &self.verifier else { return Either::Left(self.inner.call(request)) };
        let path = request.uri().path();
        let checked = match path {
            HELLO_PATH => verifier.greet(request.headers()).map(Some),
            path => verifier.check(path, request.headers()).map(|()| None),
        };
        match checked {
            Ok(None) => Either::Left(self.inner.call(request)),
            Ok(Some(greeted)) => Either::Right(ready(Ok(greeted))),
            Err(status) => Either::Right(ready(Ok(refusal(path, status)))),
        }
    }
}

fn refusal(path: &str, status: Status) -> Response<Body> {
    let (reason, is_stale) = (status.message(), status.code() == Code::Unavailable);
    if is_stale {
        // A member whose connection was a new one: it tries again.
        tracing::debug!(path, reason, "a call was put off");
    } else {
        static REFUSALS: Refusals = Refusals::new();
        if let Some(unsaid_count) = REFUSALS.tell(Instant::now()) {
            tracing::warn!(path, reason, unsaid_count, "a call was refused");
        }
    }
    let mut answer = status.into_http();
    if is_stale {
        answer.headers_mut().insert(STALE_HEADER, HeaderValue::from_static("1"));
    }
    answer
}
