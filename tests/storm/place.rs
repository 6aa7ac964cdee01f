//! A bucket of the storm: how its blocks are kept, how large its objects are, and what its clients see.

use crate::board::Board;
use std::time::{Duration, Instant};
use weir_coding::Scheme;
use weir_tests::load::value::Sizes;

/// What lies with the metadata, a record of a segment, a file, several blocks of a mebibyte. The largest are rare, or
/// nothing else is measured.
const COPIED_SIZES: &Sizes = &[(17, 10), (900, 25), (9_000, 40), (120_000, 20), (400_000, 4), (2_500_000, 1)];
/// More of what fills a row and is coded, up to many rows; what does not is copied.
const CODED_SIZES: &Sizes = &[(17, 5), (9_000, 15), (120_000, 20), (300_000, 35), (700_000, 20), (2_500_000, 5)];
/// As `metaserver.replication` is by default.
const COPIES: usize = 3;

pub struct Place {
    pub bucket: &'static str,
    pub sizes: &'static Sizes,
    /// None: each block has three copies.
    pub coding: Option<Scheme>,
    /// A read that is answered with an error is taken again for so long.
    pub read_patience: Duration,
    pub board: Board,
}

impl Place {
    /// A bucket with copies, and a coded one where that is wanted.
    pub fn all(coding: Option<Scheme>, read_patience: Duration) -> Vec<Self> {
        let began = Instant::now();
        let board = || Board::new(began);
        let copied = Self { bucket: "storm", sizes: COPIED_SIZES, coding: None, read_patience, board: board() };
        let coded = coding.map(|_| Self { bucket: "coded", sizes: CODED_SIZES, coding, read_patience, board: board() });
        [Some(copied), coded].into_iter().flatten().collect()
    }

    /// Is there enough of every block when so many workers are gone?
    pub fn is_read_without(&self, lost_workers: usize) -> bool {
        lost_workers <= self.coding.map_or(COPIES - 1, |coding| coding.parity())
    }

    /// Are there workers enough for what `metaserver.replication_min` wants by default, a majority of the copies, or as
    /// many shards as survive the same losses?
    pub fn is_written_by(&self, workers: usize) -> bool {
        let majority = |copies: usize| copies / 2 + 1;
        let wanted = self.coding.map_or(majority(COPIES), |coding| coding.min_shards(majority(coding.parity() + 1)));
        workers >= wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(coding: &str) -> Place {
        Place::all(Some(coding.parse().unwrap()), Duration::ZERO).pop().unwrap()
    }

    #[test]
    fn three_copies_are_read_without_two_workers_and_written_by_two() {
        let copied = &Place::all(None, Duration::ZERO)[0];
        assert!(copied.is_read_without(2) && !copied.is_read_without(3));
        assert!(copied.is_written_by(2) && !copied.is_written_by(1));
    }

    #[test]
    fn coded_blocks_are_read_without_as_many_workers_as_they_have_parity_shards() {
        for (coding, losses, writers) in [("2+1", 1, 3), ("2+2", 2, 3)] {
            let coded = place(coding);
            assert!(coded.is_read_without(losses) && !coded.is_read_without(losses + 1), "{coding}");
            assert!(coded.is_written_by(writers) && !coded.is_written_by(writers - 1), "{coding}");
        }
    }
}
