//! Tokens of an issuer that runs as a process of its own: good ones, forged ones, and an issuer that misbehaves.

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_gateway::auth::provider_name;
use weir_gateway::oidc::{OidcError, TokenVerifier, VerifiedToken};
use weir_proto::v1::OidcProvider;
use weir_service::clock::{Clock as _, ManualClock};
use weir_tests::oidc_issuer::OidcIssuer;

const PROGRAM: &str = env!("CARGO_BIN_EXE_weir-oidc-issuer");
const NOW_MS: i64 = 1_767_225_600_000;
const NOW_SECONDS: i64 = NOW_MS / 1000;

/// An issuer, registered, and a verifier that knows no one else.
struct Session {
    issuer: OidcIssuer,
    provider: Arc<OidcProvider>,
    verifier: Arc<TokenVerifier>,
    clock: Arc<ManualClock>,
}

impl Session {
    fn start() -> Self {
        Self::with(OidcIssuer::start(PROGRAM), None)
    }

    fn with(issuer: OidcIssuer, authorities: Option<&std::path::Path>) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let provider = registered(issuer.url());
        let verifier = Arc::new(TokenVerifier::new(authorities, clock.clone()).unwrap());
        Self { issuer, provider, verifier, clock }
    }

    /// The claims of a good token.
    fn claims(&self) -> Value {
        let now = self.clock.now_ms() / 1000;
        json!({"iss": self.issuer.url(), "sub": "alice", "aud": "app", "iat": now, "exp": now + 3600})
    }

    /// A good token but for these claims.
    fn token(&mut self, changes: Value) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.issuer.mint("RS256", Some("rsa"), &claims)
    }

    async fn verify(&self, token: &str) -> Result<VerifiedToken, OidcError> {
        let provider = self.provider.clone();
        let find = move |name: &str| (name == provider_name(&provider.url)).then_some(provider);
        self.verifier.verify(token, find).await
    }

    /// The error of a good token while the issuer misbehaves, and the time that it took.
    async fn unreachable(&mut self) -> (String, Duration) {
        let token = self.token(json!({}));
        let begun = Instant::now();
        match self.verify(&token).await {
            Err(OidcError::Unreachable(why)) => (why, begun.elapsed()),
            other => panic!("{other:?}"),
        }
    }
}

fn registered(url: &str) -> Arc<OidcProvider> {
    let client_ids = vec!["app".to_owned()];
    Arc::new(OidcProvider { url: url.to_owned(), client_ids, ..OidcProvider::default() })
}

#[tokio::test]
async fn tokens_of_every_algorithm_that_is_taken_are_believed() {
    let mut session = Session::start();
    for (algorithm, key) in
        [("RS256", "rsa"), ("RS384", "rsa"), ("RS512", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("ES384", "ec384")]
    {
        let claims = session.claims();
        let token = session.issuer.mint(algorithm, Some(key), &claims);
        let verified = session.verify(&token).await.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(verified.web_identity.subject, "alice");
        assert_eq!(verified.web_identity.audience, "app");
        assert_eq!(format!("http://{}", verified.web_identity.provider), session.issuer.url());
    }
    assert_eq!(session.issuer.asked(), 1, "keys that are known are not asked for again");
}

#[tokio::test]
async fn forged_tokens_are_not_believed() {
    let mut session = Session::start();
    let claims = session.claims();
    for algorithm in ["none", "HS256"] {
        let token = session.issuer.mint(algorithm, Some("rsa"), &claims);
        assert_eq!(session.verify(&token).await, Err(OidcError::UnsupportedAlgorithm(algorithm.into())));
    }
    // A header that brings its own key, or points to one.
    let header = json!({"jwk": {"kty": "oct", "k": "c2VjcmV0"}, "jku": "http://127.0.0.1:1/keys"});
    let token = session.issuer.mint_with(&json!({"alg": "ES256", "kid": "rsa", "header": header, "claims": claims}));
    assert_eq!(session.verify(&token).await, Err(OidcError::WrongSignature));

    let good = session.token(json!({}));
    let other = session.token(json!({"sub": "bob"}));
    let (good_parts, other_parts): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), other.split('.').collect());
    let swapped = [good_parts[0], other_parts[1], good_parts[2]].join(".");
    assert_eq!(session.verify(&swapped).await, Err(OidcError::WrongSignature));
    assert!(session.verify(&good).await.is_ok() && session.verify(&other).await.is_ok());
}

#[tokio::test]
async fn tokens_of_others_for_others_or_of_another_time_are_not_believed() {
    let mut session = Session::start();
    let url = session.issuer.url().to_owned();
    for (changes, expected) in [
        (json!({"iss": "https://stranger.example.com"}), OidcError::UnknownIssuer),
        (json!({"iss": url.replace("http:", "https:")}), OidcError::UnknownIssuer),
        (json!({"iss": format!("{url}/")}), OidcError::UnknownIssuer),
        (json!({"iss": provider_name(&url)}), OidcError::UnknownIssuer),
        (json!({"aud": "another-app"}), OidcError::WrongAudience),
        (json!({"azp": "another-app"}), OidcError::WrongAudience),
        (json!({"exp": NOW_SECONDS - 61}), OidcError::Expired),
        (json!({"nbf": NOW_SECONDS + 61}), OidcError::NotYetValid),
        (json!({"iat": NOW_SECONDS + 61}), OidcError::NotYetValid),
    ] {
        let token = session.token(changes.clone());
        assert_eq!(session.verify(&token).await, Err(expected), "{changes}");
    }
    assert_eq!(session.issuer.asked(), 0, "no keys are needed to refuse these");
}

#[tokio::test]
async fn the_key_is_named_where_there_are_several() {
    let mut session = Session::start();
    let claims = session.claims();
    let token = session.issuer.mint("RS256", None, &claims);
    assert_eq!(session.verify(&token).await, Err(OidcError::KeyNotNamed));
    let token = session.issuer.mint("RS256", Some("ec"), &claims);
    assert_eq!(session.verify(&token).await, Err(OidcError::WrongSignature));
}

#[tokio::test]
async fn a_new_key_is_fetched_but_not_at_every_request() {
    let mut session = Session::start();
    let claims = session.claims();
    let old = session.issuer.mint("ES256", Some("ec"), &claims);
    assert!(session.verify(&old).await.is_ok());
    session.issuer.rotate();
    let new = session.issuer.mint("ES256", Some("ec-1"), &claims);
    assert_eq!(session.verify(&new).await, Err(OidcError::UnknownKey), "it was asked a moment ago");
    assert_eq!(session.issuer.asked(), 1);
    session.clock.advance(10_000);
    assert!(session.verify(&new).await.is_ok());
    assert_eq!(session.verify(&old).await, Err(OidcError::UnknownKey), "the old key was withdrawn");

    session.clock.advance(10_000);
    let strange = session.issuer.mint("ES256", Some("strange"), &claims);
    for _ in 0..50 {
        assert_eq!(session.verify(&strange).await, Err(OidcError::UnknownKey));
    }
    assert_eq!(session.issuer.asked(), 3, "50 strange tokens are one question");
}

#[tokio::test]
async fn a_withdrawn_key_is_of_no_use_after_an_hour() {
    let mut session = Session::start();
    let mut claims = session.claims();
    claims["exp"] = json!(NOW_SECONDS + 7200);
    let old = session.issuer.mint("ES256", Some("ec"), &claims);
    assert!(session.verify(&old).await.is_ok());
    session.issuer.rotate();
    session.clock.advance(3_599_999);
    assert!(session.verify(&old).await.is_ok());
    session.clock.advance(1);
    assert_eq!(session.verify(&old).await, Err(OidcError::UnknownKey));
}

#[tokio::test]
async fn what_is_known_serves_while_the_issuer_does_not_and_until_it_is_too_old() {
    let mut session = Session::start();
    let token = session.token(json!({"exp": NOW_SECONDS + 7200}));
    assert!(session.verify(&token).await.is_ok());
    session.issuer.serve_keys(&json!("broken"));
    session.clock.advance(10_000);
    let claims = session.claims();
    let strange = session.issuer.mint("ES256", Some("strange"), &claims);
    assert_eq!(session.verify(&strange).await, Err(OidcError::UnknownKey));
    assert!(session.verify(&token).await.is_ok());
    session.clock.advance(3_600_000);
    assert!(matches!(session.verify(&token).await, Err(OidcError::Unreachable(_))));
}

#[tokio::test]
async fn an_issuer_is_asked_once_by_many_at_a_time_and_by_those_who_went_away() {
    let mut session = Session::start();
    session.issuer.serve_keys(&json!({"after": 300}));
    let token = session.token(json!({}));
    // This one gives up long before the issuer answers.
    assert!(tokio::time::timeout(Duration::from_millis(50), session.verify(&token)).await.is_err());
    let all = futures::future::join_all((0..20).map(|_| session.verify(&token))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(session.issuer.asked(), 1);
}

#[tokio::test]
async fn documents_that_are_too_long_broken_or_elsewhere_are_not_taken() {
    for behaviour in [json!("huge"), json!("redirect"), json!("broken"), json!({"text": "<html>"})] {
        let mut session = Session::start();
        session.issuer.serve_keys(&behaviour);
        let (keys, elapsed) = session.unreachable().await;
        let mut session = Session::start();
        session.issuer.serve_configuration(&behaviour);
        let (configuration, _) = session.unreachable().await;
        assert!(keys.starts_with("its keys") && configuration.starts_with("its configuration"), "{behaviour}: {keys}");
        assert!(elapsed < Duration::from_secs(4), "{behaviour}: {elapsed:?}");
        assert_eq!(session.issuer.asked(), 0, "keys are asked for where the configuration says");
    }
}

#[tokio::test]
async fn an_issuer_that_dawdles_is_given_up_after_five_seconds() {
    let mut session = Session::start();
    session.issuer.serve_keys(&json!("slow"));
    let (why, elapsed) = session.unreachable().await;
    assert!(why.contains("longer than 5 s"), "{why}");
    assert!((5..8).contains(&elapsed.as_secs()), "{elapsed:?}");
    let (_, elapsed) = session.unreachable().await;
    assert!(elapsed < Duration::from_secs(4), "it is not asked again right away: {elapsed:?}");
}

#[tokio::test]
async fn a_configuration_of_someone_else_or_that_points_into_the_network_is_not_taken() {
    let keys = "http://127.0.0.1:1/keys";
    for (issuer, jwks_uri) in [
        ("https://stranger.example.com", keys),
        ("OWN/", keys),
        ("OWN", "http://169.254.169.254/latest/meta-data/"),
        ("OWN", "file:///etc/passwd"),
        ("OWN", "/keys"),
        ("OWN", ""),
    ] {
        let mut session = Session::start();
        let issuer = issuer.replace("OWN", session.issuer.url());
        let text = json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
        session.issuer.serve_configuration(&json!({ "text": text }));
        let (why, _) = session.unreachable().await;
        assert!(why.contains("another issuer") || why.contains("can't point to"), "{issuer} {jwks_uri}: {why}");
    }
}

#[tokio::test]
async fn an_issuer_over_tls_is_believed_if_its_authority_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (folder.path().join("own.pem"), folder.path().join("other.pem"));
    let mut session = Session::with(OidcIssuer::start_tls(PROGRAM, &own), Some(&own));
    let token = session.token(json!({}));
    assert_eq!(session.verify(&token).await.unwrap().web_identity.subject, "alice");

    let _other = OidcIssuer::start_tls(PROGRAM, &other);
    let strict = Session::with(session.issuer, Some(&other));
    let error = strict.verify(&token).await.unwrap_err();
    assert!(matches!(&error, OidcError::Unreachable(why) if why.contains("no TLS")), "{error}");
}
