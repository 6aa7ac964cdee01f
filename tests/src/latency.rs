//! How long a well-behaved client waits.

use crate::{Client, Connection};
use std::time::{Duration, Instant};

/// Between two rounds, so that they are not all in the same moment.
const PAUSE: Duration = Duration::from_millis(150);

/// Of requests one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
}

/// A well-behaved client, with a connection that it keeps.
pub struct Prober<'a> {
    client: &'a Client,
    kept: Connection,
    request: Vec<u8>,
}

impl<'a> Prober<'a> {
    /// Will ask for `path`.
    ///
    /// # Panics
    /// When no connection is taken.
    pub fn new(client: &'a Client, path: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", client.address()).into_bytes();
        Self { client, kept: client.open().expect("a connection is taken"), request }
    }

    /// Over the kept connection: so many requests in each of so many rounds.
    ///
    /// # Panics
    /// When an answer is not 200.
    #[track_caller]
    pub fn over_kept(&mut self, rounds: usize, count: usize) -> Latency {
        best_of(rounds, count, || ask(&mut self.kept, &self.request))
    }

    /// Over a new connection for each request, with its handshake if it is over TLS.
    ///
    /// # Panics
    /// When an answer is not 200.
    #[track_caller]
    pub fn over_new(&self, rounds: usize, count: usize) -> Latency {
        best_of(rounds, count, || ask(&mut self.client.open().expect("a connection is taken"), &self.request))
    }
}

fn ask(connection: &mut Connection, request: &[u8]) {
    connection.send(request).expect("a request is taken");
    connection.read_answer("GET").expect("an answer comes").expect(200);
}

/// Of the rounds the best, for each percentile: what else the machine does for a moment is not the server's, while a
/// crowd is there all the time.
fn best_of(rounds: usize, count: usize, mut ask: impl FnMut()) -> Latency {
    let mut best = Latency { p50: Duration::MAX, p99: Duration::MAX };
    for _ in 0..rounds {
        std::thread::sleep(PAUSE);
        let mut times: Vec<Duration> = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            ask();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        best = Latency { p50: best.p50.min(times[count / 2]), p99: best.p99.min(times[count * 99 / 100]) };
    }
    best
}
