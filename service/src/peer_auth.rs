//! How roles know each other over a network: a secret of the cluster, and a proof of it with every call.
//!
//! A call carries `weir-peer: MS.CHANNEL.COUNTER.MAC`: the caller's time in milliseconds, a random number of its
//! channel, how many calls it has made there, and HMAC-SHA256 with the cluster's secret over these and the method's
//! path. The server takes each (channel, counter) once, and only near its own time, so that a proof that someone
//! overheard is worth nothing for another call, nor for the same call again.
//!
//! This tells members from strangers. It neither hides nor seals what is said: who can read or alter the packets
//! between the roles must be kept from that network.

mod replay;

use crate::channel::Channel;
use crate::clock::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request, Response};
use replay::{Fresh, ReplayGuard};
use sha2::Sha256;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Service};

/// The shortest secret taken, in characters.
pub const SECRET_MIN_CHARS: usize = 16;
/// How far the clocks of two roles may differ, in milliseconds; also how long a proof can be used at all.
pub const CLOCK_DIFFERENCE_MAX_MS: i64 = 60_000;

const HEADER: &str = "weir-peer";
/// Keeps these proofs apart from any other use of the secret.
const PURPOSE: &[u8] = b"weir peer v1\0";

/// Why there is no secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error(
        "a role that talks over a network needs the cluster's secret: set cluster_secret in the configuration file or \
         WEIR_CLUSTER_SECRET to the same {SECRET_MIN_CHARS} or more characters on every machine of the cluster"
    )]
    Missing,
    #[error("cluster_secret has {length} characters; at least {SECRET_MIN_CHARS} are needed")]
    TooShort { length: usize },
}

/// What all roles of a cluster know, and no one else. Cheap to clone.
#[derive(Clone)]
pub struct ClusterSecret {
    keyed: Arc<Hmac<Sha256>>,
}

impl ClusterSecret {
    /// # Errors
    /// [`SecretError`] when it is empty or too short to withstand guessing.
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        match secret.chars().count() {
            0 => Err(SecretError::Missing),
            length if length < SECRET_MIN_CHARS => Err(SecretError::TooShort { length }),
            _ => {
                // HMAC takes keys of any length.
                let keyed = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
                Ok(Self { keyed: Arc::new(keyed) })
            }
        }
    }

    /// A key for another use than proofs.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let mut mac = (*self.keyed).clone();
        mac.update(purpose);
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, path: &str, claim: &Claim) -> Hmac<Sha256> {
        let mut mac = (*self.keyed).clone();
        mac.update(PURPOSE);
        mac.update(&claim.unix_ms.to_be_bytes());
        mac.update(&claim.channel.to_be_bytes());
        mac.update(&claim.counter.to_be_bytes());
        mac.update(path.as_bytes());
        mac
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(hidden)")
    }
}

/// What a proof is about, besides the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    unix_ms: i64,
    channel: u128,
    counter: u64,
}

impl Claim {
    fn header(&self, secret: &ClusterSecret, path: &str) -> String {
        let mac = secret.mac(path, self).finalize().into_bytes();
        format!("{}.{:032x}.{}.{}", self.unix_ms, self.channel, self.counter, hex::encode(mac))
    }

    fn parse(header: &str) -> Option<(Self, [u8; 32])> {
        let mut fields = header.split('.');
        let claim = Self {
            unix_ms: fields.next()?.parse().ok()?,
            channel: u128::from_str_radix(fields.next()?, 16).ok()?,
            counter: fields.next()?.parse().ok()?,
        };
        let mut mac = [0; 32];
        hex::decode_to_slice(fields.next()?, &mut mac).ok()?;
        fields.next().is_none().then_some((claim, mac))
    }
}

/// The calling side: adds a proof to each call of a channel.
#[derive(Clone)]
pub struct Proving<S> {
    inner: S,
    secret: ClusterSecret,
    clock: Arc<dyn Clock>,
    channel: u128,
    counter: Arc<AtomicU64>,
}

impl<S> Proving<S> {
    pub fn new(inner: S, secret: ClusterSecret, clock: Arc<dyn Clock>) -> Self {
        let mut channel = [0; 16];
        clock.random(&mut channel);
        Self { inner, secret, clock, channel: u128::from_be_bytes(channel), counter: Arc::new(AtomicU64::new(0)) }
    }
}

impl<S> fmt::Debug for Proving<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proving").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl<S> Service<Request<Body>> for Proving<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let counter = self.counter.fetch_add(1, Relaxed);
        let claim = Claim { unix_ms: self.clock.now_ms(), channel: self.channel, counter };
        let header = claim.header(&self.secret, request.uri().path());
        // Digits, dots and hexadecimal digits are always a valid header.
        if let Ok(mut header) = HeaderValue::from_str(&header) {
            header.set_sensitive(true);
            request.headers_mut().insert(HEADER, header);
        }
        self.inner.call(request)
    }
}

/// The answering side's memory: one for all connections of a listener, or a proof could be used once on each.
pub struct Verifier {
    secret: ClusterSecret,
    clock: Arc<dyn Clock>,
    started_ms: i64,
    replay: ReplayGuard,
}

impl Verifier {
    pub fn new(secret: ClusterSecret, clock: Arc<dyn Clock>) -> Self {
        Self { started_ms: clock.now_ms(), secret, clock, replay: ReplayGuard::default() }
    }

    /// # Errors
    /// UNAUTHENTICATED without a proof that holds; UNAVAILABLE when a good proof is from before this process began:
    /// what was used up then is no longer known, so it counts as used. The caller's next try has a later time.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let mut headers = request.headers().get_all(HEADER).iter();
        let (Some(header), None) = (headers.next(), headers.next()) else {
            return Err(Status::unauthenticated("a proof of the cluster's secret is needed"));
        };
        let refused = || Status::unauthenticated("the proof of the cluster's secret does not hold");
        let (claim, mac) = header.to_str().ok().and_then(Claim::parse).ok_or_else(refused)?;
        self.secret.mac(request.uri().path(), &claim).verify_slice(&mac).map_err(|_| refused())?;
        let now_ms = self.clock.now_ms();
        if claim.unix_ms.abs_diff(now_ms) > CLOCK_DIFFERENCE_MAX_MS.unsigned_abs() {
            return Err(Status::unauthenticated("the caller's clock and this machine's differ by more than a minute"));
        }
        if claim.unix_ms < self.started_ms {
            return Err(Status::unavailable("this process has just started: try again"));
        }
        match self.replay.take(claim.channel, claim.counter, now_ms) {
            Fresh::Yes => Ok(()),
            Fresh::No => Err(Status::unauthenticated("this proof was used before")),
            Fresh::TooManyChannels => Err(Status::resource_exhausted("too many peers")),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("secret", &self.secret).finish_non_exhaustive()
    }
}

/// Lets calls with a proof that holds through to a service, and answers the others itself.
#[derive(Clone, Debug)]
pub struct Verified<S> {
    inner: S,
    verifier: Arc<Verifier>,
}

impl<S> Verified<S> {
    pub fn new(inner: S, verifier: Arc<Verifier>) -> Self {
        Self { inner, verifier }
    }
}

impl<S> Service<Request<Body>> for Verified<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures::future::Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.verifier.check(&request) {
            Ok(()) => futures::future::Either::Left(self.inner.call(request)),
            Err(status) => {
                let (path, reason) = (request.uri().path(), status.message());
                match status.code() {
                    // A member that comes early: it tries again.
                    Code::Unavailable => tracing::debug!(path, reason, "a call was put off"),
                    _ => tracing::warn!(path, reason, "a call was refused"),
                }
                futures::future::Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}

/// A channel whose calls carry proofs.
pub fn proving(channel: Channel, secret: &ClusterSecret, clock: Arc<dyn Clock>) -> Channel {
    Channel::new(Proving::new(channel, secret.clone(), clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const NOW_MS: i64 = 1_700_000_000_000;
    const PATH: &str = "/weir.v1.Blocks/ReadBlock";

    fn secret(text: &str) -> ClusterSecret {
        ClusterSecret::new(text).unwrap()
    }

    fn server() -> (Verifier, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        (Verifier::new(secret("a secret of sixteen"), clock.clone()), clock)
    }

    fn call_at(text: &str, path: &str, unix_ms: i64, counter: u64) -> Request<()> {
        let header = Claim { unix_ms, channel: 7, counter }.header(&secret(text), path);
        Request::builder().uri(path).header(HEADER, header).body(()).unwrap()
    }

    fn refusal(verifier: &Verifier, request: &Request<()>) -> Code {
        verifier.check(request).unwrap_err().code()
    }

    #[test]
    fn a_proof_holds_once() {
        let (verifier, _) = server();
        let request = call_at("a secret of sixteen", PATH, NOW_MS, 0);
        verifier.check(&request).unwrap();
        assert_eq!(refusal(&verifier, &request), Code::Unauthenticated);
        verifier.check(&call_at("a secret of sixteen", PATH, NOW_MS, 1)).unwrap();
    }

    #[test]
    fn a_proof_of_another_secret_or_for_another_method_is_refused() {
        let (verifier, _) = server();
        assert_eq!(refusal(&verifier, &call_at("another secret!!", PATH, NOW_MS, 0)), Code::Unauthenticated);
        let mut request = call_at("a secret of sixteen", PATH, NOW_MS, 0);
        *request.uri_mut() = "/weir.v1.Admin/Backup".parse().unwrap();
        assert_eq!(refusal(&verifier, &request), Code::Unauthenticated);
    }

    #[test]
    fn no_proof_two_proofs_and_nonsense_are_refused() {
        let (verifier, _) = server();
        assert_eq!(refusal(&verifier, &Request::builder().uri(PATH).body(()).unwrap()), Code::Unauthenticated);
        for header in ["", "1.2.3", "a.b.c.d", &format!("{NOW_MS}.7.0.{}", "0".repeat(64)), "1.2.3.4.5"] {
            let request = Request::builder().uri(PATH).header(HEADER, header).body(()).unwrap();
            assert_eq!(refusal(&verifier, &request), Code::Unauthenticated, "{header}");
        }
        let mut request = call_at("a secret of sixteen", PATH, NOW_MS, 0);
        let again = request.headers()[HEADER].clone();
        request.headers_mut().append(HEADER, again);
        assert_eq!(refusal(&verifier, &request), Code::Unauthenticated);
    }

    #[test]
    fn a_proof_from_long_ago_or_from_the_future_is_refused() {
        let (verifier, clock) = server();
        clock.advance(10 * CLOCK_DIFFERENCE_MAX_MS);
        let now_ms = clock.now_ms();
        for (difference, fine) in [(0, true), (60_000, true), (60_001, false), (-60_000, true), (-60_001, false)] {
            let counter = (difference + 100_000) as u64;
            let request = call_at("a secret of sixteen", PATH, now_ms + difference, counter);
            let fresh_channel = {
                let claim = Claim { unix_ms: now_ms + difference, channel: u128::from(counter), counter: 0 };
                let header = claim.header(&secret("a secret of sixteen"), PATH);
                Request::builder().uri(PATH).header(HEADER, header).body(()).unwrap()
            };
            assert_eq!(verifier.check(&fresh_channel).is_ok(), fine, "{difference}");
            if !fine {
                assert_eq!(refusal(&verifier, &request), Code::Unauthenticated);
            }
        }
    }

    #[test]
    fn a_proof_from_before_the_server_began_is_to_be_made_again() {
        let (verifier, _) = server();
        let request = call_at("a secret of sixteen", PATH, NOW_MS - 1, 0);
        assert_eq!(refusal(&verifier, &request), Code::Unavailable);
    }

    #[test]
    fn a_secret_is_long_enough_and_never_shown() {
        assert_eq!(ClusterSecret::new("").unwrap_err(), SecretError::Missing);
        assert_eq!(ClusterSecret::new("fifteen letters").unwrap_err(), SecretError::TooShort { length: 15 });
        assert_eq!(format!("{:?}", secret("a secret of sixteen")), "ClusterSecret(hidden)");
    }
}
