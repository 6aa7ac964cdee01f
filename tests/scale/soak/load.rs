//! The objects that come and go.

use crate::wire::Wire;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_tests::noise;

pub const BUCKET: &str = "soak";
const LARGEST_BYTES: usize = 1 << 20;
/// A request that fails is sent again so often, by a server that says that it may be.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// Failures that are kept word for word.
const MAX_FAILURES: usize = 10;

/// What all threads share.
pub struct Load {
    addresses: Vec<SocketAddr>,
    objects: u64,
    /// Objects that each thread keeps before it deletes the oldest.
    kept_per_thread: u64,
    body: Vec<u8>,
    next: AtomicU64,
    done: AtomicU64,
    repeated: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    pub fn new(addresses: Vec<SocketAddr>, objects: u64, kept_per_thread: u64) -> Self {
        let body = noise(1, LARGEST_BYTES);
        let (next, done, repeated) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { addresses, objects, kept_per_thread, body, next, done, repeated, failures: Mutex::default() }
    }

    /// PUTs and DELETEs that were answered.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Requests that were sent once more, after 503 or a broken connection.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().map(|failures| failures.clone()).unwrap_or_default()
    }

    /// One thread's part: puts, deletes what is oldest of its own, and in the end all the rest.
    pub fn run(&self, deadline: Option<Instant>) {
        let mut wire = Wire::default();
        let mut live = VecDeque::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.objects || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            self.send(&mut wire, number, "PUT", &self.body[..size_of(number)]);
            live.push_back(number);
            if live.len() as u64 > self.kept_per_thread
                && let Some(oldest) = live.pop_front()
            {
                self.send(&mut wire, oldest, "DELETE", &[]);
            }
        }
        live.into_iter().for_each(|number| self.send(&mut wire, number, "DELETE", &[]));
    }

    fn send(&self, wire: &mut Wire, number: u64, method: &str, body: &[u8]) {
        let address = self.addresses[number as usize % self.addresses.len()];
        let mut said = String::new();
        for _ in 0..TRIES {
            match wire.exchange(address, method, &path_of(number), body) {
                Ok(answer) if matches!(answer.status, 200 | 204) => {
                    self.done.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Ok(answer) => said = format!("{}: {}", answer.status, answer.text()),
                Err(error) => said = error.to_string(),
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
        if let Ok(mut failures) = self.failures.lock()
            && failures.len() < MAX_FAILURES
        {
            failures.push(format!("{method} of object {number} failed: {said}"));
        }
    }
}

/// Spread over names so that they neither come nor go in order.
fn path_of(number: u64) -> String {
    format!("/{BUCKET}/{:016x}", mixed(number))
}

/// Three quarters lie with the metadata, most others in segments, one in a hundred in a file of its own: 20 KiB on
/// average.
fn size_of(number: u64) -> usize {
    let random = mixed(number ^ 0x5eed);
    let within = |from: u64, to: u64| (from + (random >> 8) % (to - from)) as usize;
    match random % 100 {
        0 => within(512 << 10, 1 << 20),
        1..=24 => within(16 << 10, 64 << 10),
        _ => within(1 << 10, 8 << 10),
    }
}

/// SplitMix64's mixing: one to one, and without any order left.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_mixed_and_some_are_of_each_kind() {
        let sizes: Vec<usize> = (0..10_000).map(size_of).collect();
        let count = |from: usize, to: usize| sizes.iter().filter(|size| (from..to).contains(*size)).count();
        let (inline, segment, file) = (count(1 << 10, 8 << 10), count(16 << 10, 64 << 10), count(512 << 10, 1 << 20));
        assert_eq!(inline + segment + file, 10_000);
        assert!((7_000..8_000).contains(&inline) && (2_000..2_800).contains(&segment) && (50..200).contains(&file));
    }

    #[test]
    fn no_two_objects_have_one_name() {
        let names: std::collections::BTreeSet<String> = (0..10_000).map(path_of).collect();
        assert_eq!(names.len(), 10_000);
    }
}
