//! How an operation reads and commits: buckets with what lies in them as of one moment, a batch under construction, and
//! the bounded number of attempts.

use super::Namespace;
use crate::error::{Error, batch_too_large};
use crate::records::bucket::{self, BucketRecord};
use crate::records::usage::{self, Usage};
use crate::records::{Record, decode, encode};
use crate::store::{Batch, CommitError, Guard, MAX_BATCH_BYTES, Sequence, Write};
use bytes::Bytes;
use std::time::Duration;
use weir_proto::BucketName;

/// Attempts of one operation to commit while others change what it reads.
const MAX_ATTEMPTS: u32 = 64;

/// Attempts without a pause before them.
const QUICK_ATTEMPTS: u32 = 4;

const MAX_PAUSE: Duration = Duration::from_millis(20);

/// A bucket as it was read.
#[derive(Clone, Debug)]
pub(crate) struct BucketView {
    pub record: BucketRecord,
    key: Bytes,
    value: Bytes,
}

impl BucketView {
    pub fn id(&self) -> u64 {
        self.record.bucket_id
    }

    /// The guard of a write to the bucket.
    ///
    /// # Errors
    /// [`Error::Raced`]: someone looks whether it can be deleted, which takes a moment.
    pub fn for_write(&self) -> Result<Guard, Error> {
        if self.record.deleting != 0 {
            return Err(Error::Raced);
        }
        Ok(self.guard())
    }

    pub fn guard(&self) -> Guard {
        Guard::Equals { key: self.key.clone(), value: self.value.clone() }
    }
}

/// A batch under construction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    batch: Batch,
    bytes: usize,
    /// New blocks that have fewer copies than they want.
    short_block_ids: Vec<u64>,
}

impl Transaction {
    /// One that gives space back, and is taken when the disk is nearly full.
    pub fn urgent() -> Self {
        Self { batch: Batch { urgent: true, ..Batch::default() }, ..Self::default() }
    }

    pub fn guard(&mut self, guard: Guard) {
        self.bytes += match &guard {
            Guard::Equals { key, value } => key.len() + value.len(),
            Guard::Absent { key } => key.len(),
        };
        self.batch.guards.push(guard);
    }

    /// The key still has what was read.
    pub fn unchanged(&mut self, key: Bytes, value: Option<Bytes>) {
        self.guard(match value {
            Some(value) => Guard::Equals { key, value },
            None => Guard::Absent { key },
        });
    }

    pub fn put<R: Record>(&mut self, key: Bytes, record: &R) {
        let value = encode(record);
        self.bytes += key.len() + value.len();
        self.batch.writes.push(Write::Put { key, value });
    }

    pub fn write(&mut self, write: Write) {
        self.bytes += match &write {
            Write::Put { key, value } => key.len() + value.len(),
            Write::Delete { key } | Write::Add { key, .. } => key.len() + 8,
        };
        self.batch.writes.push(write);
    }

    pub fn delete(&mut self, key: Bytes) {
        self.write(Write::Delete { key });
    }

    pub fn add(&mut self, usage: Usage, amount: i64) {
        if let Some(write) = usage::add(usage, amount) {
            self.write(write);
        }
    }

    /// Once it is committed, the block is looked at: it has fewer copies than it wants.
    pub fn note_short(&mut self, block_id: u64) {
        self.short_block_ids.push(block_id);
    }

    /// Keys and values so far, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.batch.writes.is_empty()
    }

    /// # Errors
    /// [`Error::TooLarge`].
    pub fn into_batch(self) -> Result<Batch, Error> {
        if self.bytes > MAX_BATCH_BYTES {
            return Err(batch_too_large("the commit", self.bytes));
        }
        Ok(self.batch)
    }
}

/// Counts the attempts of one operation.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    pub fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// Waits a little, more with each attempt.
    ///
    /// # Errors
    /// [`Error::Busy`] on the resource after [`MAX_ATTEMPTS`].
    pub async fn again(&mut self, namespace: &Namespace, resource: impl FnOnce() -> String) -> Result<(), Error> {
        self.0 += 1;
        namespace.metrics.commit_conflicts.inc();
        if self.0 >= MAX_ATTEMPTS {
            return Err(Error::Busy { resource: resource() });
        }
        if self.0 > QUICK_ATTEMPTS {
            tokio::time::sleep(MAX_PAUSE.min(Duration::from_millis(u64::from(self.0 - QUICK_ATTEMPTS)))).await;
        } else {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Namespace {
    /// Commits a batch.
    ///
    /// # Errors
    /// [`Error::Raced`]: a guard did not hold. [`Error::TooLarge`]: nothing was tried.
    pub(crate) async fn commit(&self, mut transaction: Transaction) -> Result<(), Error> {
        let short_block_ids = std::mem::take(&mut transaction.short_block_ids);
        let committed = self.store.commit(transaction.into_batch()?).await;
        self.settled(committed)?;
        if !short_block_ids.is_empty() {
            self.short_blocks.note(short_block_ids);
        }
        Ok(())
    }

    /// What a commit came to.
    ///
    /// # Errors
    /// [`Error::Raced`]: a guard did not hold.
    pub(crate) fn settled(&self, committed: Result<Sequence, CommitError>) -> Result<(), Error> {
        match committed {
            Ok(_) => {
                self.metrics.commits.inc();
                Ok(())
            }
            Err(CommitError::GuardFailed { .. }) => Err(Error::Raced),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Buckets, and the values of keys that depend on their ids, all as of one moment.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`] for the first name without a bucket.
    pub(crate) async fn read_in<const N: usize>(
        &self,
        names: [&BucketName; N],
        keys: impl Fn([u64; N]) -> Vec<Bytes>,
    ) -> Result<([BucketView; N], Vec<Option<Bytes>>), Error> {
        loop {
            let mut ids = [0; N];
            for (id, name) in ids.iter_mut().zip(names) {
                *id = self.bucket_id(name).await?;
            }
            let mut wanted: Vec<Bytes> = names.iter().map(|name| bucket::key(name)).collect();
            wanted.extend(keys(ids));
            let mut values = self.store.get_many(&wanted).await?;
            let rest = values.split_off(N);
            let mut views = Vec::with_capacity(N);
            for ((name, key), value) in names.into_iter().zip(wanted).zip(values) {
                views.push(self.bucket_view(name, key, value)?);
            }
            if views.iter().zip(ids).all(|(view, id)| view.id() == id)
                && let Ok(views) = <[BucketView; N]>::try_from(views)
            {
                return Ok((views, rest));
            }
        }
    }

    fn bucket_view(&self, name: &BucketName, key: Bytes, value: Option<Bytes>) -> Result<BucketView, Error> {
        let Some(value) = value else {
            self.bucket_ids.write().remove(name);
            return Err(Error::NoSuchBucket { bucket: name.to_string() });
        };
        let record: BucketRecord = decode(&key, value.clone())?;
        let known = self.bucket_ids.read().get(name) == Some(&record.bucket_id);
        if !known {
            self.bucket_ids.write().insert(name.clone(), record.bucket_id);
        }
        Ok(BucketView { record, key, value })
    }

    async fn bucket_id(&self, name: &BucketName) -> Result<u64, Error> {
        if let Some(&id) = self.bucket_ids.read().get(name) {
            return Ok(id);
        }
        let key = bucket::key(name);
        let value = self.store.get(&key).await?;
        Ok(self.bucket_view(name, key, value)?.id())
    }
}
