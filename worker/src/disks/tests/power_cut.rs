use super::*;
use std::collections::BTreeMap;

/// Two disks against a map: writes, deletions, compactions, starts and power cuts, one of the disks full at times.
#[tokio::test(flavor = "multi_thread")]
async fn two_disks_are_a_map_whatever_is_cut() {
    let (mut cuts, mut on_both) = (0, 0);
    for round in 0..25 {
        let mut machine = Machine::default();
        let mut random = Random(round);
        let mut disks = open(&machine, &["/a", "/b"]);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for id in 1..=80 {
            match random.below(12) {
                0 | 1 => {
                    let victim = random.below(id);
                    assert_eq!(disks.delete(&[BlockId(victim)]), [BlockId(victim)]);
                    model.remove(&victim);
                }
                2 => disks.stores().iter().for_each(|(_, store)| {
                    threads::block_on(store.compact()).unwrap();
                }),
                3 => machine.disks[random.below(2) as usize].set_available(random.below(2) << 40),
                4 => {
                    let cut = machine.after_cut(round * 1000 + id);
                    (machine, cuts) = (cut, cuts + 1);
                    drop(disks);
                    disks = open(&machine, if random.below(2) == 0 { &["/a", "/b"] } else { &["/b", "/a"] });
                    assert_eq!(disks.counters().damaged_blocks, 0, "a cut is no damage");
                    model.iter().for_each(|(&id, &length)| assert_whole(&disks, id, length));
                }
                _ => {
                    let length = random.below(2 * SMALL_MAX);
                    match write(&disks, id, length).await {
                        Ok(()) => drop(model.insert(id, length)),
                        Err(WorkerError::Store(StoreError::NoSpace { .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            disks.look();
        }
        // Deletions that a cut undid come back as garbage, which the inventory tells; nothing else does.
        let found = ids(&disks);
        assert!(model.keys().all(|id| found.contains(id)));
        assert!(found.is_sorted() && each(&disks).concat().len() == found.len(), "each block is on one disk");
        on_both += usize::from(each(&disks).iter().all(|ids| !ids.is_empty()));
    }
    assert!(cuts > 50 && on_both > 15, "{cuts} cuts, {on_both} times with blocks on both");
}
