//! Any sequence of writes, deletions, compactions and starts against a map.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Write { id: u64, length: u64 },
    Delete { id: u64 },
    Read { id: u64, from: u64, to: u64 },
    Compact,
    Reopen,
    Cut { seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 0..4000u64, 3 => 30_000..SMALL_MAX, 1 => SMALL_MAX..SMALL_MAX + 80_000];
    prop_oneof![
        12 => (0..60u64, length).prop_map(|(id, length)| Step::Write { id, length }),
        6 => (0..60u64).prop_map(|id| Step::Delete { id }),
        6 => (0..60u64, 0..300_000u64, 0..300_000u64).prop_map(|(id, from, to)| Step::Read { id, from, to }),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(|seed| Step::Cut { seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_store_is_a_map(steps in prop::collection::vec(step(), 1..120)) {
        let mut disk = SimulatedDisk::default();
        let mut store = open_test(&disk);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        // After a cut, deletions that were not yet durable may be undone: of an id that was used again, which no
        // metaserver does, any of them.
        let mut limbo: BTreeSet<(u64, u64)> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Write { id, length } => {
                    let result = store.write(BlockId(id), bytes_of(id, length));
                    match model.get(&id) {
                        Some(&there) if there != length => prop_assert!(result.is_err()),
                        _ => {
                            result.unwrap();
                            model.insert(id, length);
                        }
                    }
                }
                Step::Delete { id } => {
                    prop_assert_eq!(store.delete(&[BlockId(id)]), [BlockId(id)]);
                    limbo.extend(model.remove(&id).map(|length| (id, length)));
                }
                Step::Read { id, from, to } => match model.get(&id) {
                    Some(&length) if from <= to && to <= length => {
                        let expected = bytes_of(id, length).slice(from as usize..to as usize);
                        prop_assert!(store.read(BlockId(id), from..to).unwrap() == expected);
                    }
                    _ => prop_assert!(store.read(BlockId(id), from..to).is_err()),
                },
                Step::Compact => {
                    compact(&store).unwrap();
                }
                Step::Reopen => {
                    drop(store);
                    store = open_test(&disk);
                }
                Step::Cut { seed } => {
                    let cut = disk.after_cut(&mut Random(seed));
                    drop(store);
                    disk = cut;
                    store = open_test(&disk);
                    for id in ids(&store) {
                        let length = store.length_bytes(BlockId(id)).unwrap();
                        if !model.contains_key(&id) && limbo.contains(&(id, length)) {
                            model.insert(id, length);
                        }
                    }
                }
            }
            prop_assert_eq!(ids(&store), model.keys().copied().collect::<Vec<_>>());
        }
        for (&id, &length) in &model {
            assert_whole(&store, id, length);
        }
        prop_assert_eq!(store.counters().damaged_blocks, 0);
    }
}
