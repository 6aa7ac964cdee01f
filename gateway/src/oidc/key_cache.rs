//! Keys of issuers, fetched when they are needed and kept for a while.
//!
//! Anyone can send a token that names a key that is not known. So an issuer is asked by one request at a time, and not
//! again right after; what is known meanwhile is used without waiting.

use super::OidcError;
use super::endpoint::IssuerUrl;
use super::fetch::{FetchError, Fetcher};
use super::json;
use super::key_set::KeySet;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use weir_service::clock::Clock;

/// The configuration and the keys of an issuer must have come after so long. STS gives it as long.
/// <https://repost.aws/knowledge-center/iam-sts-invalididentitytoken>
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Keys are asked for anew after so long: a key that an issuer withdraws is of no use any more after this time.
const KEYS_MAX_AGE_MS: i64 = 3_600_000;
/// An issuer is not asked again before this time has passed.
const RETRY_INTERVAL_MS: i64 = 10_000;
/// Issuers whose keys are kept. An account has as many at most.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const ISSUER_MAX_COUNT: usize = 100;

/// Why an issuer's keys are not known.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("its configuration: {0}")]
    Configuration(#[source] FetchError),
    #[error("its configuration is not that of an issuer")]
    MalformedConfiguration,
    #[error("its configuration is of another issuer")]
    OtherIssuer,
    #[error("its keys lie where it can't point to: {0}")]
    KeysUrl(#[source] super::UrlError),
    #[error("its keys: {0}")]
    Keys(#[source] FetchError),
    #[error("its keys are no set of keys")]
    MalformedKeys,
    #[error("it took longer than {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut,
}

/// OpenID Connect Discovery 1.0, 3.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// The keys of all issuers that were asked for.
pub(super) struct KeyCache {
    fetcher: Arc<Fetcher>,
    clock: Arc<dyn Clock>,
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
}

struct Issuer {
    url: IssuerUrl,
    known: RwLock<Option<Known>>,
    /// When it was asked last. Whoever asks it holds this.
    asked_ms: Arc<tokio::sync::Mutex<Option<i64>>>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<KeySet>,
    fetched_ms: i64,
}

impl KeyCache {
    pub fn new(fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self { fetcher: Arc::new(fetcher), clock, issuers: Mutex::new(HashMap::new()) }
    }

    /// The issuer's keys: those that are known if `suffice` says so, else as they are now, if it may be asked again.
    ///
    /// # Errors
    /// [`OidcError::Unreachable`] when there are none.
    pub async fn keys(&self, url: &IssuerUrl, suffice: impl Fn(&KeySet) -> bool) -> Result<Arc<KeySet>, OidcError> {
        let issuer = self.issuer(url);
        if let Some(keys) = issuer.known(self.clock.now_ms()).filter(|keys| suffice(keys)) {
            return Ok(keys);
        }
        let mut asked_ms = issuer.asked_ms.clone().lock_owned().await;
        // Meanwhile someone else may have asked.
        let now_ms = self.clock.now_ms();
        let known = issuer.known(now_ms);
        if known.as_ref().is_some_and(|keys| suffice(keys))
            || asked_ms.is_some_and(|at| is_within(now_ms, at, RETRY_INTERVAL_MS))
        {
            return known.ok_or_else(|| OidcError::Unreachable("it did not answer a moment ago".into()));
        }
        let (fetcher, asking) = (self.fetcher.clone(), issuer.clone());
        // A client that goes away does not stop it: else it could keep the keys from everyone.
        let refresh = tokio::spawn(async move {
            *asked_ms = Some(now_ms);
            let refreshed = asking.refresh(&fetcher, now_ms).await;
            drop(asked_ms);
            refreshed
        });
        match refresh.await {
            Ok(Ok(keys)) => Ok(keys),
            Ok(Err(error)) => {
                tracing::warn!(issuer = url.as_str(), %error, "an issuer's keys can't be fetched");
                issuer.known(now_ms).ok_or_else(|| OidcError::Unreachable(error.to_string()))
            }
            Err(error) => Err(OidcError::Unreachable(error.to_string())),
        }
    }

    fn issuer(&self, url: &IssuerUrl) -> Arc<Issuer> {
        let mut issuers = self.issuers.lock();
        if let Some(issuer) = issuers.get(url.as_str()) {
            return issuer.clone();
        }
        if issuers.len() >= ISSUER_MAX_COUNT {
            // Only registered issuers come here, so that it takes years of registering and removing.
            issuers.clear();
        }
        let issuer = Arc::new(Issuer { url: url.clone(), known: RwLock::new(None), asked_ms: Arc::default() });
        issuers.insert(url.as_str().to_owned(), issuer.clone());
        issuer
    }
}

impl Issuer {
    /// Its keys, if they are not too old.
    fn known(&self, now_ms: i64) -> Option<Arc<KeySet>> {
        let known = self.known.read().clone();
        known.filter(|known| is_within(now_ms, known.fetched_ms, KEYS_MAX_AGE_MS)).map(|known| known.keys)
    }

    async fn refresh(&self, fetcher: &Fetcher, now_ms: i64) -> Result<Arc<KeySet>, RefreshError> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch(fetcher)).await;
        let keys = Arc::new(fetched.map_err(|_| RefreshError::TimedOut)??);
        *self.known.write() = Some(Known { keys: keys.clone(), fetched_ms: now_ms });
        Ok(keys)
    }

    async fn fetch(&self, fetcher: &Fetcher) -> Result<KeySet, RefreshError> {
        let document = fetcher.get(&self.url.configuration()).await.map_err(RefreshError::Configuration)?;
        let Configuration { issuer, jwks_uri } = json::object(&document).ok_or(RefreshError::MalformedConfiguration)?;
        if issuer != self.url.as_str() {
            return Err(RefreshError::OtherIssuer);
        }
        let endpoint = self.url.points_to(&jwks_uri).map_err(RefreshError::KeysUrl)?;
        let document = fetcher.get(&endpoint).await.map_err(RefreshError::Keys)?;
        KeySet::parse(&document).ok_or(RefreshError::MalformedKeys)
    }
}

/// A clock that was set back makes what it dated old.
fn is_within(now_ms: i64, since_ms: i64, span_ms: i64) -> bool {
    (0..span_ms).contains(&now_ms.saturating_sub(since_ms))
}
