//! What gateways were told of workers, and how the changes of it are counted.

use weir_proto::v1::Worker;

/// Below this, free space is told exactly: there it decides whether a block fits.
const EXACT_FREE_BYTES: u64 = 1 << 30;
/// Above, it is told anew when it is off by more than this share of what was told.
const FREE_SHARE: u64 = 8;

/// How the changes are counted.
#[derive(Debug)]
pub struct Changes {
    /// Of this start of the metaserver: others count from the same number on.
    pub run: u64,
    pub last: u64,
    /// A table from before this change may have a worker in it that is forgotten.
    pub whole_since: u64,
}

/// A worker as gateways were told of it last, by which change.
#[derive(Debug)]
pub struct Told {
    pub worker: Worker,
    pub change: u64,
}

impl Changes {
    pub fn new(run: u64) -> Self {
        Self { run, last: 1, whole_since: 1 }
    }

    /// A worker is forgotten.
    pub fn forget(&mut self) {
        self.last += 1;
        self.whole_since = self.last;
    }
}

impl Told {
    /// Whether a gateway need not be told again that a worker is so.
    pub fn still_holds(&self, now: &Worker, live: bool, standing: i32) -> bool {
        let told = &self.worker;
        told.live == live
            && told.state == standing
            && is_near(told.free_bytes, now.free_bytes)
            && told.address == now.address
            && told.zone == now.zone
            && told.host == now.host
    }
}

fn is_near(told_bytes: u64, free_bytes: u64) -> bool {
    let is_plenty = told_bytes.min(free_bytes) >= EXACT_FREE_BYTES;
    told_bytes == free_bytes || (is_plenty && told_bytes.abs_diff(free_bytes) <= told_bytes / FREE_SHARE)
}
