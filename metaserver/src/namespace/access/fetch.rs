//! What gateways know the directory by: all of it or what has changed, as of one version, and the wait for the next one.

use super::directory::{Directory, Name};
use super::limits::{BATCH_BYTES, MAX_PATIENCE_MS};
use crate::error::Error;
use crate::namespace::Namespace;
use std::sync::Arc;
use std::time::Duration;
use weir_proto::v1::{AccessBatch, AccessEntry, AwaitAccessRequest, AwaitAccessResponse, FetchAccessRequest};

/// An answer of FetchAccess, batch by batch: at least one. The directory that it shows is not touched by later changes.
pub(crate) struct Batches {
    version: u64,
    complete: bool,
    directory: Arc<Directory>,
    names: std::vec::IntoIter<Name>,
    /// The first entry of the next batch, which did not fit the last one.
    left: Option<AccessEntry>,
    done: bool,
}

impl Iterator for Batches {
    type Item = AccessBatch;

    fn next(&mut self) -> Option<AccessBatch> {
        if self.done {
            return None;
        }
        let mut entries: Vec<AccessEntry> = self.left.take().into_iter().collect();
        let mut bytes: usize = entries.iter().map(entry_bytes).sum();
        for name in &mut self.names {
            let entry = AccessEntry { entry: Some(self.directory.entry(&name)) };
            bytes += entry_bytes(&entry);
            if bytes > BATCH_BYTES && !entries.is_empty() {
                self.left = Some(entry);
                break;
            }
            entries.push(entry);
        }
        self.done = self.left.is_none();
        Some(AccessBatch { version: self.version, complete: self.complete, entries })
    }
}

fn entry_bytes(entry: &AccessEntry) -> usize {
    prost::Message::encoded_len(entry)
}

impl Namespace {
    /// All of the directory, or what has changed since a version that it has been at.
    pub(crate) fn fetch_access(&self, request: &FetchAccessRequest) -> Batches {
        let known = self.access.known.read();
        let since = request.since_version;
        // A version from the future was given by a metaserver whose store is lost.
        let changed = (since != 0 && since <= known.version).then(|| known.changes.since(since)).flatten();
        let (version, directory) = (known.version, known.directory.clone());
        drop(known);
        let complete = changed.is_none();
        let names = changed.map_or_else(|| directory.names(), |changed| changed.into_iter().collect());
        Batches { version, complete, directory, names: names.into_iter(), left: None, done: false }
    }

    /// Answers when the version is another than the known one, or when the patience is over.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn await_access(&self, request: &AwaitAccessRequest) -> Result<AwaitAccessResponse, Error> {
        if request.patience_ms > MAX_PATIENCE_MS {
            let rule = format!("it is up to {MAX_PATIENCE_MS}, not {}", request.patience_ms);
            return Err(Error::invalid("patience_ms", rule));
        }
        let mut version = self.access.version.subscribe();
        let changed = version.wait_for(|version| *version != request.known_version);
        tokio::select! {
            biased;
            _ = changed => {}
            () = self.access.ending.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(request.patience_ms)) => {}
        }
        Ok(AwaitAccessResponse { version: self.access.version() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{create_group, create_key, create_user, delete_user, put_inline};
    use crate::testing::Fixture;
    use prost::Message as _;
    use weir_proto::v1::access_entry::Entry;
    use weir_proto::v1::{AccessKind, AccessName};

    #[tokio::test]
    async fn a_gateway_hears_all_at_first_and_then_what_has_changed() {
        let fixture = Fixture::new().await;
        let (complete, entries) = fixture.fetched(0);
        let built_in = entries.len();
        assert!(complete && built_in == 5 && entries.keys().all(|name| name.kind == AccessKind::Policy));
        for name in ["alice", "bob"] {
            fixture.changed(create_user(name)).await;
        }
        let version = fixture.namespace.access.version();
        assert_eq!(version, 3);
        fixture.changed(create_key("bob")).await;
        fixture.changed(delete_user("alice")).await;
        let (complete, changed) = fixture.fetched(version);
        assert!(!complete);
        assert!(matches!(changed[&Name::new(AccessKind::User, "alice")], Entry::Removed(_)));
        assert_eq!(changed.len(), 2);
        assert_eq!(fixture.fetched(5), (false, Default::default()));
        assert!(fixture.fetched(6).0, "a version that never was");
        assert_eq!(fixture.fetched(0).1.len(), built_in + 2);
    }

    #[tokio::test]
    async fn after_a_restart_only_the_last_version_needs_no_complete_answer() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        fixture.changed(create_user("bob")).await;
        let fixture = fixture.restart().await;
        assert_eq!(fixture.fetched(3), (false, Default::default()));
        assert!(fixture.fetched(2).0);
        fixture.changed(delete_user("bob")).await;
        assert_eq!(fixture.fetched(3).1.len(), 1);
    }

    #[tokio::test]
    async fn an_answer_comes_in_batches_and_shows_one_moment() {
        let fixture = Fixture::new().await;
        let count = 60;
        for n in 0..count {
            let group = format!("g{n}");
            fixture.changed(create_group(&group)).await;
            for policy in ["a", "b", "c"] {
                let holder = Some(AccessName { kind: AccessKind::Group.into(), name: group.clone() });
                let document = format!("{{{}}}", " ".repeat(20_000));
                fixture.changed(put_inline(holder, policy, &document)).await;
            }
        }
        let version = fixture.namespace.access.version();
        let mut batches = fixture.namespace.fetch_access(&FetchAccessRequest::default());
        let first = batches.next().unwrap();
        fixture.changed(create_user("later")).await;
        let all: Vec<AccessBatch> = std::iter::once(first).chain(batches).collect();
        assert!(all.len() > 3, "{}", all.len());
        for batch in &all {
            assert!(batch.encoded_len() < BATCH_BYTES + 1_000 && !batch.entries.is_empty());
            assert_eq!((batch.version, batch.complete), (version, true));
        }
        assert_eq!(all.iter().map(|batch| batch.entries.len()).sum::<usize>(), count + 5);
    }

    #[tokio::test]
    async fn who_waits_hears_of_the_next_change_or_that_there_was_none() {
        const LONG_MS: u64 = MAX_PATIENCE_MS;
        let fixture = Fixture::new().await;
        let wait = async |known_version, patience_ms| {
            let request = AwaitAccessRequest { known_version, patience_ms };
            let begun = std::time::Instant::now();
            let answer = fixture.namespace.await_access(&request).await.unwrap();
            (answer.version, begun.elapsed() < Duration::from_millis(LONG_MS / 2))
        };
        assert_eq!(wait(0, LONG_MS).await, (1, true), "it knows another one");
        assert_eq!(wait(1, 20).await, (1, true), "nothing changed");
        assert_eq!(tokio::join!(wait(1, LONG_MS), fixture.changed(create_user("alice"))).0, (2, true));
        let long = AwaitAccessRequest { known_version: 2, patience_ms: LONG_MS + 1 };
        assert!(matches!(fixture.namespace.await_access(&long).await, Err(Error::Invalid { .. })));
        let ending = async { fixture.namespace.access.end_waits() };
        assert_eq!(tokio::join!(wait(2, LONG_MS), ending).0, (2, true), "the metaserver stops");
        assert_eq!(wait(2, LONG_MS).await, (2, true));
    }
}
