//! Blocks are coded, lose shards, and come back as they were: against the layout's naive reading, and against parities
//! as they are on disks by now.

use super::*;
use crate::layout::Layout;
use proptest::prelude::*;

/// All shards of a block, row by row.
fn shards_of(layout: &Layout, block: &[u8]) -> Vec<Vec<u8>> {
    let scheme = layout.scheme();
    let mut codec = Codec::new(scheme);
    let mut shards = vec![Vec::new(); scheme.shards()];
    for row in block.chunks(layout.row_bytes() as usize) {
        let cell_bytes = layout.cell_bytes_of(row.len() as u64) as usize;
        let cells: Vec<&[u8]> = (0..scheme.data())
            .map(|shard| &row[(shard * cell_bytes).min(row.len())..((shard + 1) * cell_bytes).min(row.len())])
            .collect();
        let parity = codec.encode(&cells, cell_bytes).unwrap();
        let cells = cells.into_iter().map(<[u8]>::to_vec).chain(parity);
        shards.iter_mut().zip(cells).for_each(|(shard, cell)| shard.extend(cell));
    }
    shards
}

/// The block, byte by byte from where the layout says that it is.
fn block_of(layout: &Layout, shards: &[Vec<u8>], block_bytes: u64) -> Vec<u8> {
    let byte = |at| {
        let place = layout.place_of(block_bytes, at);
        shards[place.shard][place.offset_bytes as usize]
    };
    (0..block_bytes).map(byte).collect()
}

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn any_two_shards_of_4_and_2_may_be_lost() {
    let layout = Layout::new(4, 2, 128).unwrap();
    for length in [1, 63, 64, 65, 255, 256, 257, 511, 512, 513, 1_024, 1_500] {
        let block = bytes(length, length as u64);
        let shards = shards_of(&layout, &block);
        assert_eq!(block_of(&layout, &shards, length as u64), block);
        for first in 0..6 {
            for second in first..6 {
                check_lost(&layout, &shards, length as u64, &[first, second]);
            }
        }
    }
}

/// Each lost shard comes back from k others, row by row.
fn check_lost(layout: &Layout, shards: &[Vec<u8>], block_bytes: u64, lost: &[usize]) {
    let mut codec = Codec::new(layout.scheme());
    let mut rebuilt = vec![Vec::new(); lost.len()];
    let mut at = 0;
    while at < block_bytes {
        let row = layout.row_of(block_bytes, at);
        at = row.offset_bytes + row.length_bytes;
        let start = row.shard_offset_bytes as usize;
        let cell = |shard: usize| &shards[shard][start..start + layout.cell_length(&row, shard) as usize];
        let cells: Vec<Option<&[u8]>> =
            (0..shards.len()).map(|shard| (!lost.contains(&shard)).then(|| cell(shard))).collect();
        let restored = codec.restore(&cells, row.cell_bytes as usize, lost).unwrap();
        for ((rebuilt, restored), shard) in rebuilt.iter_mut().zip(restored).zip(lost) {
            rebuilt.extend_from_slice(&restored[..layout.cell_length(&row, *shard) as usize]);
        }
    }
    for (rebuilt, shard) in rebuilt.iter().zip(lost) {
        assert_eq!(rebuilt, &shards[*shard], "shard {shard} of {block_bytes} bytes without {lost:?}");
    }
}

#[test]
fn what_cannot_be_coded_is_refused() {
    let scheme: Scheme = "4+2".parse().unwrap();
    let mut codec = Codec::new(scheme);
    let cell = &[1u8; 64][..];
    let three = [Some(cell), None, Some(cell), None, Some(cell), None];
    assert!(matches!(codec.restore(&three, 64, &[1]), Err(CodecError::TooFew { have: 3, need: 4 })));
    assert!(matches!(codec.encode(&[cell; 3], 64), Err(CodecError::TooFew { have: 3, need: 4 })));
    for cell_bytes in [0, 32, 65] {
        assert!(matches!(codec.encode(&[cell; 4], cell_bytes), Err(CodecError::Cell(_))));
    }
    assert!(codec.encode(&[&[1; 65][..]; 4], 64).is_err(), "a cell that is too long");
    assert!(codec.encode(&[cell; 4], 64).is_ok(), "and it works after all that");
}

#[test]
fn parities_are_what_they_were() {
    let crc = |shards: &[Vec<u8>]| shards.iter().map(|shard| crc_fast::crc32_iscsi(shard)).collect::<Vec<_>>();
    let parities = |data, parity, length| {
        let layout = Layout::new(data, parity, 65_536).unwrap();
        crc(&shards_of(&layout, &bytes(length, 7))[data as usize..])
    };
    assert_eq!(parities(4, 2, 600_000), GOLDEN_4_2);
    assert_eq!(parities(2, 1, 300_000), GOLDEN_2_1);
    assert_eq!(parities(10, 4, 1_000_003), GOLDEN_10_4);
    assert_eq!(parities(16, 8, 1 << 20), GOLDEN_16_8);
}

const GOLDEN_4_2: [u32; 2] = [4134460259, 1609289073];
const GOLDEN_2_1: [u32; 1] = [278348695];
const GOLDEN_10_4: [u32; 4] = [1729319372, 14831843, 970204728, 3177355836];
const GOLDEN_16_8: [u32; 8] =
    [1390801659, 2779361354, 1294441239, 903844265, 2918856508, 3953415401, 2599725098, 3270542696];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_block_comes_back_from_any_k_shards(
        data in 2u32..=16, parity in 1u32..=8, lines in 1u64..5, length in 1usize..6_000, seed: u64,
        order in prop::collection::vec(any::<u32>(), 24), lost_count in 0usize..=8,
    ) {
        let layout = Layout::new(data, parity, lines * 64).unwrap();
        let block = bytes(length, seed);
        let shards = shards_of(&layout, &block);
        prop_assert_eq!(&block_of(&layout, &shards, length as u64), &block);
        let mut lost: Vec<usize> = (0..shards.len()).collect();
        lost.sort_by_key(|shard| order[*shard]);
        lost.truncate(lost_count.min(parity as usize));
        check_lost(&layout, &shards, length as u64, &lost);
    }

    #[test]
    fn lines_come_back_without_the_rest_of_their_cells(
        data in 2u32..=16, parity in 1u32..=8, lines in 1usize..9, first in 0usize..8, count in 1usize..8, seed: u64,
    ) {
        let layout = Layout::new(data, parity, lines as u64 * 64).unwrap();
        let shards = shards_of(&layout, &bytes(layout.row_bytes() as usize, seed));
        let first = first.min(lines - 1);
        let range = first * 64..(first + count).min(lines) * 64;
        let lost = (seed % u64::from(data)) as usize;
        let cells: Vec<Option<&[u8]>> =
            shards.iter().enumerate().map(|(at, shard)| (at != lost).then(|| &shard[range.clone()])).collect();
        let restored = Codec::new(layout.scheme()).restore(&cells, range.len(), &[lost]).unwrap();
        prop_assert_eq!(&restored[0], &shards[lost][range]);
    }
}
