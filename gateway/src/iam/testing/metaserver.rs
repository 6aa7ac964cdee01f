//! The service `Access` over a directory in memory.

use super::changes;
use super::state::State;
use crate::auth::Directory;
use futures::stream::{self, BoxStream, StreamExt as _};
use parking_lot::Mutex;
use tonic::{Request, Response, Status};
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::access_server::Access;
use weir_proto::{Failure, v1};

/// The first moment of a session: 2026-01-02T03:04:05Z. Each change is a second later.
const BEGINNING_MS: i64 = 1_767_323_045_000;

pub(super) struct FakeMetaserver {
    state: Mutex<State>,
}

impl Default for FakeMetaserver {
    fn default() -> Self {
        let version = v1::PolicyVersion {
            number: 1,
            document: "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}".into(),
            created_ms: 0,
        };
        let built_in = v1::ManagedPolicy {
            name: "AdministratorAccess".into(),
            path: "/".into(),
            id: "ANPABUILTINADMINISTRA".into(),
            versions: vec![version],
            default_version: 1,
            built_in: true,
            ..Default::default()
        };
        let mut directory = Directory { version: 1, ..Directory::default() };
        directory.apply([v1::AccessEntry { entry: Some(Entry::Policy(built_in)) }]);
        Self { state: Mutex::new(State { directory, now_ms: BEGINNING_MS, made: 0 }) }
    }
}

/// Everything that a directory holds.
fn entries(directory: &Directory) -> Vec<v1::AccessEntry> {
    let users = directory.users.values().map(|user| Entry::User((**user).clone()));
    let access_keys = directory.access_keys.values().map(|key| Entry::AccessKey((**key).clone()));
    let groups = directory.groups.values().map(|group| Entry::Group((**group).clone()));
    let policies = directory.policies.values().map(|policy| Entry::Policy((**policy).clone()));
    let roles = directory.roles.values().map(|role| Entry::Role((**role).clone()));
    let providers = directory.providers.values().map(|provider| Entry::OidcProvider((**provider).clone()));
    let all = users.chain(access_keys).chain(groups).chain(policies).chain(roles).chain(providers);
    all.map(|entry| v1::AccessEntry { entry: Some(entry) }).collect()
}

#[tonic::async_trait]
impl Access for FakeMetaserver {
    type FetchAccessStream = BoxStream<'static, Result<v1::AccessBatch, Status>>;

    async fn fetch_access(
        &self,
        _: Request<v1::FetchAccessRequest>,
    ) -> Result<Response<Self::FetchAccessStream>, Status> {
        let directory = &self.state.lock().directory;
        let batch = v1::AccessBatch { version: directory.version, complete: true, entries: entries(directory) };
        Ok(Response::new(stream::iter([Ok(batch)]).boxed()))
    }

    async fn await_access(
        &self,
        _: Request<v1::AwaitAccessRequest>,
    ) -> Result<Response<v1::AwaitAccessResponse>, Status> {
        Ok(Response::new(v1::AwaitAccessResponse { version: self.state.lock().directory.version }))
    }

    async fn change_access(
        &self,
        request: Request<v1::ChangeAccessRequest>,
    ) -> Result<Response<v1::ChangeAccessResponse>, Status> {
        let change = request.into_inner().change.ok_or_else(|| Status::invalid_argument("no change"))?;
        let state = &mut *self.state.lock();
        let outcome = changes::decide(state, change).map_err(|failure: Failure| Status::from(failure))?;
        state.now_ms += 1000;
        state.directory.version += 1;
        let entry = outcome.shown.map(|entry| v1::AccessEntry { entry: Some(entry) });
        let entries = outcome.entries.into_iter().map(|entry| v1::AccessEntry { entry: Some(entry) });
        state.directory.apply(entries.chain(entry.clone()));
        let (version, secret_access_key) = (state.directory.version, outcome.secret);
        Ok(Response::new(v1::ChangeAccessResponse { version, entry, secret_access_key }))
    }
}
