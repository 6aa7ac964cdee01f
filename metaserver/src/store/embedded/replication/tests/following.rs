//! What goes over the wire: where a standby goes on, and what it does not believe.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_comes_back_goes_on_or_is_seeded() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let mut number = 0;
    // A few commits, which the journal keeps; many, which it does not; and with the standby started anew in between.
    for rounds in [3, 5, 400, 3, 400] {
        for _ in 0..rounds {
            number += 1;
            primary.commit(batch(0, number, 600)).await.unwrap();
        }
        primary.checkpoint().await.unwrap();
        let wire = connect(&primary, &standby).unwrap();
        in_sync(&primary, &standby).await;
        assert_eq!(everything(&*standby.store().unwrap()).await, everything(&*primary).await, "{rounds}");
        drop(wire);
    }
    // Just seeded, with no frame in its journal: it knows where it is all the same.
    let at = standby.position().unwrap();
    assert!(at.frame.is_some_and(|frame| frame.last == at.sequence));
    standby.close().await.unwrap();
    drop(standby);
    let standby = b.follow().await.unwrap();
    assert_eq!(standby.position().unwrap(), at);
    let refused = b.open().await;
    assert!(matches!(refused, Err(StoreError::Io { .. } | StoreError::Following { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_replaced_takes_no_commits_and_loses_its_tail_when_it_follows() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    drop(wire);
    // Answered without the standby, which is forced to take over.
    primary.commit(batch(0, 2, 10)).await.unwrap();
    primary.commit(batch(0, 3, 10)).await.unwrap();
    let promoted = standby.promote(2, true).await.unwrap();
    assert!(promoted.awaits_confirmation(), "it lacks something, so nothing is deleted");
    promoted.begin_serving().unwrap();
    for number in 2..9 {
        promoted.commit(batch(1, number, 10)).await.unwrap();
    }
    assert_eq!(primary.step_down(2).await.unwrap(), 3);
    let refused = primary.commit(batch(0, 4, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::Replaced { epoch: 2, .. })), "{refused}");
    drop(primary);
    assert!(matches!(a.open().await, Err(StoreError::Replaced { epoch: 2, .. })));
    let old = a.follow().await.unwrap();
    let _wire = connect(&promoted, &old).unwrap();
    in_sync(&promoted, &old).await;
    assert_eq!(everything(&*old.store().unwrap()).await, everything(&*promoted).await);
    let other = Machine::new(StandbyMode::None).follow().await.unwrap();
    assert!(matches!(connect(&promoted, &other), Err(FollowError::Taken { .. })));
    assert!(matches!(connect(&old.store().unwrap(), &other), Err(FollowError::Standby)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_can_not_believe_changes_nothing() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    for number in 1..4 {
        primary.commit(batch(0, number, 10)).await.unwrap();
    }
    assert!(matches!(primary.acknowledge(wire.attachment, 4), Err(StoreError::Refused { .. })));
    drop(wire);
    let expected = everything(&*standby.store().unwrap()).await;
    let mut payload = Vec::new();
    changes::push(&mut payload, (b"key", Some(b"value")));
    let good = |first, last, payload: &[u8]| Frame {
        first,
        last,
        run: 1,
        payload_crc: crc32c(payload),
        payload: Bytes::copy_from_slice(payload),
    };
    let long = [b"x".as_slice(); MAX_STORE_KEY_BYTES + 1].concat();
    let mut too_long = Vec::new();
    too_long.extend((long.len() as u16).to_le_bytes());
    too_long.extend([0; 4]);
    too_long.extend(&long);
    let bad = [
        ("a wrong checksum", Frame { payload_crc: 1, ..good(4, 4, &payload) }),
        ("no order", good(5, 4, &payload)),
        ("no sequence", good(0, 4, &payload)),
        ("the last number", good(4, u64::MAX, &payload)),
        ("a gap", good(5, 5, &payload)),
        ("what is there", good(3, 3, &payload)),
        ("an overlap", good(3, 5, &payload)),
        ("no changes", good(4, 4, b"nothing of the kind")),
        ("a key that is too long", good(4, 4, &too_long)),
    ];
    let of = Primary { address: "primary:1".into(), mode: StandbyMode::Required, restored: false };
    let (acknowledged, mut acknowledgements) = mpsc::channel(8);
    for (what, frame) in bad {
        let said = [ToStandby::Continue, ToStandby::Frame(frame)];
        let ended = standby.follow(&of, futures::stream::iter(said), &acknowledged).await;
        assert!(matches!(ended, Err(StoreError::Refused { .. })), "{what}: {ended:?}");
    }
    let position = Position { sequence: 9, frame: None };
    let seed = |bytes| ToStandby::Seed { bytes, position };
    let piece = |length| ToStandby::SeedPiece(Bytes::from(vec![7; length]));
    for (what, said) in [
        ("a frame before a word", vec![ToStandby::Frame(good(4, 4, &payload))]),
        ("in sync before a word", vec![ToStandby::InSync { sequence: 3 }]),
        ("a piece of nothing", vec![ToStandby::Continue, piece(10)]),
        ("more than was said", vec![seed(10), piece(11)]),
        ("no checkpoint", vec![seed(10), piece(10)]),
        ("an empty piece", vec![seed(10), piece(0)]),
    ] {
        let ended = standby.follow(&of, futures::stream::iter(said), &acknowledged).await;
        assert!(matches!(ended, Err(StoreError::Refused { .. } | StoreError::Damaged { .. })), "{what}: {ended:?}");
    }
    assert!(acknowledgements.try_recv().is_err());
    assert_eq!(everything(&*standby.store().unwrap()).await, expected);
    let _wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 4, 10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failure_of_a_standbys_disk_is_its_own() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    b.disk.fail(Fault::broken(Kind::SYNCS));
    primary.commit(batch(0, 1, 10)).await.unwrap();
    assert!(wire.ended().await.is_err());
    primary.commit(batch(0, 2, 10)).await.unwrap();
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(0));
}
