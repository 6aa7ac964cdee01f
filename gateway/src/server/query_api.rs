//! IAM and STS: a form is read, its sender known by a signature over it, and its action performed if it is allowed.

use super::Server;
use super::query_record::{note_asked, note_issued};
use crate::answer::Answer;
use crate::audit::AuditRecord;
use crate::auth::policy::{Decision, Facts};
use crate::auth::{Access, Authentication, Caller, Identity, Presented, Rules};
use crate::body::{BodyError, BodyKind, BodyPlan, IncomingBody, collect};
use crate::iam::{AccessChanges, IamAction, IamApi, permissions};
use crate::ops::Context;
use crate::query_api::{Api, FORM_MAX_BYTES, Parameters, QueryAnswer, QueryError, QueryErrorCode, is_form};
use crate::request::RequestBody;
use crate::sts::{StsAction, StsRequest};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use weir_proto::Failure;
use weir_proto::v1;
use weir_proto::v1::change_access_request::Change;
use weir_service::accept::Peer;

impl AccessChanges for Context {
    fn change(&self, change: Change) -> BoxFuture<'_, Result<v1::ChangeAccessResponse, Failure>> {
        self.change_access(change).boxed()
    }
}

/// A request whose sender is known.
struct Asked<'a> {
    api: Api,
    parameters: &'a Parameters,
    caller: &'a Caller,
    access: &'a Access,
    rules: &'a Rules,
}

impl Server {
    pub(super) async fn answer_query_api(
        &self,
        record: &mut AuditRecord,
        kind: Authentication,
        presented: &Presented<'_>,
        rules: &Arc<Rules>,
        body: RequestBody,
    ) -> Answer {
        let request_id = record.request_id.clone();
        let mut api = None;
        let outcome = async {
            let parameters = self.read_form(presented, body).await?;
            let (parameters, sha256) = parameters;
            // Known before anything is refused, so that the refusal is of the right form.
            let asked = Api::of(&parameters)?;
            api = Some(asked);
            note_asked(record, asked, &parameters, &rules.directory, &Identity::Anonymous);
            let caller = self.context.gate.admit_query_api(kind, presented, rules, &sha256)?;
            record.sent_by(&caller);
            note_asked(record, asked, &parameters, &rules.directory, caller.identity());
            self.context.check_rate(&caller)?;
            let peer = presented.parts.extensions.get::<Peer>().copied();
            let described = self.context.described(&presented.parts.headers, presented.query, peer, None);
            let access = self.context.access_of(&caller, &described, rules);
            let request = Asked { api: asked, parameters: &parameters, caller: &caller, access: &access, rules };
            let action = parameters.action()?.to_owned();
            self.check_keyed(&action)?;
            let answer = self.perform_query(&request).await?;
            note_issued(record, answer.issued());
            Ok::<_, QueryError>(answer.answer(asked, &action, &request_id))
        };
        let outcome = outcome.await;
        outcome.unwrap_or_else(|error| {
            record.error = Some(error.code().name());
            self.note_refusal(error.code().name(), error.status(), error.cause_text());
            error.answer(api, &request_id)
        })
    }

    /// Where no keys are set, nobody is known: who could make users or take credentials then would still have them when
    /// keys are set.
    ///
    /// # Errors
    /// `AccessDenied`.
    fn check_keyed(&self, action: &str) -> Result<(), QueryError> {
        if self.context.gate.is_open() && action != StsAction::GetCallerIdentity.name() {
            let message =
                "Without root keys there are no identities: set WEIR_ROOT_ACCESS_KEY and WEIR_ROOT_SECRET_KEY";
            return Err(QueryError::new(QueryErrorCode::AccessDenied, message));
        }
        Ok(())
    }

    async fn read_form(
        &self,
        presented: &Presented<'_>,
        body: RequestBody,
    ) -> Result<(Parameters, String), QueryError> {
        if !is_form(&presented.parts.headers) {
            let message = "The body is not application/x-www-form-urlencoded";
            return Err(QueryError::new(QueryErrorCode::MalformedQueryString, message));
        }
        let limits = self.context.limits(FORM_MAX_BYTES as u64);
        let plan = BodyPlan::from_headers(&presented.parts.headers, BodyKind::Document, limits);
        let form = match plan {
            Ok(plan) => collect(IncomingBody::new(body, plan)).await,
            Err(error) => Err(error),
        };
        let form = form.map_err(|error| match error {
            BodyError::TooLarge { .. } => QueryError::form_too_large(),
            error => crate::error::S3Error::from(error).into(),
        })?;
        let query = presented.parts.uri.query().unwrap_or_default();
        Ok((Parameters::parse(query, &form)?, hex::encode(Sha256::digest(&form))))
    }

    async fn perform_query(&self, asked: &Asked<'_>) -> Result<QueryAnswer, QueryError> {
        match asked.api {
            Api::Iam => self.perform_iam(asked).await,
            Api::Sts => self.perform_sts(asked).await,
        }
    }

    async fn perform_iam(&self, asked: &Asked<'_>) -> Result<QueryAnswer, QueryError> {
        let Asked { parameters, caller, access, rules, .. } = *asked;
        let (identity, directory) = (caller.identity(), &rules.directory);
        let action = IamAction::parse(parameters.action()?)?;
        if *identity == Identity::Anonymous {
            return Err(QueryErrorCode::MissingAuthenticationToken.into());
        }
        if caller.session.as_ref().is_some_and(|session| !session.may_call_iam()) {
            let message = "IAM can't be called with credentials of GetSessionToken that no second factor vouched for";
            return Err(QueryError::new(QueryErrorCode::AccessDenied, message));
        }
        for permission in permissions(directory, identity, action, parameters)? {
            let decision = access.decide_on(permission.action, &permission.resource, &permission.conditions);
            if !decision.is_allowed() {
                return Err(denied(caller, permission.action, &permission.resource, decision));
            }
        }
        crate::iam::perform(&IamApi { directory, changes: &self.context }, identity, action, parameters).await
    }

    async fn perform_sts(&self, asked: &Asked<'_>) -> Result<QueryAnswer, QueryError> {
        let Asked { parameters, caller, access, rules, .. } = *asked;
        let action = StsAction::of(parameters)?;
        let nothing = Facts::default();
        let request = StsRequest {
            parameters,
            identity: caller.identity(),
            session: caller.session.as_deref(),
            facts: access.facts().unwrap_or(&nothing),
            directory: &rules.directory,
            sources: access.sources(),
        };
        crate::sts::perform(&self.sts, action, &request).await
    }
}

fn denied(caller: &Caller, action: &str, resource: &str, decision: Decision) -> QueryError {
    let because = match decision {
        Decision::Denied(reason) => format!("with an explicit deny in {reason}"),
        Decision::NotAllowed(_) | Decision::Allowed(_) => format!("because no policy allows the {action} action"),
    };
    let message =
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {because}", caller.identity());
    QueryError::new(QueryErrorCode::AccessDenied, message)
}
