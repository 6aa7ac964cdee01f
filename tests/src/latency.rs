//! How long a well-behaved client waits.

use crate::Client;
use std::time::{Duration, Instant};

/// Of requests one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
}

/// Whether the client goes on with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    Kept,
    /// One for each request, with its handshake over TLS.
    New,
}

/// Asks for `path` so many times in each of so many rounds, and gives the median over the rounds: what else the machine
/// does for a moment is not the server's.
///
/// # Panics
/// When an answer is not 200.
#[track_caller]
pub fn measure(client: &Client, path: &str, connections: Connections, rounds: usize, count: usize) -> Latency {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", client.address()).into_bytes();
    let mut kept = client.open().expect("a connection is taken");
    let mut percentiles: Vec<(Duration, Duration)> = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut times: Vec<Duration> = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            if connections == Connections::New {
                kept = client.open().expect("a connection is taken");
            }
            kept.send(&request).expect("a request is taken");
            kept.read_answer("GET").expect("an answer comes").expect(200);
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        percentiles.push((times[count / 2], times[count * 99 / 100]));
    }
    let median_of = |of: fn(&(Duration, Duration)) -> Duration| {
        let mut values: Vec<Duration> = percentiles.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Latency { p50: median_of(|(p50, _)| *p50), p99: median_of(|(_, p99)| *p99) }
}
