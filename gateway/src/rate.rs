//! How many requests a second an access key may make.
//!
//! A token bucket for each key, kept as the time at which it would be full again (the generic cell rate algorithm,
//! ITU-T I.371): a key that has not asked for as long as that has a full bucket, which is the same as none. So a table
//! of bounded size forgets without anyone noticing, as long as there are fewer busy keys than places in it.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use weir_service::config::settings::GatewaySettings;

/// Locks, so that requests on several cores seldom wait for each other.
const SHARD_COUNT: usize = 16;
/// Keys with a bucket that is not full, in each shard.
const SHARD_KEY_MAX_COUNT: usize = 1024;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// A key has used up its requests: `SlowDown` with Retry-After.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests of this access key: try again in {milliseconds} ms")]
pub struct RetryAfter {
    /// When the next request will be let through, if no other comes before it.
    pub milliseconds: u64,
}

impl RetryAfter {
    /// The value of the header, RFC 9110, 10.2.3: whole seconds, at least one.
    pub fn seconds(self) -> u64 {
        self.milliseconds.div_ceil(1000).max(1)
    }
}

/// Counts the requests of all keys. Shared by all connections.
#[derive(Debug)]
pub struct RateLimiter {
    /// Between two requests of a key on the average, in microseconds.
    interval_us: i64,
    /// How far ahead of its time a key may be, in microseconds: the burst but for one request.
    ahead_max_us: i64,
    /// When each key's bucket is full again, in microseconds.
    shards: [Mutex<HashMap<Box<str>, i64>>; SHARD_COUNT],
    hasher: RandomState,
}

impl RateLimiter {
    /// None: any number of requests is allowed.
    pub fn from_settings(settings: &GatewaySettings) -> Option<Self> {
        let (rate, burst) = (settings.key_requests_per_second, settings.key_request_burst_count);
        (rate > 0).then(|| Self::new(rate, burst))
    }

    /// `burst_count` requests at once, and `requests_per_second` on the average; at least one of each.
    pub fn new(requests_per_second: u32, burst_count: u32) -> Self {
        let interval_us = (MICROSECONDS_PER_SECOND / i64::from(requests_per_second.max(1))).max(1);
        Self {
            interval_us,
            ahead_max_us: interval_us * i64::from(burst_count.saturating_sub(1)),
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Takes a request of a key into account. To be asked once the key is known to be one: strangers must not fill the
    /// table.
    ///
    /// # Errors
    /// [`RetryAfter`], and the request does not count.
    pub fn admit(&self, key: &str, now_ms: i64) -> Result<(), RetryAfter> {
        let now_us = now_ms.saturating_mul(1000);
        let mut shard = self.shards[self.hasher.hash_one(key) as usize % SHARD_COUNT].lock();
        if !shard.contains_key(key) {
            make_room(&mut shard, now_us);
        }
        let full_at = shard.entry(key.into()).or_insert(now_us);
        // A clock that was set back must not make a bucket emptier than empty.
        *full_at = (*full_at).clamp(now_us, now_us + self.ahead_max_us + self.interval_us);
        let wait_us = *full_at - now_us - self.ahead_max_us;
        if wait_us > 0 {
            return Err(RetryAfter { milliseconds: wait_us.unsigned_abs().div_ceil(1000) });
        }
        *full_at += self.interval_us;
        Ok(())
    }
}

/// Forgets the full buckets; if there are none, the one that is soonest full, whose key gains the least by it.
fn make_room(shard: &mut HashMap<Box<str>, i64>, now_us: i64) {
    if shard.len() < SHARD_KEY_MAX_COUNT {
        return;
    }
    shard.retain(|_, full_at| *full_at > now_us);
    if shard.len() < SHARD_KEY_MAX_COUNT {
        return;
    }
    if let Some(soonest) = shard.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| key.clone()) {
        shard.remove(&soonest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn admitted(limiter: &RateLimiter, key: &str, now_ms: i64, tries: usize) -> usize {
        (0..tries).filter(|_| limiter.admit(key, now_ms).is_ok()).count()
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let limiter = RateLimiter::new(10, 5);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS, 20), 5);
        assert_eq!(limiter.admit("AKIA", NOW_MS), Err(RetryAfter { milliseconds: 100 }));
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS + 99, 1), 0);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS + 100, 5), 1);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS + 400, 5), 3);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS + 60_000, 20), 5, "the bucket holds no more than the burst");
    }

    #[test]
    fn keys_do_not_count_for_each_other() {
        let limiter = RateLimiter::new(1, 1);
        assert_eq!(admitted(&limiter, "one", NOW_MS, 3), 1);
        assert_eq!(admitted(&limiter, "two", NOW_MS, 3), 1);
    }

    #[test]
    fn what_was_refused_does_not_count() {
        let limiter = RateLimiter::new(1, 1);
        limiter.admit("AKIA", NOW_MS).unwrap();
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS + 500, 1000), 0);
        limiter.admit("AKIA", NOW_MS + 1000).unwrap();
    }

    #[test]
    fn after_the_time_that_it_is_told_a_key_is_let_through() {
        let limiter = RateLimiter::new(3, 2);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS, 9), 2);
        let refused = limiter.admit("AKIA", NOW_MS).unwrap_err();
        limiter.admit("AKIA", NOW_MS + refused.milliseconds as i64).unwrap();
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(RetryAfter { milliseconds }.seconds(), seconds);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let limiter = RateLimiter::new(10, 5);
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS, 9), 5);
        let an_hour_before = NOW_MS - 3_600_000;
        assert_eq!(admitted(&limiter, "AKIA", an_hour_before, 1), 0);
        assert_eq!(admitted(&limiter, "AKIA", an_hour_before + 200, 1), 1);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_whom_it_matters_least_to() {
        let limiter = RateLimiter::new(1, 10);
        assert_eq!(admitted(&limiter, "busy", NOW_MS, 10), 10);
        for number in 0..50_000 {
            limiter.admit(&format!("key {number}"), NOW_MS).unwrap();
        }
        let kept: usize = limiter.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(kept <= SHARD_COUNT * SHARD_KEY_MAX_COUNT, "{kept}");
        assert_eq!(admitted(&limiter, "busy", NOW_MS, 1), 0, "the emptiest bucket is kept");
        limiter.admit("late", NOW_MS + 60_000).unwrap();
    }

    #[test]
    fn without_a_rate_nothing_is_counted() {
        assert!(RateLimiter::from_settings(&GatewaySettings::default()).is_none());
        let settings = GatewaySettings { key_requests_per_second: 1_000_000, ..GatewaySettings::default() };
        let limiter = RateLimiter::from_settings(&settings).unwrap();
        assert_eq!(admitted(&limiter, "AKIA", NOW_MS, 200), 100);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_allow(
            rate in 1u32..100,
            burst in 1u32..20,
            steps in prop::collection::vec(0i64..500, 1..200),
        ) {
            let limiter = RateLimiter::new(rate, burst);
            let (mut now_ms, mut count) = (NOW_MS, 0i64);
            for step in steps {
                now_ms += step;
                count += i64::from(limiter.admit("AKIA", now_ms).is_ok());
                let interval_us = MICROSECONDS_PER_SECOND / i64::from(rate);
                prop_assert!(count <= i64::from(burst) + (now_ms - NOW_MS) * 1000 / interval_us);
            }
        }
    }
}
