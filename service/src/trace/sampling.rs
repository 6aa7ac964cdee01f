//! Which requests are traced.

use super::TraceContext;
use crate::config::ServiceSettings;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The operator's share of all requests, and so many a second beside it that clients ask for.
#[derive(Debug)]
pub(super) struct Sampling {
    ratio: f64,
    requested: Option<Requested>,
}

/// A token bucket of one second: when it was, or will be, full.
#[derive(Debug)]
struct Requested {
    interval: Duration,
    full_at: Mutex<Instant>,
}

impl Sampling {
    pub fn new(settings: &ServiceSettings) -> Self {
        let requested = Duration::from_secs(1).checked_div(settings.trace_requested_max_per_second);
        let requested = requested.map(|interval| Requested { interval, full_at: Mutex::new(Instant::now()) });
        Self { ratio: settings.trace_sample_ratio, requested }
    }

    /// Whether a request is traced: under a client's context as the client wants it, as long as there is room for it;
    /// else the share decides, of those that no client has decided about. `random`: 64 bits, if it comes to that.
    pub fn takes(&self, parent: Option<&TraceContext>, random: impl FnOnce() -> u64, now: Instant) -> bool {
        match parent {
            Some(parent) if !parent.is_sampled() => false,
            Some(_) if self.requested.as_ref().is_some_and(|requested| requested.take(now)) => true,
            // A fraction of 53 bits is exact, so that a share of 1 is all.
            _ => ((random() >> 11) as f64) < self.ratio * (1u64 << 53) as f64,
        }
    }
}

impl Requested {
    fn take(&self, now: Instant) -> bool {
        let mut full_at = self.full_at.lock();
        let next = (*full_at).max(now) + self.interval;
        let has_room = next <= now + Duration::from_secs(1);
        if has_room {
            *full_at = next;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn sampling(ratio: f64, per_second: u32) -> Sampling {
        let settings = ServiceSettings {
            trace_sample_ratio: ratio,
            trace_requested_max_per_second: per_second,
            ..Default::default()
        };
        Sampling::new(&settings)
    }

    fn parent(flags: &str) -> TraceContext {
        let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::try_from(text).unwrap());
        TraceContext::of(&headers).unwrap()
    }

    #[test]
    fn the_share_decides_about_requests_that_come_without_a_context() {
        let now = Instant::now();
        for (ratio, random, taken) in
            [(0.0, 0, false), (1.0, u64::MAX, true), (0.5, u64::MAX / 4, true), (0.5, u64::MAX / 4 * 3, false)]
        {
            assert_eq!(sampling(ratio, 100).takes(None, || random, now), taken, "{ratio} {random}");
        }
    }

    #[test]
    fn a_client_that_does_not_record_is_not_recorded() {
        assert!(!sampling(1.0, 100).takes(Some(&parent("00")), || 0, Instant::now()));
    }

    #[test]
    fn a_client_that_records_is_followed_so_many_times_a_second() {
        let (sampling, now) = (sampling(0.0, 5), Instant::now());
        let taken = |at| (0..20).filter(|_| sampling.takes(Some(&parent("01")), || u64::MAX, at)).count();
        assert_eq!(taken(now), 5);
        assert_eq!(taken(now + Duration::from_millis(450)), 2);
        assert_eq!(taken(now + Duration::from_secs(60)), 5, "what was not used is not saved up");
    }

    #[test]
    fn a_limit_of_none_leaves_the_share() {
        assert!(!sampling(0.0, 0).takes(Some(&parent("01")), || 7, Instant::now()));
        assert!(sampling(1.0, 0).takes(Some(&parent("01")), || 7, Instant::now()));
    }
}
