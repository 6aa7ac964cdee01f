//! An account for the tests of the actions: its directory, its policies, a clock that stands.

use super::{StsAction, StsApi, StsRequest, perform};
use crate::answer::AnswerBody;
use crate::auth::policy::{DocumentKind, Facts, PolicyDocument, Sources};
use crate::auth::token::{Session, SessionTokens};
use crate::auth::{Directory, Identity};
use crate::oidc::TokenVerifier;
use crate::query_api::{Api, Parameters, QueryError, QueryErrorCode};
use std::sync::Arc;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{self, AccessEntry};
use weir_service::clock::ManualClock;
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;

/// 2026-01-01T00:00:00Z, and some milliseconds.
pub const NOW_MS: i64 = 1_767_225_600_250;
pub const ROOT_KEY: &str = "root-key";

pub struct Account {
    pub directory: Directory,
    pub tokens: SessionTokens,
    api: StsApi,
    identity_policies: Vec<Arc<PolicyDocument>>,
}

impl Account {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let sealer = Sealer::new(&ClusterSecret::new("a secret of 32 characters or more").unwrap());
        let tokens = SessionTokens::new(Arc::new(sealer), clock.clone(), ROOT_KEY, "root-secret");
        let verifier = TokenVerifier::new(None, clock.clone()).unwrap();
        let api = StsApi::new(tokens.clone(), verifier, clock, ROOT_KEY);
        Self { directory: Directory::default(), tokens, api, identity_policies: Vec::new() }
    }

    pub fn with(mut self, entry: Entry) -> Self {
        self.directory.apply([AccessEntry { entry: Some(entry) }]);
        self
    }

    /// A role `reader` that this document lets take, for up to two hours.
    pub fn with_role(self, trust_document: &str) -> Self {
        let read = PolicyDocument::parse(&DocumentKind::Trust, trust_document);
        let arns = read.map(|document| document.principal_arns()).unwrap_or_default();
        self.with(Entry::Role(v1::Role {
            trust_principals: arns.into_iter().map(principal).collect(),
            name: "reader".into(),
            path: "/".into(),
            id: "AROA1".into(),
            trust_document: trust_document.to_owned(),
            max_session_seconds: 7200,
            ..v1::Role::default()
        }))
    }

    /// What whoever asks is allowed by policies of their own.
    pub fn with_identity_policy(mut self, document: &str) -> Self {
        self.identity_policies.push(Arc::new(PolicyDocument::parse(&DocumentKind::Identity, document).unwrap()));
        self
    }

    /// The document that an action answers.
    pub async fn ask(&self, identity: &Identity, form: &str) -> Result<String, QueryError> {
        self.ask_under(identity, None, form).await
    }

    pub async fn ask_under(
        &self,
        identity: &Identity,
        session: Option<&Session>,
        form: &str,
    ) -> Result<String, QueryError> {
        let parameters = Parameters::parse("", form.as_bytes())?;
        let action = StsAction::of(&parameters)?;
        let facts = Facts::default();
        let request = StsRequest {
            parameters: &parameters,
            identity,
            session,
            facts: &facts,
            directory: &self.directory,
            sources: Sources { identity: &self.identity_policies, ..Sources::default() },
        };
        let answer = perform(&self.api, action, &request).await?.answer(Api::Sts, action.name(), "ID");
        match answer.into_body() {
            AnswerBody::Full(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
            AnswerBody::Empty | AnswerBody::Content(_) => panic!("{form}: no document"),
        }
    }

    pub async fn refused(&self, identity: &Identity, form: &str) -> QueryErrorCode {
        self.ask(identity, form).await.expect_err(form).code()
    }

    /// The session of the credentials in an answer.
    pub fn session_of(&self, document: &str) -> Session {
        let id = element(document, "AccessKeyId");
        assert_eq!(element(document, "SecretAccessKey"), self.tokens.secret(id));
        self.tokens.open(id, element(document, "SessionToken"), self.api.clock.now_ms()).unwrap()
    }
}

/// The text of the first element of this name.
pub fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let rest = document.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {document}")).1;
    rest.split_once(&format!("</{name}>")).unwrap().0
}

pub fn alice() -> Identity {
    Identity::User { name: "alice".into(), path: "/".into(), id: "AIDA1".into() }
}

/// Someone who has taken another role.
pub fn clerk() -> Identity {
    Identity::AssumedRole { role: "clerk".into(), path: "/".into(), role_id: "AROA2".into(), session: "monday".into() }
}

/// Whom an ARN stands for.
fn principal(arn: String) -> v1::PrincipalId {
    let known = [("user/alice", "AIDA1"), ("user/bob", "AIDA2"), ("role/reader", "AROA1"), ("role/clerk", "AROA2")];
    let known = known.iter().chain(&[("assumed-role/clerk/monday", "AROA2")]);
    let (_, id) = known.into_iter().find(|(name, _)| arn.ends_with(name)).unwrap_or_else(|| panic!("{arn}"));
    v1::PrincipalId { id: (*id).to_owned(), arn }
}

/// A session of an identity, as whoever asks under it has one.
pub fn session(identity: Identity) -> Session {
    Session {
        identity,
        issued_ms: NOW_MS,
        expires_ms: NOW_MS + 1,
        policies: crate::auth::token::SessionPolicies::default(),
        tags: Vec::new(),
        web_identity: None,
    }
}
