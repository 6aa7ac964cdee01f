//! Memory for what was read from workers and not taken by clients yet.
//!
//! All readers share one pool. None may take more than a part of what is free, so that the pool thins out and is never
//! empty because of a few; and each has a little of its own besides, so that those who don't read on never stop those who
//! do.

use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a reader has of its own, in bytes.
pub const OWN_BYTES: u64 = 16 << 10;
/// What is taken of the pool at a time, at most.
const TAKE_MAX_BYTES: u64 = 1 << 20;
/// Of what is free, no more than one of so many parts is taken at a time.
const PARTS: u64 = 16;

/// The pool, with a permit for each byte.
#[derive(Clone, Debug)]
pub struct ReadBudget(Arc<Semaphore>);

/// What one reader may take.
#[derive(Debug)]
pub struct Allowance {
    pool: ReadBudget,
    own: Arc<Semaphore>,
}

/// Bytes that may be read; they are free again when it is dropped, with all that was split off.
#[derive(Debug)]
pub struct Grant(OwnedSemaphorePermit);

impl ReadBudget {
    pub fn new(max_bytes: u64) -> Self {
        let permits = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))))
    }

    pub fn allowance(&self) -> Allowance {
        Allowance { pool: self.clone(), own: Arc::new(Semaphore::new(OWN_BYTES as usize)) }
    }
}

impl Allowance {
    /// At most what is wanted, which is not nothing. Where the pool has too little it is of the reader's own, and waits
    /// until enough of that is let go.
    pub async fn take(&self, wanted_bytes: u64) -> Grant {
        if let Some(grant) = self.try_take(wanted_bytes) {
            return grant;
        }
        let own = self.own.clone().acquire_many_owned(wanted_bytes.min(OWN_BYTES) as u32).await;
        Grant(own.unwrap_or_else(|_| unreachable!("nobody closes it")))
    }

    /// Of the pool alone; none: it has too little.
    pub fn try_take(&self, wanted_bytes: u64) -> Option<Grant> {
        let pool = &self.pool.0;
        let most = (pool.available_permits() as u64 / PARTS).min(TAKE_MAX_BYTES);
        let bytes = wanted_bytes.min(most);
        if bytes < wanted_bytes.min(OWN_BYTES) {
            return None;
        }
        pool.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok().map(Grant)
    }
}

impl Grant {
    pub fn bytes(&self) -> u64 {
        self.0.num_permits() as u64
    }

    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, to_bytes: u64) {
        drop(self.0.split(self.0.num_permits().saturating_sub(to_bytes as usize)));
    }

    /// The grant of data that was read under this one. What it has too little, it lacks: then more was read than was
    /// granted.
    pub fn split(&mut self, data_bytes: u64) -> Grant {
        let some = self.0.split((data_bytes as usize).min(self.0.num_permits()));
        Grant(some.unwrap_or_else(|| unreachable!("it has that many")))
    }

    /// The same bytes; the grant is over when the last reference to them is dropped.
    pub fn held_by(self, data: Bytes) -> Bytes {
        struct Held {
            data: Bytes,
            _grant: Grant,
        }
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.data
            }
        }
        // What is small is a part of a buffer of the transport's that is several times as large.
        let data = if data.len() as u64 <= OWN_BYTES { Bytes::copy_from_slice(&data) } else { data };
        Bytes::from_owner(Held { data, _grant: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn the_pool_thins_out_and_never_runs_dry_because_of_a_few() {
        let budget = ReadBudget::new(64 << 20);
        let mut taken = Vec::new();
        let allowance = budget.allowance();
        assert_eq!(allowance.try_take(100).unwrap().bytes(), 100);
        while let Some(grant) = allowance.try_take(u64::MAX) {
            taken.push(grant);
        }
        assert_eq!(taken[0].bytes(), TAKE_MAX_BYTES);
        assert!(taken.len() > 64, "{}", taken.len());
        assert!(taken.iter().all(|grant| grant.bytes() >= OWN_BYTES));
        assert!(taken.iter().map(Grant::bytes).sum::<u64>() < 64 << 20);
        assert!(budget.0.available_permits() as u64 >= OWN_BYTES * (PARTS - 1));
        taken.clear();
        assert_eq!(budget.0.available_permits(), 64 << 20);
    }

    #[tokio::test]
    async fn who_finds_nothing_in_the_pool_goes_on_with_its_own() {
        let budget = ReadBudget::new(0);
        let (one, other) = (budget.allowance(), budget.allowance());
        let mut grant = one.take(1 << 20).await;
        assert_eq!(grant.bytes(), OWN_BYTES);
        assert_eq!(other.take(10).await.bytes(), 10);
        let data = grant.split(1000).held_by(Bytes::from(vec![7; 1000]));
        let part = data.slice(10..20);
        drop((grant, data));
        assert!(one.take(1 << 20).now_or_never().is_none(), "some of it is held still");
        assert_eq!(part, vec![7; 10]);
        drop(part);
        assert_eq!(one.take(1 << 20).await.bytes(), OWN_BYTES);
    }
}
