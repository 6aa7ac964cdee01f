//! ChangeAccess: one change, one commit.

use super::outcome::{Context, Outcome};
use super::{Name, Turn, bucket_settings, groups, holders, keys, policies, providers, roles, users};
use crate::error::Error;
use crate::namespace::Namespace;
use crate::namespace::results::Remembered;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::namespace::validate;
use crate::records::result::{AccessOutcome, Operation};
use weir_proto::BucketName;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{AccessEntry, ChangeAccessRequest, ChangeAccessResponse};

impl Namespace {
    /// # Errors
    /// As the contract says of ChangeAccess.
    pub async fn change_access(&self, request: &ChangeAccessRequest) -> Result<ChangeAccessResponse, Error> {
        let Some(change) = &request.change else { return Err(Error::invalid("change", "it is missing")) };
        let bucket =
            if let Change::SetBucketAccess(request) = change { Some(validate::bucket(&request.bucket)?) } else { None };
        let remembered = self.remembered(request.request_id.as_ref(), Operation::ChangeAccess)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_change_access(change, bucket.as_ref(), &remembered).await {
                Err(Error::Raced) => {
                    attempts.again(self, || "the directory of access".to_owned()).await?;
                    self.access.refresh(&*self.store).await?;
                }
                done => return done,
            }
        }
    }

    async fn try_change_access(
        &self,
        change: &Change,
        bucket: Option<&BucketName>,
        remembered: &Remembered,
    ) -> Result<ChangeAccessResponse, Error> {
        let turn = self.access.turn().await;
        let keys = || remembered.key().into_iter().collect::<Vec<_>>();
        let (bucket, mut values) = match bucket {
            Some(name) => {
                let ([view], values) = self.read_in([name], |_| keys()).await?;
                (Some(view), values)
            }
            None => (None, self.store.get_many(&keys()).await?),
        };
        if let Some(outcome) = remembered.answer::<AccessOutcome>(&mut values)? {
            return self.repeated(outcome);
        }
        let context = Context {
            directory: &turn.directory,
            clock: &*self.clock,
            sealer: &self.sealer,
            bucket_id: bucket.as_ref().map_or(0, |view| view.id()),
        };
        let outcome = decide(&context, change)?;
        if outcome.entries.is_empty() {
            // What changes nothing needs no commit: done again, it would be right again.
            return Ok(unchanged(&turn, outcome));
        }
        // To take something away must be possible on a disk that is nearly full.
        let mut transaction = match turn.directory.growth(&outcome.entries) {
            ..=0 => Transaction::urgent(),
            1.. => Transaction::default(),
        };
        if let Some(view) = bucket {
            transaction.guard(view.for_write()?);
        }
        self.commit_outcome(turn, transaction, outcome, remembered).await
    }

    async fn commit_outcome(
        &self,
        turn: Turn,
        mut transaction: Transaction,
        outcome: Outcome,
        remembered: &Remembered,
    ) -> Result<ChangeAccessResponse, Error> {
        let Outcome { entries, shown, secret } = outcome;
        let entry = entries.iter().find(|entry| shown.is_some() && Name::of(entry) == shown).cloned();
        let new_key = match (&entry, &secret) {
            (Some(Entry::AccessKey(key)), Some(_)) => Some(key.clone()),
            _ => None,
        };
        let answer = AccessOutcome { version: turn.version + 1, shown: shown.map(Into::into), new_key };
        remembered.remember(&mut transaction, &answer);
        let version = self.commit_access(turn, transaction, entries).await?;
        Ok(ChangeAccessResponse {
            version,
            entry: entry.map(|entry| AccessEntry { entry: Some(entry) }),
            secret_access_key: secret.unwrap_or_default(),
        })
    }

    /// The answer to a change that was made before. Its secret was not kept, but can be opened again.
    fn repeated(&self, outcome: AccessOutcome) -> Result<ChangeAccessResponse, Error> {
        let directory = self.access.known.read().directory.clone();
        let secret_access_key = match &outcome.new_key {
            Some(key) => keys::reveal(&self.sealer, key)?,
            None => String::new(),
        };
        let entry = match (outcome.new_key, outcome.shown) {
            (Some(key), _) => Some(Entry::AccessKey(key)),
            (None, Some(shown)) => directory.find(&Name::try_from(&shown)?),
            (None, None) => None,
        };
        let entry = entry.map(|entry| AccessEntry { entry: Some(entry) });
        Ok(ChangeAccessResponse { version: outcome.version, entry, secret_access_key })
    }
}

fn unchanged(turn: &Turn, outcome: Outcome) -> ChangeAccessResponse {
    let entry = outcome.shown.and_then(|name| turn.directory.find(&name));
    ChangeAccessResponse {
        version: turn.version,
        entry: entry.map(|entry| AccessEntry { entry: Some(entry) }),
        secret_access_key: String::new(),
    }
}

fn decide(context: &Context<'_>, change: &Change) -> Result<Outcome, Error> {
    match change {
        Change::CreateUser(request) => users::create(context, request),
        Change::UpdateUser(request) => users::update(context, request),
        Change::DeleteUser(request) => users::delete(context, request),
        Change::CreateAccessKey(request) => keys::create(context, request),
        Change::UpdateAccessKey(request) => keys::update(context, request),
        Change::DeleteAccessKey(request) => keys::delete(context, request),
        Change::CreateGroup(request) => groups::create(context, request),
        Change::UpdateGroup(request) => groups::update(context, request),
        Change::DeleteGroup(request) => groups::delete(context, request),
        Change::ChangeMembership(request) => groups::change_membership(context, request),
        Change::PutInlinePolicy(request) => holders::put_inline(context, request),
        Change::DeleteInlinePolicy(request) => holders::delete_inline(context, request),
        Change::AttachPolicy(request) => holders::attach(context, request),
        Change::DetachPolicy(request) => holders::detach(context, request),
        Change::SetBoundary(request) => holders::set_boundary(context, request),
        Change::CreatePolicy(request) => policies::create(context, request),
        Change::CreatePolicyVersion(request) => policies::create_version(context, request),
        Change::SetDefaultPolicyVersion(request) => policies::set_default_version(context, request),
        Change::DeletePolicyVersion(request) => policies::delete_version(context, request),
        Change::DeletePolicy(request) => policies::delete(context, request),
        Change::CreateRole(request) => roles::create(context, request),
        Change::UpdateRole(request) => roles::update(context, request),
        Change::DeleteRole(request) => roles::delete(context, request),
        Change::PutOidcProvider(request) => providers::put(context, request),
        Change::DeleteOidcProvider(request) => providers::delete(context, request),
        Change::SetTags(request) => holders::set_tags(context, request),
        Change::SetBucketAccess(request) => bucket_settings::set(context, request),
    }
}
