//! Telling the metaserver what failed disks had, so that other copies are made before it asks.

use crate::disks::Disks;
use std::collections::BTreeMap;
use weir_proto::BlockId;

/// How far that is, by the disk's index.
#[derive(Debug, Default)]
pub struct Lost {
    told: BTreeMap<usize, Told>,
}

#[derive(Debug)]
enum Told {
    UpTo(BlockId),
    All,
}

impl Lost {
    /// The next blocks to tell, up to `limit`. Does not block.
    pub fn next(&mut self, disks: &Disks, limit: usize) -> Vec<BlockId> {
        let mut lost = Vec::new();
        for at in disks.failed_indexes() {
            let after = match self.told.get(&at) {
                None => None,
                Some(Told::UpTo(last)) => Some(*last),
                Some(Told::All) => continue,
            };
            let room = limit - lost.len();
            if room == 0 {
                break;
            }
            let (page, last) = disks.lost(at, after, room);
            lost.extend(page);
            self.told.insert(at, last.map_or(Told::All, Told::UpTo));
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disks::tests::{Machine, each, open, put, write};
    use weir_service::simulation::{Fault, Kind};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_failed_disk_had_is_told_once_and_a_little_at_a_time() {
        let machine = Machine::default();
        let disks = open(&machine, &["/a", "/b"]);
        let mut lost = Lost::default();
        for id in 1..=40 {
            put(&disks, id, 100).await;
        }
        let had = each(&disks)[0].clone();
        assert!(lost.next(&disks, 100).is_empty(), "all are well");
        machine.disks[0].fail(Fault::broken(Kind::SYNCS));
        for id in 41..=80 {
            write(&disks, id, 100).await.unwrap();
        }
        let mut told = Vec::new();
        while told.len() < had.len() {
            let some = lost.next(&disks, 3);
            assert!((1..=3).contains(&some.len()));
            told.extend(some.iter().map(|id| id.0));
        }
        assert_eq!(told, had);
        assert!((0..3).all(|_| lost.next(&disks, 3).is_empty()), "no more than once");
    }
}
