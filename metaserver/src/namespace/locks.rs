//! Locks on keys, so that writers of one key queue up instead of failing each other's guards. They make nothing safe:
//! the guards do. Another metaserver on the same store has locks of its own.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use tokio::sync::{Mutex, MutexGuard};
use weir_proto::BucketName;

const STRIPE_COUNT: usize = 4_096;

pub struct KeyLocks(Box<[Mutex<()>]>);

impl Default for KeyLocks {
    fn default() -> Self {
        Self((0..STRIPE_COUNT).map(|_| Mutex::default()).collect())
    }
}

impl KeyLocks {
    /// Locks all these keys, in an order that all callers share.
    pub async fn lock<'a>(
        &self,
        keys: impl IntoIterator<Item = (&'a BucketName, &'a [u8])>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mut stripes: Vec<usize> =
            keys.into_iter().map(|name| (hasher.hash_one(name) % STRIPE_COUNT as u64) as usize).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let mut guards = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            guards.push(self.0[stripe].lock().await);
        }
        guards
    }
}
