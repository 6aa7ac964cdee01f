//! A primary that starts, with commits that its standby may lack: nobody is told of them.

use super::*;

/// A primary that ended with its second commit in flight, of which its standby has heard nothing.
async fn crashed() -> (Machine, StandbyStore) {
    let (mut a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    wire.tasks[0].abort();
    until("deaf", || wire.tasks[0].is_finished()).await;
    let store = primary.clone();
    let in_flight = tokio::spawn(async move { store.commit(batch(0, 2, 10)).await });
    until("in the journal", || primary.followers.durable() == 2).await;
    assert!(!in_flight.is_finished());
    assert_eq!(numbers(&*primary).await[0], 1);
    in_flight.abort();
    let _ = in_flight.await;
    wire.cut().await;
    drop(primary);
    a.cut(&mut Random(1));
    assert!(standby.belief().in_sync && standby.belief().sequence == 1);
    (a, standby)
}

fn awaiting(store: &Arc<EmbeddedStore>) -> JoinHandle<Result<(), StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.await_standby().await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_flight_at_a_crash_is_told_when_the_standby_has_it_and_not_before() {
    let (a, standby) = crashed().await;
    let primary = a.serve().await.unwrap();
    assert_eq!(numbers(&*primary).await[0], 2, "it is in the journal");
    assert!(primary.awaits_standby() && primary.standing().awaited);
    let awaiting = awaiting(&primary);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!awaiting.is_finished() && primary.awaits_standby(), "a required one is waited for without end");
    let _wire = connect(&primary, &standby).unwrap();
    awaiting.await.unwrap().unwrap();
    assert!(!primary.awaits_standby());
    assert_eq!(numbers(&*standby.store().unwrap()).await[0], 2);
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 3, 10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_promoted_instead_lacks_only_what_nobody_was_told_of() {
    let (a, standby) = crashed().await;
    let primary = a.serve().await.unwrap();
    let promoted = standby.promote(2, false).await.unwrap();
    promoted.begin_serving().unwrap();
    assert!(!promoted.awaits_standby());
    assert_eq!(numbers(&*promoted).await[0], 1);
    assert!(primary.awaits_standby());
    let refused = primary.commit(batch(0, 3, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::StandbyAway)), "{refused}");
    // The old one follows, and loses it; promoted in its turn, it waits for nobody.
    drop(primary);
    let old = a.follow().await.unwrap();
    let wire = connect(&promoted, &old).unwrap();
    in_sync(&promoted, &old).await;
    wire.cut().await;
    let promoted = old.promote(3, false).await.unwrap();
    promoted.begin_serving().unwrap();
    assert!(!promoted.awaits_standby());
    assert_eq!(numbers(&*promoted).await[0], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_ends_with_the_last_commit_of_the_start_and_not_before() {
    let (a, _standby) = crashed().await;
    let primary = a.open().await.unwrap();
    primary.commit(batch(1, 1, 10)).await.unwrap();
    assert!(!primary.awaits_standby(), "a start's own commits wait for nobody");
    primary.begin_serving().unwrap();
    let position = Position { sequence: 0, frame: None };
    let (attachment, _receiver) = primary.attach("s".into(), "standby:1".into(), position).unwrap();
    for sequence in [1, 2] {
        primary.acknowledge(attachment, sequence).unwrap();
        assert!(primary.awaits_standby(), "{sequence}");
    }
    primary.acknowledge(attachment, 3).unwrap();
    primary.detach(attachment, "it was enough");
    assert!(!primary.awaits_standby());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optional_standby_is_waited_for_at_a_start_until_it_is_let_go() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    assert!(!primary.awaits_standby(), "there was none");
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    wire.cut().await;
    drop(primary);

    let primary = a.serve().await.unwrap();
    assert!(primary.awaits_standby());
    let wire = connect(&primary, &standby).unwrap();
    awaiting(&primary).await.unwrap().unwrap();
    assert_eq!(primary.standing().alone, None, "it came in time");
    in_sync(&primary, &standby).await;
    wire.cut().await;
    drop(primary);

    let primary = a.serve().await.unwrap();
    let begun = std::time::Instant::now();
    awaiting(&primary).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300) && !primary.awaits_standby());
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(1));
    drop(primary);
    let primary = a.serve().await.unwrap();
    assert!(!primary.awaits_standby(), "one that was let go is not waited for, and that is durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_waited_for_where_no_standby_counts() {
    let mut a = Machine::new(StandbyMode::Required);
    for _ in 0..2 {
        let primary = a.serve().await.unwrap();
        assert!(!primary.awaits_standby(), "there never was one");
    }
    let (mut crashed, _standby) = crashed().await;
    crashed.mode = StandbyMode::None;
    let primary = crashed.serve().await.unwrap();
    assert!(!primary.awaits_standby() && primary.standing().alone.is_some());
    drop(primary);
    // It was done without, so it does not count any more.
    crashed.mode = StandbyMode::Required;
    assert!(!crashed.serve().await.unwrap().awaits_standby());
    a.mode = StandbyMode::Optional;
    assert!(!a.serve().await.unwrap().awaits_standby());
}
