use super::*;
use std::collections::BTreeMap;

fn failed(disks: &Disks) -> Vec<usize> {
    disks.failed_indexes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_passed_over_and_all_full_is_no_space() {
    for (small, large) in [(true, false), (false, true)] {
        let length = if small { 1000 } else { 2 * SMALL_MAX };
        let machine = Machine::default();
        let disks = open(&machine, &["/a", "/b"]);
        // It says that it has room, and has none.
        machine.disks[0].fail(Fault::full());
        for id in 1..=30 {
            put(&disks, id, length).await;
        }
        assert_eq!(each(&disks)[0], Vec::<u64>::new(), "small {small}, large {large}");
        machine.disks[1].fail(Fault::full());
        for id in 31..=40 {
            let error = write(&disks, id, length).await.unwrap_err();
            assert!(matches!(error, WorkerError::Store(StoreError::NoSpace { .. })), "{error}");
        }
        assert!(failed(&disks).is_empty(), "full is not broken");
        machine.disks[0].heal();
        put(&disks, 50, length).await;
        (1..=30).chain([50]).for_each(|id| assert_whole(&disks, id, length));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_gets_nothing_new() {
    let machine = Machine::default();
    machine.disks[0].set_available(0);
    let disks = open(&machine, &["/a", "/b"]);
    for id in 1..=20 {
        put(&disks, id, 100).await;
    }
    assert_eq!(each(&disks)[0], Vec::<u64>::new());
    machine.disks[0].set_available(1 << 50);
    disks.look();
    for id in 21..=40 {
        put(&disks, id, 100).await;
    }
    assert!(each(&disks)[0].len() > 15, "its room is news within a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_whose_fsync_fails_is_out_and_its_blocks_are_read_until_they_are_elsewhere() {
    let machine = Machine::default();
    let disks = open(&machine, &["/a", "/b"]);
    for id in 1..=60 {
        put(&disks, id, 500).await;
    }
    let on_first = each(&disks)[0].clone();
    machine.disks[0].fail(Fault::broken(Kind::SYNCS));
    let mut refused = 0;
    for id in 61..=90 {
        refused += u32::from(write(&disks, id, if id % 2 == 0 { 500 } else { 2 * SMALL_MAX }).await.is_err());
    }
    assert!(refused <= 1, "a file whose fsync fails is the sender's to write again; all others went on: {refused}");
    machine.disks[0].heal();
    assert_eq!(failed(&disks), [0]);
    assert!(disks.reports()[0].failure.is_some() && disks.reports()[0].usage.is_none());
    (1..=60).for_each(|id| assert_whole(&disks, id, 500));
    let mut lost = disks.lost(0, None, 7).0;
    lost.extend(disks.lost(0, lost.last().copied(), 1000).0);
    let lost: Vec<u64> = lost.into_iter().map(|id| id.0).collect();
    assert_eq!(lost, on_first, "those that only it had");
    assert!(lost.iter().all(|&id| disks.keeping(BlockId(id)).is_err()), "none of them counts");
    assert!(ids(&disks).iter().all(|id| !on_first.contains(id)));
    put(&disks, lost[0], 500).await;
    assert!(disks.keeping(BlockId(lost[0])).is_ok());
    assert!(!disks.lost(0, None, 1000).0.contains(&BlockId(lost[0])), "repair has brought it back");
    assert!(tokio::time::timeout(std::time::Duration::ZERO, disks.failed()).await.is_err(), "the worker goes on");
    machine.disks[1].fail(Fault::broken(Kind::SYNCS));
    write(&disks, 100, 500).await.unwrap_err();
    assert!(disks.failed().await.is_some(), "until the last one fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_no_longer_the_disk_that_it_was_takes_nothing_more() {
    let machine = Machine::default();
    let disks = open(&machine, &["/a", "/b"]);
    machine.rename(Path::new("/b/disk"), Path::new("/b/gone")).unwrap();
    disks.look();
    assert_eq!(failed(&disks), [1]);
    machine.remove_file(Path::new("/a/disk")).unwrap();
    disks.look();
    assert_eq!(failed(&disks), [1], "the last one is kept");
    put(&disks, 1, 10).await;
    assert_eq!(ids(&disks), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_damaged_on_one_disk_is_whole_once_another_has_it() {
    let machine = Machine::default();
    let disks = open(&machine, &["/a"]);
    put(&disks, 1, 2 * SMALL_MAX).await;
    let (path, mut bytes) =
        machine.disks[0].files().into_iter().find(|(path, _)| path.extension().is_some_and(|e| e == "block")).unwrap();
    bytes[9000] ^= 1;
    machine.disks[0].put(&path, bytes);
    drop(disks);
    let disks = open(&machine, &["/a", "/b"]);
    assert!(disks.reading(BlockId(1)).unwrap().read(BlockId(1), 0..2 * SMALL_MAX).is_err());
    assert_eq!(disks.damaged_unreported(), [BlockId(1)]);
    assert!(matches!(disks.keeping(BlockId(1)), Err(StoreError::Damaged { .. })));
    machine.disks[0].fail(Fault::full());
    put(&disks, 1, 2 * SMALL_MAX).await;
    machine.disks[0].heal();
    assert_eq!((each(&disks), disks.damaged()), (vec![vec![], vec![1]], vec![]));
    disks.forget_damage(BlockId(1)).unwrap();
    assert!(!machine.disks[0].files().iter().any(|(path, _)| path.starts_with("/a/quarantine")));
}

/// Whatever was acknowledged before the disk broke, at any operation, is on it or on the other one; whatever is
/// written afterwards is on the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_may_break_at_any_operation() {
    let mut partly = 0;
    for operations in (0..300).step_by(3) {
        let machine = Machine::default();
        let disks = open(&machine, &["/a", "/b"]);
        let mut random = Random(operations);
        machine.disks[0].fail(Fault { after: operations, ..Fault::broken(Kind::ALL) });
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for id in 1..=60 {
            let length = random.below(2 * SMALL_MAX);
            if write(&disks, id, length).await.is_ok() {
                model.insert(id, length);
            } else if let Some((&victim, _)) = model.iter().next() {
                disks.delete(&[BlockId(victim)]);
                model.remove(&victim);
            }
        }
        if machine.disks[0].failures() == 0 {
            break;
        }
        assert!(model.len() > 50, "the other disk takes what the broken one does not: {}", model.len());
        assert_eq!(failed(&disks), [0], "after {operations} operations");
        let lost: Vec<u64> = disks.lost(0, None, 1000).0.iter().map(|id| id.0).collect();
        for (&id, &length) in &model {
            let told = lost.contains(&id) || disks.damaged_unreported().contains(&BlockId(id));
            match disks.keeping(BlockId(id)).is_ok() {
                true => assert_whole(&disks, id, length),
                false => assert!(told, "block {id} is neither here nor told of"),
            }
        }
        partly += usize::from(!lost.is_empty());
        drop(disks);
        let mut machine = machine.after_cut(operations);
        machine.disks[0] = SimulatedDisk::default();
        let id = {
            let error = try_open(&machine, &settings(&["/a", "/b"])).map(|_| ()).unwrap_err();
            let WorkerError::MissingDisk { id, .. } = error else { panic!("{error}") };
            id
        };
        let forgetting = WorkerSettings { forget_disks: vec![id], ..settings(&["/a", "/b"]) };
        let disks = try_open(&machine, &forgetting).unwrap();
        for (&id, &length) in model.iter().filter(|(id, _)| !lost.contains(id)) {
            if disks.keeping(BlockId(id)).is_ok() {
                assert_whole(&disks, id, length);
            }
        }
    }
    assert!(partly > 30, "most of the time something was on it: {partly}");
}
