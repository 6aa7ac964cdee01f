//! On which disk a new block goes: one with more free space gets more of them.

use weir_proto::BlockId;

/// All disks in the order in which a block is to be offered to them. `free_bytes` has each disk's index and room. The
/// first is drawn by the block's id, with chances like the room; behind it come the others, the emptiest first.
pub fn order(id: BlockId, free_bytes: &[(usize, u64)]) -> Vec<usize> {
    let mut rest = free_bytes.to_vec();
    // Stable: of disks that are equally full, the first of the setting.
    rest.sort_by_key(|&(_, free_bytes)| std::cmp::Reverse(free_bytes));
    let total: u128 = rest.iter().map(|&(_, free_bytes)| u128::from(free_bytes)).sum();
    let mut drawn = (u128::from(mixed(id.0) >> 8) * total) >> 56;
    let hit = rest.iter().position(|&(_, free_bytes)| match drawn.checked_sub(u128::from(free_bytes)) {
        Some(left) => {
            drawn = left;
            false
        }
        None => true,
    });
    let first = hit.map(|at| rest.remove(at));
    first.into_iter().chain(rest).map(|(index, _)| index).collect()
}

/// Neighbouring ids become numbers that have nothing to do with each other (the finalizer of SplitMix64).
fn mixed(id: u64) -> u64 {
    let mut mixed = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firsts(free_bytes: &[(usize, u64)]) -> Vec<usize> {
        let mut counts = vec![0; free_bytes.len()];
        (0..10_000).for_each(|id| counts[order(BlockId(id), free_bytes)[0]] += 1);
        counts
    }

    #[test]
    fn disks_get_blocks_as_they_have_room() {
        let counts = firsts(&[(0, 1 << 40), (1, 3 << 40), (2, 0)]);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
        assert!((7_300..7_700).contains(&counts[1]), "{counts:?}");
        assert_eq!(counts[2], 0, "a full one gets none");
    }

    #[test]
    fn every_disk_is_asked_in_the_end_the_emptiest_first() {
        let order = order(BlockId(5), &[(0, 0), (1, 10), (3, 1 << 60)]);
        assert_eq!(order, [3, 1, 0]);
        assert_eq!(super::order(BlockId(5), &[(0, 0), (1, 0)]), [0, 1], "full ones, too: their room may be news");
        assert!(super::order(BlockId(5), &[]).is_empty());
    }
}
