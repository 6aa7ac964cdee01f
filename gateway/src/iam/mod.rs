//! IAM: users, access keys, groups, policies, roles and issuers, by AWS's API. What is asked for is answered from the
//! directory; a change is sent to the metaserver, which alone decides whether it holds.
//!
//! | file | subject |
//! |---|---|
//! | [`action`] | the actions, and what each is about |
//! | [`permission`] | what must be allowed before one is performed |
//! | `users`, `access_keys`, `groups`, `memberships`, `roles`, `providers`, `tags` | the actions on these |
//! | `managed_policies`, `policy_versions`, `policy_entities` | managed policies, and what they are attached to |
//! | `inline_policies`, `attached_policies`, `boundaries` | what users, groups and roles are given |
//! | `account`, `authorization_details` | the account as a whole |
//! | `rules`, [`document`], `paging`, `holder` | what several of them use |
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html>

mod access_keys;
mod account;
pub mod action;
mod attached_policies;
mod authorization_details;
mod boundaries;
pub mod document;
mod groups;
pub mod holder;
mod inline_policies;
mod managed_policies;
mod memberships;
mod named_policy;
mod paging;
mod perform;
pub mod permission;
mod policy_entities;
mod policy_versions;
mod providers;
mod roles;
mod rules;
#[cfg(test)]
mod session_tests;
mod tags;
#[cfg(test)]
mod testing;
mod users;

pub use action::IamAction;
pub use perform::perform;
pub use permission::{Permission, permissions, resource};

use crate::auth::{Directory, Identity};
use crate::query_api::{Parameters, QueryAnswer, QueryError, QueryErrorCode};
use futures::future::BoxFuture;
use rules::USER_NAME;
use weir_proto::Failure;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

/// Sends changes to the metaserver.
pub trait AccessChanges: Send + Sync {
    /// Settles one change. Whoever asks for the directory afterwards gets one that has it.
    ///
    /// # Errors
    /// What the metaserver says; `UNAVAILABLE` when it can't be reached.
    fn change(&self, change: Change) -> BoxFuture<'_, Result<v1::ChangeAccessResponse, Failure>>;
}

/// What actions are performed on: the directory as of the request's beginning, and the way to change it.
#[derive(Clone, Copy)]
pub struct IamApi<'a> {
    pub directory: &'a Directory,
    pub changes: &'a dyn AccessChanges,
}

/// One request, for the action that performs it.
struct Call<'a> {
    directory: &'a Directory,
    changes: &'a dyn AccessChanges,
    identity: &'a Identity,
    parameters: &'a Parameters,
}

impl<'a> Call<'a> {
    /// The user that is named, or else the caller.
    ///
    /// # Errors
    /// `ValidationError`, also when the caller is no user.
    fn user_name(&self) -> Result<&'a str, QueryError> {
        named_user_or_caller(self.identity, self.parameters)
    }

    async fn change(&self, change: Change) -> Result<v1::ChangeAccessResponse, QueryError> {
        Ok(self.changes.change(change).await?)
    }

    /// A change whose answer has no result.
    async fn settle(&self, change: Change) -> Result<QueryAnswer, QueryError> {
        self.change(change).await?;
        Ok(QueryAnswer::empty())
    }

    /// A change, and what it made.
    async fn make(&self, change: Change) -> Result<Entry, QueryError> {
        let response = self.change(change).await?;
        response.entry.and_then(|entry| entry.entry).ok_or_else(gone)
    }
}

fn named_user_or_caller<'a>(identity: &'a Identity, parameters: &'a Parameters) -> Result<&'a str, QueryError> {
    if let Some(name) = parameters.text("UserName", &USER_NAME)? {
        return Ok(name);
    }
    match identity {
        Identity::User { name, .. } => Ok(name),
        Identity::Anonymous | Identity::Root | Identity::AssumedRole { .. } => {
            let message = "Must specify userName when calling with non-User credentials";
            Err(QueryError::new(QueryErrorCode::ValidationError, message))
        }
    }
}

/// What was made is not there any more: another change came between.
fn gone() -> QueryError {
    QueryError::from(QueryErrorCode::ConcurrentModification).cause("the metaserver's answer lacks what was made")
}
