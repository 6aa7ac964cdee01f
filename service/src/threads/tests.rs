use super::*;
use crate::simulation;
use parking_lot::Mutex;

/// Counts up to three when it is told to, and then ends.
async fn count(state: Arc<(Mutex<u32>, Condition)>, mut orders: Receiver<u32>) {
    while let Some(order) = orders.recv().await {
        *state.0.lock() += order;
        pause(Duration::from_millis(1)).await;
        state.1.notify();
    }
}

async fn three_orders() {
    let state: Arc<(Mutex<u32>, Condition)> = Arc::default();
    let (sender, receiver) = channel();
    let of_thread = state.clone();
    let thread = start("count", move || count(of_thread, receiver)).unwrap();
    for order in 1..=3 {
        assert!(sender.send(order));
    }
    let waited = state.clone();
    let waiting = async move { waited.1.wait_for(&waited.0, |count| (*count == 6).then_some(*count)).await };
    assert_eq!(spawn_waiting(waiting).await.unwrap(), 6);
    drop(sender);
    assert!(thread.ended().await);
}

#[tokio::test]
async fn a_thread_does_what_it_is_told() {
    three_orders().await;
}

#[tokio::test]
async fn a_simulated_thread_does_the_same_on_the_thread_of_its_runtime() {
    let _simulated = simulation::enter();
    let own = std::thread::current().id();
    three_orders().await;
    let ran = spawn_blocking(|| std::thread::current().id()).await.unwrap();
    let beside = Beside::start("beside", || std::thread::current().id()).unwrap().take();
    let scoped = side_by_side(vec![|| std::thread::current().id(); 2]);
    assert_eq!((ran, beside, scoped), (own, Some(own), vec![own; 2]));
}

#[tokio::test]
async fn what_is_started_outside_of_a_simulation_has_threads_of_its_own() {
    let own = std::thread::current().id();
    drop(simulation::enter());
    let ran = spawn_blocking(|| std::thread::current().id()).await.unwrap();
    let scoped = side_by_side(vec![|| std::thread::current().id(); 2]);
    assert!(ran != own && scoped[0] != own && scoped[1] != own);
}

#[tokio::test]
async fn whoever_waits_with_looks_needs_no_notice() {
    let (state, condition) = (Arc::new(Mutex::new(0)), Condition::default());
    let interval = Duration::from_millis(1);
    let looked = state.clone();
    let look = move |count: &mut u32| {
        *count += 1;
        (*count == 3).then_some(())
    };
    spawn_waiting(async move { condition.wait_with_looks(interval, &looked, look).await }).await.unwrap();
    assert_eq!(*state.lock(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_simulated_wait_costs_no_real_time() {
    let _simulated = simulation::enter();
    let (began, real) = (tokio::time::Instant::now(), std::time::Instant::now());
    let (sender, mut receiver) = channel::<u32>();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(60)).await, Err(RecvError::Timeout));
    let (state, condition, mut looks) = (Mutex::new(()), Condition::default(), 0);
    let look = |(): &mut ()| {
        looks += 1;
        (looks == 4).then_some(())
    };
    condition.wait_with_looks(Duration::from_secs(20), &state, look).await;
    pause(Duration::from_secs(60)).await;
    assert_eq!(began.elapsed().as_secs(), 180);
    assert!(real.elapsed().as_secs() < 60);
    drop(sender);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(60)).await, Err(RecvError::Disconnected));
}

#[tokio::test]
async fn a_simulated_thread_that_is_ended_does_nothing_more() {
    let _simulated = simulation::enter();
    let done = Arc::new(Mutex::new(0));
    let counted = done.clone();
    let thread = start("endless", move || async move {
        loop {
            *counted.lock() += 1;
            tokio::task::yield_now().await;
        }
    });
    tokio::task::yield_now().await;
    let before = *done.lock();
    assert!(before > 0 && thread.unwrap().end());
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(*done.lock(), before);
}

#[tokio::test(start_paused = true)]
async fn what_blocks_takes_as_long_as_a_slow_disk_makes_it() {
    let _simulated = simulation::enter();
    simulation::on_blocking(|| Some(Duration::from_secs(7)));
    let began = tokio::time::Instant::now();
    let passed = move || began.elapsed().as_secs();
    assert_eq!(spawn_blocking(passed).await.unwrap(), 7);
    assert_eq!(spawn_waiting(async move { passed() }).await.unwrap(), 14);
    let (sender, mut receiver) = channel();
    sender.send(1);
    assert_eq!((receiver.recv().await, passed()), (Some(1), 21));
    sender.send(2);
    assert_eq!((receiver.recv_timeout(Duration::from_secs(1)).await, passed()), (Ok(2), 28));
    let (state, condition) = (Mutex::new(3), Condition::default());
    assert_eq!((condition.wait_for(&state, |count| Some(*count)).await, passed()), (3, 35));
    simulation::on_blocking(|| None);
    assert_eq!(spawn_blocking(passed).await.unwrap(), 35);
}
