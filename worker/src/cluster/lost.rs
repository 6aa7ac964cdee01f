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
