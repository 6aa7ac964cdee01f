//! Whether there are as many workers as the blocks of a bucket need.

use weir_gateway::blocks::Copies;
use weir_gateway::objects::Keeping;
use weir_proto::v1::{ReportResponse, WorkerState};

/// Workers for the blocks of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As many have a block each, or a shard.
    pub all: usize,
    /// With fewer, no write is acknowledged.
    pub min: usize,
}

impl Wanted {
    /// None: the metaserver is of a build that does not tell what holds for the cluster.
    pub fn of(keeping: Keeping, report: &ReportResponse) -> Option<Self> {
        if let Some(scheme) = keeping.coding {
            let survivors = u32::try_from(scheme.parity() + 1).unwrap_or(u32::MAX);
            let copies = Copies::new(survivors, report.replication_min);
            return Some(Self { all: scheme.shards(), min: scheme.min_shards(copies.min) });
        }
        let replication = if keeping.replication == 0 { report.replication } else { keeping.replication };
        let copies = Copies::new(replication, report.replication_min);
        (replication != 0).then_some(Self { all: copies.wanted, min: copies.min })
    }

    /// What follows from there being `taking` workers that take blocks; none: there are enough.
    pub fn shortage(self, taking: usize) -> Option<String> {
        let Self { all, min } = self;
        let workers = if taking == 1 { "worker takes" } else { "workers take" };
        let so_far = format!("{taking} {workers} new blocks, of the {all} that its blocks are for");
        match taking {
            _ if taking >= all => None,
            _ if taking >= min => Some(format!("only {so_far}: they have fewer copies until there are more")),
            _ => Some(format!("only {so_far}: writes that need blocks are refused until there are {min}")),
        }
    }
}

/// How many workers take new blocks.
pub fn taking(report: &ReportResponse) -> usize {
    report.workers.iter().filter(|worker| worker.live && worker.state() == WorkerState::Live).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1::Worker;

    fn wanted(replication: u32, coding: Option<&str>, report: &ReportResponse) -> Option<Wanted> {
        let coding = coding.map(|text| text.parse().unwrap());
        Wanted::of(Keeping { replication, coding }, report)
    }

    #[test]
    fn a_bucket_wants_workers_as_it_says_or_as_the_cluster_does() {
        let report = ReportResponse { replication: 3, ..Default::default() };
        assert_eq!(wanted(0, None, &report), Some(Wanted { all: 3, min: 2 }));
        assert_eq!(wanted(9, None, &report), Some(Wanted { all: 9, min: 5 }));
        assert_eq!(wanted(0, Some("4+2"), &report), Some(Wanted { all: 6, min: 5 }));
        let strict = ReportResponse { replication_min: 3, ..report };
        assert_eq!(wanted(9, None, &strict), Some(Wanted { all: 9, min: 3 }));
        assert_eq!(wanted(0, None, &ReportResponse::default()), None, "an earlier build");
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_told_with_what_follows() {
        let nine = Wanted { all: 9, min: 5 };
        assert_eq!(nine.shortage(9), None);
        assert!(nine.shortage(5).unwrap().ends_with("they have fewer copies until there are more"));
        assert_eq!(
            nine.shortage(4).unwrap(),
            "only 4 workers take new blocks, of the 9 that its blocks are for: writes that need blocks are refused until \
             there are 5"
        );
    }

    #[test]
    fn workers_that_are_away_or_emptied_take_nothing() {
        let worker = |live, state: WorkerState| Worker { live, state: state.into(), ..Default::default() };
        let workers = vec![
            worker(true, WorkerState::Live),
            worker(false, WorkerState::Live),
            worker(true, WorkerState::Draining),
            worker(false, WorkerState::Lost),
        ];
        assert_eq!(taking(&ReportResponse { workers, ..Default::default() }), 1);
    }
}
