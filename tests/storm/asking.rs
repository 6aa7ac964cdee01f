//! A gateway that is cut off from the metaserver is asked all the while: it has to say that it can't serve, and to serve
//! again by itself.

use crate::link::Link;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two requests, whether the first is answered or not.
const PAUSE: Duration = Duration::from_millis(500);
/// What the metaserver confirmed within the last second is still good; one more for packets on their way.
const MAY_SERVE: Duration = Duration::from_secs(2);
/// A gateway waits for the metaserver before it refuses: `WAIT_FOR` of its `auth/follow.rs`, and a margin.
const REFUSES_WITHIN: Duration = Duration::from_secs(8);
const SERVES_AGAIN_WITHIN: Duration = Duration::from_secs(10);

pub struct Asking {
    began: Instant,
    ended: Arc<OnceLock<Instant>>,
    thread: JoinHandle<Vec<Asked>>,
}

struct Asked {
    at: Instant,
    answered: Instant,
    /// The status, and whether it says when to come back.
    answer: Option<(u16, bool)>,
}

impl Asking {
    pub fn begin(gateway: SocketAddr, path: String) -> Self {
        let ended = Arc::new(OnceLock::new());
        let seen = ended.clone();
        let thread = std::thread::spawn(move || ask(gateway, &path, &seen));
        Self { began: Instant::now(), ended, thread }
    }

    /// The fault is over. Waits until the gateway serves, and tells what it said.
    ///
    /// # Errors
    /// What it should not have said, or not so late.
    pub fn end(self) -> Result<String, String> {
        let ended = *self.ended.get_or_init(Instant::now);
        let asked = self.thread.join().expect("who asks does not panic");
        let again = asked.iter().find(|asked| asked.is_served_after(ended)).ok_or("it does not serve again")?;
        let again = again.answered - ended;
        let meanwhile = |asked: &&Asked| asked.at > self.began + MAY_SERVE && asked.answered < ended;
        let meanwhile: Vec<&Asked> = asked.iter().filter(meanwhile).collect();
        let slowest = meanwhile.iter().map(|asked| asked.answered - asked.at).max().ok_or("it was not asked")?;
        if let Some(wrong) = meanwhile.iter().find(|asked| asked.answer != Some((503, true))) {
            return Err(format!("it answered {:?} and not 503 with Retry-After", wrong.answer));
        }
        if slowest > REFUSES_WITHIN {
            return Err(format!("it took {:.1} s to answer 503", slowest.as_secs_f64()));
        }
        let (count, slowest, again) = (meanwhile.len(), slowest.as_secs_f64(), again.as_secs_f64());
        Ok(format!(
            "{count} of {count} got 503 with Retry-After, at the latest after {slowest:.1} s; served again {again:.1} s after its end"
        ))
    }
}

/// Asks until the fault is over and the gateway serves, or has had time enough to. Answers in the order in which they
/// came.
fn ask(gateway: SocketAddr, path: &str, ended: &OnceLock<Instant>) -> Vec<Asked> {
    let all = Mutex::new(Vec::new());
    let lock = || all.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        loop {
            scope.spawn(|| {
                let asked = Asked::once(gateway, path);
                lock().push(asked);
            });
            std::thread::sleep(PAUSE);
            let Some(&ended) = ended.get() else { continue };
            if ended.elapsed() > SERVES_AGAIN_WITHIN || lock().iter().any(|asked| asked.is_served_after(ended)) {
                return;
            }
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Asked {
    fn once(gateway: SocketAddr, path: &str) -> Self {
        let at = Instant::now();
        let answer = Link::new(&[gateway], 0).send("GET", path, &[], Vec::new());
        let answer = answer.map(|answer| (answer.status, answer.header("retry-after").is_some()));
        Self { at, answered: Instant::now(), answer }
    }

    /// There is no such key, and the gateway knows.
    fn is_served_after(&self, ended: Instant) -> bool {
        self.at > ended && self.answer == Some((404, false))
    }
}
