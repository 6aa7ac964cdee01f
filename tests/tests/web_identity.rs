//! Roles for those whom an issuer vouches for: AssumeRoleWithWebIdentity against an issuer in a process of its own.

use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use weir_gateway::auth::policy::{Facts, Sources};
use weir_gateway::auth::token::{Session, SessionTokens, WebIdentity};
use weir_gateway::auth::{Directory, Identity, provider_name};
use weir_gateway::oidc::TokenVerifier;
use weir_gateway::query_api::{Api, Parameters, QueryError, QueryErrorCode};
use weir_gateway::sts::{StsAction, StsApi, StsRequest, perform};
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessEntry, OidcProvider, Role};
use weir_service::clock::ManualClock;
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;
use weir_tests::oidc_issuer::OidcIssuer;
use weir_tests::query_of;

const PROGRAM: &str = env!("CARGO_BIN_EXE_weir-oidc-issuer");
const NOW_SECONDS: i64 = 1_767_225_600;

/// An account with a registered issuer and a role.
struct Account {
    issuer: OidcIssuer,
    directory: Directory,
    tokens: SessionTokens,
    api: StsApi,
}

impl Account {
    /// The role `reader` trusts the issuer under this condition. `ISSUER` stands for the provider's name in it.
    fn start(condition: &str) -> Self {
        let issuer = OidcIssuer::start(PROGRAM);
        let provider = provider_name(issuer.url()).to_owned();
        let trust_document = json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:aws:iam::000000000000:oidc-provider/{provider}")},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": serde_json::from_str::<Value>(&condition.replace("ISSUER", &provider)).unwrap(),
            },
        });
        let role = Role {
            name: "reader".into(),
            path: "/".into(),
            id: "AROA1".into(),
            trust_document: trust_document.to_string(),
            max_session_seconds: 3600,
            ..Role::default()
        };
        let client_ids = vec!["app".to_owned(), "other-app".to_owned()];
        let provider = OidcProvider { url: issuer.url().into(), client_ids, ..OidcProvider::default() };
        let mut directory = Directory::default();
        let entries = [Entry::Role(role), Entry::OidcProvider(provider)];
        directory.apply(entries.map(|entry| AccessEntry { entry: Some(entry) }));

        let clock = Arc::new(ManualClock::at(NOW_SECONDS * 1000));
        let sealer = Arc::new(Sealer::new(&ClusterSecret::new("a secret of 32 characters or more").unwrap()));
        let tokens = SessionTokens::new(sealer, clock.clone(), "", "");
        let verifier = TokenVerifier::new(None, clock.clone()).unwrap();
        let api = StsApi::new(tokens.clone(), verifier, clock, "");
        Self { issuer, directory, tokens, api }
    }

    /// A token that differs from a good one by these claims.
    fn token(&mut self, changes: &Value) -> String {
        let mut claims = json!({
            "iss": self.issuer.url(), "sub": "repo:weir:main", "aud": "app", "iat": NOW_SECONDS, "exp": NOW_SECONDS + 600,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.issuer.mint("ES256", Some("ec"), &claims)
    }

    async fn ask(&mut self, changes: &Value, more: &str) -> Result<String, QueryError> {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=run-7\
             &RoleArn=arn:aws:iam::000000000000:role/reader&WebIdentityToken={}{more}",
            query_of(self.token(changes))
        );
        let parameters = Parameters::parse("", form.as_bytes())?;
        let facts = Facts::default();
        let request = StsRequest {
            parameters: &parameters,
            identity: &Identity::Anonymous,
            session: None,
            facts: &facts,
            directory: &self.directory,
            sources: Sources::default(),
        };
        let action = StsAction::of(&parameters)?;
        let answer = perform(&self.api, action, &request).await?;
        assert_eq!(answer.issued().unwrap().identity, "arn:aws:sts::000000000000:assumed-role/reader/run-7");
        let answer = answer.answer(Api::Sts, action.name(), "ID");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    async fn refused(&mut self, changes: &Value, more: &str) -> QueryErrorCode {
        self.ask(changes, more).await.expect_err(&changes.to_string()).code()
    }

    fn session(&self, document: &str) -> Session {
        let id = element(document, "AccessKeyId");
        self.tokens.open(id, element(document, "SessionToken"), NOW_SECONDS * 1000).unwrap()
    }
}

fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let rest = document.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {document}")).1;
    rest.split_once(&format!("</{name}>")).unwrap().0
}

const SUBJECT_OF_REPO: &str = r#"{"StringEquals": {"ISSUER:aud": "app"}, "StringLike": {"ISSUER:sub": "repo:weir:*"}}"#;

#[tokio::test]
async fn whom_the_issuer_vouches_for_gets_credentials_of_the_role() {
    let mut account = Account::start(SUBJECT_OF_REPO);
    let document = account.ask(&json!({}), "&DurationSeconds=900").await.unwrap();
    assert_eq!(element(&document, "SubjectFromWebIdentityToken"), "repo:weir:main");
    assert_eq!(element(&document, "Provider"), account.issuer.url());
    assert_eq!(element(&document, "Audience"), "app");
    assert_eq!(element(&document, "Arn"), "arn:aws:sts::000000000000:assumed-role/reader/run-7");
    let session = account.session(&document);
    assert_eq!(session.expires_ms, (NOW_SECONDS + 900) * 1000);
    let provider = provider_name(account.issuer.url()).to_owned();
    let (audience, subject) = ("app".to_owned(), "repo:weir:main".to_owned());
    assert_eq!(session.web_identity, Some(WebIdentity { provider, audience, subject }));
}

#[tokio::test]
async fn the_trust_policy_decides_by_subject_audience_and_method() {
    let mut account = Account::start(SUBJECT_OF_REPO);
    for changes in [json!({"sub": "repo:other:main"}), json!({"aud": "other-app"}), json!({"azp": "other-app"})] {
        assert_eq!(account.refused(&changes, "").await, QueryErrorCode::AccessDenied, "{changes}");
    }
    let mut account = Account::start(r#"{"ForAnyValue:StringEquals": {"ISSUER:amr": "mfa"}}"#);
    assert!(account.ask(&json!({"amr": ["pwd", "mfa"]}), "").await.is_ok());
    assert_eq!(account.refused(&json!({"amr": "pwd"}), "").await, QueryErrorCode::AccessDenied);
    assert_eq!(account.refused(&json!({}), "").await, QueryErrorCode::AccessDenied);
}

#[tokio::test]
async fn tokens_that_are_not_believed_are_told_apart_by_their_codes() {
    let mut account = Account::start("{}");
    for (changes, code) in [
        (json!({"aud": "strange"}), QueryErrorCode::InvalidIdentityToken),
        (json!({"iss": "https://strange.example.com"}), QueryErrorCode::InvalidIdentityToken),
        (json!({"exp": NOW_SECONDS - 600}), QueryErrorCode::ExpiredTokenException),
        (json!({"nbf": NOW_SECONDS + 600}), QueryErrorCode::InvalidIdentityToken),
    ] {
        assert_eq!(account.refused(&changes, "").await, code, "{changes}");
    }
    account.issuer.serve_keys(&json!("broken"));
    let error = account.ask(&json!({}), "").await.unwrap_err();
    assert_eq!(error.code(), QueryErrorCode::IDPCommunicationError);
    assert!(error.cause_text().contains("500") && !error.message().contains("500"));
}

#[tokio::test]
async fn another_role_and_more_time_than_the_role_allows_are_refused() {
    let mut account = Account::start("{}");
    let code = account.refused(&json!({}), "&DurationSeconds=3601").await;
    assert_eq!(code, QueryErrorCode::ValidationError);
    account.directory.roles.clear();
    assert_eq!(account.refused(&json!({}), "").await, QueryErrorCode::AccessDenied);
}
