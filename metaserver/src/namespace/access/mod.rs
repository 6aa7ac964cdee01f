//! The directory of access: users, their keys, groups, policies, roles, issuers, and what buckets say about access.
//!
//! All of it has one version, a durable number that each change raises in its own commit. Gateways keep a copy, and ask
//! for what has changed since the version that they know. Changes are rare and the directory is bounded, so it is kept
//! in memory too: a change is decided on it, by one writer at a time, and applied to it once its commit is durable.

mod bucket_settings;
mod built_in;
mod change;
mod change_log;
mod directory;
mod fetch;
mod groups;
mod holders;
mod keys;
mod limits;
mod load;
#[cfg(test)]
mod model;
mod outcome;
mod policies;
mod principals;
mod providers;
mod random;
mod roles;
mod rows;
#[cfg(test)]
mod testing;
mod users;
mod validate;

pub(crate) use bucket_settings::{acl, of_new_bucket};
pub(crate) use directory::Name;
pub(crate) use fetch::Batches;

use super::Namespace;
use super::transaction::Transaction;
use crate::error::Error;
use crate::records::counter::{self, Counter, CounterRecord};
use crate::records::encode;
use crate::store::{Batch, CommitError, Guard, Sequence, Store, StoreError};
use change_log::ChangeLog;
use directory::Directory;
use limits::MAX_DIRECTORY_BYTES;
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;
use weir_proto::v1::access_entry::Entry;

/// What is known of access, and who may change it.
pub(crate) struct Access {
    turn: Arc<Mutex<()>>,
    known: RwLock<Known>,
    /// Of what is known.
    version: watch::Sender<u64>,
    /// Nobody is to wait for a change any more.
    ending: CancellationToken,
}

struct Known {
    version: u64,
    directory: Arc<Directory>,
    changes: ChangeLog,
}

/// The right to make the next change, and what it is decided on: nobody else changes that meanwhile.
pub(crate) struct Turn {
    held: OwnedMutexGuard<()>,
    version: u64,
    pub directory: Arc<Directory>,
}

impl Access {
    /// What the store holds.
    pub async fn open(store: &dyn Store) -> Result<Self, Error> {
        let (version, directory) = load::load(store).await?;
        Ok(Self {
            turn: Arc::default(),
            known: RwLock::new(Known {
                version,
                directory: Arc::new(directory),
                changes: ChangeLog::from_version(version),
            }),
            version: watch::Sender::new(version),
            ending: CancellationToken::new(),
        })
    }

    pub fn version(&self) -> u64 {
        self.known.read().version
    }

    /// Waits for the right to make a change.
    pub async fn turn(&self) -> Turn {
        let held = self.turn.clone().lock_owned().await;
        let known = self.known.read();
        Turn { held, version: known.version, directory: known.directory.clone() }
    }

    /// Ends all waiting for changes, now and later.
    pub fn end_waits(&self) {
        self.ending.cancel();
    }

    /// Reads the store again, if someone else has changed it: another metaserver on the same store.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), Error> {
        let _held = self.turn.lock().await;
        if load::version(store).await? == self.version() {
            return Ok(());
        }
        let (version, directory) = load::load(store).await?;
        let changes = ChangeLog::from_version(version);
        *self.known.write() = Known { version, directory: Arc::new(directory), changes };
        self.version.send_replace(version);
        Ok(())
    }

    /// What was committed becomes known.
    fn apply(&self, version: u64, entries: Vec<Entry>) {
        let mut known = self.known.write();
        known.version = version;
        known.changes.push(version, entries.iter().filter_map(Name::of));
        let directory = Arc::make_mut(&mut known.directory);
        entries.into_iter().for_each(|entry| directory.apply(entry));
        drop(known);
        self.version.send_replace(version);
    }
}

impl Namespace {
    /// Commits a change of the directory with all else that is in the transaction. Returns the new version.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]: the directory would be too large. Else as [`Namespace::commit`].
    pub(crate) async fn commit_access(
        &self,
        turn: Turn,
        mut transaction: Transaction,
        entries: Vec<Entry>,
    ) -> Result<u64, Error> {
        let Turn { held, version, directory } = turn;
        let growth = directory.growth(&entries);
        if growth > 0 && directory.bytes() + growth > MAX_DIRECTORY_BYTES {
            return Err(Error::limit("bytes of the whole directory of access", MAX_DIRECTORY_BYTES as usize));
        }
        let next = version + 1;
        let (key, record) =
            (counter::key(Counter::AccessVersion), |value| CounterRecord { value, text: String::new() });
        transaction.guard(Guard::Equals { key: key.clone(), value: encode(&record(version)) });
        transaction.put(key, &record(next));
        rows::write(&mut transaction, &directory, &entries);
        // Else the one that is to be changed would have to be copied.
        drop(directory);
        let batch = transaction.into_batch()?;
        let (store, access) = (self.store.clone(), self.access.clone());
        // In a task of its own: a caller that gives up must not leave the memory behind the store.
        let committed = tokio::spawn(commit_and_apply(store, batch, access, next, entries, held)).await;
        let stopped = |error| Err(StoreError::Stopped { reason: format!("a commit did not end: {error}") }.into());
        self.settled(committed.unwrap_or_else(stopped))?;
        Ok(next)
    }
}

/// Holds the turn until what was committed is known.
async fn commit_and_apply(
    store: Arc<dyn Store>,
    batch: Batch,
    access: Arc<Access>,
    version: u64,
    entries: Vec<Entry>,
    held: OwnedMutexGuard<()>,
) -> Result<Sequence, CommitError> {
    let committed = store.commit(batch).await;
    if committed.is_ok() {
        access.apply(version, entries);
    }
    drop(held);
    committed
}

#[cfg(test)]
mod tests {
    use super::testing::{create_group, create_key, create_policy, create_user, delete_user, put_inline};
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::Fixture;
    use std::sync::atomic::Ordering;
    use weir_proto::v1::{AccessKind, AccessName};

    #[tokio::test]
    async fn a_change_is_one_commit_with_the_version() {
        let fixture = Fixture::new().await;
        let before = fixture.store.commits.load(Ordering::SeqCst);
        assert_eq!(fixture.change(create_user("alice")).await.unwrap().version, 2);
        assert_eq!(fixture.store.commits.load(Ordering::SeqCst), before + 1);
        assert_eq!(fixture.change(create_key("alice")).await.unwrap().version, 3);
        let fixture = fixture.restart().await;
        assert_eq!(fixture.namespace.access.version(), 3);
        assert_eq!(fixture.change(create_group("admins")).await.unwrap().version, 4);
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn changes_at_the_same_time_follow_each_other() {
        let fixture = Fixture::new().await;
        let names: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
        let made = futures::future::join_all(names.iter().map(|name| fixture.change(create_user(name)))).await;
        let versions: Vec<u64> = made.into_iter().map(|answer| answer.unwrap().version).collect();
        assert_eq!(versions, (2..52).collect::<Vec<_>>());
        let same = futures::future::join_all((0..20).map(|_| fixture.change(create_user("one")))).await;
        assert_eq!(same.iter().filter(|answer| answer.is_ok()).count(), 1);
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn another_metaserver_on_the_same_store_is_noticed() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        let other = Fixture::over_running(&fixture).await;
        other.changed(delete_user("alice")).await;
        other.changed(create_user("bob")).await;
        assert!(fixture.user("alice").is_some(), "this one has not heard of it");
        let refused = fixture.refusal(create_user("Bob")).await;
        assert!(matches!(refused, Error::Raced | Error::EntityExists { .. }), "{refused}");
        fixture.changed(create_user("carol")).await;
        assert!(fixture.user("alice").is_none() && fixture.user("bob").is_some());
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_leaves_nothing_half_done() {
        for polls in 1..8 {
            let fixture = Fixture::new().await;
            let mut change = Box::pin(fixture.change(create_user("alice")));
            for _ in 0..polls {
                if futures::poll!(&mut change).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(change);
            fixture.check_access().await;
            fixture.changed(create_user("bob")).await;
            fixture.check_access().await;
        }
    }

    #[tokio::test]
    async fn a_restored_store_gives_out_no_version_again() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        fixture.store.restored.store(true, Ordering::SeqCst);
        let fixture = fixture.restart().await;
        assert!(fixture.namespace.access.version() > 1 << 30);
        assert!(fixture.fetched(3).0, "what a gateway knows may come from after the backup");
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn on_a_full_disk_access_is_taken_away_and_not_given() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        fixture.store.full.store(true, Ordering::SeqCst);
        let refused = fixture.refusal(create_key("alice")).await;
        assert!(matches!(refused, Error::Store(StoreError::Full)), "{refused}");
        fixture.changed(delete_user("alice")).await;
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn the_directory_is_bounded() {
        let fixture = Fixture::new().await;
        fixture.changed(create_policy("p")).await;
        let turn = fixture.namespace.access.turn().await;
        let mut policy = turn.directory.policy("p").unwrap().clone();
        policy.versions[0].document = "x".repeat(MAX_DIRECTORY_BYTES as usize);
        let refused = fixture.namespace.commit_access(turn, Transaction::default(), vec![Entry::Policy(policy)]).await;
        assert!(matches!(refused, Err(Error::LimitExceeded { .. })), "{refused:?}");
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_document_without_a_holder_or_in_pieces_is_damage() {
        let fixture = Fixture::new().await;
        fixture.changed(create_group("admins")).await;
        let holder = Some(AccessName { kind: AccessKind::Group.into(), name: "admins".into() });
        let document = format!("{{{}}}", " ".repeat(20_000));
        fixture.changed(put_inline(holder, "own", &document)).await;
        let pieces = fixture.rows(Kind::PolicyDocument).await;
        assert_eq!(pieces.len(), 2);
        let delete = async |key: &bytes::Bytes| {
            let mut transaction = Transaction::default();
            transaction.delete(key.clone());
            fixture.namespace.commit(transaction).await.unwrap();
            load::load(&*fixture.store).await
        };
        assert!(matches!(delete(&pieces[1].0).await, Err(Error::Record(_))));
        assert!(delete(&pieces[0].0).await.is_ok(), "without any there is no such policy");
        let mut transaction = Transaction::default();
        transaction.write(crate::store::Write::Put { key: pieces[0].0.clone(), value: pieces[0].1.clone() });
        transaction.write(crate::store::Write::Put { key: pieces[1].0.clone(), value: pieces[1].1.clone() });
        transaction.delete(crate::records::group::key("admins"));
        fixture.namespace.commit(transaction).await.unwrap();
        let error = load::load(&*fixture.store).await.unwrap_err();
        assert!(error.to_string().contains("belongs to nobody"), "{error}");
    }
}
