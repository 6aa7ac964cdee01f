use super::*;
use crate::blocks::coded_block::ShardPlace;
use parking_lot::Mutex;
use proptest::prelude::*;
use weir_coding::Layout;

fn block(data: u32, parity: u32, cell_bytes: u64, length_bytes: u64) -> Arc<CodedBlock> {
    let layout = Layout::new(data, parity, cell_bytes).unwrap();
    let place = |_| ShardPlace { workers: Vec::new(), local: Arc::default() };
    let shards = (0..layout.scheme().shards()).map(place).collect();
    Arc::new(CodedBlock { block_id: 1, layout, length_bytes, shards, poor: Mutex::default() })
}

proptest! {
    #[test]
    fn whatever_memory_there_is_the_parts_of_a_range_are_its_bytes(
        data in 2u32..6, lines in 1u64..5, length in 1u64..5_000, begin: u64, wanted: u64,
        grants in prop::collection::vec(1u64..2_000, 1..8), is_poor: bool,
    ) {
        let block = block(data, 2, lines * 64, length);
        if is_poor {
            block.poor.lock().insert(0);
        }
        let begin = begin % length;
        let end = begin + 1 + wanted % (length - begin);
        let bytes = (0..length).map(|at| ((at * 31) >> 3) as u8).collect::<Vec<u8>>();
        // The naive model: each byte is where the layout says.
        let mut shards = vec![Vec::new(); block.shards.len()];
        for at in 0..length {
            shards[block.layout.place_of(length, at).shard].push(bytes[at as usize]);
        }
        let (mut at, mut read) = (begin, Vec::new());
        let mut grants = grants.iter().cycle();
        while at < end {
            let granted = *grants.next().unwrap();
            let (length_bytes, memory_bytes) = block.part(at, end - at, granted);
            prop_assert!(length_bytes > 0 && length_bytes <= end - at && memory_bytes <= granted);
            // Without memory for a line, a line.
            let width = if is_poor { u64::from(data) } else { 1 };
            prop_assert!(granted < 64 * width || length_bytes <= memory_bytes);
            let rows = Rows { block: block.clone(), offset_bytes: at, length_bytes };
            let share = rows.share();
            let run_bytes = share.run.end - share.run.start;
            prop_assert!(run_bytes.is_multiple_of(64) && share.wanted.end <= data as usize);
            let run = |(shard, bytes): (usize, &Vec<u8>)| {
                let until = bytes.len().min(share.run.end as usize);
                let run = &bytes[(share.run.start as usize).min(until)..until];
                share.wanted.contains(&shard).then(|| Bytes::copy_from_slice(run))
            };
            let runs: Vec<Option<Bytes>> = shards.iter().enumerate().map(run).collect();
            rows.frames(&share, &runs).iter().for_each(|frame| read.extend_from_slice(frame));
            at += length_bytes;
            prop_assert_eq!(read.len() as u64, at - begin);
        }
        prop_assert!(read[..] == bytes[begin as usize..end as usize]);
    }
}
