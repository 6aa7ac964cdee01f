//! Disks that are slow: what blocks takes simulated time.

use std::cell::RefCell;
use std::time::Duration;

type Hook = Box<dyn Fn() -> Option<Duration>>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// From now on `hook` is asked, whenever something that blocks begins on this simulated thread, how long its disk makes it
/// wait first; `None`: it does not. It is called within the runtime of the machine concerned.
pub fn on_blocking(hook: impl Fn() -> Option<Duration> + 'static) {
    HOOK.set(Some(Box::new(hook)));
}

/// Waits as long as the hook says.
pub(crate) async fn delay() {
    let asked = HOOK.with_borrow(|hook| hook.as_ref().and_then(|hook| hook()));
    if let Some(duration) = asked {
        tokio::time::sleep(duration).await;
    }
}
