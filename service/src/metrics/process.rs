//! The process itself, as Prometheus's client libraries show it:
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>. From `/proc`, when it is asked for.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Asks the kernel at each scrape.
#[derive(Debug)]
pub(crate) struct ProcessCollector {
    started_seconds: f64,
}

impl ProcessCollector {
    /// Made when the process starts.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_seconds: now.as_secs_f64() }
    }
}

/// Fields of `/proc/self/stat`, proc_pid_stat(5).
struct Stat {
    cpu_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
    threads: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The name, in parentheses, may have spaces: what follows it begins with the third field.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / clock_ticks_per_second() as f64,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: f64| {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let (bytes, seconds) = (Some(&Unit::Bytes), Some(&Unit::Seconds));
        gauge("process_start_time", "When the process started, since 1970", seconds, self.started_seconds)?;
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            gauge("process_open_fds", "Open files and sockets", None, open.count() as f64)?;
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        gauge("process_max_fds", "Files and sockets that may be open", None, limit as f64)?;
        let Some(stat) = Stat::read() else { return Ok(()) };
        gauge("process_resident_memory", "Memory in use", bytes, stat.resident_bytes as f64)?;
        gauge("process_virtual_memory", "Address space in use", bytes, stat.virtual_bytes as f64)?;
        gauge("process_threads", "Threads", None, stat.threads as f64)?;
        let cpu = ConstCounter::new(stat.cpu_seconds);
        let descriptor =
            encoder.encode_descriptor("process_cpu", "CPU time spent, user and system", seconds, cpu.metric_type())?;
        cpu.encode(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn the_process_shows_its_memory_files_and_time() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector::new()));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for name in [
            "process_start_time_seconds ",
            "process_open_fds ",
            "process_max_fds ",
            "process_resident_memory_bytes ",
            "process_virtual_memory_bytes ",
            "process_threads ",
            "process_cpu_seconds_total ",
        ] {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            assert!(line.is_some_and(|value| value.parse::<f64>().unwrap() >= 0.0), "{name} in {text}");
        }
    }
}
