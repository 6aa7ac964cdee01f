//! Epochs: which of several metaservers is the one. A standby that takes over serves under a higher epoch than the one
//! before it. Every answer of a metaserver carries its epoch, every call to one the highest that the caller knows, so
//! that the one before, should it come back, is refused by whoever has heard of the other, and learns that it is over.

use crate::planted::{Fault, planted};
use axum::extract::Request;
use axum::middleware::{self, Next};
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tonic::Status;
use tonic::service::Routes;

/// A decimal number.
pub const EPOCH_HEADER: &str = "weir-epoch";
/// On the answers of whoever serves nobody: a standby, or a metaserver that waits for one.
pub const STANDBY_HEADER: &str = "weir-standby";

/// The highest epoch that a caller has heard of; 0: none yet. Cheap to clone: the same one.
#[derive(Clone, Debug, Default)]
pub struct SeenEpoch(Arc<AtomicU64>);

impl SeenEpoch {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Notes an epoch. `false`: a higher one has been heard of.
    pub fn note(&self, epoch: u64) -> bool {
        self.0.fetch_max(epoch, Ordering::AcqRel) <= epoch || planted(Fault::OldEpochAccepted)
    }

    /// Says it with a call.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if self.get() > 0 {
            headers.insert(EPOCH_HEADER, HeaderValue::from(self.get()));
        }
    }
}

/// The epoch that headers carry.
pub fn told(headers: &HeaderMap) -> Option<u64> {
    headers.get(EPOCH_HEADER)?.to_str().ok()?.parse().ok()
}

/// What a metaserver knows of its own epoch. Cheap to clone: the same one.
#[derive(Clone, Debug)]
pub struct Fence {
    /// 0: it serves nobody yet.
    own: Arc<AtomicU64>,
    heard: Arc<watch::Sender<u64>>,
}

impl Default for Fence {
    fn default() -> Self {
        Self { own: Arc::default(), heard: Arc::new(watch::Sender::new(0)) }
    }
}

impl Fence {
    /// Serves under this epoch from now on.
    pub fn serve_under(&self, epoch: u64) {
        self.own.store(epoch, Ordering::Release);
    }

    pub fn epoch(&self) -> u64 {
        self.own.load(Ordering::Acquire)
    }

    /// Another metaserver is known to serve under this epoch.
    pub fn hear(&self, epoch: u64) {
        self.heard.send_if_modified(|heard| {
            let is_higher = epoch > *heard;
            *heard = epoch.max(*heard);
            is_higher
        });
    }

    /// Resolves with a higher epoch than its own when one was heard of: it must not serve any more.
    pub async fn is_over(&self) -> u64 {
        let mut heard = self.heard.subscribe();
        let over = heard.wait_for(|heard| self.epoch() > 0 && *heard > self.epoch()).await.map(|heard| *heard);
        match over {
            Ok(epoch) => epoch,
            // The sender lives in self.
            Err(_) => std::future::pending().await,
        }
    }

    /// # Errors
    /// UNAVAILABLE: the caller knows a higher epoch.
    fn check(&self, headers: &HeaderMap) -> Result<u64, Status> {
        let (own, known) = (self.epoch(), told(headers).unwrap_or(0));
        if own > 0 && known > own {
            self.hear(known);
            if planted(Fault::ReplacedServesOn) {
                return Ok(own);
            }
            return Err(Status::unavailable(format!(
                "this metaserver is over: its epoch is {own}, and there is {known}"
            )));
        }
        Ok(own)
    }
}

/// Services that say under which epoch they serve, and refuse whoever knows a higher one.
pub fn fenced(routes: Routes, fence: &Fence) -> Routes {
    let fence = fence.clone();
    let check = move |request: Request, next: Next| {
        let fence = fence.clone();
        async move {
            let own = match fence.check(request.headers()) {
                Ok(own) => own,
                Err(status) => return status.into_http(),
            };
            let mut answer = next.run(request).await;
            // What a commit that was under way while it ended came to is not told: the caller asks the other one.
            match *fence.heard.borrow() {
                heard if own > 0 && heard > own => Status::unavailable("this metaserver is over").into_http(),
                _ => {
                    let (name, value) = if own > 0 { (EPOCH_HEADER, own) } else { (STANDBY_HEADER, 1) };
                    answer.headers_mut().insert(name, HeaderValue::from(value));
                    answer
                }
            }
        }
    };
    Routes::from(routes.into_axum_router().layer(middleware::from_fn(check)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(epoch: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(EPOCH_HEADER), epoch.parse().unwrap())])
    }

    #[test]
    fn an_epoch_is_never_forgotten_for_a_lower_one() {
        let seen = SeenEpoch::default();
        let mut headers = HeaderMap::new();
        seen.tell(&mut headers);
        assert_eq!(told(&headers), None);
        assert!(seen.note(2) && seen.note(2) && !seen.note(1));
        seen.tell(&mut headers);
        assert_eq!((told(&headers), seen.get()), (Some(2), 2));
        assert_eq!(told(&with("two")), None);
    }

    #[tokio::test]
    async fn whoever_hears_of_a_higher_epoch_is_over() {
        let fence = Fence::default();
        assert!(fence.check(&with("7")).is_ok(), "a standby has no epoch that could be over");
        fence.serve_under(2);
        for fine in ["1", "2", "", "-1", "99999999999999999999999"] {
            assert_eq!(fence.check(&with(fine)).unwrap(), 2, "{fine}");
        }
        assert_eq!(fence.check(&HeaderMap::new()).unwrap(), 2);
        let refused = fence.check(&with("3")).unwrap_err();
        assert_eq!(refused.message(), "this metaserver is over: its epoch is 2, and there is 3");
        assert_eq!(fence.is_over().await, 3);
    }
}
