//! Power cuts, of either machine or both, at any step.

use super::*;

/// What each client had acknowledged last.
type Acknowledged = [AtomicU64; CLIENTS];

/// Looks at what is there as soon as anyone is told, then commits until the store takes no more.
async fn work(store: Arc<EmbeddedStore>, acknowledged: Arc<Acknowledged>, seed: u64) {
    while store.awaits_standby() {
        if store.get(b"sum").await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if store.get(b"sum").await.is_err() {
        return;
    }
    see(&*store, &acknowledged).await;
    let clients = (0..CLIENTS).map(|client| {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        let mut random = Random(seed.wrapping_mul(31).wrapping_add(client as u64));
        async move {
            loop {
                let number = acknowledged[client].load(Ordering::SeqCst) + 1;
                match store.commit(batch(client, number, random.below(700) as usize)).await {
                    Ok(_) => acknowledged[client].store(number, Ordering::SeqCst),
                    Err(CommitError::Store(StoreError::StandbyAway)) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(_) => return,
                }
            }
        }
    });
    futures::future::join_all(clients).await;
}

/// Whoever has seen something counts on it from now on.
async fn see(store: &dyn Store, acknowledged: &Acknowledged) {
    let found = numbers(store).await;
    found.iter().zip(acknowledged).for_each(|(found, acknowledged)| acknowledged.store(*found, Ordering::SeqCst));
}

/// Nothing acknowledged, or seen, is missing; at most what was in flight is there beside it.
async fn check(store: &dyn Store, acknowledged: &Acknowledged, context: &str) {
    let found = numbers(store).await;
    for (client, acknowledged) in acknowledged.iter().enumerate() {
        let known = acknowledged.load(Ordering::SeqCst);
        let found = found[client];
        assert!(found == known || found == known + 1, "{context}: client {client} was told {known}, {found} is there");
    }
    let sum = store.get(b"sum").await.unwrap().map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()));
    assert_eq!(sum, found.iter().sum::<u64>(), "{context}: half a batch");
}

/// Power is cut on either machine or both, the wire breaks, and in the end one of the two is all that is left.
async fn one_life(seed: u64) {
    let mut random = Random(seed);
    let mut machines = [Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required)];
    let acknowledged: Arc<Acknowledged> = Arc::default();
    let mut leader = 0;
    for round in 0..5 {
        let context = format!("seed {seed}, round {round}");
        let (primary, standby) =
            (machines[leader].serve().await.unwrap(), machines[1 - leader].follow().await.unwrap());
        let mut wire = Some(connect(&primary, &standby).unwrap());
        let working = tokio::spawn(work(primary.clone(), acknowledged.clone(), random.next()));
        let begun = std::time::Instant::now();
        // Or power is cut before they agree.
        let is_awaited = round == 0 || random.below(3) > 0;
        while is_awaited && !(primary.standing().phase == Phase::InSync && standby.belief().in_sync) {
            let standing = primary.standing();
            assert!(begun.elapsed() < Duration::from_secs(20), "{context}: {standing:?}, {:?}", standby.belief());
            if standing.phase == Phase::Away {
                // The journal may have moved on meanwhile: then it is seeded anew.
                drop(wire.take());
                wire = connect(&primary, &standby).ok();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for machine in &machines {
            if random.below(3) > 0 {
                machine.disk.power_off_at(machine.disk.steps() + random.below(200));
            }
        }
        for _ in 0..random.below(4) {
            tokio::time::sleep(Duration::from_millis(random.below(30))).await;
            drop(wire.take());
            wire = connect(&primary, &standby).ok();
        }
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        // Whatever is still on is turned off, too.
        machines.iter().for_each(|machine| machine.disk.power_off_at(0));
        if let Some(wire) = wire {
            wire.cut().await;
        }
        drop(primary.close().await);
        working.await.unwrap();
        let believes = standby.belief().in_sync;
        drop((primary, standby));
        machines.iter_mut().for_each(|machine| machine.cut(&mut random));
        if !believes {
            // It knows that it may lack something: the primary goes on.
            let store = machines[leader].open().await.unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&*store, &acknowledged, &context).await;
            continue;
        }
        let standby = machines[1 - leader].follow().await.unwrap_or_else(|error| panic!("{context}: {error}"));
        let is_promoted = standby.belief().in_sync && random.flip();
        if is_promoted {
            let promoted = standby.promote(round + 2, false).await.unwrap();
            check(&*promoted, &acknowledged, &format!("{context}, promoted")).await;
            promoted.begin_serving().unwrap();
            leader = 1 - leader;
            drop((promoted, standby));
            continue;
        }
        let store = machines[leader].open().await.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&*store, &acknowledged, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_power_cuts_do_a_standby_in_sync_has_all_that_was_answered() {
    for seed in 0..20 {
        one_life(seed).await;
    }
}

/// Each step of taking a checkpoint's place may be the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_step_of_seeding_leaves_a_standby_that_can_be_seeded() {
    let a = Machine::new(StandbyMode::Optional);
    let primary = a.serve().await.unwrap();
    for number in 1..60 {
        primary.commit(batch(0, number, 600)).await.unwrap();
    }
    primary.checkpoint().await.unwrap();
    primary.checkpoint().await.unwrap();
    let expected = everything(&*primary).await;
    let mut cut_at = 0;
    loop {
        let mut b = Machine::new(StandbyMode::Optional);
        let standby = b.follow().await.unwrap();
        b.disk.power_off_at(b.disk.steps() + cut_at);
        let wire = connect(&primary, &standby).unwrap();
        let has_ended = || wire.tasks[0].is_finished();
        until("the end", || has_ended() || standby.belief().in_sync).await;
        let has_come = !has_ended();
        wire.cut().await;
        if let Ok(store) = standby.store() {
            let _ = store.close().await;
        }
        drop(standby);
        b.cut(&mut Random(cut_at));
        let standby = b.follow().await.unwrap_or_else(|error| panic!("cut at step {cut_at}: {error}"));
        let wire = connect(&primary, &standby).unwrap();
        in_sync(&primary, &standby).await;
        assert_eq!(everything(&*standby.store().unwrap()).await, expected, "cut at step {cut_at}");
        wire.cut().await;
        if has_come {
            break;
        }
        cut_at += 1 + cut_at / 8;
    }
    assert!(cut_at > 20, "{cut_at} steps");
}
