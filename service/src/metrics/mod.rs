//! What the metrics of all roles share: their buckets, the calls that a role answers, the process itself.
//!
//! Names follow Prometheus: `weir_ROLE_…`, base units, `_total` for counters
//! (<https://prometheus.io/docs/practices/naming/>). Labels have few values: an operation, a status, never a bucket, a
//! key or a user. `docs/monitoring.md` lists all of them.

mod calls;
mod process;

pub use calls::CallMetrics;
pub(crate) use process::ProcessCollector;

use prometheus_client::metrics::histogram::Histogram;

/// From a request's head to its answer: half a millisecond to a minute, in seconds.
const DURATION_BUCKETS: [f64; 15] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Of a disk that makes something durable: a tenth of a millisecond to ten seconds.
const SYNC_BUCKETS: [f64; 13] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];
/// What is done together.
const GROUP_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1024.0];

/// Of requests and calls, in seconds.
pub fn durations() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

/// Of fdatasync and fsync, in seconds.
pub fn sync_durations() -> Histogram {
    Histogram::new(SYNC_BUCKETS)
}

/// How many were written together.
pub fn group_sizes() -> Histogram {
    Histogram::new(GROUP_BUCKETS)
}
