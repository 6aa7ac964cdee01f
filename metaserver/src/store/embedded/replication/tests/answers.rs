//! When a commit is answered, and what that promises.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_has_what_was_answered_and_takes_over() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let refused = primary.commit(batch(0, 1, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::StandbyAway)), "{refused}");
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    for number in 1..40 {
        primary.commit(batch(0, number, 500)).await.unwrap();
    }
    assert_eq!(standby.belief().sequence, 39);
    let refused = standby.store().unwrap().commit(batch(0, 40, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::Following { .. })), "{refused}");
    let expected = everything(&*primary).await;
    wire.cut().await;
    let promoted = standby.promote(2, false).await.unwrap();
    assert_eq!(everything(&*promoted).await, expected);
    assert_eq!((promoted.epoch_min(), promoted.awaits_confirmation()), (2, false));
    promoted.begin_serving().unwrap();
    promoted.commit(batch(0, 40, 10)).await.unwrap();
    drop((promoted, standby));
    let reopened = b.serve().await.unwrap();
    assert_eq!((numbers(&*reopened).await[0], reopened.epoch_min()), (40, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optional_standby_is_let_go_and_that_is_noted_before_anyone_is_answered_without_it() {
    let (mut a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    // Where there never was a standby, nothing is waited for.
    primary.commit(batch(0, 1, 10)).await.unwrap();
    assert_eq!(primary.standing().alone, None);
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 2, 10)).await.unwrap();
    drop(wire);
    // It may come back in time.
    let wire = connect(&primary, &standby).unwrap();
    primary.commit(batch(0, 3, 10)).await.unwrap();
    in_sync(&primary, &standby).await;
    assert_eq!((primary.standing().alone, standby.belief().sequence), (None, 3));
    drop(wire);
    let begun = std::time::Instant::now();
    primary.commit(batch(0, 4, 10)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "it is waited for as long as was chosen");
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(3));
    let begun = std::time::Instant::now();
    for number in 5..15 {
        primary.commit(batch(0, number, 10)).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "one that was let go is not waited for");

    // The note outlives a power cut, and goes when the standby is in sync again.
    drop(primary);
    a.cut(&mut Random(1));
    let primary = a.serve().await.unwrap();
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(3));
    let _wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    assert_eq!((primary.standing().alone, standby.belief().sequence), (None, 14));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_required_standby_commits_stop_and_nothing_in_flight_is_answered() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let mut wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    wire.deafen_primary().await;
    let (store, in_flight) = (primary.clone(), batch(0, 2, 10));
    let in_flight = tokio::spawn(async move { store.commit(in_flight).await });
    until("away", || primary.standing().phase == Phase::Away).await;
    assert!(!in_flight.is_finished());
    assert_eq!(numbers(&*primary).await[0], 1, "nobody sees what was not answered");
    let refused = primary.commit(batch(1, 1, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::StandbyAway)), "{refused}");
    drop(wire);
    let _wire = connect(&primary, &standby).unwrap();
    in_flight.await.unwrap().unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(1, 1, 10)).await.unwrap();
    assert_eq!(standby.belief().sequence, 3);
}
