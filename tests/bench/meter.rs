//! What is measured: latencies, bytes, and the server's CPU and memory.

use std::time::{Duration, Instant};

/// One worker's operations.
#[derive(Debug, Default)]
pub struct Tally {
    pub latencies_us: Vec<u64>,
    pub bytes: u64,
    /// Entries of listings; otherwise the operations themselves.
    pub items: u64,
}

impl Tally {
    pub fn add(&mut self, began: Instant, bytes: u64, items: u64) {
        self.latencies_us.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.bytes += bytes;
        self.items += items;
    }
}

/// A workload's result.
#[derive(Debug)]
pub struct Report {
    pub name: String,
    pub concurrency: usize,
    pub elapsed: Duration,
    pub items: u64,
    pub bytes: u64,
    /// Sorted.
    pub latencies_us: Vec<u64>,
    pub cpu: Option<Duration>,
    pub peak_bytes: Option<u64>,
}

impl Report {
    fn percentile_ms(&self, share: f64) -> f64 {
        if self.latencies_us.is_empty() {
            return 0.0;
        }
        let last = self.latencies_us.len() - 1;
        self.latencies_us[(last as f64 * share).round() as usize] as f64 / 1000.0
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64()
    }

    fn cpu_us_per_item(&self) -> Option<f64> {
        (self.items > 0).then_some(self.cpu?.as_micros() as f64 / self.items as f64)
    }

    pub fn print(&self, markdown: bool) {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
        let mib_per_second = self.per_second(self.bytes) / f64::from(1 << 20);
        let cpu_us = or_dash(self.cpu_us_per_item().map(|us| format!("{us:.0}")));
        let peak_mib = or_dash(self.peak_bytes.map(|bytes| format!("{}", bytes >> 20)));
        let percentiles = [0.5, 0.9, 0.99, 1.0].map(|share| format!("{:.1}", self.percentile_ms(share)));
        if markdown {
            println!(
                "| {} | {} | {:.0} | {mib_per_second:.0} | {cpu_us} | {} | {peak_mib} |",
                self.name,
                self.concurrency,
                self.per_second(self.items),
                percentiles.join(" / "),
            );
            return;
        }
        println!(
            "{:<24} {:>3} in flight  {:>9.0} /s  {mib_per_second:>7.0} MiB/s  ms p50 {} p90 {} p99 {} max {}  \
             CPU {cpu_us} us each, {:.2} s  peak {peak_mib} MiB  ({} in {:.1} s)",
            self.name,
            self.concurrency,
            self.per_second(self.items),
            percentiles[0],
            percentiles[1],
            percentiles[2],
            percentiles[3],
            self.cpu.unwrap_or_default().as_secs_f64(),
            self.items,
            self.elapsed.as_secs_f64(),
        );
    }
}
