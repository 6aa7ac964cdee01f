//! What each request goes through before the service: it is counted, and its client is named.

use super::activity::{Activity, Guarded};
use super::peer::Peer;
use super::refused::{Refusal, RefusalObserver};
use super::{BoxError, Limits};
use crate::trusted_proxies::TrustedProxies;
use futures::TryFutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The service of one connection.
pub(super) struct Counted<S> {
    service: S,
    activity: Arc<Activity>,
    peer: Peer,
    proxies: TrustedProxies,
    header_max_count: usize,
    observer: RefusalObserver,
}

impl<S> Counted<S> {
    pub fn new(service: S, activity: Arc<Activity>, peer: Peer, limits: &Limits) -> Self {
        let (proxies, header_max_count) = (limits.trusted_proxies.clone(), limits.header_max_count);
        Self { service, activity, peer, proxies, header_max_count, observer: limits.observer.clone() }
    }
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: 'static,
{
    type Response = Response<Guarded<B>>;
    type Error = S::Error;
    /// Boxed, since hyper keeps room for it as long as the connection lives.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let guard = self.activity.begin();
        let client = self.proxies.client(self.peer, request.headers());
        // HTTP/1's are counted before there is a request.
        if request.headers().len() > self.header_max_count {
            self.observer.tell(client, Refusal::HeadTooLarge);
            return Box::pin(async move { Ok(too_many_headers().map(|()| Guarded::new(None, guard))) });
        }
        request.extensions_mut().insert(client);
        // Not awaited in another future, which would have room for it twice.
        let answered = self.service.call(request);
        Box::pin(answered.map_ok(|answer| answer.map(|body| Guarded::new(Some(body), guard))))
    }
}

fn too_many_headers() -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    answer
}
