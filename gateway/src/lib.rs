//! The gateway: S3's REST calls in, gRPC to the metaserver and the workers out.
//!
//! | module | subject |
//! |---|---|
//! | [`server`] | what every request goes through |
//! | [`route`], [`request`] | a request becomes an operation |
//! | [`auth`] | who is asking |
//! | [`oidc`] | what issuers of OpenID Connect tokens say of someone |
//! | [`rate`] | how often an access key may ask |
//! | [`ops`] | a file for each operation |
//! | [`iam`], [`sts`], [`query_api`] | AWS's APIs of who may come in, and the protocol that they share |
//! | [`post`] | the form of POST Object, and its policy |
//! | [`xml`], [`answer`], [`error`] | what is answered |
//! | [`audit`] | what is written down of each request |
//! | [`objects`], [`body`], [`blocks`] | objects, the bytes of a body, blocks on workers: nothing there knows of HTTP requests |
//!
//! It keeps nothing that matters: any number of gateways may serve the same buckets.

pub mod answer;
mod attributes;
pub mod audit;
pub mod auth;
pub mod blocks;
pub mod body;
mod checksum;
mod conditions;
mod copy_source;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header_text;
pub mod iam;
mod metrics;
pub mod objects;
pub mod oidc;
pub mod ops;
pub mod post;
pub mod query_api;
mod range;
pub mod rate;
pub mod request;
pub mod route;
pub mod server;
pub mod sts;
pub mod xml;

use crate::audit::{Audit, AuditError};
use crate::auth::token::SessionTokens;
use crate::auth::{ACCOUNT, AccessError, Follower, Gate};
use crate::blocks::WorkerConnector;
use crate::metrics::Metrics;
use crate::objects::{Objects, ObjectsOptions};
use crate::oidc::{RootsError, TokenVerifier};
use crate::ops::Context;
use crate::rate::RateLimiter;
use crate::route::{BasePathError, Router};
use crate::server::{Identity, Seldom, Server};
use crate::sts::StsApi;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use prometheus_client::registry::Registry;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use weir_proto::v1::{self, Reason};
use weir_proto::{BucketName, Failure, NameError};
use weir_service::accept::{self, Limits, RefusalObserver};
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::config::settings::GatewaySettings;
use weir_service::network::TcpListener;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;
use weir_service::tls::{ServerTls, TlsError};

/// What a connection over the cap is told. It has no request yet, so no id to name.
const REFUSAL_DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code>\
    <Message>Please reduce your request rate.</Message></Error>";

/// Why a gateway can't be opened or serve.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    BasePath(#[from] BasePathError),
    #[error(transparent)]
    Authorities(#[from] RootsError),
    #[error("gateway.buckets: {0}")]
    BucketName(#[from] NameError),
    #[error("a bucket of gateway.buckets can't be made: {0}")]
    FirstBucket(#[source] Failure),
    #[error("no session with the metaserver: {0}")]
    Session(#[source] Failure),
    #[error("the gateway's listener has no address: {0}")]
    Listener(#[source] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A gateway with its session. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    server: Arc<Server>,
    limits: Limits,
    tls: Option<ServerTls>,
}

impl Gateway {
    /// Opens a session with the metaserver (retrying while it can't be reached), starts heartbeats, and follows its
    /// directory of access. `sealer` knows the cluster's secret.
    ///
    /// # Errors
    /// Settings that can't be served; a metaserver that refuses.
    pub async fn open(
        settings: GatewaySettings,
        metaserver: Channel,
        workers: Arc<dyn WorkerConnector>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, GatewayError> {
        // What can be refused without a metaserver is.
        let tokens = SessionTokens::new(sealer.clone(), clock.clone(), &settings.access_key, &settings.secret_key);
        let gate = Gate::new(&settings, tokens.clone(), clock.clone())?;
        let authorities = Some(settings.oidc_ca.as_path()).filter(|path| !path.as_os_str().is_empty());
        let verifier = TokenVerifier::new(authorities, clock.clone())?;
        let sts = StsApi::new(tokens, verifier, clock.clone(), settings.access_key.as_str());
        let router = Router::new(&settings)?;
        let limits = Limits { refusal: refusal(), ..Limits::from(&settings) };
        let audit = Audit::open(&settings, registry)?;
        let tls = ServerTls::from_settings(&settings.tls_certificate, &settings.tls_key)?;
        let identity = Identity::new(&*clock);
        let options = ObjectsOptions::from(&settings);
        let objects = Objects::open(metaserver.clone(), workers, options, clock.clone(), shutdown).await;
        let objects = objects.map_err(GatewayError::Session)?;
        let follower = Follower::open(metaserver, sealer, shutdown).await.map_err(GatewayError::Session)?;
        if follower.fresh().await.is_ok_and(|rules| rules.directory.access_keys.contains_key(&settings.access_key)) {
            tracing::warn!(
                "a user's access key has the id of gateway.access_key: it speaks for the root, not for the user"
            );
        }
        if let Some(tls) = &tls {
            tls.watch(shutdown);
        }
        objects.register_metrics(registry);
        let metrics = Metrics::register(registry);
        first_buckets(&objects, &settings.buckets).await?;
        let rate = RateLimiter::from_settings(&settings);
        let context = Context { objects, settings, follower, gate, rate, clock };
        Ok(Self {
            server: Arc::new(Server { context, router, metrics, audit, identity, sts, no_place: Seldom::default() }),
            limits,
            tls,
        })
    }

    pub fn objects(&self) -> &Objects {
        &self.server.context.objects
    }

    /// Serves S3, over TLS if it has a certificate, until shutdown, and finishes the requests in flight.
    ///
    /// # Errors
    /// [`GatewayError::Access`] when strangers could reach the listener and no keys are set.
    pub async fn serve(&self, listener: TcpListener, shutdown: &Shutdown) -> Result<(), GatewayError> {
        let address = listener.local_addr().map_err(GatewayError::Listener)?;
        self.server.context.gate.check_listener(address)?;
        if self.server.context.gate.is_open() {
            tracing::info!(%address, "serving S3 without keys: anyone on this machine may do anything, whatever they use");
        }
        let server = self.server.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let server = self.server.clone();
        let observer = RefusalObserver::new(move |refused| server.note_refused(&refused));
        let limits = Limits { observer, ..self.limits.clone() };
        accept::serve(listener, limits, self.tls.clone(), || service.clone(), shutdown).await;
        self.server.audit.flush().await;
        Ok(())
    }
}

/// Makes the buckets that the settings name, where they are not there.
async fn first_buckets(objects: &Objects, names: &[String]) -> Result<(), GatewayError> {
    for name in names {
        let name = BucketName::new(name)?.to_string();
        let create = v1::CreateBucketRequest { name, owner: ACCOUNT.id.to_owned(), ..Default::default() };
        match objects.create_bucket(create).await {
            Ok(_) => {}
            Err(failure) if failure.reason == Reason::BucketExists => {}
            Err(failure) => return Err(GatewayError::FirstBucket(failure)),
        }
    }
    Ok(())
}

/// The answer to a connection over the cap, as it goes over the wire.
fn refusal() -> Bytes {
    let length = REFUSAL_DOCUMENT.len();
    Bytes::from(format!(
        "HTTP/1.1 503 Service Unavailable\r\nserver: Weir\r\ncontent-type: application/xml\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{REFUSAL_DOCUMENT}"
    ))
}
